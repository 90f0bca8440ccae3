package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// killedState is a state that a real daemon is brought to.
type killedState struct {
	name    string // a column of the table in docs/integrations.md
	detail  string
	ago     time.Duration // how long ago T was
	window  string        // of phase ten
	crashes int           // of a hundred sessions
	silent  bool          // the source answers nothing
	reach   func(s *shopkeeper)
	verdict string // of ten, when the state is reached
	state   string // and of the run, by /v1/plans
	version string // that is asked about; 1.0.1 if empty
}

var killedStates = []killedState{
	{name: "not begun", ago: -time.Hour, window: "2h", verdict: "pending", state: "waiting"},
	{name: "pending", ago: 2 * time.Minute, window: "2h", verdict: "pending", state: "monitoring"},
	{name: "held", detail: "in a phase", ago: 2 * time.Minute, window: "2h", verdict: "pending", state: "held", reach: func(s *shopkeeper) { s.commanded("shop", "1", "hold") }},
	{name: "passed", detail: "between phases", ago: 20 * time.Minute, window: "5m", verdict: "pass"},
	{name: "held", detail: "between phases", ago: 20 * time.Minute, window: "5m", verdict: "pending", state: "held", reach: func(s *shopkeeper) {
		s.reaches("pass", "")
		s.commanded("shop", "1", "hold")
	}},
	{name: "unknown", ago: 20 * time.Minute, window: "5m", silent: true, verdict: "unknown", state: "monitoring"},
	{name: "failed", ago: 20 * time.Minute, window: "5m", crashes: 5, verdict: "fail", state: "failed"},
	{name: "rolled back", detail: "in a phase", ago: 20 * time.Minute, window: "2h", crashes: 50, verdict: "rollback", state: "rolled_back"},
	{name: "rolled back", detail: "between phases", ago: 20 * time.Minute, window: "5m", verdict: "rollback", state: "rolled_back", reach: func(s *shopkeeper) {
		s.reaches("pass", "")
		s.commanded("shop", "1", "abort")
	}},
	{name: "superseded", ago: 2 * time.Minute, window: "2h", verdict: "fail", reach: func(s *shopkeeper) {
		s.reaches("pending", "monitoring")
		s.relgate(0, "start", "shop", "--version", "1.0.3", "--supersede", "--by", "Ada", "--why", "a test")
	}},
	{name: "another version", ago: 20 * time.Minute, window: "5m", verdict: "pass", version: "1.0.2"},
}

// reaches waits until phase ten of version 1.0.1 and the plan's run stand so; a state that is
// empty is not looked at.
func (s *shopkeeper) reaches(verdict, state string) {
	s.t.Helper()
	eventually(s.t, "verdict "+verdict+" in a run that is "+state, func() bool {
		_, b := s.gate("shop/ten/verdict?version=1.0.1")
		_, run := s.gate("shop/run/verdict?version=1.0.1")
		return b.Verdict == verdict && !b.Stale && (state == "" || run.State == state)
	})
}

// The table of docs/integrations.md holds for a real daemon too, in every state, between phases,
// after it was killed with -9 and started again, and after it was restarted. The test prints it.
func TestWhatEachClientDecidesOutlivesAKill(t *testing.T) {
	t.Parallel()
	_, rest, _ := strings.Cut(readText(t, filepath.Join(root, integrations)), "<!-- decisions: written by a test -->\n")
	table, _, _ := strings.Cut(rest, "<!-- end -->\n")
	want := map[string]map[string]string{} // :: client → state → what it does
	var columns []string
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case columns == nil:
			columns = cells
		case !strings.HasPrefix(cells[0], "-"):
			want[cells[0]] = map[string]string{}
			for i := range cells {
				want[cells[0]][columns[i]] = cells[i]
			}
		}
	}
	clients := deciders(t)
	silence := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(silence.Close)
	rows := make([][]string, len(killedStates))
	t.Cleanup(func() {
		lines := "state |"
		for _, c := range clients {
			lines += " " + c.name + " |"
		}
		for i, r := range rows {
			lines += "\n" + killedStates[i].name + " " + killedStates[i].detail + " | " + strings.Join(r, " | ")
		}
		t.Log("before and after a kill and a restart, once where that is the same:\n" + lines)
	})
	for i, tt := range killedStates {
		t.Run(strings.TrimSpace(tt.name+" "+tt.detail), func(t *testing.T) {
			sentry, dir := newCrashes(t), t.TempDir()
			sentry.set("1.0.1", tt.crashes)
			source := sentry.URL
			if tt.silent {
				source = silence.URL
			}
			text := launchPlan("shop", "", time.Time{}, tt.window)
			text = replace(t, text, "version  = \"\"\nstart    = 0001-01-01T00:00:00Z\n", "")
			text = replace(t, text, "[phases.canary]", "[phases.ten]\nextend   = \"1m\"")
			text = replace(t, text, "[success.crashes]", "[phases.all]\ntraffic  = \"100 %\"\nstart    = \"T+6h\"\nwindow   = \"1h\"\nowner    = \"ops\"\nsuccess  = [\"crashes\"]\nrollback = [\"crashes-high\"]\n\n[success.crashes]")
			place(t, filepath.Join(dir, "token"), "secret-of-the-test")
			writeConfig(t, dir, text+strings.ReplaceAll(fmt.Sprintf(shopDaemon, source), `{ env = "SHOP_SENTRY_TOKEN" }`, `{ file = "token" }`))
			s := openShop(t, dir)
			if !s.begin("shop", "1.0.1", time.Now().Add(-tt.ago)) {
				t.Fatal("the daemon is gone")
			}
			if tt.reach != nil {
				tt.reach(s)
			}
			s.reaches(tt.verdict, tt.state)
			version := tt.version
			if version == "" {
				version = "1.0.1"
			}
			decide := func() []string {
				did := make([]string, len(clients))
				var running sync.WaitGroup
				for k, c := range clients {
					running.Go(func() { did[k] = c.decide(t, s.url, version) })
				}
				running.Wait()
				return did
			}
			before := decide()
			s.kill()
			s = openShop(t, dir)
			s.reaches(tt.verdict, tt.state)
			killed := decide()
			if code := s.end(t); code != 0 {
				t.Errorf("exit %d after SIGTERM", code)
			}
			s = openShop(t, dir)
			s.reaches(tt.verdict, tt.state)
			restarted := decide()
			for k, c := range clients {
				cell := before[k]
				if killed[k] != before[k] || restarted[k] != before[k] {
					cell += ", killed " + killed[k] + ", restarted " + restarted[k]
				}
				rows[i] = append(rows[i], cell)
				if w := want[c.name][tt.name]; cell != w {
					t.Errorf("%s: %q, want %q as docs/integrations.md has it", c.name, cell, w)
				}
			}
		})
	}
}
