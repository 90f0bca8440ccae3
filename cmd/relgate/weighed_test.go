package main

import (
	"bytes"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/rules"
)

const heldSentence = "HOLD: 7 of 60 canary requests failed since 02:20 (12 %; likely 2.6 % to 29 %); baseline over the same minutes 65/540: " +
	"the baseline is bad as well and nothing shows the release to be worse, so rolling back will not help; the run is held until it is resumed"

// heldView is a run that a rule holds, beside one that warns and one that fired.
func heldView() gate.View {
	start := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	names := []string{"api-5xx-high", "slow-high", "crash-high"}
	plan := &rules.Plan{Name: "P", Interval: 30 * time.Second, Start: start, Signals: []rules.Signal{{Name: "api_5xx"}}}
	s := evaluator.Snapshot{
		Plan: "P", Seq: 7, Start: start, At: start.Add(25 * time.Minute), Interval: 30 * time.Second, State: rules.Held, Held: true, Verdict: rules.Pending,
		Cause: rules.CauseBaseline, Reason: "the run is held: rollback rule api-5xx-high: " + heldSentence, Generation: 9,
		Holder: evaluator.Holder{By: "api-5xx-high", Rule: true, Cause: rules.CauseBaseline, Why: heldSentence},
		Phases: []evaluator.PhaseView{{
			Name: "ten", Traffic: .1, State: rules.Monitoring, Verdict: rules.Pending, Reason: "watched until 03:00", Started: start, WindowEnd: start.Add(time.Hour),
			Rollback: []int{0, 1, 2},
		}},
	}
	for i, name := range names {
		plan.Rules = append(plan.Rules, rules.Rule{Name: name, Kind: rules.RollbackRule})
		d := &evaluator.Weighed{
			Bad: 7, Low: .026, High: .29, Limit: .01, Trigger: .03, Against: math.Log(196.5), Bound: math.Log(100), Warning: 5, Middle: 1,
			Baseline: &evaluator.Beside{Signal: "api_5xx@41", Bad: 65, Samples: 540, Worse: -6, Warning: 4},
		}
		s.Rollback = append(s.Rollback, evaluator.RuleView{
			Name: name, Kind: rules.RollbackRule, State: []evaluator.RuleState{evaluator.RuleHolding, evaluator.RuleWarning, evaluator.RuleClear}[i],
			Reason:   []string{heldSentence, "WARN: 5 of 60", "nothing to see"}[i],
			Evidence: evaluator.Evidence{Signal: "api_5xx", Known: true, Value: .1167, Op: rules.Greater, Threshold: .03, Unit: rules.Percent, Samples: 60, Weighed: d},
		})
	}
	return gate.View{Plan: plan, Snapshot: s}
}

// heldDaemon answers as a daemon whose run is held.
func heldDaemon(t *testing.T, view gate.View) (url string) {
	t.Helper()
	g, err := gate.New(gate.Config{Now: func() time.Time { return view.Snapshot.At }})
	if err != nil {
		t.Fatal(err)
	}
	g.Update([]gate.View{view})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.Handler().ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	t.Cleanup(g.Drain) // before the server, which waits for long polls
	return srv.URL
}

func TestTheSentenceOfAHoldIsSaidByEveryCommand(t *testing.T) {
	url := heldDaemon(t, heldView())
	for _, tt := range []struct {
		args     []string
		code     int
		out, err string
	}{
		{[]string{"gate", "check", "P"}, exitPending, "held by rollback rule api-5xx-high: " + heldSentence + "; watched until 03:00\n", ""},
		{[]string{"gate", "check", "P", "-o", "github"}, exitPending, "so rolling back will not help", ""},
		{[]string{"gate", "check", "P", "-o", "gitlab"}, exitPending, heldSentence + "; watched until 03:00\nheld=true\n", ""},
		{[]string{"gate", "verdict", "P"}, exitPass, "pending\n", "held by rollback rule api-5xx-high: " + heldSentence + "\n"},
		{[]string{"gate", "wait", "P", "--timeout", "200ms"}, exitTimeout, "", heldSentence},
		{[]string{"explain", "P"}, exitPass, "holding  " + heldSentence, ""},
	} {
		code, out, errs := command(t, append(tt.args, "--url", url)...)
		if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(errs, tt.err) {
			t.Errorf("%q: exit %d, stdout %q, stderr %q; want exit %d, %q and %q", tt.args, code, out, errs, tt.code, tt.out, tt.err)
		}
	}
	if _, out, _ := command(t, "gate", "verdict", "P", "--url", url); out != "pending\n" {
		t.Errorf("gate verdict prints %q, want the verdict alone", out)
	}
	if _, _, errs := command(t, "gate", "wait", "P", "--timeout", "200ms", "--url", url); strings.Count(errs, "pending: ") != 1 {
		t.Errorf("gate wait says what has not changed again: %q", errs)
	}
}

