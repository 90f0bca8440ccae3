package evaluator

import (
	"slices"
	"time"

	"github.com/relgate/relgate/rules"
)

// State is a run between two ticks: everything that Step needs to go on. It is
// immutable: Step makes a new one, which shares with the old what did not change.
type State struct {
	at    int64  // newest tick, Unix seconds
	begun bool   // a tick has been seen
	n     uint64 // events so far

	run     runState
	signals []series     // as Plan.Signals
	rules   []ruleState  // as Plan.Rules; those of success rules stay zero
	phases  []phaseState // as Plan.Phases
	comms   []commState  // as Plan.Communications
	applied []string     // the newest commands that were applied: see Command.once
	frozen  []frozenRule // evidence of the rollback rules that fired, by rule
	fired   *Event       // the root of the rollback: a rule's event, or that of the command
	past    []pooled     // as Plan.Signals; nil when earlier releases were not looked for

	lay *layout // numbers worked out from the plan; not stored
}

// runState is where the run as a whole stands.
type runState struct {
	state   rules.State
	held    bool
	hold    Why       // who or what holds it
	holding *Evidence // of the rule that holds it, as it took hold; nil when a person does
	done    bool      // the rollback has been reported as carried out
	verdict rules.Verdict
	cause   rules.Cause
	why     Why
	begun   int64  // its first tick, where that said that a run begins
	by      string // who began it
}

// phaseState is where one phase stands.
type phaseState struct {
	state    rules.State
	verdict  rules.Verdict // what its rules say
	gate     rules.Verdict // what its gate says: verdict, but for a hold
	cause    rules.Cause
	begun    bool
	blocked  bool // its start came while something stood in its way
	marked   bool // no count is windowUnmarked
	started  int64
	decided  int64
	why      Why    // of the decision
	root     uint64 // event that the decision goes back to, by its ordinal; 0 while it is undecided
	success  []successState
	rollback []windowCount
}

// successState is what a success rule says in one phase.
type successState struct {
	verdict rules.Verdict
	cause   rules.Cause
	state   ruleCode
	ignored bool   // a policy lets the phase be judged without it
	event   uint64 // the newest event of its verdict, by its ordinal; 0 for none
	silent  int64  // since when it could not be judged, zero when it can
	next    int64  // from when it has to be looked at again even if nothing arrives
	frozen  *frozenRule
	ev      *weighed // of a rule that weighs evidence
	soft    *weighed // ev with the periods that may still change; not stored
}

// windowCount follows how many periods of a phase's window a rollback rule has
// seen: the points themselves are forgotten long before the window ends.
type windowCount struct {
	mark   int32 // periods counted before the window
	result uint8 // windowUnmarked until the watermark has passed the window's start, then windowOpen until its end
}

const (
	windowUnmarked uint8 = iota
	windowOpen           // mark is known
	windowCovered        // enough of its periods were seen
	windowThin           // too few
)

// ruleState is where a rollback rule stands. It is small because there may be
// very many; what a value was is worked out from the points when it is asked.
type ruleState struct {
	since  int64    // judged on periods that begin at or after
	silent int64    // since when it could not be judged, zero when it can
	next   int64    // from when it has to be looked at again even if nothing arrives
	ev     *weighed // of a rule that weighs evidence
	soft   *weighed // ev with the periods that may still change; not stored
	state  ruleCode
	cause  rules.Cause
	active bool
	acked  bool // a person let the run go on although it held it
}

// ruleCode is a RuleState in a byte.
type ruleCode uint8

const (
	codeIdle ruleCode = iota
	codeClear
	codeBreaching
	codeFired
	codeSilent
	codeWarning
	codeHolding
)

func (c ruleCode) name() RuleState { return RuleStates()[c] }

// frozenRule is what a rule said when it was decided.
type frozenRule struct {
	rule     int
	why      Why
	evidence Evidence
}

type commState uint8

const (
	commWaiting commState = iota
	commDue
	commSkipped
)

var commNames = [...]string{"waiting", "due", "skipped"}

