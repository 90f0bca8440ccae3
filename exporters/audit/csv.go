package audit

import (
	"cmp"
	"encoding/csv"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/exporters/wire"
)

// columns are the head of the CSV, in the order of docs/audit.md.
var columns = strings.Fields(`run plan version try state verdict requested_at requested_by requested_token requested_why
	planned_start started_at plan_at_start plan_now roles approvals approvals_before_start evidence deployment checks decided_at
	rolled_back_at rollback_acknowledged_at review exceptions gaps population seed`)

// CSV writes the list as CSV, with a head. What a spreadsheet would take for a formula
// begins with an apostrophe.
func (l *List) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	rows := [][]string{columns}
	for i := range l.Rows {
		rows = append(rows, l.cells(&l.Rows[i]))
	}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, text := range row {
			cells[i] = harmless(text)
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func (l *List) cells(r *Row) []string {
	var all, before []string
	for _, a := range r.Approvals {
		all = append(all, a.words())
		if a.Before {
			before = append(before, a.words())
		}
	}
	var ordered, acknowledged []string
	for _, b := range r.Rollbacks {
		ordered, acknowledged = append(ordered, at(b.OrderedAt)), append(acknowledged, cmp.Or(at(b.AcknowledgedAt), "not acknowledged"))
	}
	return []string{
		r.Run, r.Plan, r.Version, strconv.Itoa(r.Try), r.State, r.Verdict, at(r.RequestedAt), r.RequestedBy, r.RequestedToken, r.RequestedWhy,
		at(r.Start), at(r.StartedAt), r.PlanAtStart, r.PlanNow, strings.Join(r.Roles, "; "), strings.Join(all, "; "), strings.Join(before, "; "),
		strings.Join(r.Evidence, "; "), strings.Join(r.Deployment, "; "), strings.Join(r.Checks, "; "), at(r.DecidedAt),
		strings.Join(ordered, "; "), strings.Join(acknowledged, "; "), r.Review, findings(r.Exceptions), findings(r.Gaps), strconv.Itoa(l.Population), l.Seed,
	}
}

// words are a signature in a cell: role, name, token, time, meaning and what was signed.
func (a *Signature) words() string {
	return words.Allowed(a.For) + ", " + a.Role + " by " + cmp.Or(a.By, "no name") + " (" + cmp.Or(a.Token, "no token") + ") at " + at(a.At) + ": " + cmp.Or(a.Meaning, "no meaning") + ", plan " + cmp.Or(a.Digest, "not known")
}

func findings(list []Finding) string {
	var all []string
	for _, f := range list {
		all = append(all, f.Code+": "+f.Text)
	}
	return strings.Join(all, "; ")
}

func at(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// harmless is a cell that no spreadsheet runs: an apostrophe stands before what begins like
// a formula, also behind blanks. It has one line, and what could show as something else is
// written as an escape.
func harmless(text string) string {
	text = within.ReplaceAllString(text, "$1'$2")
	text = wire.Plain(strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ", "\t", " ").Replace(text))
	if begin := strings.TrimLeft(text, " \u00a0\u3000'\""); begin != "" && strings.ContainsRune("=+-@\uff1d\uff0b\uff0d\uff20|%", []rune(begin)[0]) {
		return "'" + text
	}
	return text
}

// within is a formula behind a semicolon: where that separates cells, it would begin one.
var within = regexp.MustCompile("(;[\\s\"']*)([=+@\uff1d\uff0b\uff0d\uff20-])")
