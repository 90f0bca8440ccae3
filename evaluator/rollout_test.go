package evaluator

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/rollout"
	"github.com/relgate/relgate/evaluator/stored"
	"github.com/relgate/relgate/rules"
)

// sharePlan is a plan whose first phase observes a level, and whose second begins by it.
func sharePlan() *rules.Plan {
	p := smallPlan()
	p.Signals = append(p.Signals, rules.Signal{
		Name: "share", Source: "alias", Kind: rules.Gauge, Unit: rules.Percent, Of: -1, Keep: 20, Period: time.Minute, Every: time.Minute,
	})
	for k, traffic := range []float64{.1, .5} {
		ph := &p.Phases[k]
		ph.Traffic, ph.Observe, ph.MismatchFor = traffic, "share", 5*time.Minute
	}
	p.Phases[1].Advance = rules.Observed
	p.Communications = nil
	return p
}

// countedPlan is the same with the counts of the release and of what runs beside it.
func countedPlan() *rules.Plan {
	p := sharePlan()
	own := p.Signals[0]
	own.Name, own.Baseline = "requests", 3
	beside := own
	beside.Name, beside.Baseline, beside.BaselineOf = "requests@42", 0, "requests"
	p.Signals = append(p.Signals[:2], own, beside)
	for k := range p.Phases {
		p.Phases[k].Observe = "requests"
	}
	return p
}

// shareWorld is a world with the share at each time, negative where nothing tells it.
func shareWorld(t *testing.T, p *rules.Plan, share func(at time.Time) float64, perMinute float64) *world {
	w := newWorld(t, p)
	w.value = func(signal int, at int64) (float64, float64, bool) {
		if signal < 2 {
			return 1, 1000, true
		}
		v := share(time.Unix(at, 0))
		switch p.Signals[signal].Name {
		case "share":
			return v, 1, v >= 0
		case "requests":
			n := float64(int(v * perMinute))
			return 0, n, v >= 0
		}
		n := perMinute - float64(int(v*perMinute))
		return 0, n, v >= 0
	}
	return w
}

func afterT(n int) time.Time { return T.Add(time.Duration(n) * time.Minute) }

// steps gives a share that changes at times.
func steps(all ...any) func(at time.Time) float64 {
	return func(at time.Time) float64 {
		v := 0.
		for i := 0; i < len(all); i += 2 {
			if !at.Before(afterT(all[i].(int))) {
				v = all[i+1].(float64)
			}
		}
		return v
	}
}

// rolled are the lines of the events that have to do with what is seen of the traffic.
func (w *world) rolled() string {
	var b strings.Builder
	for _, e := range w.events {
		code := string(e.Why.Code)
		if e.Kind == fact.RolloutEvent || strings.HasPrefix(code, "held_by") || code == string(fact.WhyStartedByShare) || e.Kind == fact.CommandEvent {
			text := fmt.Sprintf("%s %s %s: %s => %s %s", e.At.Format("15:04:05"), e.Kind, e.Subject, e.From, e.To, code)
			if e.Why.Planned != 0 {
				text += fmt.Sprintf(" %.3g/%g", e.Why.Observed, e.Why.Planned)
			}
			b.WriteString(text + "\n")
		}
	}
	return b.String()
}

func (w *world) wantRolled(want string) {
	w.t.Helper()
	if got := w.rolled(); got != strings.TrimLeft(want, "\n") {
		w.t.Errorf("got\n%swant\n%s", got, want)
	}
}

// A moment between a command and its effect is no mismatch. One that lasts is told as it
// begins and as it ends, with both numbers, for a level as for counts.
func TestAMismatchIsToldAsItBeginsAndEnds(t *testing.T) {
	moved := steps(-60, .0, 2, .1, 7, .005, 14, .1)
	w := shareWorld(t, sharePlan(), moved, 0)
	w.run(afterT(18))
	w.wantRolled(`
02:13:00 rollout ten: match => mismatch share_differs 0.005/0.1
02:15:00 rollout ten: mismatch => match share_matches 0.1/0.1
`)
	w = shareWorld(t, countedPlan(), steps(-60, .0, 2, .1, 7, .005, 20, .1), 6000)
	w.plan.Phases[0].Window = time.Hour
	w.run(afterT(26))
	w.wantRolled(`
02:15:00 rollout ten: match => mismatch share_differs 0.005/0.1
02:23:00 rollout ten: mismatch => match share_matches 0.1/0.1
`)
}

