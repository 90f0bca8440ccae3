package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
)

// house is where runs and their events are.
type house struct {
	mu      sync.Mutex
	events  []wire.EventBody
	ended   time.Time
	err     error
	changed chan struct{}
}

func newHouse() *house { return &house{changed: make(chan struct{})} }

func (h *house) Runs(context.Context) ([]Run, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return []Run{{ID: "REL@1.0.0", Ended: h.ended, Events: func(_ context.Context, after uint64) ([]wire.EventBody, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		return append([]wire.EventBody(nil), h.events[after:]...), h.err
	}}}, nil
}

func (h *house) Changed() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

// say commits an event.
func (h *house) say(kind, subject, from, to string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := uint64(len(h.events) + 1)
	h.events = append(h.events, wire.EventBody{
		Kind: kind, Subject: subject, From: from, To: to, N: n, ID: fmt.Sprintf("REL@1.0.0.k7q/%d", n), Run: "REL@1.0.0", Plan: "REL", Version: "1.0.0",
		At: new(time.Now()), Headline: subject + " is " + to,
	})
	close(h.changed)
	h.changed = make(chan struct{})
}

// post is a request that an instance got.
type post struct {
	at     time.Duration // since it was made
	alerts []posting
}

// instance plays the part of an Alertmanager.
type instance struct {
	t      *testing.T
	began  time.Time
	mu     sync.Mutex
	posts  []post
	answer func(body string) int // nil: 200
}

func (i *instance) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.URL.Path != "/am/api/v2/alerts" || r.Header.Get("Content-Type") != "application/json" {
		i.t.Errorf("%s with %v, %v", r.URL, r.Header, err)
	}
	var alerts []posting
	if err := json.Unmarshal(body, &alerts); err != nil {
		i.t.Error(err)
	}
	i.mu.Lock()
	i.posts = append(i.posts, post{time.Since(i.began), alerts})
	i.mu.Unlock()
	status := 200
	if i.answer != nil {
		status = i.answer(string(body))
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
}

// all writes what was posted: "at name=until its end, or its end", a line for each post.
func (i *instance) all() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var lines []string
	for _, p := range i.posts {
		var list []string
		for _, a := range p.alerts {
			list = append(list, fmt.Sprintf("%s%s %s", strings.TrimPrefix(a.Labels["alertname"], "Relgate"), a.Labels["rule"], a.EndsAt.Sub(i.began.Add(p.at)).Round(time.Second)))
		}
		lines = append(lines, fmt.Sprintf("%s: %s", p.at.Round(time.Second), strings.Join(list, ", ")))
	}
	return strings.Join(lines, "\n")
}

