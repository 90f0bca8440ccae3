package evaluator

import (
	"math"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/people"
	"github.com/relgate/relgate/evaluator/rollout"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/evaluator/stored"
	"github.com/relgate/relgate/rules"
)

// Versions of the stored form. What a version adds is written behind what was there
// before, and read only from it on: see stored.Reader.Form, people.FormPeople, rollout.Form.
const (
	formOldest  = 2 // of the programs before judgings had numbers
	formJudging = 3 // the number of the judging, and what speaks against a release that cannot be judged
)

// storedForm begins the stored form: three bytes that name it and its version.
// The state's parts follow in a fixed order as varints, floats and strings, grounds
// and evidence as JSON, then a CRC-32 of all of it.
const storedForm = "RGr\x06"

// MarshalBinary is the stored form: the same bytes for equal states.
func (s *State) MarshalBinary() ([]byte, error) {
	w := stored.NewWriter(storedForm, 256+96*len(s.Signals)+16*len(s.rules))
	w.Int(s.At)
	w.Uint(s.n)
	w.Uint(uint64(s.judging))
	writeRun(w, &s.run)
	stored.List(w, s.Signals, series.WriteSeries)
	stored.List(w, s.rules, writeRule)
	stored.List(w, s.phases, writePhase)
	s.people.Write(w)
	stored.List(w, s.applied, func(w *stored.Writer, id *string) { w.String(*id) })
	stored.List(w, s.frozen, writeFrozen)
	stored.Optional(w, s.fired)
	writeEvidence(w, s)
	return w.Seal()
}

// UnmarshalBinary reads the stored form; any other bytes give an error and leave
// the state as it was.
func (s *State) UnmarshalBinary(b []byte) error {
	r, err := stored.Open(storedForm, formOldest, b)
	if err != nil {
		return err
	}
	var n State
	begun := r.Form < formJudging && r.Bool()
	n.At, n.n = r.Time(), r.Uint()
	n.judging = readJudging(r, begun)
	readRun(r, &n.run)
	n.Signals = stored.ReadList(r, 8, series.ReadSeries)
	n.rules = stored.ReadList(r, 5, readRule)
	n.phases = stored.ReadList(r, 11, readPhase)
	n.people = people.Read(r)
	n.applied = stored.ReadList(r, 1, func(r *stored.Reader, id *string) { *id = r.String() })
	n.frozen = stored.ReadList(r, 3, readFrozen)
	n.fired = stored.ReadOptional[fact.Event](r)
	readEvidence(r, &n)
	if err := r.End(); err != nil {
		return err
	}
	*s = n
	return nil
}

// readJudging reads the number of a judging: before there were numbers, it is 1 of a run
// that had begun.
func readJudging(r *stored.Reader, begun bool) int {
	if r.Form >= formJudging {
		return r.Size(r.Uint(), math.MaxInt32)
	}
	return map[bool]int{true: 1}[begun]
}

// What may be left of a run that is decided, a bit each.
const (
	endedDone byte = 1 << iota
	endedAccused
)

func writeRun(w *stored.Writer, v *runState) {
	w.Byte(byte(v.state))
	w.Bool(v.held)
	var ended byte
	if v.done {
		ended |= endedDone
	}
	if v.accused {
		ended |= endedAccused
	}
	w.Byte(ended)
	w.Byte(byte(v.verdict))
	w.Byte(byte(v.cause))
	judge.WriteWhy(w, &v.why)
	judge.WriteWhy(w, &v.hold)
	stored.Optional(w, v.holding)
	w.Int(v.begun)
	w.String(v.by)
}

func writeRule(w *stored.Writer, v *ruleState) {
	w.Bool(v.active)
	w.Bool(v.Unseen)
	w.Byte(byte(v.State))
	w.Byte(byte(v.Cause))
	w.Int(v.since)
	w.Int(v.silent)
	w.Int(v.next)
}

func writePhase(w *stored.Writer, v *phaseState) {
	w.Byte(byte(v.state))
	w.Byte(byte(v.verdict))
	w.Byte(byte(v.gate))
	w.Byte(byte(v.cause))
	w.Bool(v.begun)
	w.Bool(v.blocked)
	w.Bool(v.marked)
	w.Int(v.started)
	w.Int(v.decided)
	judge.WriteWhy(w, &v.why)
	w.Uint(v.root)
	stored.List(w, v.success, writeSuccess)
	stored.List(w, v.rollback, func(w *stored.Writer, c *windowCount) {
		w.Int(int64(c.mark))
		w.Byte(c.result)
	})
}

func writeSuccess(w *stored.Writer, v *successState) {
	w.Byte(byte(v.verdict))
	w.Byte(byte(v.cause))
	w.Byte(byte(v.state))
	w.Bool(v.ignored)
	w.Bool(v.against)
	w.Int(v.silent)
	w.Int(v.next)
	w.Uint(v.event)
	w.Bool(v.frozen != nil)
	if v.frozen != nil {
		writeFrozen(w, v.frozen)
	}
}

func writeFrozen(w *stored.Writer, v *frozenRule) {
	w.Uint(uint64(v.rule))
	judge.WriteWhy(w, &v.why)
	w.JSON(&v.evidence)
}

func readRun(r *stored.Reader, v *runState) {
	v.state, v.held = judge.ReadState(r), r.Bool()
	ended := r.Enum(int(endedDone|endedAccused) + 1)
	v.done, v.accused = ended&endedDone != 0, ended&endedAccused != 0
	v.verdict, v.cause = judge.ReadVerdict(r), judge.ReadCause(r)
	v.why, v.hold, v.holding = judge.ReadWhy(r), judge.ReadWhy(r), stored.ReadOptional[fact.Evidence](r)
	v.begun, v.by = r.Time(), r.String()
	r.Check(v.held == (v.hold.Code != ""), "a hold without a ground")
	r.Check(!v.accused || v.state == rules.Failed, "a run that has not failed is watched on")
}

