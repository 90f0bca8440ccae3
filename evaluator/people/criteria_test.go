package people

import (
	"testing"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// relgate does not know whether a message without a sink was sent: that it fell due does not
// meet the criterion.
func TestAMessageWithoutASinkIsNotKnownToBeSent(t *testing.T) {
	plan := &rules.Plan{Communications: []rules.Communication{{Name: "ops"}}, PassCriteria: []string{rules.CriterionMessages}}
	st := readOlder(t, 1)
	fitted := st.Fitted(plan)
	v := fitted.View(plan, 0, 0, rules.Passed, nil)
	if got := v.Messages[0].State; got != fact.Due {
		t.Fatalf("the message is %s, want due", got)
	}
	if got := v.Criteria[0].State; got != fact.CriterionOpen {
		t.Errorf("the criterion is %v, want open", got)
	}
}