// Begin is the state of a run before its first tick.
func Begin(plan *rules.Plan) *State {
	st := &State{
		run:     runState{verdict: rules.Pending, cause: rules.CauseWindow, why: Why{Code: WhyNotBegun, Until: plan.Start.UTC()}},
		signals: make([]series, len(plan.Signals)),
		rules:   make([]ruleState, len(plan.Rules)),
		phases:  make([]phaseState, len(plan.Phases)),
		comms:   make([]commState, len(plan.Communications)),
	}
	for i := range st.phases {
		st.phases[i] = freshPhase(&plan.Phases[i])
	}
	return st
}

func freshPhase(p *rules.Phase) phaseState {
	ph := phaseState{verdict: rules.Pending, gate: rules.Pending, cause: rules.CauseWindow}
	if p.Advance == rules.Signalled {
		ph.cause = rules.CauseApproval
	}
	return ph
}

// fit gives a state whose parts have the plan's lengths. They differ only when a
// state is used under another plan than its own without Adopt; what is missing
// then starts from the beginning.
func fit(plan *rules.Plan, st *State) *State {
	if st.fits(plan) {
		return st
	}
	c := *st
	c.signals = resize(st.signals, len(plan.Signals))
	c.rules = resize(st.rules, len(plan.Rules))
	c.phases = resize(st.phases, len(plan.Phases))
	c.comms = resize(st.comms, len(plan.Communications))
	if c.past != nil {
		c.past = resize(st.past, len(plan.Signals))
	}
	for i := range c.phases {
		ph := &c.phases[i]
		if i >= len(st.phases) {
			*ph = freshPhase(&plan.Phases[i])
		}
		if ph.begun {
			ph.success = resize(ph.success, len(plan.Phases[i].Success))
			ph.rollback = resize(ph.rollback, len(plan.Phases[i].Rollback))
		}
	}
	c.frozen = slices.DeleteFunc(slices.Clone(c.frozen), func(f frozenRule) bool { return f.rule >= len(plan.Rules) })
	c.lay = nil
	return &c
}

func (s *State) fits(plan *rules.Plan) bool {
	if len(s.signals) != len(plan.Signals) || len(s.rules) != len(plan.Rules) ||
		len(s.phases) != len(plan.Phases) || len(s.comms) != len(plan.Communications) ||
		s.past != nil && len(s.past) != len(plan.Signals) {
		return false
	}
	for i := range s.phases {
		ph, p := &s.phases[i], &plan.Phases[i]
		if ph.begun && (len(ph.success) != len(p.Success) || len(ph.rollback) != len(p.Rollback)) {
			return false
		}
	}
	return true
}

func resize[T any](s []T, n int) []T {
	c := make([]T, n)
	copy(c, s)
	return c
}

// layout holds what Step would otherwise work out from the plan at every tick.
// It is a function of the plan alone.
type layout struct {
	plan    *rules.Plan
	start   int64 // T
	signals []signalLayout
	roll    []int32    // indexes of the rollback rules
	named   [][2]int32 // :: rule → its stretch of naming
	naming  []int32    // phases that name a rollback rule, in order

	weigh    []*weighLayout // :: rule → what it weighs with, nil for those that do not weigh
	weighing []int32        // the rollback rules that weigh evidence
}

// phases lists the phases that name a rollback rule.
func (l *layout) phases(rule int) []int32 { return l.naming[l.named[rule][0]:l.named[rule][1]] }

func (l *layout) nameRules() {
	l.named = make([][2]int32, len(l.plan.Rules))
	for k := range l.plan.Phases {
		for _, r := range l.plan.Phases[k].Rollback {
			l.named[r][1]++
		}
	}
	var n int32
	for r := range l.named {
		n, l.named[r] = n+l.named[r][1], [2]int32{n, n}
	}
	l.naming = make([]int32, n)
	for k := range l.plan.Phases {
		for _, r := range l.plan.Phases[k].Rollback {
			l.naming[l.named[r][1]] = int32(k)
			l.named[r][1]++
		}
	}
}

type signalLayout struct {
	period  int64 // seconds, at least 1
	every   int64
	settle  int64
	judged  int64 // seconds of event time that a rollback rule may judge at once: read again each time
	keep    int32 // points that the rollback rules and Signal.Keep need, with slack
	level   bool  // a point is a level, whole as soon as it is known
	empties bool  // a period without samples counts as seen: all rules on the signal weigh evidence
	gaps    bool  // a rule counts the periods that are known to be missing
}