func readRule(r *stored.Reader, v *ruleState) {
	v.active = r.Bool()
	v.Unseen = r.Form >= series.FormSeen && r.Bool()
	v.State, v.Cause = judge.ReadCode(r), judge.ReadCause(r)
	v.since, v.silent, v.next = r.Time(), r.Time(), r.Time()
}

func readPhase(r *stored.Reader, v *phaseState) {
	v.state, v.verdict, v.gate, v.cause = judge.ReadState(r), judge.ReadVerdict(r), judge.ReadVerdict(r), judge.ReadCause(r)
	v.begun, v.blocked, v.marked = r.Bool(), r.Bool(), r.Bool()
	v.started, v.decided = r.Time(), r.Time()
	v.why, v.root = judge.ReadWhy(r), r.Uint()
	v.success = stored.ReadList(r, 8, readSuccess)
	v.rollback = stored.ReadList(r, 2, func(r *stored.Reader, c *windowCount) {
		c.mark = r.Int32()
		c.result = r.Enum(int(windowSilent) + 1)
	})
	r.Check(v.begun || v.state != rules.Monitoring && v.success == nil && v.rollback == nil, "a phase is watched that never began")
}

func readSuccess(r *stored.Reader, v *successState) {
	v.verdict, v.cause, v.state = judge.ReadVerdict(r), judge.ReadCause(r), judge.ReadCode(r)
	v.ignored = r.Bool()
	v.against = r.Form >= formJudging && r.Bool()
	v.silent, v.next, v.event = r.Time(), r.Time(), r.Uint()
	if r.Bool() {
		v.frozen = new(frozenRule)
		readFrozen(r, v.frozen)
	}
}

func readFrozen(r *stored.Reader, v *frozenRule) {
	v.rule = r.Size(r.Uint(), math.MaxInt32)
	v.why = judge.ReadWhy(r)
	if e := stored.ReadJSON[fact.Evidence](r); e != nil {
		v.evidence = *e
	}
}

// evidence writes what rules have weighed. Most rules have nothing, so that each
// entry names its place.
func writeEvidence(w *stored.Writer, s *State) {
	var some []int
	for i := range s.rules {
		if rs := &s.rules[i]; rs.Ev != nil || rs.noted() != 0 {
			some = append(some, i)
		}
	}
	stored.List(w, some, func(w *stored.Writer, i *int) {
		w.Uint(uint64(*i))
		writeNoted(w, &s.rules[*i])
		judge.WriteWeighed(w, s.rules[*i].Ev)
	})
	for k := range s.phases {
		for i := range s.phases[k].success {
			judge.WriteWeighed(w, s.phases[k].success[i].Ev)
		}
	}
	for i := range s.Signals {
		stored.List(w, s.Signals[i].Parts(), series.WriteParts)
	}
	stored.List(w, s.Past, judge.WritePooled)
	rollout.Write(w, len(s.phases), s.rollout)
}

// What few rules have to keep: a bit says that it is there.
const (
	notedAcked byte = 1 << iota
	notedWould
	notedSpeaks
)

func (rs *ruleState) noted() byte {
	var bits byte
	if rs.Acked {
		bits |= notedAcked
	}
	if rs.would != 0 {
		bits |= notedWould
	}
	if rs.Speaks != 0 {
		bits |= notedSpeaks
	}
	return bits
}

func writeNoted(w *stored.Writer, rs *ruleState) {
	bits := rs.noted()
	w.Byte(bits)
	if bits&notedWould != 0 {
		w.Int(int64(rs.would))
	}
	if bits&notedSpeaks != 0 {
		w.Int(rs.Speaks)
	}
}

func readNoted(r *stored.Reader, rs *ruleState) {
	bits := r.Enum(int(notedAcked|notedWould|notedSpeaks) + 1)
	rs.Acked = bits&notedAcked != 0
	if bits&notedWould != 0 {
		rs.would = int16(min(max(r.Int32(), -1), math.MaxInt16))
	}
	if bits&notedSpeaks != 0 {
		rs.Speaks = r.Time()
	}
	r.Check(rs.would >= 0 && rs.Speaks >= 0 && rs.noted() == bits, "what a rule has noted is nothing")
}

func readEvidence(r *stored.Reader, s *State) {
	for range r.Size(r.Uint(), r.Left()/3) {
		i := r.Size(r.Uint(), math.MaxInt32)
		var noted ruleState
		readNoted(r, &noted)
		ev := judge.ReadWeighed(r)
		if !r.Check(i < len(s.rules), "evidence of no rule") {
			return
		}
		rs := &s.rules[i]
		rs.Acked, rs.would, rs.Speaks, rs.Ev = noted.Acked, noted.would, noted.Speaks, ev
	}
	for k := range s.phases {
		for i := range s.phases[k].success {
			s.phases[k].success[i].Ev = judge.ReadWeighed(r)
		}
	}
	for i := range s.Signals {
		s.Signals[i].SetParts(stored.ReadList(r, 2, series.ReadParts))
	}
	s.Past = stored.ReadList(r, 6, judge.ReadPooled)
	rollout.Read(r, len(s.phases), s.rollout)
	r.Check(len(s.Past) == 0 || len(s.Past) == len(s.Signals), "earlier releases are of other signals")
}