func sink(t *testing.T, c webhook.Config, url string) *webhook.Sink {
	t.Helper()
	s, err := webhook.New(c, webhook.Endpoint{Name: "am", URL: url, Format: format.None()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pushing runs a pusher to an instance until the test says so.
func pushing(t *testing.T, h *house, i *instance, log io.Writer) (p *Pusher, stop func()) {
	t.Helper()
	i.t, i.began = t, time.Now()
	p = New(Config{
		Name: "am", Address: "am.example", URL: "https://am.example/am/", Labels: map[string]string{"team": "mobile"}, Runs: h.Runs, Changed: h.Changed,
		Link: func(run string) string { return "https://relgate.example/v1/runs/" + run },
		Sink: sink(t, webhook.Config{Transport: i}, "https://am.example/am/"), Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	synctest.Wait()
	return p, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// pause lets time pass, and the pusher do its work.
func pause(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestWhatFiresIsRepeatedAndWhatIsResolvedIsSaid(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(h *house)
		want string
	}{
		{"what is judged ends four repetitions ahead, and silence resolves nothing", func(h *house) {
			h.say("rule", "5xx", "clear", "breaching")
			pause(90 * time.Second)
			h.say("rule", "5xx", "breaching", "silent")
			pause(90 * time.Second)
		}, "0s: RuleAgainst5xx 4m0s\n1m0s: RuleAgainst5xx 4m0s\n2m0s: RuleAgainst5xx 4m0s\n3m0s: RuleAgainst5xx 4m0s"},
		{"a decision ends an hour ahead", func(h *house) {
			h.say("run", "REL", "monitoring", "held")
			pause(50 * time.Second)
			h.say("run", "REL", "held", "rolled_back")
			pause(30 * time.Second)
		}, "0s: RunHeld 1h0m0s\n50s: RollbackOrdered 1h0m0s, RunHeld 1h0m0s\n1m0s: RollbackOrdered 1h0m0s, RunHeld -10s"},
		{"what is resolved is repeated for a quarter of an hour", func(h *house) {
			h.say("rule", "5xx", "clear", "breaching")
			pause(110 * time.Second)
			h.say("rule", "5xx", "breaching", "clear")
			pause(20 * time.Minute)
		}, "0s: RuleAgainst5xx 4m0s\n1m0s: RuleAgainst5xx 4m0s\n1m50s: RuleAgainst5xx 0s" + func() (rest string) {
			for m := 1; m <= 15; m++ {
				rest += fmt.Sprintf("\n%dm50s: RuleAgainst5xx -%dm0s", m+1, m)
			}
			return rest
		}()},
		{"what is over at once is posted as firing first, and then resolved", func(h *house) {
			h.say("rule", "5xx", "clear", "breaching")
			h.say("rule", "5xx", "breaching", "clear")
			pause(70 * time.Second)
		}, "0s: RuleAgainst5xx 4m0s\n1m0s: RuleAgainst5xx -1m0s"},
		{"what fires again while it is resolved is one alert", func(h *house) {
			h.say("rule", "5xx", "clear", "breaching")
			pause(70 * time.Second)
			h.say("rule", "5xx", "breaching", "clear")
			pause(10 * time.Second)
			h.say("rule", "5xx", "clear", "breaching")
			pause(10 * time.Second)
		}, "0s: RuleAgainst5xx 4m0s\n1m0s: RuleAgainst5xx 4m0s\n1m10s: RuleAgainst5xx 0s\n1m20s: RuleAgainst5xx 4m0s"},
		{"what fires goes first", func(h *house) {
			h.say("rule", "5xx", "clear", "breaching")
			pause(70 * time.Second)
			h.say("rule", "5xx", "breaching", "clear")
			pause(time.Second)
			h.say("rule", "p95", "clear", "breaching")
			pause(time.Second)
		}, "0s: RuleAgainst5xx 4m0s\n1m0s: RuleAgainst5xx 4m0s\n1m10s: RuleAgainst5xx 0s\n1m11s: RuleAgainstp95 4m0s, RuleAgainst5xx -1s"},
		{"another run takes the place of one that failed", func(h *house) {
			h.say("run", "REL", "monitoring", "failed")
			pause(90 * time.Second)
			h.mu.Lock()
			h.ended = time.Now()
			h.mu.Unlock()
			pause(45 * time.Second)
		}, "0s: RunFailed 1h0m0s\n1m0s: RunFailed 1h0m0s\n2m0s: RunFailed -30s"},
		{"nothing fires", func(h *house) {
			h.say("rule", "5xx", "idle", "clear")
			pause(5 * time.Minute)
		}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, i := newHouse(), &instance{}
			_, stop := pushing(t, h, i, io.Discard)
			tt.play(h)
			stop()
			if got := i.all(); got != tt.want {
				t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
			}
			for _, p := range i.posts {
				for _, a := range p.alerts {
					if a.Labels["team"] != "mobile" || a.GeneratorURL != "https://relgate.example/v1/runs/REL@1.0.0" || a.StartsAt.IsZero() {
						t.Errorf("%s: got %+v", tt.name, a)
					}
				}
			}
		})
	}
}

// A pusher that begins, after a restart, does not have what was over before fire again.
func TestAStartRepeatsNoOldAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, i := newHouse(), &instance{}
		h.say("rule", "5xx", "clear", "breaching")
		h.say("rule", "p95", "clear", "breaching")
		h.say("rule", "5xx", "breaching", "clear")
		time.Sleep(time.Minute)
		_, stop := pushing(t, h, i, io.Discard)
		stop()
		if got, want := i.all(), "0s: RuleAgainstp95 4m0s, RuleAgainst5xx -1m0s"; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// An alert that an instance refuses is named once and not posted again; the others are.
func TestARefusedAlertIsNamedAndKeepsNoOtherFromBeingPosted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h, i := newHouse(), &instance{answer: func(body string) int {
			if strings.Contains(body, `"p95"`) {
				return 400
			}
			return 200
		}}
		_, stop := pushing(t, h, i, &log)
		h.say("rule", "5xx", "clear", "breaching")
		h.say("rule", "p95", "clear", "breaching")
		pause(130 * time.Second)
		stop()
		refused := 0
		for _, p := range i.posts {
			for _, a := range p.alerts {
				if a.Labels["rule"] == "p95" {
					refused++
				}
			}
		}
		last := i.posts[len(i.posts)-1]
		if refused != 2 || len(last.alerts) != 1 || last.alerts[0].Labels["rule"] != "5xx" || last.at < 2*time.Minute {
			t.Errorf("posted %d times, and in the end %s", refused, i.all())
		}
		if n := strings.Count(log.String(), "rule=p95"); n != 1 || !strings.Contains(log.String(), "refuses an alert") {
			t.Errorf("the log names it %d times: %s", n, &log)
		}
	})
}

// An instance that is away is asked again soon, and told of once in the log.
func TestAnInstanceThatIsAwayIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var back atomic.Bool
		h, i := newHouse(), &instance{answer: func(string) int {
			if !back.Load() {
				return 503
			}
			return 200
		}}
		_, stop := pushing(t, h, i, &log)
		h.say("rule", "5xx", "clear", "breaching")
		h.say("rule", "5xx", "breaching", "clear") // is not lost meanwhile
		pause(22 * time.Second)
		back.Store(true)
		pause(70 * time.Second)
		stop()
		if got, want := i.all(), "0s: RuleAgainst5xx 4m0s\n5s: RuleAgainst5xx 4m0s\n10s: RuleAgainst5xx 4m0s\n15s: RuleAgainst5xx 4m0s\n20s: RuleAgainst5xx 4m0s\n25s: RuleAgainst5xx 4m0s\n1m25s: RuleAgainst5xx -1m25s"; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if strings.Count(log.String(), "answered 503") != 1 || strings.Count(log.String(), "posted again\"") < 1 {
			t.Errorf("the log is %s", &log)
		}
	})
}

