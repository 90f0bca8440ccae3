package evaluator

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"

	"github.com/relgate/relgate/rules"
)

// storedForm begins the stored form: three bytes that name it and its version.
// The state's parts follow in a fixed order as varints, floats and strings, grounds
// and evidence as JSON, then a CRC-32 of all of it.
const storedForm = "RGr\x02"

// MarshalBinary is the stored form: the same bytes for equal states.
func (s *State) MarshalBinary() ([]byte, error) {
	w := &writer{b: make([]byte, 0, 256+96*len(s.signals)+16*len(s.rules))}
	w.b = append(w.b, storedForm...)
	w.bool(s.begun)
	w.int(s.at)
	w.uint(s.n)
	w.run(&s.run)
	list(w, s.signals, (*writer).series)
	list(w, s.rules, (*writer).rule)
	list(w, s.phases, (*writer).phase)
	list(w, s.comms, func(w *writer, c *commState) { w.byte(byte(*c)) })
	list(w, s.applied, func(w *writer, id *string) { w.str(*id) })
	list(w, s.frozen, (*writer).frozen)
	optional(w, s.fired)
	w.evidence(s)
	if w.err != nil { // unreachable unless evidence holds a number that is not finite
		return nil, fmt.Errorf("storing a state: %w", w.err)
	}
	return binary.LittleEndian.AppendUint32(w.b, crc32.ChecksumIEEE(w.b)), nil
}

// UnmarshalBinary reads the stored form; any other bytes give an error and leave
// the state as it was.
func (s *State) UnmarshalBinary(b []byte) error {
	if len(b) < len(storedForm)+4 || string(b[:len(storedForm)-1]) != storedForm[:len(storedForm)-1] {
		return errors.New("reading a stored state: not a stored state")
	}
	if b[3] != storedForm[3] {
		return fmt.Errorf("reading a stored state: form %d, this program reads form %d", b[3], storedForm[3])
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.ChecksumIEEE(body) != sum {
		return errors.New("reading a stored state: the checksum differs")
	}
	r := &reader{b: body[len(storedForm):]}
	var n State
	n.begun, n.at, n.n = r.bool(), r.time(), r.uint()
	r.run(&n.run)
	n.signals = readList(r, 8, (*reader).series)
	n.rules = readList(r, 5, (*reader).rule)
	n.phases = readList(r, 11, (*reader).phase)
	n.comms = readList(r, 1, func(r *reader, c *commState) { *c = commState(r.enum(len(commNames))) })
	n.applied = readList(r, 1, func(r *reader, id *string) { *id = r.str() })
	n.frozen = readList(r, 3, (*reader).frozen)
	n.fired = readOptional[Event](r)
	r.evidence(&n)
	r.check(len(r.b) == 0, "bytes are left over")
	if r.err != nil {
		return fmt.Errorf("reading a stored state: %w", r.err)
	}
	*s = n
	return nil
}

type writer struct {
	b   []byte
	err error
}

func (w *writer) byte(v byte)   { w.b = append(w.b, v) }
func (w *writer) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) int(v int64)   { w.b = binary.AppendVarint(w.b, v) }

func (w *writer) bool(v bool) {
	if v {
		w.byte(1)
	} else {
		w.byte(0)
	}
}

// float writes the bytes of a float from the end, so that whole numbers are short.
func (w *writer) float(v float64) { w.uint(bits.ReverseBytes64(math.Float64bits(v))) }

func (w *writer) str(s string) {
	w.uint(uint64(len(s)))
	w.b = append(w.b, s...)
}

// why writes a ground. A phase has none until it is decided, a run no hold while
// nothing holds it.
func (w *writer) why(v *Why) {
	if *v == (Why{}) {
		v = nil
	}
	optional(w, v)
}

// optional writes facts that mostly are not there: a byte says whether they are.
func optional[T any](w *writer, v *T) {
	if w.bool(v != nil); v != nil {
		w.json(v)
	}
}

// json writes what has many fields and changes seldom: it costs far more than the
// rest. Equal values give equal bytes, because encoding/json sorts a map's keys.
func (w *writer) json(v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		w.err = err // unreachable unless a number is not finite, which evidence never is
	}
	w.str(b.String())
}

func list[T any](w *writer, items []T, each func(*writer, *T)) {
	w.uint(uint64(len(items)))
	for i := range items {
		each(w, &items[i])
	}
}

