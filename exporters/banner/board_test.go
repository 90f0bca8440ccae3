package banner_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/banner"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/wire"
)

var t0 = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

// world is a journal and a clock.
type world struct {
	now    time.Time
	runs   []string // newest first
	events map[string][]wire.EventBody
	broken error
	reads  int
}

func (w *world) commit(e wire.EventBody) wire.EventBody {
	e.Plan, e.At = "bioage", new(w.now)
	if !slices.Contains(w.runs, e.Run) {
		w.runs = append([]string{e.Run}, w.runs...)
	}
	e.N = uint64(len(w.events[e.Run]) + 1)
	e.ID = e.Run + ".uid/" + string(rune('0'+e.N))
	w.events[e.Run] = append(w.events[e.Run], e)
	return e
}

func (w *world) due(run, name, text string) wire.EventBody {
	_, version, _ := strings.Cut(run, "@")
	return w.commit(wire.EventBody{Kind: "communication", Type: "relgate.communication.due", To: "due", Run: run, Version: version, Message: &wire.Message{Name: name, Sink: "banner", Text: text}})
}

func (w *world) becomes(run, state string) wire.EventBody {
	return w.commit(wire.EventBody{Kind: "run", Type: "relgate.run." + state, To: state, Run: run})
}

func newWorld() *world { return &world{now: t0, events: map[string][]wire.EventBody{}} }

