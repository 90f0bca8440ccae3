package sources

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/relgate/relgate/rules"
)

// maxDetail is what a reading's Detail and Note may hold, in bytes.
const maxDetail = 300

// Faulty is the reading of a want that has no points, and why.
func Faulty(w Want, fault rules.Fault, detail string) rules.Reading {
	return rules.Reading{Signal: w.Index, From: w.From, To: w.To, Fault: fault, Detail: Clip(detail)}
}

func allFaulty(wants []Want, fault rules.Fault, detail string) []rules.Reading {
	out := make([]rules.Reading, len(wants))
	for i, w := range wants {
		out[i] = Faulty(w, fault, detail)
	}
	return out
}

// Clip makes a text fit for a reading's Detail: one line of valid UTF-8 of at
// most 300 bytes.
func Clip(text string) string {
	text = strings.Map(func(r rune) rune {
		if rules.Unsafe(r) != "" || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
	return cut(strings.Join(strings.Fields(text), " "), maxDetail)
}

// cut shortens a text to at most so many bytes, at a rune, and shows that it did.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	at := most - len("…")
	for at > 0 && !utf8.RuneStart(text[at]) {
		at--
	}
	return text[:at] + "…"
}

// checked holds a source to its contract: one reading for each want, in order,
// with possible values only. It gives the number of points dropped.
func checked(now time.Time, wants []Want, answers []rules.Reading) (out []rules.Reading, dropped int) {
	if len(answers) != len(wants) {
		// It is unknown which answer belongs to which question.
		return allFaulty(wants, rules.PartialData, fmt.Sprintf("%d readings for %d questions", len(answers), len(wants))), 0
	}
	out = make([]rules.Reading, len(wants))
	for i, w := range wants {
		if answers[i].Signal != w.Index {
			out[i] = Faulty(w, rules.PartialData, fmt.Sprintf("the reading is of signal %d, not of %d", answers[i].Signal, w.Index))
			continue
		}
		var n int
		out[i], n = sanitised(now, w, answers[i])
		dropped += n
	}
	return out, dropped
}

// sanitised drops the points and parts that cannot be true. A reading that lost one, or
// that has a fault, gets no watermark. (NoData is a complete answer and may have one.)
func sanitised(now time.Time, w Want, r rules.Reading) (clean rules.Reading, dropped int) {
	r.From, r.To = w.From, w.To
	r.Detail, r.Note = Clip(r.Detail), Clip(r.Note)
	if int(r.Fault) >= len(rules.Faults()) {
		r.Fault, r.Detail = rules.PartialData, "the source gave an unknown fault"
	}
	if r.Width < 0 {
		r.Width = 0
	}
	boundPause(now, w, &r)
	points, why := possible(w, r)
	if dropped = len(r.Points) - len(points); dropped > 0 {
		r.Fault = worse(r.Fault)
		r.Detail = Clip(fmt.Sprintf("%d of %d points dropped: %s; %s", dropped, len(r.Points), why, r.Detail))
		r.Detail = strings.TrimSuffix(r.Detail, "; ")
	}
	parts, why := consistent(w, r, points)
	if len(parts) < len(r.Parts) && dropped == 0 {
		// If a point was dropped, the detail says so already, and its parts go with it.
		r.Fault, r.Detail = worse(r.Fault), Clip(why)
	}
	r.Points, r.Parts = points, parts
	r.SettledUntil = max(0, min(r.SettledUntil, r.To, now.Unix()))
	if r.Fault != rules.OK && r.Fault != rules.NoData {
		r.SettledUntil = 0
	}
	return r, dropped
}

// shortest is how long a source that failed is left alone anyway, in seconds.
const shortest = 30

// boundPause bounds how long an upstream is left alone because it asked for that, and
// says so in the reading's detail. A pause that is over before the source would be
// asked anyway changes nothing, and is not worth a word.
func boundPause(now time.Time, w Want, r *rules.Reading) {
	every := time.Duration(0)
	if w.Signal != nil {
		every = w.Signal.Every
	}
	latest := now.Add(Patience(every)).Unix()
	switch {
	case r.RetryAt <= now.Unix():
		r.RetryAt = 0
		return
	case r.Fault == rules.OK || r.Fault == rules.NoData || r.RetryAt-now.Unix() <= shortest:
		r.RetryAt = min(r.RetryAt, latest)
		return
	}
	said := "left alone until "
	if r.RetryAt > latest {
		r.RetryAt, said = latest, "asked again anyway at "
	}
	r.Detail = cut(r.Detail, maxDetail-60) + "; " + said + time.Unix(r.RetryAt, 0).UTC().Format("15:04:05 UTC")
}

// worse is the fault of a reading from which something was dropped.
func worse(f rules.Fault) rules.Fault {
	if f == rules.OK || f == rules.NoData {
		return rules.PartialData
	}
	return f
}

// possible gives the points that can be true, and why the first of the others
// cannot. If all can, nothing is copied.
func possible(w Want, r rules.Reading) (kept []rules.Point, why string) {
	width := r.Width
	if width == 0 && w.Signal != nil {
		width = int64(w.Signal.Period / time.Second)
	}
	if room := capacity(w.From, w.To, width); int64(len(r.Points)) > room {
		return nil, fmt.Sprintf("%d points, and the range has room for %d", len(r.Points), room)
	}
	from := w.From
	if r.Width > 0 {
		// A period wider than asked for begins before the range and reaches into it.
		from = w.From - r.Width + 1
	}
	kept, last := r.Points[:0:0], int64(math.MinInt64)
	for _, p := range r.Points {
		fault := impossible(w.Signal, p)
		switch {
		case fault != "":
		case p.At < from || p.At >= w.To:
			fault = "outside the range asked for"
		case p.At <= last:
			fault = "not in ascending order"
		}
		if fault == "" {
			kept, last = append(kept, p), p.At
		} else if why == "" {
			why = fmt.Sprintf("the point at %s is %s", time.Unix(p.At, 0).UTC().Format(time.RFC3339), fault)
		}
	}
	return kept, why
}

// capacity is how many periods of a width touch a range.
func capacity(from, to, width int64) int64 {
	if to <= from {
		return 0
	}
	if width <= 0 {
		return to - from
	}
	return (to-from)/width + 2
}

// impossible says why a point cannot be true, or "".
func impossible(s *rules.Signal, p rules.Point) string {
	switch {
	case !finite(p.Value) || !finite(p.Samples):
		return "not a finite number"
	case p.Value < 0 || p.Samples < 0:
		return "negative"
	case s == nil:
		return ""
	case s.Kind == rules.Ratio && p.Value > p.Samples:
		return fmt.Sprintf("%v bad of %v", p.Value, p.Samples)
	case s.Kind == rules.Mean && p.Samples == 0 && p.Value > 0:
		return "a sum of no samples"
	case s.Kind == rules.Alarm && p.Value != 0 && p.Value != 1:
		return "neither OK nor ALARM"
	}
	return ""
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