func (w *writer) run(v *runState) {
	w.byte(byte(v.state))
	w.bool(v.held)
	w.bool(v.done)
	w.byte(byte(v.verdict))
	w.byte(byte(v.cause))
	w.why(&v.why)
	w.why(&v.hold)
	optional(w, v.holding)
	w.int(v.begun)
	w.str(v.by)
}

func (w *writer) series(v *series) {
	w.int(v.settled)
	w.int(v.from)
	w.int(v.asked)
	w.int(v.next)
	w.int(v.width)
	w.int(v.partial)
	w.int(int64(v.gone))
	w.uint(uint64(v.fails))
	w.byte(byte(v.fault))
	w.bool(v.words != nil)
	if v.words != nil {
		w.str(v.words.detail)
		w.str(v.words.note)
		w.str(v.words.ref)
	}
	w.uint(uint64(len(v.points)))
	last := int64(0)
	for i := range v.points {
		p := &v.points[i]
		w.uint(uint64(p.At - last))
		w.float(p.Value)
		w.float(p.Samples)
		last = p.At
	}
}

func (w *writer) rule(v *ruleState) {
	w.bool(v.active)
	w.byte(byte(v.state))
	w.byte(byte(v.cause))
	w.int(v.since)
	w.int(v.silent)
	w.int(v.next)
}

func (w *writer) phase(v *phaseState) {
	w.byte(byte(v.state))
	w.byte(byte(v.verdict))
	w.byte(byte(v.gate))
	w.byte(byte(v.cause))
	w.bool(v.begun)
	w.bool(v.blocked)
	w.bool(v.marked)
	w.int(v.started)
	w.int(v.decided)
	w.why(&v.why)
	w.uint(v.root)
	list(w, v.success, (*writer).success)
	list(w, v.rollback, func(w *writer, c *windowCount) {
		w.int(int64(c.mark))
		w.byte(c.result)
	})
}

func (w *writer) success(v *successState) {
	w.byte(byte(v.verdict))
	w.byte(byte(v.cause))
	w.byte(byte(v.state))
	w.bool(v.ignored)
	w.int(v.silent)
	w.int(v.next)
	w.uint(v.event)
	w.bool(v.frozen != nil)
	if v.frozen != nil {
		w.frozen(v.frozen)
	}
}

func (w *writer) frozen(v *frozenRule) {
	w.uint(uint64(v.rule))
	w.why(&v.why)
	w.json(&v.evidence)
}

// reader takes a stored form apart. After the first error it gives zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) check(ok bool, what string) bool {
	if !ok && r.err == nil {
		r.err = errors.New(what)
		r.b = nil
	}
	return r.err == nil
}

