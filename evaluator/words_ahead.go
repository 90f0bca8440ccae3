package evaluator

import (
	"fmt"
	"math"
	"sort"
	"strings"

	"github.com/relgate/relgate/evaluator/evidence"
)

// moreWords says what would decide.
func (st *State) moreWords(lay *layout, w *watch, v *successView) string {
	f, a, c := v.proof, v.proof.ahead, countedAs(lay.plan, w.sig)
	var parts []string
	if w.rule.Trigger != w.rule.Limit {
		parts = append(parts, st.wantWords(w, v, &a.excludes, c.good, "exclude the "+triggerWords(w)+" trigger")+enoughHere(f))
	}
	if f.weak && a.meets > 0 {
		parts = append(parts, fmt.Sprintf("%s would bring it to its %s target%s, without which it does not pass",
			moreOf(a.meets, c.good), target(w), st.atPresent(w, v, a.meets, 0)))
	}
	parts = append(parts, st.wantWords(w, v, &a.proves, c.good, "prove "+target(w)))
	if v.closed {
		return strings.Join(parts, ", ") // what would come next matters to nobody
	}
	if next := math.Max(40, math.Ceil(v.weigh.n/10)); v.soft != nil {
		if bad := w.badToWarn(v.soft, next); bad > 0 {
			parts = append(parts, fmt.Sprintf("%s in the next %s would warn of it", c.bad.more(count(bad)), count(next)))
		}
	}
	text := strings.Join(parts, ", ")
	switch {
	case a.futile:
		text += "; it cannot pass in the time it has at the present traffic, not even without one more: extend the window or send it more traffic"
	case a.late:
		text += "; its phase gives up waiting before that: extend the window"
	}
	return text
}

// enoughHere says that a weak proof is all that a phase asks for.
func enoughHere(f *proof) string {
	if f.weak && f.ahead.meets == 0 {
		return ", which is proof enough here"
	}
	return ""
}

// wantWords says what it takes to show something: "about 360 more good samples
// would prove < 1 % (18 min at the present traffic)".
func (st *State) wantWords(w *watch, v *successView, n *want, good named, what string) string {
	switch {
	case n.never:
		return "no number of them would " + what
	case n.young:
		return "these would " + what + " once " + st.ripeWords(w, n.ripe)
	case n.more > 0:
		return fmt.Sprintf("%s would %s%s", moreOf(n.more, good), what, st.atPresent(w, v, n.more, v.proof.ahead.lag))
	}
	return "these " + what
}

// ripeWords says when samples that have come count in favour.
func (st *State) ripeWords(w *watch, at int64) string {
	text := "they have settled"
	if w.sig.Maturity > 0 {
		text = "they are " + in(secs(w.sig.Maturity)) + " old"
	}
	if at == 0 {
		return text
	}
	return text + ", at " + hour(at, st.at)
}

// atPresent says how long so many samples take, and until the last of them counts.
func (st *State) atPresent(w *watch, v *successView, more float64, lag int64) string {
	a := v.proof.ahead
	switch {
	case v.closed:
		return ""
	case a.present <= 0:
		return " (none come at present)"
	}
	old := ""
	if lag > 0 && w.sig.Maturity > 0 {
		old = ", until they are " + in(secs(w.sig.Maturity)) + " old"
	}
	return fmt.Sprintf(" (%s at the present traffic%s)", in(a.wait(w, v, more, lag, st.at)), old)
}

// moreOf is about so many more.
func moreOf(n float64, what named) string {
	text := what.more(about(n))
	if n > 1 {
		text = "about " + text
	}
	return text
}

// about writes a number with two digits: nobody counts sessions to the last one.
func about(n float64) string {
	if n < 100 {
		return count(math.Ceil(n))
	}
	step := math.Pow(10, math.Floor(math.Log10(n))-1)
	return count(math.Ceil(n/step) * step)
}

// badToWarn is how many of the next n samples must be bad for the evidence that
// warns to reach its bound; 0 when not even all of them would do.
func (w *watch) badToWarn(z *weighed, n float64) float64 {
	then := *z
	omega := w.weight(&then, z.newest)
	warns := func(bad int) bool {
		track := z.track
		w.lay.test.Look(&track, z.newest, evidence.Minute{N: n, Bad: float64(bad)}, omega)
		return w.lay.test.Warn(&track) >= w.lay.bound
	}
	bad := sort.Search(int(n)+1, warns)
	if bad > int(n) {
		return 0
	}
	return float64(bad)
}

// enoughStars says how many reviews would decide, if they go on as they are.
func (st *State) enoughStars(w *watch, v *successView) string {
	if !v.undecided() || v.cutShort() || v.weigh.n <= 0 {
		return ""
	}
	if v.weigh.rung >= rungHold {
		return failsAtEnd
	}
	f, a := v.proof, v.proof.ahead
	var parts []string
	say := func(n *want, what, more string) {
		if !n.never {
			parts = append(parts, st.wantWords(w, v, n, named{"like these", "like these"}, what)+more)
		}
	}
	if w.rule.Trigger != w.rule.Limit {
		say(&a.excludes, "exclude the "+triggerWords(w)+" trigger", enoughHere(f))
	}
	if f.weak && a.meets > 0 {
		fives := named{"with five stars", "with five stars"}
		parts = append(parts, fmt.Sprintf("%s would bring it to its %s target, without which it does not pass", moreOf(a.meets, fives), target(w)))
	}
	say(&a.proves, "prove "+target(w), "")
	say(&a.fails, "show it bad", "")
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, ", ")
}

// failsAtEnd ends the sentence of a rule that has come to holding before its
// window ended.
const failsAtEnd = "; as it stands it fails when its window ends"
