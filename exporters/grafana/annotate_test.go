package grafana_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/grafana"
	"github.com/relgate/relgate/exporters/grafana/grafanatest"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/wire"
)

var t0 = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

// happened makes the message of an event, n minutes after the release began.
func happened(n int, kind, subject, from, to string) outbox.Message {
	e := wire.EventBody{
		Kind: kind, Type: "relgate." + kind + "." + to, ID: fmt.Sprintf("shop@1.2.0.UID/%d", n), N: uint64(n), Plan: "shop", Run: "shop@1.2.0", Version: "1.2.0",
		Subject: subject, From: from, To: to, Headline: strings.ToUpper(to) + ": <b>" + subject + "</b> & more",
	}
	if kind != "run" {
		e.Phase = subject
	}
	data, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return outbox.Message{ID: e.ID, Type: e.Type, N: e.N, Plan: e.Plan, Subject: subject, At: t0.Add(time.Duration(n) * time.Minute), Data: data}
}

// story is a run in which everything happens that has an annotation, and much that has none.
var story = []outbox.Message{
	happened(1, "run", "shop", "", "waiting"),
	happened(2, "phase", "ten", "waiting", "monitoring"),
	happened(3, "run", "shop", "waiting", "monitoring"),
	happened(4, "rule", "errors", "clear", "breaching"),
	happened(5, "run", "shop", "monitoring", "held"),
	happened(6, "phase", "ten", "monitoring", "held"),
	happened(7, "run", "shop", "held", "monitoring"),
	happened(8, "phase", "ten", "held", "monitoring"),
	happened(9, "verdict", "ten", "pending", "unknown"),
	happened(10, "verdict", "ten", "unknown", "pending"),
	happened(11, "phase", "ten", "monitoring", "passed"),
	happened(12, "verdict", "ten", "pending", "pass"),
	happened(13, "phase", "all", "waiting", "monitoring"),
	happened(14, "run", "shop", "monitoring", "rolled_back"),
	happened(15, "phase", "all", "monitoring", "rolled_back"),
	happened(16, "verdict", "ten", "pass", "rollback"),
	happened(17, "phase", "later", "waiting", "rolled_back"),
	happened(18, "run", "shop", "rolled_back", "superseded"),
	happened(19, "effect", "errors/alias", "planned", "intended"),
	happened(20, "effect", "shop", "done", "safe"),
}

// told sends messages and fails where one is not taken.
func told(t *testing.T, sink *grafana.Annotator, messages ...outbox.Message) {
	t.Helper()
	for _, m := range messages {
		if o := sink.Send(t.Context(), m); !o.OK {
			t.Fatalf("%s: %+v", m.ID, o)
		}
	}
}

// drawn writes annotations as lines: from and to in minutes, and the text.
func drawn(annotations []grafanatest.Object) string {
	var lines []string
	for _, a := range annotations {
		minute := func(key string) float64 { return (a[key].(float64) - float64(t0.UnixMilli())) / 60000 }
		lines = append(lines, fmt.Sprintf("%v-%v %v", minute("time"), minute("timeEnd"), a["text"]))
	}
	return strings.Join(lines, "\n")
}

const drawnStory = `2-11 MONITORING: &lt;b&gt;ten&lt;/b&gt; &amp; more<br>PASSED: &lt;b&gt;ten&lt;/b&gt; &amp; more
5-5 HELD: &lt;b&gt;shop&lt;/b&gt; &amp; more
7-7 MONITORING: &lt;b&gt;shop&lt;/b&gt; &amp; more
9-9 UNKNOWN: &lt;b&gt;ten&lt;/b&gt; &amp; more
12-12 PASS: &lt;b&gt;ten&lt;/b&gt; &amp; more
13-15 MONITORING: &lt;b&gt;all&lt;/b&gt; &amp; more<br>ROLLED_BACK: &lt;b&gt;all&lt;/b&gt; &amp; more
14-14 ROLLED_BACK: &lt;b&gt;shop&lt;/b&gt; &amp; more
18-18 SUPERSEDED: &lt;b&gt;shop&lt;/b&gt; &amp; more
20-20 SAFE: &lt;b&gt;shop&lt;/b&gt; &amp; more`

