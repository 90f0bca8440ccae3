package audit

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/relgate/relgate/exporters/report"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// APIVersion stands in every list; it changes when a field changes its meaning.
const APIVersion = "audit/v1"

// Run is a run as the journal has it.
type Run struct {
	Record     wire.RunSummary
	N          uint64                 // events that it has by its record
	Events     []wire.EventBody       // all of them, in order
	Digests    map[uint64]string      // :: number of an event → digest of the plan in force then
	Plans      map[string]*rules.Plan // :: digest → plan
	Deliveries []report.Delivery
}

// List is the runs that began in a stretch of time: all of them, or a sample.
type List struct {
	APIVersion string     `json:"apiVersion"`
	From       time.Time  `json:"from"`                    // the first time that counts
	Before     time.Time  `json:"before"`                  // the first that does not
	Journal    int        `json:"journal" unit:"count"`    // runs in the journal, of any time
	Oldest     *time.Time `json:"oldest"`                  // when the oldest of them began; null: there is none
	Population int        `json:"population" unit:"count"` // runs that began in the stretch
	Sample     int        `json:"sample" unit:"count"`     // rows that were drawn of them; 0: the rows are all
	Seed       string     `json:"seed"`                    // of the draw; empty where nothing was drawn
	Rows       []Row      `json:"rows"`                    // by when they began
}

// Row is one run.
type Row struct {
	Run            string      `json:"run"`
	Plan           string      `json:"plan"`
	Version        string      `json:"version"`
	Try            int         `json:"try" unit:"ordinal"`
	State          string      `json:"state"`
	Verdict        string      `json:"verdict"`
	RequestedAt    *time.Time  `json:"requestedAt"`    // when it began
	RequestedBy    string      `json:"requestedBy"`    // in the sender's words; empty: the plan's file began it
	RequestedToken string      `json:"requestedToken"` // name of the token that proved it; empty: nothing did
	RequestedWhy   string      `json:"requestedWhy"`   //
	Start          *time.Time  `json:"start"`          // T, as planned
	StartedAt      *time.Time  `json:"startedAt"`      // when the first phase began; null: none has
	PlanAtStart    string      `json:"planAtStart"`    // digest of the plan in force then
	PlanNow        string      `json:"planNow"`        // and at the end
	Roles          []string    `json:"roles"`          // whose approval the plan asks
	Approvals      []Signature `json:"approvals"`      // every one that was given, in order
	Evidence       []string    `json:"evidence"`       // what the rules came to, phase by phase
	Deployment     []string    `json:"deployment"`     // the phases that began, and when
	Checks         []string    `json:"checks"`         // how the phases ended, and when
	DecidedAt      *time.Time  `json:"decidedAt"`      // null: the run is not decided
	Rollbacks      []Rollback  `json:"rollbacks"`      // each that was ordered, in order
	Review         string      `json:"review"`         // none, open, complete, archived
	Exceptions     []Finding   `json:"exceptions"`     // what happened out of the ordinary
	Gaps           []Finding   `json:"gaps"`           // what is missing
}

// Rollback is a rollback that was ordered.
type Rollback struct {
	OrderedAt      *time.Time `json:"orderedAt"`
	AcknowledgedAt *time.Time `json:"acknowledgedAt"` // null: it was not reported as carried out
}

// Signature is an approval that was given.
type Signature struct {
	For     string     `json:"for"` // start, override, or a phase
	Role    string     `json:"role"`
	By      string     `json:"by"`
	Token   string     `json:"token"`
	At      *time.Time `json:"at"`
	Meaning string     `json:"meaning"`
	Digest  string     `json:"digest"` // of the plan that was approved
	Before  bool       `json:"before"` // the first phase began later, or has not begun
}

// Finding is one exception or gap.
type Finding struct {
	Code string     `json:"code"` // "self-approval": docs/audit.md has all
	Text string     `json:"text"`
	At   *time.Time `json:"at"` // null where it is about what never happened
}

// Make lists the runs that began at from or later and before another time. The runs are
// all of the journal, in any order.
func Make(runs []Run, from, before time.Time) *List {
	l := &List{APIVersion: APIVersion, From: from.UTC(), Before: before.UTC(), Journal: len(runs), Rows: []Row{}}
	known := map[string]bool{}
	for i := range runs {
		r := &runs[i].Record
		known[r.ID] = true
		if r.Begun != nil && (l.Oldest == nil || r.Begun.Before(*l.Oldest)) {
			l.Oldest = r.Begun
		}
	}
	for i := range runs {
		begun := runs[i].Record.Begun
		if begun == nil || begun.Before(from) || !begun.Before(before) {
			continue
		}
		l.Rows = append(l.Rows, rowOf(&runs[i], known))
	}
	slices.SortFunc(l.Rows, func(a, b Row) int {
		return cmp.Or(a.RequestedAt.Compare(*b.RequestedAt), cmp.Compare(a.Run, b.Run))
	})
	l.Population = len(l.Rows)
	return l
}

// Draw leaves n rows of the list, or all where it has no more. Which they are follows from
// the seed and the ids of the runs alone: the n whose SHA-256 of the seed, a line feed and
// the id is the least.
func (l *List) Draw(n int, seed string) {
	order := func(r Row) string {
		sum := sha256.Sum256([]byte(seed + "\n" + r.Run))
		return hex.EncodeToString(sum[:])
	}
	drawn := slices.SortedFunc(slices.Values(l.Rows), func(a, b Row) int { return cmp.Compare(order(a), order(b)) })
	drawn = drawn[:min(n, len(drawn))]
	l.Rows = slices.DeleteFunc(l.Rows, func(r Row) bool {
		return !slices.ContainsFunc(drawn, func(d Row) bool { return d.Run == r.Run })
	})
	l.Sample, l.Seed = len(l.Rows), seed
}