// What became of the posts is counted: what was asked, what failed, what was refused, when
// the instance last took something, and since when it lacks an alert.
func TestWhatBecomesOfPostsIsCounted(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(body string, at time.Duration) int
		play   func(h *house)
		want   string // attempts, failures, refused; when it last took something; since when it lacks an alert
	}{
		{"nothing fires", nil, func(*house) { pause(5 * time.Minute) }, "0 0 0; took never; lacks none"},
		{"it takes all", nil, func(h *house) {
			h.say("rule", "5xx", "clear", "breaching")
			pause(90 * time.Second)
		}, "2 0 0; took 1m0s; lacks none"},
		{"it is away", func(string, time.Duration) int { return 503 }, func(h *house) {
			pause(10 * time.Second)
			h.say("rule", "5xx", "clear", "breaching")
			pause(12 * time.Second)
		}, "3 3 0; took never; lacks since 10s"},
		{"it is back", func(_ string, at time.Duration) int {
			if at < 20*time.Second {
				return 503
			}
			return 200
		}, func(h *house) {
			h.say("rule", "5xx", "clear", "breaching")
			pause(30 * time.Second)
		}, "5 4 0; took 20s; lacks none"},
		{"it went away later", func(_ string, at time.Duration) int {
			if at > time.Minute {
				return 503
			}
			return 200
		}, func(h *house) {
			h.say("rule", "5xx", "clear", "breaching")
			pause(127 * time.Second)
		}, "4 2 0; took 1m0s; lacks since 2m0s"},
		{"it refuses the only alert", func(string, time.Duration) int { return 400 }, func(h *house) {
			h.say("rule", "5xx", "clear", "breaching")
			pause(3 * time.Minute)
		}, "2 2 1; took never; lacks since 0s"},
		{"it refuses one of two", func(body string, _ time.Duration) int {
			if strings.Contains(body, `"p95"`) {
				return 400
			}
			return 200
		}, func(h *house) {
			h.say("rule", "5xx", "clear", "breaching")
			h.say("rule", "p95", "clear", "breaching")
			pause(90 * time.Second)
		}, "4 2 1; took 1m0s; lacks since 0s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, i := newHouse(), &instance{}
			began := time.Now()
			if tt.answer != nil {
				i.answer = func(body string) int { return tt.answer(body, time.Since(began)) }
			}
			p, stop := pushing(t, h, i, io.Discard)
			tt.play(h)
			s := p.Stats()
			stop()
			since := func(at time.Time, never string) string {
				if at.IsZero() {
					return never
				}
				return at.Sub(began).String()
			}
			lacks := "none"
			if !s.Behind.IsZero() {
				lacks = "since " + since(s.Behind, "")
			}
			got := fmt.Sprintf("%d %d %d; took %s; lacks %s", s.Attempts, s.Failures, s.Refused, since(s.LastSuccess, "never"), lacks)
			if got != tt.want || s.Name != "am" || s.Address != "am.example" {
				t.Errorf("%s: got %s of %s at %s, want %s", tt.name, got, s.Name, s.Address, tt.want)
			}
		})
	}
}