func TestAPersonsHoldIsSaid(t *testing.T) {
	v := heldView()
	v.Snapshot.Holder = evaluator.Holder{By: "Ada", Cause: rules.CauseManual, Why: "lunch"}
	v.Snapshot.Reason = "phase ten is held"
	url := heldDaemon(t, v)
	for _, args := range [][]string{{"gate", "check", "P"}, {"gate", "verdict", "P"}, {"explain", "P"}} {
		if _, out, errs := command(t, append(args, "--url", url)...); !strings.Contains(out+errs, "held by Ada: lunch") {
			t.Errorf("%q does not say who holds the run: %q%q", args, out, errs)
		}
	}
}

func TestExplainShowsWhatIsWeighed(t *testing.T) {
	url := heldDaemon(t, heldView())
	_, out, _ := command(t, "explain", "P", "--url", url)
	for _, want := range []string{
		"PENDING (held): the run is held: rollback rule api-5xx-high: HOLD: ",
		"likely 2.6 % to 29 %; limit 1 %, trigger 3 %; evidence to warn 1 in 148, to hold 1 in 196, each acts at 1 in 100; baseline 65 of 540, evidence that the release is worse to warn 1 in 54, to confirm it none\n",
		"warning  WARN: 5 of 60", "not triggered  nothing to see",
		"\n  the run is held by rollback rule api-5xx-high; watched until 03:00\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("explain lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("there are colours where nobody sees them")
	}
}

// TestExplainWritesSharesAsThePlanDoes: of a signal that counts good ones the limit
// is a good share as well, with the digits of the sentences.
func TestExplainWritesSharesAsThePlanDoes(t *testing.T) {
	v := heldView()
	s := &v.Snapshot
	crash := &s.Rollback[0]
	crash.Evidence.Op, crash.Evidence.Threshold, crash.Evidence.Value = rules.Less, .98, .9703125
	*crash.Evidence.Weighed = evaluator.Weighed{
		Bad: 38, Low: .948294, High: .985111, Limit: .005, Trigger: .02, Against: math.Log(64_137), Warning: 40, Bound: math.Log(333), Middle: 9,
	}
	quiet := &s.Rollback[1]
	quiet.Evidence.Known, quiet.Evidence.Value, quiet.Evidence.Samples = false, 0, 0
	*quiet.Evidence.Weighed = evaluator.Weighed{Limit: .0007, Trigger: .02, Bound: math.Log(333)}
	rare := &s.Rollback[2]
	rare.Evidence.Value = .000014241
	*rare.Evidence.Weighed = evaluator.Weighed{Bad: 1, Low: .0000014241, High: .00214241, Limit: .0007, Trigger: .02, Against: math.Inf(-1), Warning: 20, Bound: math.Log(333)}
	share := *crash
	share.Kind, share.Evidence.Op, share.Evidence.Threshold = rules.Success, rules.GreaterOrEqual, .995
	s.Phases[0].Success = []evaluator.RuleView{share}
	_, out, _ := command(t, "explain", "P", "--url", heldDaemon(t, v))
	for _, tt := range []struct {
		want string
		n    int
	}{
		{" 97.0 % ", 2}, {" >= 99.5 % ", 1}, {" < 98 % ", 1}, {"likely 94.8 % to 98.5 %; limit 99.5 %, trigger 98 %; evidence ", 2},
		{"; evidence to warn 1 in a million, to hold 1 in 64,100, each acts at 1 in 333\n", 1},
		{"; evidence against it 1 in 64,100, acts at 1 in 333; ", 1},
		{"\n    limit 0.07 %, trigger 2 %\n", 1},
		{" <0.01 % ", 2},
		{"likely <0.01 % to 0.21 %; limit 0.07 %, trigger 2 %; evidence to warn 1 in a million, to hold none, each acts at 1 in 333\n", 1},
	} {
		if got := strings.Count(out, tt.want); got != tt.n {
			t.Errorf("explain has %q %d times, want %d:\n%s", tt.want, got, tt.n, out)
		}
	}
}

func TestExplainCountsFailures(t *testing.T) {
	v := heldView()
	for i, tt := range []struct {
		fault rules.Fault
		n     int
	}{{rules.NoData, 0}, {rules.Throttled, 1}, {rules.Unavailable, 7}} {
		v.Snapshot.Signals = append(v.Snapshot.Signals, evaluator.SignalView{Name: string(rune('a' + i)), Fault: tt.fault, Failures: tt.n, Detail: "so"})
	}
	_, out, _ := command(t, "explain", "P", "--url", heldDaemon(t, v))
	for _, want := range []string{"\nsignal a: no_data: so\n", "\nsignal b: throttled, once: so\n", "\nsignal c: unavailable, 7 times in a row: so\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("explain lacks %q:\n%s", want, out)
		}
	}
}

