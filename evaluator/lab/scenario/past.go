package scenario

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// past is the releases that passed before, newest first. One without any says
// that there are none.
type past struct {
	releases []release
	none     bool
}

type release struct {
	plan   string
	at     stamp
	totals []rules.Group
}

// add reads "plan=rel-6 at=T-7d totals={errors: 12/6000}" or "none".
func (p *past) add(text string) error {
	if text = strings.TrimSpace(text); text == "none" && len(p.releases) == 0 && !p.none {
		p.none = true
		return nil
	}
	if p.none || text == "none" {
		return errors.New("past none: there are others beside it")
	}
	pairs, err := parsePairs(text)
	if err != nil {
		return err
	}
	var r release
	seen := map[string]bool{}
	for _, x := range pairs {
		if seen[x.key] {
			return fmt.Errorf("past: %s is there twice", x.key)
		}
		seen[x.key] = true
		if err := r.set(x); err != nil {
			return err
		}
	}
	if !seen["plan"] || !seen["at"] {
		return fmt.Errorf("past: want plan= and at=, or none")
	}
	p.releases = append(p.releases, r)
	return nil
}

func (r *release) set(x pair) (err error) {
	switch x.key {
	case "plan":
		r.plan = x.value
	case "at":
		r.at, err = parseStamp(x.value)
	case "totals":
		inside, ok := inBraces(x.value)
		if !ok {
			return fmt.Errorf("past: totals=%s: want bad/total of each signal, such as {errors: 12/6000}", x.value)
		}
		r.totals, err = parseGroups(inside)
	default:
		err = fmt.Errorf("past: %q: want plan=, at= or totals=, or none", x.key+x.value)
	}
	return err
}

// of is the same as the evaluator gets it: nil if the file says nothing of it.
func (p *past) of(start int64) []fact.Past {
	if p == nil {
		return nil
	}
	list := make([]fact.Past, len(p.releases))
	for i, r := range p.releases {
		list[i] = fact.Past{Run: r.plan, At: time.Unix(r.at.seconds(start), 0).UTC()}
		for _, t := range r.totals {
			list[i].Totals = append(list[i].Totals, fact.Total{Signal: t.Name, Bad: t.Value, Samples: t.Samples})
		}
	}
	return list
}

func formatPast(list []fact.Past, start int64) string {
	if list == nil {
		return ""
	}
	if len(list) == 0 {
		return "past none\n"
	}
	var b strings.Builder
	for _, p := range list {
		fmt.Fprintf(&b, "past plan=%s at=%s", quote(p.Run), formatStamp(p.At.Unix(), start))
		if len(p.Totals) > 0 {
			groups := make([]rules.Group, len(p.Totals))
			for i, t := range p.Totals {
				groups[i] = rules.Group{Name: t.Signal, Value: t.Bad, Samples: t.Samples}
			}
			b.WriteString(" totals=" + formatGroups(groups))
		}
		b.WriteString("\n")
	}
	return b.String()
}
