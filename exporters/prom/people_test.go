package prom_test

import (
	"strings"
	"testing"
)

func TestPeople(t *testing.T) {
	now := t0
	_, page := get(t, newExporter(&now, weighing("p")).Handler())
	wantLines(t, page,
		`relgate_approval_signatures_missing{allows="start",plan="p"} 2`, `relgate_approval_signatures_missing{allows="override",plan="p"} 0`,
		`relgate_approval_waived{allows="start",plan="p"} 0`, `relgate_approval_waived{allows="override",plan="p"} 1`,
		`relgate_message_state{message="ops",plan="p",state="sent"} 1`, `relgate_message_state{message="ops",plan="p",state="due"} 0`,
		`relgate_criterion_state{criterion="phases_passed",plan="p",state="met"} 1`, `relgate_criterion_state{criterion="phases_passed",plan="p",state="open"} 0`,
		`relgate_review_signatures_missing{plan="p"} 1`,
	)
	if strings.Contains(page, "pleased") {
		t.Error("a criterion that people judge is a metric")
	}
}