func TestScreenShowsTheSentences(t *testing.T) {
	v := heldView()
	for _, colour := range []bool{false, true} {
		var out strings.Builder
		s := screen{w: &out, width: func() int { return 60 }, colour: colour, start: v.Snapshot.Start}
		s.draw(&v.Snapshot, true)
		flat := strings.Join(strings.Fields(strip(out.String())), " ")
		for _, want := range []string{"held by api-5xx-high", heldSentence, "WARN: 5 of 60"} {
			if !strings.Contains(flat, want) {
				t.Errorf("the frame lacks %q:\n%s", want, flat)
			}
		}
		if strings.Contains(flat, "nothing to see") {
			t.Error("a rule that says nothing against the release takes a line")
		}
		for line := range strings.Lines(strip(out.String())) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 60 {
				t.Errorf("a line of %d columns would wrap: %q", n, line)
			}
		}
		if got := strings.Contains(out.String(), "\x1b["+stateColours[evaluator.RuleHolding]+"mHOLD: "); got != colour {
			t.Errorf("the sentence is coloured: %v, want %v", got, colour)
		}
	}
	wide := screen{w: &bytes.Buffer{}, width: func() int { return 200 }}
	if got := wide.rule(v.Snapshot.Rollback[0]); !strings.Contains(got, "holding") || !strings.HasSuffix(got, "evidence 1 in 196, acts at 1 in 100") {
		t.Errorf("the rule's line is %q", got)
	}
	warns := v.Snapshot.Rollback[1]
	d := *warns.Evidence.Weighed
	d.Against, warns.Evidence.Weighed = 0, &d
	if got := wide.rule(warns); !strings.HasSuffix(got, "evidence to warn 1 in 148, acts at 1 in 100") {
		t.Errorf("the line of a rule that warns is %q", got)
	}
}

// strip takes the escape sequences out.
func strip(s string) string {
	var b strings.Builder
	escape := false
	for _, r := range s {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r < 'A' || r == '['
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func TestEveryStateHasAColour(t *testing.T) {
	for _, s := range evaluator.RuleStates() {
		if stateColours[s] == "" {
			t.Errorf("state %s has none", s)
		}
	}
}

func TestSummaryKeepsTheFirstOfEach(t *testing.T) {
	var r rollbackSummary
	for i, to := range []string{"clear", "warning", "clear", "warning", "holding", "warning", "fired"} {
		from := ""
		if i == 5 {
			from = "holding"
		}
		r.note(&moment{Offset: string(rune('a' + i)), From: from, To: to, Reason: strings.ToUpper(to) + ": so"})
	}
	if r.FirstEvent.Offset != "a" || r.Warning.Offset != "b" || r.Holding.Offset != "e" || r.Fired.Offset != "g" {
		t.Errorf("first %s, warning %s, holding %s, fired %s; want a, b, e, g", r.FirstEvent.Offset, r.Warning.Offset, r.Holding.Offset, r.Fired.Offset)
	}
	var out bytes.Buffer
	p := linePresenter{out: &out}
	r.Rule = "errors-high"
	p.rollback(&r)
	if got, want := out.String(), "  rule errors-high: warning at b, holding at e, fired at g: FIRED: so\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	resumed := rollbackSummary{}
	resumed.note(&moment{From: "holding", To: "warning"})
	if resumed.Warning != nil {
		t.Error("a hold that was resumed is no first warning")
	}
	out.Reset()
	p.rollback(&rollbackSummary{Rule: "quiet", FirstEvent: &moment{To: "clear"}})
	if out.Len() > 0 {
		t.Errorf("a rule that said nothing has a line: %q", out.String())
	}
}

func TestEarlierReleasesAreSaid(t *testing.T) {
	v := heldView()
	for i, p := range []*evaluator.Earlier{nil, {}, {Releases: 4, Bad: 12, Samples: 40_000, Worse: math.Log(30.5)}} {
		v.Snapshot.Rollback[i].Evidence.Weighed.Past = p
	}
	_, out, _ := command(t, "explain", "P", "--url", heldDaemon(t, v))
	for _, want := range []string{"; no earlier release to compare with yet\n", "; 4 earlier releases 12 of 40000, evidence that this one is worse 1 in 30\n"} {
		if strings.Count(out, want) != 1 {
			t.Errorf("explain lacks %q:\n%s", want, out)
		}
	}
}

func TestWrapped(t *testing.T) {
	for _, tt := range []struct {
		text  string
		width int
		want  string
	}{
		{"", 10, ""}, {"one", 10, "one"}, {"one two three", 7, "one two|three"}, {"incomprehensible it is", 5, "incomprehensible|it is"}, {"große Lüge", 10, "große Lüge"},
	} {
		if got := strings.Join(wrapped(tt.text, tt.width), "|"); got != tt.want {
			t.Errorf("wrapped(%q, %d) = %q, want %q", tt.text, tt.width, got, tt.want)
		}
	}
}