func (r *reader) byte() byte {
	if !r.check(len(r.b) > 0, "it ends too early") {
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) bool() bool {
	v := r.byte()
	r.check(v <= 1, "a truth value is neither 0 nor 1")
	return v == 1
}

// enum reads a byte below n.
func (r *reader) enum(n int) byte {
	v := r.byte()
	if !r.check(int(v) < n, "an enumeration is out of range") {
		return 0
	}
	return v
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if !r.check(n > 0, "a number is broken") {
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if !r.check(n > 0, "a number is broken") {
		return 0
	}
	r.b = r.b[n:]
	return v
}

// farthest bounds the times of a state: sums of them do not overflow.
const farthest = 1 << 55

// time reads Unix seconds. The largest number, which means never, is allowed.
func (r *reader) time() int64 {
	v := r.int()
	if !r.check(v == math.MaxInt64 || v > -farthest && v < farthest, "a time is out of range") {
		return 0
	}
	return v
}

func (r *reader) size(n uint64, most int) int {
	if !r.check(n <= uint64(most), "a count is out of range") {
		return 0
	}
	return int(n)
}

// int32 reads a count that may be negative.
func (r *reader) int32() int32 {
	v := r.int()
	if !r.check(v > -math.MaxInt32 && v < math.MaxInt32, "a count is out of range") {
		return 0
	}
	return int32(v)
}

func (r *reader) float() float64 { return math.Float64frombits(bits.ReverseBytes64(r.uint())) }

func (r *reader) str() string {
	n := r.size(r.uint(), len(r.b))
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func readJSON[T any](r *reader) *T {
	s := r.str()
	var v *T
	if r.err != nil {
		return nil
	}
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		r.check(false, "facts are broken")
		return nil
	}
	return v
}

// readList reads a list whose items take at least least bytes each.
func readList[T any](r *reader, least int, each func(*reader, *T)) []T {
	n := r.size(r.uint(), len(r.b)/least)
	if n == 0 {
		return nil
	}
	items := make([]T, n)
	for i := range items {
		each(r, &items[i])
		if r.err != nil {
			return nil
		}
	}
	return items
}

func (r *reader) state() rules.State     { return rules.State(r.enum(len(rules.States()))) }
func (r *reader) verdict() rules.Verdict { return rules.Verdict(r.enum(len(rules.Verdicts()))) }
func (r *reader) cause() rules.Cause     { return rules.Cause(r.enum(int(rules.CauseBaseline) + 1)) }
func (r *reader) code() ruleCode         { return ruleCode(r.enum(len(RuleStates()))) }

func (r *reader) run(v *runState) {
	v.state, v.held, v.done = r.state(), r.bool(), r.bool()
	v.verdict, v.cause = r.verdict(), r.cause()
	v.why, v.hold, v.holding = readWhy(r), readWhy(r), readOptional[Evidence](r)
	v.begun, v.by = r.time(), r.str()
	r.check(v.held == (v.hold.Code != ""), "a hold without a ground")
}

func readWhy(r *reader) Why {
	if w := readOptional[Why](r); w != nil {
		return *w
	}
	return Why{}
}

func readOptional[T any](r *reader) *T {
	if !r.bool() {
		return nil
	}
	return readJSON[T](r)
}

func (r *reader) series(v *series) {
	v.settled, v.from, v.asked, v.next = r.time(), r.time(), r.time(), r.time()
	v.width, v.partial = r.time(), r.time()
	r.check(v.width >= 0 && v.width < farthest, "a width is out of range")
	v.gone = r.int32()
	v.fails = int16(min(r.size(r.uint(), 1<<20), maxFails))
	v.fault = rules.Fault(r.enum(len(rules.Faults())))
	if r.bool() {
		v.words = &words{detail: r.str(), note: r.str(), ref: r.str()}
	}
	n := r.size(r.uint(), len(r.b)/3)
	if n == 0 {
		return
	}
	v.points = make([]rules.Point, n)
	last := int64(0)
	for i := range v.points {
		step := r.size(r.uint(), farthest)
		p := rules.Point{At: last + int64(step), Value: r.float(), Samples: r.float()}
		if !r.check(step > 0 && p.At < farthest && finite(p.Value) && finite(p.Samples) && p.Samples >= 0, "a point is broken") {
			return
		}
		v.points[i], last = p, p.At
	}
}

func (r *reader) rule(v *ruleState) {
	v.active, v.state, v.cause = r.bool(), r.code(), r.cause()
	v.since, v.silent, v.next = r.time(), r.time(), r.time()
}

func (r *reader) phase(v *phaseState) {
	v.state, v.verdict, v.gate, v.cause = r.state(), r.verdict(), r.verdict(), r.cause()
	v.begun, v.blocked, v.marked = r.bool(), r.bool(), r.bool()
	v.started, v.decided = r.time(), r.time()
	v.why, v.root = readWhy(r), r.uint()
	v.success = readList(r, 8, (*reader).success)
	v.rollback = readList(r, 2, func(r *reader, c *windowCount) {
		c.mark = r.int32()
		c.result = r.enum(int(windowThin) + 1)
	})
	r.check(v.begun || v.state != rules.Monitoring && v.success == nil && v.rollback == nil, "a phase is watched that never began")
}

func (r *reader) success(v *successState) {
	v.verdict, v.cause, v.state = r.verdict(), r.cause(), r.code()
	v.ignored = r.bool()
	v.silent, v.next, v.event = r.time(), r.time(), r.uint()
	if r.bool() {
		v.frozen = new(frozenRule)
		r.frozen(v.frozen)
	}
}

func (r *reader) frozen(v *frozenRule) {
	v.rule = r.size(r.uint(), math.MaxInt32)
	v.why = readWhy(r)
	if e := readJSON[Evidence](r); e != nil {
		v.evidence = *e
	}
}