func TestARunIsAnnotated(t *testing.T) {
	fake, c := open(t, "/grafana")
	told(t, c.Annotator(""), story...)
	if got := drawn(fake.Annotations()); got != drawnStory {
		t.Errorf("got\n%s\nwant\n%s", got, drawnStory)
	}
	want := []any{"relgate", "plan:shop", "type:phase.monitoring", "run:shop@1.2.0", "phase:ten", "event:shop@1.2.0.UID/2", "region:shop@1.2.0.UID/ten", "event:shop@1.2.0.UID/11"}
	if got := fake.Annotations()[0]["tags"].([]any); !slices.Equal(got, want) {
		t.Errorf("tags %v, want %v", got, want)
	}
	// Every type that has an annotation is one that the endpoint asks for.
	for _, m := range story {
		if before := len(fake.Requests()); !slices.Contains(grafana.Types(), m.Type) {
			told(t, c.Annotator(""), m)
			if len(fake.Requests()) > before {
				t.Errorf("%s has an annotation and is not among the types", m.Type)
			}
		}
	}
}

// Whatever is sent again, in whatever order after a restart, there is one of each.
func TestAnEventThatIsSentAgainIsNotWrittenAgain(t *testing.T) {
	fake, c := open(t, "")
	told(t, c.Annotator(""), story...)
	state := fake.State()
	told(t, c.Annotator(""), story...)
	for _, m := range slices.Backward(story) {
		told(t, c.Annotator(""), m)
	}
	if fake.State() != state {
		t.Errorf("got\n%s", drawn(fake.Annotations()))
	}
}

// An answer that is lost after Grafana has done it, at any request, and the attempt again.
func TestAnAnswerThatIsLostMakesNoSecondAnnotation(t *testing.T) {
	for name, mode := range map[string]grafanatest.Mode{"lost": {Lost: true}, "502": {After: 502}, "not done": {Status: 503}} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(8) {
				fake, c := open(t, "")
				chance := rand.New(rand.NewPCG(seed, 0))
				fake.Answer(func(r *http.Request) grafanatest.Mode {
					if chance.IntN(2) == 0 {
						return mode
					}
					return grafanatest.Mode{}
				})
				sink := c.Annotator("")
				for _, m := range story {
					attempts := 0
					for o := sink.Send(t.Context(), m); !o.OK; o = sink.Send(t.Context(), m) {
						if attempts++; attempts > 200 || o.Refused || o.Reason == "" {
							t.Fatalf("%s: %+v", m.ID, o)
						}
					}
				}
				if got := drawn(fake.Annotations()); got != drawnStory {
					t.Errorf("seed %d: got\n%s\nwant\n%s", seed, got, drawnStory)
				}
			}
		})
	}
}