// What is not known is no mismatch, ends none, and starts no phase.
func TestAnUnknownShareIsNeitherAMismatchNorAMatch(t *testing.T) {
	w := shareWorld(t, sharePlan(), steps(-60, -1.), 0)
	w.run(afterT(60))
	w.wantRolled("")
	if o := Look(w.plan, w.state).Phases[1].Observed; o == nil || o.Known || o.Cause != rules.CauseNoData {
		t.Errorf("nothing tells the share, and it is seen as %+v", o)
	}
	// It goes silent before it was told: it has to be seen for long enough again.
	w = shareWorld(t, sharePlan(), steps(-60, .0, 4, -1., 12, .0, 16, .1), 0)
	w.plan.Phases[0].MismatchFor, w.plan.Phases[0].Window = 10*time.Minute, time.Hour
	w.run(afterT(20))
	w.wantRolled("")
	// And after: it stands until something else is seen.
	w = shareWorld(t, sharePlan(), steps(-60, .0, 6, -1., 16, .1), 0)
	w.plan.Phases[0].Window = 30 * time.Minute
	w.run(afterT(18))
	w.wantRolled(`
02:06:00 rollout ten: match => mismatch share_differs 0/0.1
02:17:00 rollout ten: mismatch => match share_matches 0.1/0.1
`)
}

// A phase begins when its share is seen and nothing else is in its way, from the first period
// in which that was so; seen earlier, it begins when the way is free.
func TestAPhaseBeginsByItsShare(t *testing.T) {
	w := shareWorld(t, sharePlan(), steps(-60, .0, 0, .1, 30, .5), 0)
	w.run(afterT(33))
	w.wantRolled("02:31:00 phase all: waiting => monitoring started_by_share 0.5/0.5\n")
	if s := Look(w.plan, w.state); !s.Phases[1].Started.Equal(afterT(30)) || s.Phases[0].Observed != nil || s.Phases[1].Observed.Share != .5 {
		t.Errorf("%+v", s.Phases[1])
	}
	w = shareWorld(t, countedPlan(), steps(-60, .0, 0, .1, 30, .5), 600)
	w.run(afterT(35))
	w.wantRolled("02:34:00 phase all: waiting => monitoring started_by_share 0.5/0.5\n")
	if s := Look(w.plan, w.state); !s.Phases[1].Started.Equal(afterT(31)) {
		t.Errorf("it began at %v", s.Phases[1].Started)
	}
	// While the phase before is watched it waits, and the share of that one is another than planned.
	w = shareWorld(t, sharePlan(), steps(-60, .0, 0, .1, 5, .5), 0)
	w.run(afterT(20))
	w.wantRolled(`
02:11:00 rollout ten: match => mismatch share_differs 0.5/0.1
02:17:30 phase all: waiting => monitoring started_by_share 0.5/0.5
02:17:30 rollout ten: mismatch => over share_unwatched 0/0.1
`)
}

func TestWhatAPhaseThatBeginsByItsShareWaitsFor(t *testing.T) {
	w := shareWorld(t, sharePlan(), steps(-60, .0, 0, .1, 25, .3, 30, -1.), 0)
	why := func() fact.Why { return Look(w.plan, w.state).Phases[1].Why }
	w.run(afterT(29))
	if got := why(); got != (fact.Why{Code: fact.WhyAwaitsShare, Phase: "all", Observed: .3, Planned: .5}) {
		t.Errorf("%+v", got)
	}
	w.run(afterT(40))
	if got := why(); got != (fact.Why{Code: fact.WhyAwaitsShare, Phase: "all", Planned: .5, Cause: rules.CauseNoData}) {
		t.Errorf("%+v", got)
	}
	w.plan.Phases[1].Observe = "" // as a plan that no lint has seen
	w.tick()
	if got := why(); got != (fact.Why{Code: fact.WhyAwaitsShare, Phase: "all", Planned: .5, Cause: rules.CauseConfig}) {
		t.Errorf("%+v", got)
	}
}

