package report

import (
	"math"
	"strconv"
	"time"

	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/rules"
)

// Words are what a status is called.
func (s Status) Words() string {
	switch s {
	case Met:
		return "met"
	case NotMet:
		return "not met"
	}
	return "open"
}

// words says how a metric stands in a phase: a breach is another thing than not knowing.
func (f *MetricPhase) words() string {
	switch {
	case f.Status == Met:
		return "met"
	case f.Status == NotMet && f.Result == "fail":
		return "breached"
	case f.Status == NotMet && f.Result == "pending":
		return "not shown"
	case f.Status == NotMet:
		return "not shown (" + spoken(f.Result) + ")"
	case f.Result == "pending":
		return "open"
	}
	return "open (" + spoken(f.Result) + ")"
}

func (t *Trigger) words() string {
	said := spoken(t.State)
	if t.Shadow {
		said += " (shadow)"
	}
	if t.Fired && t.State != "triggered" {
		said += "; it has fired"
	}
	return said
}

func (x *Phase) stateWords() string {
	said := spoken(x.State)
	if x.OverriddenBy != "" {
		said += " (override)"
	}
	return said
}

// allowed says what a signature is for.
func (a *Approval) allowed() string {
	if a.Allows == "review" {
		return "the review"
	}
	return words.Allowed(a.Allows)
}

// binding says whether a signature is on the plan in force.
func (a *Approval) binding() string {
	switch {
	case a.State != "approved":
		return "–"
	case a.Digest == "":
		return "not known"
	case a.Current:
		return "yes"
	}
	return "no"
}

// short is the beginning of a digest, enough to compare by eye.
func short(digest string) string {
	if len(digest) > 12 {
		return digest[:12]
	}
	return digest
}

func percent(p *float64) string {
	if p == nil {
		return "–"
	}
	return strconv.FormatFloat(*p, 'f', -1, 64) + " %"
}

func count(n *float64) string {
	if n == nil {
		return "–"
	}
	return rules.Count(math.Round(*n))
}

// minutes writes a length of time: "18m", "2h5m".
func minutes(n *float64) string {
	if n == nil {
		return "–"
	}
	return took(time.Duration(*n * float64(time.Minute)))
}

// took writes a length of time, to the second below three minutes and to the minute above.
func took(d time.Duration) string {
	unit := time.Minute
	if d < 3*time.Minute {
		unit = time.Second
	}
	return rules.Duration{Duration: d.Round(unit)}.String()
}

// after says how long after something else a time was; empty where that is not known.
func after(seconds *float64, what string) string {
	if seconds == nil {
		return ""
	}
	return ", " + took(time.Duration(*seconds*float64(time.Second))) + " " + what
}

func by(who string) string {
	if who == "" {
		return ""
	}
	return " by " + who
}

func archivedAt(link string) string {
	if link == "" {
		return ""
	}
	return ", at " + link
}