// What cannot be read now resolves nothing, and is read again.
func TestWhatCannotBeReadIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h, i := newHouse(), &instance{}
		h.err = fmt.Errorf("disk is full")
		_, stop := pushing(t, h, i, &log)
		h.say("rule", "5xx", "clear", "breaching")
		pause(10 * time.Second)
		h.mu.Lock()
		h.err = nil
		h.mu.Unlock()
		pause(2 * time.Second)
		stop()
		if len(i.posts) != 1 || strings.Count(log.String(), "disk is full") != 1 {
			t.Errorf("got\n%s\nand the log %s", i.all(), &log)
		}
	})
}

// What fires goes first, whichever run it is of.
func TestWhatFiresGoesFirst(t *testing.T) {
	began := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	run := func(id string, states ...string) Run {
		return Run{ID: id, Events: func(_ context.Context, after uint64) (events []wire.EventBody, _ error) {
			from := "clear"
			for n, to := range states[after:] {
				events = append(events, wire.EventBody{Kind: "rule", Subject: "5xx", From: from, To: to, N: uint64(n + 1), Run: id, At: &began})
				from = to
			}
			return events, nil
		}}
	}
	p := New(Config{
		Runs: func(context.Context) ([]Run, error) {
			return []Run{run("a", "breaching", "clear"), run("b", "breaching")}, nil
		},
		Now: func() time.Time { return began.Add(time.Minute) },
	})
	list, err := p.alerts(t.Context(), began.Add(time.Minute))
	if err != nil || len(list) != 2 || list[0].Labels["run"] != "b" || list[0].resolved || !list[1].resolved {
		t.Errorf("got %+v, %v", list, err)
	}
}

// A label that cannot be one is found before anything is posted.
func TestNamesAreCheckedBeforePosting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h, i := newHouse(), &instance{}
		p, stop := pushing(t, h, i, &log)
		stop()
		p.config.Labels = map[string]string{"a-b": "x"}
		h.say("rule", "5xx", "clear", "breaching")
		if list, err := p.alerts(t.Context(), time.Now()); len(list) != 0 || err != nil || !strings.Contains(log.String(), "a-b") {
			t.Errorf("got %v, %v and the log %s", list, err, &log)
		}
	})
}