// A mismatch that holds does so until a person resumes the run, once, and says both numbers.
func TestAMismatchHoldsTheRun(t *testing.T) {
	p := sharePlan()
	p.Phases[0].OnMismatch, p.Phases[0].Window = rules.HoldOnIt, time.Hour
	w := shareWorld(t, p, steps(-60, .0, 2, .1, 7, .0, 20, .1, 30, .0), 0)
	w.run(afterT(15))
	s := Look(p, w.state)
	if h := s.Holder; !s.Held || s.State != rules.Held || h.Rule || h.By != "" || h.Cause != rules.CauseThreshold ||
		h.Mismatch != (fact.Why{Code: fact.WhyHeldByMismatch, Phase: "ten", Planned: .1, Since: afterT(8), Cause: rules.CauseThreshold}) {
		t.Errorf("held by %+v", h)
	}
	for i, e := range w.events {
		if e.Why.Code == fact.WhyHeldByMismatch && (e.Because == "" || w.events[i-1].ID != e.Because && w.events[i-1].Because != e.Because) {
			t.Errorf("the hold goes back to %q", e.Because)
		}
	}
	if got := s.Phases[0].Observed.Mismatch; !got.Equal(afterT(8)) {
		t.Errorf("a mismatch since %v", got)
	}
	w.tick(fact.Command{Kind: fact.Resume, By: "ada", Why: "known", PersonsHold: true})
	w.run(afterT(17))
	w.tick(fact.Command{Kind: fact.Resume, By: "ada", Why: "known"})
	w.run(afterT(38))
	w.wantRolled(`
02:13:00 rollout ten: match => mismatch share_differs 0/0.1
02:13:00 run REL: monitoring => held held_by_mismatch 0/0.1
02:15:00 command resume:  => refused mismatch_holds
02:17:00 command resume:  => applied commanded
02:21:00 rollout ten: mismatch => match share_matches 0.1/0.1
02:36:00 rollout ten: match => mismatch share_differs 0/0.1
02:36:00 run REL: monitoring => held held_by_mismatch 0/0.1
`)
}

// Where a person holds the run first, the mismatch has a hold of its own after that. What
// cannot be said with both numbers holds nothing.
func TestAMismatchHoldsAfterAPersonsHold(t *testing.T) {
	p := sharePlan()
	p.Phases[0].OnMismatch, p.Phases[0].Window = rules.HoldOnIt, time.Hour
	w := shareWorld(t, p, steps(-60, .0, 10, -1., 20, .0), 0)
	w.run(afterT(2))
	w.tick(fact.Command{Kind: fact.Hold, By: "ada", Why: "lunch"})
	w.run(afterT(15))
	w.tick(fact.Command{Kind: fact.Resume, By: "ada", Why: "back"})
	w.run(afterT(22))
	w.wantRolled(`
02:02:00 command hold:  => applied commanded
02:06:00 rollout ten: match => mismatch share_differs 0/0.1
02:15:00 command resume:  => applied commanded
02:21:00 run REL: monitoring => held held_by_mismatch 0/0.1
`)
}