func (s *State) layoutOf(plan *rules.Plan) *layout {
	if s.lay != nil && s.lay.plan == plan {
		return s.lay
	}
	return newLayout(plan)
}

func newLayout(plan *rules.Plan) *layout {
	l := &layout{plan: plan, start: plan.Start.Unix(), signals: make([]signalLayout, len(plan.Signals))}
	for i := range plan.Signals {
		l.signals[i] = signalNumbers(&plan.Signals[i])
	}
	for i := range plan.Rules {
		r := &plan.Rules[i]
		if r.Kind != rules.RollbackRule {
			continue
		}
		l.roll = append(l.roll, int32(i))
		sig := &l.signals[r.Signal]
		judged, need := reach(r, sig)
		sig.judged = max(sig.judged, judged)
		sig.keep = max(sig.keep, int32(min(need, maxKeep)))
		sig.gaps = sig.gaps || r.Datapoints.M > 0
	}
	for i := range l.signals {
		sig := &l.signals[i]
		sig.keep += int32(min(sig.settle/sig.period, maxKeep)) + 1
	}
	l.nameRules()
	l.weighRules()
	return l
}

// weighRules lays out the rules that weigh evidence. A period is folded when no
// correction reaches it any more, and must be kept until then.
func (l *layout) weighRules() {
	l.weigh = make([]*weighLayout, len(l.plan.Rules))
	plain := make([]bool, len(l.signals))
	for i := range l.plan.Rules {
		r := &l.plan.Rules[i]
		if r.Method != rules.Sequential {
			plain[r.Signal], l.signals[r.Signal].empties = true, false
			continue
		}
		l.signals[r.Signal].empties = !plain[r.Signal]
		l.weigh[i] = newWeighLayout(l.plan, i)
		if b := l.plan.Signals[r.Signal].Baseline; b > 0 {
			l.weigh[i].grace = l.allowance(b, 0)
		}
		if r.Kind == rules.RollbackRule {
			l.weighing = append(l.weighing, int32(i))
		}
		for _, s := range [...]int{r.Signal, l.plan.Signals[r.Signal].Baseline} {
			if sig := &l.signals[s]; s > 0 || s == r.Signal {
				lag := max(sig.settle, secs(r.For))
				sig.judged = max(sig.judged, lag)
				sig.keep = max(sig.keep, int32(min((2*sig.settle+lag)/sig.period+recent, maxKeep)))
			}
		}
	}
}

// maxKeep bounds the points of one series against an absurd plan.
const maxKeep = 1 << 20

func signalNumbers(s *rules.Signal) signalLayout {
	l := signalLayout{
		period: max(secs(s.Period), 1),
		settle: max(secs(s.Settle), 0),
		level:  s.Kind == rules.Gauge || s.Kind == rules.Alarm,
		keep:   int32(min(max(s.Keep, 1), maxKeep)),
	}
	l.every = secs(s.Every)
	if l.every <= 0 {
		l.every = l.period
	}
	return l
}

// allowance is how old the newest knowledge of a signal may be before the signal
// counts as silent. In the steady state it is up to Settle + Every + Period old
// just before the next answer; one answer may be lost (a second Every), and an
// answer waits for a tick and takes a moment (a minute, or an interval).
func (l *layout) allowance(signal int, width int64) int64 {
	s := &l.signals[signal]
	return s.settle + 2*s.every + max(s.period, width) + max(60, secs(l.plan.Interval))
}

func secs(d time.Duration) int64 { return int64(d / time.Second) }

func when(unix int64) time.Time { return time.Unix(unix, 0).UTC() }

// whenOrZero is the time, or the zero time for zero.
func whenOrZero(unix int64) time.Time {
	if unix == 0 {
		return time.Time{}
	}
	return when(unix)
}

func alignDown(t, w int64) int64 {
	if r := t % w; r < 0 {
		return t - r - w
	} else {
		return t - r
	}
}

func alignUp(t, w int64) int64 { return alignDown(t+w-1, w) }
