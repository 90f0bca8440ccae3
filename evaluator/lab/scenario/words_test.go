package scenario_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/rules"
)

var (
	verbs   = []string{"PASS", "WAIT", "HOLD", "FAIL", "ROLLBACK", "UNKNOWN", "SUPERSEDED", "WARN", "CLEAR", "NOTE", "OK", "REFUSED", "DUE", "NOT SENT"}
	clocks  = regexp.MustCompile(`\d\d:\d\d(:\d\d)?( UTC)?`)
	odd     = regexp.MustCompile(`%!|  | ,| \.|\.\.|NaN|Inf|0001-01|\(\)|: \.`)
	strange = []string{"nobody", "somebody", "for want of", "take back", "taken back", "its time has come"}
)

// sound checks what holds of every text: headlines are short and begin with one of
// a few words, times have their zone, no fact is said twice.
func sound(t *testing.T, what string, text words.Text) {
	t.Helper()
	verb, _, ok := strings.Cut(text.Headline, ": ")
	if n := utf8.RuneCountInString(text.Headline); n > 80 || !ok || !slices.Contains(verbs, verb) {
		t.Errorf("%s: the headline has %d characters: %q", what, n, text.Headline)
	}
	if text.Sentence == "" {
		t.Errorf("%s: nothing is said", what)
	}
	lines := append([]string{text.Headline, text.Sentence, text.Do}, text.Detail...)
	for i, l := range lines {
		for _, m := range clocks.FindAllStringSubmatch(l, -1) {
			if m[2] == "" && !strings.HasSuffix(l, " …") {
				t.Errorf("%s: %q has no zone: %q", what, m[0], l)
			}
		}
		if strings.Contains(l, "\n") || odd.MatchString(l) {
			t.Errorf("%s: %q", what, l)
		}
		for _, s := range strange {
			if strings.Contains(l, s) {
				t.Errorf("%s: it says %q: %q", what, s, l)
			}
		}
		if i > 2 && (l == "" || strings.Contains(text.Sentence, l) || slices.Contains(text.Detail[:i-3], l)) {
			t.Errorf("%s: %q is said twice: %q", what, l, text.Sentence)
		}
	}
	parts := strings.Split(text.Sentence, ". ")
	for i, p := range parts {
		if slices.Contains(parts[:i], p) {
			t.Errorf("%s: %q is said twice in a sentence: %q", what, p, text.Sentence)
		}
	}
}

// What is said of the golden scenarios is sound at every tick, of everything.
func TestWhatIsSaidIsSound(t *testing.T) {
	files, err := filepath.Glob("../../testdata/scenario/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d golden scenarios, %v; want at least 20", len(files), err)
	}
	said := map[fact.Code]bool{}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			r := run(t, path, data)
			if r.Plan == nil {
				return
			}
			state, all := evaluator.Begin(r.Plan), []fact.Event(nil)
			for _, tick := range r.Ticks {
				var events []fact.Event
				state, events = evaluator.Step(r.Plan, state, tick)
				all = append(all, events...)
				for i := range events {
					said[events[i].Why.Code] = true
					soundEvent(t, r.Plan, &events[i], all)
				}
				s := evaluator.Look(r.Plan, state)
				soundSnapshot(t, r.Plan, &s, said)
			}
		})
	}
	t.Logf("%d grounds came", len(said))
}

func soundEvent(t *testing.T, plan *rules.Plan, e *fact.Event, all []fact.Event) {
	var root *fact.Event
	if i := slices.IndexFunc(all, func(o fact.Event) bool { return o.ID == e.Because }); i >= 0 {
		root = &all[i]
	}
	what := e.ID + " " + string(e.Kind) + " " + e.Subject + " " + e.To
	sound(t, what, words.Event(plan, e, root))
	sound(t, what+" without its root", words.Event(plan, e, nil))
}

func soundSnapshot(t *testing.T, plan *rules.Plan, s *fact.Snapshot, said map[fact.Code]bool) {
	at := s.At.Sub(s.Start).String()
	sound(t, at+" run", words.Run(plan, s))
	said[s.Why.Code] = true
	for k := range s.Phases {
		p := &s.Phases[k]
		said[p.Why.Code] = true
		text := words.Phase(plan, s, k)
		sound(t, at+" phase "+p.Name, text)
		if p.Verdict != rules.Pass && strings.HasPrefix(text.Headline, "PASS") {
			t.Errorf("%s phase %s is %v: %q", at, p.Name, p.Verdict, text.Headline)
		}
		for i := range p.Success {
			said[p.Success[i].Why.Code] = true
			sound(t, at+" rule "+p.Success[i].Name, words.Rule(plan, &p.Success[i], s.At))
		}
	}
	for i := range s.Rollback {
		v := &s.Rollback[i]
		said[v.Why.Code] = true
		text := words.Rule(plan, v, s.At)
		sound(t, at+" rule "+v.Name, text)
		if clear := strings.Contains(text.Sentence, "is clear"); clear && v.State != fact.RuleClear {
			t.Errorf("%s rule %s is %s: %q", at, v.Name, v.State, text.Sentence)
		}
	}
}