// Few samples say little: by chance a share may be another, and from a handful it is not known.
func TestASharesOfFewSamples(t *testing.T) {
	for _, tt := range []struct {
		name      string
		perMinute float64
		share     float64
		want      string
	}{
		{"too few", 9, 1, ""},
		{"few, within what chance does", 20, .15, ""},
		{"few, beyond it", 20, .5, "02:07:30 rollout ten: match => mismatch share_differs 0.5/0.1\n"},
		{"many, within a hundredth", 100000, .109, ""},
		{"many, beyond it", 100000, .12, "02:07:30 rollout ten: match => mismatch share_differs 0.12/0.1\n"},
	} {
		p := countedPlan()
		p.Phases[1].Advance = rules.Signalled
		w := shareWorld(t, p, steps(-60, tt.share), tt.perMinute)
		w.run(afterT(13))
		got := w.rolled()
		if (got == "") != (tt.want == "") {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// What runs beside the release must have been seen: a name that is misspelled is no release
// that everyone has. Nor do a level beyond all, and periods of two widths, say a share.
func TestWhatIsNoShare(t *testing.T) {
	cause := func(w *world) rules.Cause {
		t.Helper()
		o := Look(w.plan, w.state).Phases[0].Observed
		if o.Known {
			t.Errorf("%v is known", o.Share)
		}
		return o.Cause
	}
	w := shareWorld(t, countedPlan(), steps(-60, 1.), 600)
	w.run(afterT(12))
	if got := cause(w); got != rules.CauseNoData {
		t.Errorf("never seen beside: %v", got)
	}
	w = shareWorld(t, sharePlan(), steps(-60, 5.), 600)
	w.run(afterT(12))
	if got := cause(w); got != rules.CauseConfig {
		t.Errorf("beyond all: %v", got)
	}
	w = shareWorld(t, countedPlan(), steps(-60, .1), 600)
	w.bend = func(rd *rules.Reading) bool {
		if rd.Signal == 3 {
			rd.Width = 3600
		}
		return true
	}
	w.run(afterT(12))
	if got := cause(w); got != rules.CauseConfig {
		t.Errorf("of another width: %v", got)
	}
	w = shareWorld(t, countedPlan(), steps(-60, .1), 600)
	w.plan.Signals[2].Baseline = 0
	w.run(afterT(12))
	if got := cause(w); got != rules.CauseConfig {
		t.Errorf("with nothing beside: %v", got)
	}
	w = shareWorld(t, countedPlan(), steps(-60, .1), 600)
	w.bend = func(rd *rules.Reading) bool {
		if rd.Signal == 3 {
			*rd = rules.Reading{Signal: 3, From: rd.From, To: rd.To, Fault: rules.Unavailable}
		}
		return true
	}
	w.run(afterT(12))
	if got := cause(w); got != rules.CauseSourceError {
		t.Errorf("a source that is down: %v", got)
	}
	// What ran beside it in the beginning and then no more: everyone has it.
	w = shareWorld(t, countedPlan(), steps(-60, .1, 2, 1.), 600)
	w.run(afterT(40))
	if o := Look(w.plan, w.state).Phases[1].Observed; !o.Known || o.Share != 1 {
		t.Errorf("%+v", o)
	}
}

// An edit that takes the signal away ends the mismatch; so does the end of the run.
func TestAMismatchEndsWithItsWatch(t *testing.T) {
	w := shareWorld(t, sharePlan(), steps(-60, .0), 0)
	w.run(afterT(8))
	edited := sharePlan()
	edited.Phases[0].Observe, edited.Phases[1].Observe = "", ""
	w.state, w.plan = Adopt(w.plan, edited, w.state), edited
	w.tick()
	w.tick(fact.Command{Kind: fact.Abort, By: "ada", Why: "no"})
	w.wantRolled(`
02:06:00 rollout ten: match => mismatch share_differs 0/0.1
02:08:00 rollout ten: mismatch => over share_unwatched 0/0.1
02:08:00 command abort:  => applied commanded
`)
	w = shareWorld(t, sharePlan(), steps(-60, .0), 0)
	w.run(afterT(8))
	w.tick(fact.Command{Kind: fact.Abort, By: "ada", Why: "no"})
	w.wantRolled(`
02:06:00 rollout ten: match => mismatch share_differs 0/0.1
02:08:00 command abort:  => applied commanded
02:08:00 rollout ten: mismatch => over share_unwatched 0/0.1
`)
}

// A form of before there were shares opens, and knows of no mismatch.
func TestAnOlderFormKnowsNoMismatch(t *testing.T) {
	w := shareWorld(t, sharePlan(), steps(-60, .0), 0)
	w.run(afterT(8))
	if w.state.phases[0].rollout != (rollout.State{Off: afterT(1).Unix(), Told: true}) {
		t.Fatalf("%+v", w.state.phases[0].rollout)
	}
	now := store(t, w.state)
	body := now[:len(now)-4-(1+1+5+1+1)] // without the one entry: how many there are, its phase, time, told and held
	people := stored.NewWriter(storedForm, 64)
	w.state.people.Write(people)
	part, err := people.Seal()
	if err != nil {
		t.Fatal(err)
	}
	end := bytes.Index(body, part[4:len(part)-4]) + len(part) - 8
	body = slices.Concat(body[:end-4], body[end:]) // nor what is known of a way back before it is needed
	b := []byte("RGr\x05" + string(body[4:]))
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	old := new(State)
	if err := old.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	if old.phases[0].rollout != (rollout.State{}) || len(old.phases) != 2 {
		t.Errorf("%+v", old.phases[0].rollout)
	}
}

// A tick that an older judging stepped told a mismatch: it stands.
func TestAFollowedMismatchStands(t *testing.T) {
	p := sharePlan()
	w := shareWorld(t, p, steps(-60, .0, 12, .1), 0)
	state := Begin(p)
	for ; w.now.Before(afterT(14)); w.now = w.now.Add(p.Interval) {
		n := len(w.events)
		tick := fact.Tick{At: w.now}
		for _, q := range Wants(p, w.state, w.now) {
			tick.Readings = append(tick.Readings, w.answer(q))
		}
		w.state, w.events = step(t, p, w.state, tick, w.events)
		state = follow(p, state, fact.Kept{Entry: fact.Entry{Tick: tick, Events: w.events[n:]}})
		if got, want := state.phases[0].rollout.Told, w.state.phases[0].rollout.Told; got != want {
			t.Fatalf("%v: told %v, want %v", w.now, got, want)
		}
	}
}

func step(t *testing.T, p *rules.Plan, st *State, tick fact.Tick, events []fact.Event) (*State, []fact.Event) {
	next, more := checkedStep(t, p, st, tick)
	return next, append(events, more...)
}