func (w *world) board(t *testing.T) *banner.Board {
	t.Helper()
	b, err := banner.New(banner.Config{
		Name: "banner", External: "https://gate.bioage.example/",
		Runs: func(_ context.Context, plan string, _ int) (all []fact.RunRecord, err error) {
			w.reads++
			if plan != "bioage" {
				return nil, w.broken
			}
			for _, id := range w.runs {
				all = append(all, fact.RunRecord{ID: id})
			}
			return all, w.broken
		},
		Events: func(_ context.Context, run string, _ uint64, _ bool) ([]wire.EventBody, error) {
			return w.events[run], w.broken
		},
		Now: func() time.Time { return w.now }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ask(b *banner.Board, public bool, plan string, header ...string) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	mux.Handle("GET /v1/plans/{plan}/banner.json", b.Handler(public))
	r := httptest.NewRequest(http.MethodGet, "/v1/plans/"+plan+"/banner.json", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

func list(t *testing.T, w *httptest.ResponseRecorder) []banner.Notice {
	t.Helper()
	var l banner.List
	if err := json.Unmarshal(w.Body.Bytes(), &l); w.Code != 200 || err != nil || l.APIVersion == "" {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return l.Banners
}

func message(e wire.EventBody) outbox.Message {
	data, _ := json.Marshal(e)
	return outbox.Message{ID: e.ID, Type: e.Type, Plan: e.Plan, Data: data}
}

func TestAnAppAsksForWhatItShows(t *testing.T) {
	w := newWorld()
	b := w.board(t)
	empty := ask(b, false, "bioage")
	if got := list(t, empty); len(got) != 0 || !strings.Contains(empty.Body.String(), `"banners":[]`) {
		t.Fatalf("before anything is due: %s, want an empty list", empty.Body)
	}
	e := w.due("bioage@1.0", "soon", "BioAge 1.0 is coming.\n[de] BioAge 1.0 kommt.\nBald.")
	if o := b.Send(t.Context(), message(e)); !o.OK || o.Skipped || o.Kept != "https://gate.bioage.example/v1/plans/bioage/banner.json" {
		t.Fatalf("Send = %+v", o)
	}
	b.Send(t.Context(), message(e)) // at least once
	one := ask(b, true, "bioage")
	got := list(t, one)
	if len(got) != 1 || got[0].ID != e.ID || got[0].Severity != "info" || !got[0].StartsAt.Equal(t0) || !got[0].EndsAt.Equal(t0.Add(24*time.Hour)) || got[0].Version != "1.0" ||
		!maps.Equal(got[0].Text, map[string]string{"en": "BioAge 1.0 is coming.", "de": "BioAge 1.0 kommt.\nBald."}) {
		t.Fatalf("%s, want one notice in two languages", one.Body)
	}
	if cache := one.Header().Get("Cache-Control"); cache != "public, max-age=30" {
		t.Errorf("Cache-Control: %s", cache)
	}
	if cache := ask(b, false, "bioage").Header().Get("Cache-Control"); cache != "private, max-age=30" {
		t.Errorf("behind tokens: Cache-Control: %s", cache)
	}
	etag := one.Header().Get("ETag")
	if etag == empty.Header().Get("ETag") || !strings.HasPrefix(etag, `"`) {
		t.Errorf("ETag %s, of an empty list %s", etag, empty.Header().Get("ETag"))
	}
	for _, tag := range []string{etag, "W/" + etag, `"x", ` + etag, "*"} {
		if again := ask(b, true, "bioage", "If-None-Match", tag); again.Code != http.StatusNotModified || again.Body.Len() > 0 || again.Header().Get("ETag") != etag {
			t.Errorf("If-None-Match: %s: %d %q, want 304 and no body", tag, again.Code, again.Body)
		}
	}
	if again := ask(b, true, "bioage", "If-None-Match", empty.Header().Get("ETag")); again.Code != 200 {
		t.Errorf("with the tag of an older answer: %d, want 200", again.Code)
	}
	// It ends on time, for caches too.
	w.now = t0.Add(24*time.Hour - 5*time.Second)
	if cache := ask(b, true, "bioage").Header().Get("Cache-Control"); cache != "public, max-age=5" {
		t.Errorf("five seconds before it ends: Cache-Control: %s", cache)
	}
	w.now = t0.Add(24 * time.Hour)
	if got := list(t, ask(b, true, "bioage", "If-None-Match", etag)); len(got) != 0 {
		t.Errorf("at its end it is shown: %+v", got)
	}
}

// TestARestartShowsTheSame compares a board that was told each event with one that reads the
// journal, after each event.
func TestARestartShowsTheSame(t *testing.T) {
	w := newWorld()
	told := w.board(t)
	steps := []struct {
		about string
		do    func() wire.EventBody
		want  []string // versions that are shown
	}{
		{"a notice", func() wire.EventBody { return w.due("bioage@1.0", "soon", "a") }, []string{"1.0"}},
		{"a notice of another sink", func() wire.EventBody {
			return w.commit(wire.EventBody{Kind: "communication", Type: "relgate.communication.due", To: "due", Run: "bioage@1.0", Version: "9", Message: &wire.Message{Name: "ops", Sink: "slack", Text: "x"}})
		}, []string{"1.0"}},
		{"it was sent", func() wire.EventBody {
			return w.commit(wire.EventBody{Kind: "communication", Type: "relgate.communication.sent", To: "sent", Run: "bioage@1.0"})
		}, []string{"1.0"}},
		{"the run goes on", func() wire.EventBody { return w.becomes("bioage@1.0", "monitoring") }, []string{"1.0"}},
		{"it is rolled back", func() wire.EventBody { return w.becomes("bioage@1.0", "rolled_back") }, nil},
		{"a notice of that", func() wire.EventBody { return w.due("bioage@1.0", "sorry", "b") }, []string{"1.0"}},
		{"the next release", func() wire.EventBody { return w.due("bioage@1.1", "soon", "c") }, []string{"1.0", "1.1"}},
		{"the next release's other notice", func() wire.EventBody { return w.due("bioage@1.1", "sorry", "d") }, []string{"1.1", "1.1"}},
		{"another run fails", func() wire.EventBody { return w.becomes("bioage@1.0", "failed") }, []string{"1.1", "1.1"}},
		{"it is superseded", func() wire.EventBody { return w.becomes("bioage@1.1", "superseded") }, nil},
	}
	var first *wire.EventBody
	for _, s := range steps {
		w.now = w.now.Add(time.Minute)
		e := s.do()
		w.now = w.now.Add(time.Second)
		told.Send(t.Context(), message(e))
		if first == nil {
			first = &e
		}
		told.Send(t.Context(), message(*first)) // once more, and late
		was, restarted := ask(told, true, "bioage"), ask(w.board(t), true, "bioage")
		if was.Body.String() != restarted.Body.String() {
			t.Errorf("%s: told %s, read from the journal %s", s.about, was.Body, restarted.Body)
		}
		var versions []string
		for _, n := range list(t, was) {
			versions = append(versions, n.Version)
		}
		if !slices.Equal(versions, s.want) {
			t.Errorf("%s: shown %q, want %q", s.about, versions, s.want)
		}
	}
}

func TestAJournalThatCannotBeReadIsNoEmptyList(t *testing.T) {
	w := newWorld()
	e := w.due("bioage@1.0", "soon", "a")
	b := w.board(t)
	w.broken = errors.New("disk gone")
	if got := ask(b, true, "bioage"); got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" || got.Header().Get("Cache-Control") != "no-store" || strings.Contains(got.Body.String(), "disk gone") {
		t.Errorf("%d %v %s, want 503 that no cache keeps", got.Code, got.Header(), got.Body)
	}
	if o := b.Send(t.Context(), message(e)); o.OK || o.Refused {
		t.Errorf("Send = %+v, want another attempt", o)
	}
	w.broken = nil
	if got := list(t, ask(b, true, "bioage")); len(got) != 1 {
		t.Errorf("after that: %+v, want the notice", got)
	}
	reads := w.reads
	for range 10 {
		ask(b, true, "bioage")
	}
	if w.reads != reads {
		t.Errorf("the journal is read at each request")
	}
	// Names that no one gave a plan are not kept.
	for range 2 {
		if got := list(t, ask(b, true, "other")); len(got) != 0 {
			t.Errorf("another plan: %+v", got)
		}
	}
	if w.reads != reads+2 {
		t.Errorf("of another plan something was kept")
	}
}

func TestWhatABoardIsNotFor(t *testing.T) {
	w := newWorld()
	b := w.board(t)
	other := w.due("bioage@1.0", "soon", "a")
	other.Message.Sink = "slack"
	w.events = map[string][]wire.EventBody{}
	if o := b.Send(t.Context(), message(other)); !o.Refused {
		t.Errorf("Send of another sink's message = %+v, want it refused", o)
	}
	for what, change := range map[string]func(*banner.Config){
		"no name": func(c *banner.Config) { c.Name = "" }, "an instant": func(c *banner.Config) { c.For = time.Second },
		"a severity that there is not": func(c *banner.Config) { c.Severity = "loud" }, "a locale that is none": func(c *banner.Config) { c.Locale = "english!" },
	} {
		c := banner.Config{Name: "banner", Runs: func(context.Context, string, int) ([]fact.RunRecord, error) { return nil, nil }, Events: func(context.Context, string, uint64, bool) ([]wire.EventBody, error) { return nil, nil }}
		change(&c)
		if _, err := banner.New(c); err == nil {
			t.Errorf("%s: New takes it", what)
		}
	}
}

func TestLocales(t *testing.T) {
	for text, want := range map[string]map[string]string{
		"plain":                      {"en": "plain"},
		"[de] nur\n":                 {"de": "nur"},
		"a\n[de] b\n[pt-BR] c\nd":    {"en": "a", "de": "b", "pt-BR": "c\nd"},
		"[de] a\n[en] b\n[de] c":     {"de": "a\nc", "en": "b"},
		"[x] no language":            {"en": "[x] no language"},
		"[WARNING] big":              {"en": "[WARNING] big"},
		"[de]no space":               {"en": "[de]no space"},
		"a [de] b":                   {"en": "a [de] b"},
		"":                           {},
		"[de] \n":                    {},
		"[../../etc] a":              {"en": "[../../etc] a"},
		"[de-a-b-c-d-e-f-g-h-i-j] a": {"en": "[de-a-b-c-d-e-f-g-h-i-j] a"},
	} {
		if got := banner.Locales(text, "en"); !maps.Equal(got, want) {
			t.Errorf("Locales(%q) = %q, want %q", text, got, want)
		}
	}
}