// What a person writes into an annotation stays when its region ends, and one that a person
// removed does not come back but as its end.
func TestAPersonsAnnotationSurvives(t *testing.T) {
	fake, c := open(t, "")
	sink := c.Annotator("")
	told(t, sink, happened(2, "phase", "ten", "waiting", "monitoring"), happened(3, "phase", "all", "waiting", "monitoring"))
	fake.EditAnnotations(func(all []grafanatest.Object) []grafanatest.Object {
		all[0]["text"] = "we look closely"
		all[0]["tags"] = append(all[0]["tags"].([]any), "ours")
		return all[:1]
	})
	told(t, sink, happened(4, "phase", "all", "held", "monitoring")) // it goes on, and does not begin
	told(t, sink, happened(5, "phase", "ten", "monitoring", "failed"), happened(6, "phase", "all", "monitoring", "failed"))
	want := "2-5 we look closely<br>FAILED: &lt;b&gt;ten&lt;/b&gt; &amp; more\n6-6 FAILED: &lt;b&gt;all&lt;/b&gt; &amp; more"
	if got := drawn(fake.Annotations()); got != want || !slices.Contains(fake.Annotations()[0]["tags"].([]any), any("ours")) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// An event is known by its id alone, also where the database does not tell a from A, and
// where the id is longer than a tag may be.
func TestIdsAreToldApart(t *testing.T) {
	fake, c := open(t, "")
	long := strings.Repeat("v", 128)
	for _, id := range []string{"shop@1.2.0a.UID/1", "shop@1.2.0A.UID/1", "shop@" + long + ".UID/1", "shop@" + long + ".UID/2"} {
		m := happened(1, "run", "shop", "monitoring", "passed")
		m.Data = []byte(strings.ReplaceAll(string(m.Data), "shop@1.2.0.UID/1", id))
		told(t, c.Annotator(""), m, m)
	}
	if n := len(fake.Annotations()); n != 4 {
		t.Errorf("%d annotations, want 4", n)
	}
}

// Names of every length fit into the tags that Grafana takes, and the dashboard finds the
// plan by its name.
func TestNamesOfEveryLengthFit(t *testing.T) {
	fake, c := open(t, "")
	for n := 0; n < 64; n += 9 {
		for _, version := range []string{"1", strings.Repeat("v", 20), strings.Repeat("v", 128)} {
			plan, phase := strings.Repeat("p", n+1), strings.Repeat("f", 64)
			before := len(fake.Annotations())
			for i, m := range []outbox.Message{happened(1, "phase", "ten", "waiting", "monitoring"), happened(2, "phase", "ten", "monitoring", "superseded"), happened(3, "verdict", "ten", "pending", "unknown")} {
				var e wire.EventBody
				if err := json.Unmarshal(m.Data, &e); err != nil {
					t.Fatal(err)
				}
				e.Plan, e.Phase, e.Run = plan, phase, plan+"@"+version
				e.ID = fmt.Sprintf("%s.%s/%d", e.Run, strings.Repeat("u", 26), 99990+i)
				m.Data, _ = json.Marshal(e)
				told(t, c.Annotator(""), m, m)
			}
			all := fake.Annotations()
			if len(all) != before+2 || !slices.Contains(all[before+1]["tags"].([]any), any("plan:"+plan)) {
				t.Fatalf("%d annotations, want 2: %v", len(all)-before, all[before:])
			}
		}
	}
}

func TestAnAnnotationLinksToItsRun(t *testing.T) {
	fake, c := open(t, "")
	told(t, c.Annotator("https://relgate.example.com/"), happened(1, "run", "shop", "monitoring", "passed"))
	want := `PASSED: &lt;b&gt;shop&lt;/b&gt; &amp; more <a href="https://relgate.example.com/v1/runs/shop@1.2.0" target="_blank">shop@1.2.0</a>`
	if got := fake.Annotations()[0]["text"]; got != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// What a person can put right is tried again, and what Grafana will never take is not.
func TestWhatIsTriedAgain(t *testing.T) {
	for status, want := range map[int]outbox.Outcome{
		400: {Refused: true}, 422: {Refused: true}, 401: {}, 403: {}, 404: {}, 409: {}, 429: {RetryAfter: 30 * time.Second}, 500: {}, 502: {},
	} {
		fake, c := open(t, "")
		fake.Answer(func(*http.Request) grafanatest.Mode {
			m := grafanatest.Mode{Status: status, Words: "because of " + token}
			if status == 429 {
				m.RetryAfter = 30
			}
			return m
		})
		o := c.Annotator("").Send(t.Context(), story[1])
		if o.OK || o.Refused != want.Refused || o.RetryAfter != want.RetryAfter || !strings.Contains(o.Reason, fmt.Sprint(status)) || strings.Contains(o.Reason, token) {
			t.Errorf("%d: %+v", status, o)
		}
	}
	_, c := open(t, "")
	if o := c.Annotator("").Send(t.Context(), outbox.Message{Data: []byte("no JSON")}); o.OK || !o.Refused {
		t.Errorf("%+v", o)
	}
}
