package effects

import (
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/stored"
	"github.com/relgate/relgate/rules"
)

// State is where the way back of a run stands between two ticks. No one changes it: its
// methods give another.
type State struct {
	ladders []ladder // of the rules that fire, and are still at what slows the fault down
	steps   []step   // what was asked for, in order
	rolled  int64    // since when the run is rolled back; 0 while it is not
	back    int64    // since when the way back is taken
	ended   int64    // since when users are safe, or it has only stopped
	given   bool     // the watch for that was given up

	proofs []proof     // what is known of steps before they are needed
	drill  *fact.Drill // the newest rehearsal
	lacks  bool        // it was said that the way back is not rehearsed
	waived int64       // since when phases begin though it is not known to exist; 0: they do not
}

// ladder is a rule that would roll the run back, and slows the fault down first.
type ladder struct {
	rule  string
	since int64
}

// step is an effect that a rule has asked for. It goes by the names of rule and effect, so
// that an edit of the plan takes nothing back.
type step struct {
	rule, name string
	do         string
	slow       bool // it comes before the rollback, and only slows the fault down
	is         life
	at         int64  // since when
	due        int64  // planned: when it is intended; later: when it was
	event      uint64 // that intended it, by its ordinal; 0 for none
	sink       string // that the event went to
	by         string // who acknowledged it, or said what became of it
	kept       string // the receiver's own name for it, or what it read back
	told       int    // how often others were told that no one has acknowledged it
	tell       int64  // when they are told next
}

// life is where a step stands.
type life byte

const (
	planned life = iota
	intended
	acknowledged
	done
	failed
	skipped
	dropped
)

var lives = [...]string{fact.Planned, fact.Intended, fact.Acknowledged, fact.Done, fact.Failed, fact.Skipped, fact.Dropped}

func (l life) String() string { return lives[l] }

// open reports whether something is still expected of it.
func (s *step) open() bool { return s.is <= acknowledged || s.is == failed }

// Ladder gives since when a rule slows the fault down, 0 where it does not.
func (st *State) Ladder(rule string) int64 {
	for _, l := range st.ladders {
		if l.rule == rule {
			return l.since
		}
	}
	return 0
}

// Kept reports whether a person does not want the rule that slows the fault down to roll
// the run back.
func (st *State) Kept(r *rules.Rule) bool {
	k := r.Rung()
	return k >= 0 && slices.ContainsFunc(st.steps, func(s step) bool {
		return s.rule == r.Name && s.name == r.Effects[k].Name && s.is == skipped && s.at >= st.Ladder(r.Name)
	})
}

// Watches reports whether the signals of a run that is rolled back are watched until they
// are good again.
func (st *State) Watches() bool {
	return st.rolled != 0 && st.ended == 0 && !st.given && len(st.steps) > 0
}

// watchFor is how long they are watched at the longest, from the rollback on.
const watchFor = 24 * 60 * 60

// Back reports whether all that the rollback asks for is done.
func (st *State) Back() bool { return st.back != 0 }

// Climb notes whether a rule would roll the run back that slows the fault down first.
func (st State) Climb(rule string, at int64, fires bool) State {
	k := slices.IndexFunc(st.ladders, func(l ladder) bool { return l.rule == rule })
	switch {
	case fires && k < 0:
		st.ladders = append(slices.Clone(st.ladders), ladder{rule, at})
	case !fires && k >= 0:
		st.ladders = slices.Delete(slices.Clone(st.ladders), k, k+1)
	}
	return st
}

// Write writes the stored form.
func (st *State) Write(w *stored.Writer) {
	stored.List(w, st.ladders, func(w *stored.Writer, l *ladder) {
		w.String(l.rule)
		w.Int(l.since)
	})
	stored.List(w, st.steps, func(w *stored.Writer, s *step) {
		for _, text := range []string{s.rule, s.name, s.do, s.sink, s.by, s.kept} {
			w.String(text)
		}
		w.Bool(s.slow)
		w.Byte(byte(s.is))
		w.Int(s.at)
		w.Int(s.due)
		w.Uint(s.event)
		w.Int(int64(s.told))
		w.Int(s.tell)
	})
	w.Int(st.rolled)
	w.Int(st.back)
	w.Int(st.ended)
	w.Bool(st.given)
	stored.List(w, st.proofs, writeProof)
	stored.Optional(w, st.drill)
	w.Bool(st.lacks)
	w.Int(st.waived)
}

// FormProofs is the form of the stored state from which on the way back is proven before it
// is needed.
const FormProofs = 6

// Read reads what Write wrote.
func Read(r *stored.Reader) (st State) {
	st.ladders = stored.ReadList(r, 2, func(r *stored.Reader, l *ladder) { *l = ladder{r.String(), r.Time()} })
	st.steps = stored.ReadList(r, 13, func(r *stored.Reader, s *step) {
		*s = step{rule: r.String(), name: r.String(), do: r.String(), sink: r.String(), by: r.String(), kept: r.String()}
		s.slow, s.is = r.Bool(), life(r.Enum(len(lives)))
		s.at, s.due, s.event = r.Time(), r.Time(), r.Uint()
		s.told, s.tell = int(r.Int32()), r.Time()
	})
	st.rolled, st.back, st.ended = r.Time(), r.Time(), r.Time()
	st.given = r.Bool()
	if r.Form >= FormProofs {
		st.proofs = stored.ReadList(r, 10, readProof)
		st.drill = stored.ReadOptional[fact.Drill](r)
		st.lacks, st.waived = r.Bool(), r.Time()
	}
	return st
}

// effect is what the plan says of a step; nil where an edit has taken it out.
func effect(plan *rules.Plan, s *step) (*rules.Rule, *rules.Effect) {
	for i := range plan.Rules {
		r := &plan.Rules[i]
		if r.Kind != rules.RollbackRule || r.Name != s.rule {
			continue
		}
		for k := range r.Effects {
			if r.Effects[k].Name == s.name {
				return r, &r.Effects[k]
			}
		}
	}
	return nil, nil
}

// View is what people see of the steps.
func (st *State) View(plan *rules.Plan) fact.Effects {
	v := fact.Effects{Rolled: when(st.rolled), Back: when(st.back), Ended: when(st.ended), Stopped: st.stops(), Proofs: st.proofViews(), Drill: st.drill, Waived: when(st.waived)}
	for i := range st.steps {
		s := &st.steps[i]
		shown := fact.EffectView{Rule: s.rule, Name: s.name, Do: s.do, Slow: s.slow, State: s.is.String(), At: when(s.at), Due: when(s.due), Sink: s.sink, By: s.by, Kept: s.kept, Told: s.told, Event: s.event}
		if s.is == done && st.ended != 0 && !st.stops() {
			shown.State = fact.Verified
		}
		if _, e := effect(plan, s); e != nil {
			shown.Role, shown.Command, shown.Link = e.By, e.Command, e.Link
		}
		v.Steps = append(v.Steps, shown)
	}
	return v
}

// stops reports whether something was done that only keeps the fault from spreading.
func (st *State) stops() bool {
	return slices.ContainsFunc(st.steps, func(s step) bool { return s.do == rules.DoPause && s.is == done })
}

func when(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(at, 0).UTC()
}

func secs(d time.Duration) int64 { return int64(d / time.Second) }
