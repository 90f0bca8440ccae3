package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/relgate/relgate/internal/peertest"
)

var alertRules = filepath.Join(root, "packaging", "prometheus", "relgate.rules.yml")

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// promtool runs it and fails with what it says.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), peertest.Need(t, "promtool"), args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPrometheusTakesTheAlertRules(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", alertRules)
}

func TestEachAlertFiresWhenItShould(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(root, "packaging", "prometheus", "tests", "*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests of alerts: %v", err)
	}
	var said string
	for _, f := range files {
		said += readText(t, f)
	}
	for _, name := range alertNames(t) {
		if !regexp.MustCompile(`alertname: ` + name + `\n\s+exp_alerts:\n`).MatchString(said) {
			t.Errorf("no test wants %s to fire", name)
		}
	}
	promtool(t, append([]string{"test", "rules"}, files...)...)
}

func alertNames(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^\s+- alert: (\S+)$`).FindAllStringSubmatch(readText(t, alertRules), -1) {
		names = append(names, m[1])
	}
	if len(names) < 10 {
		t.Fatalf("%d alerts, want 10 or more", len(names))
	}
	return names
}

// A person who is woken reads the summary, and follows the link.
func TestEachAlertSaysWhatHappenedAndWhatToDo(t *testing.T) {
	t.Parallel()
	text, manual := readText(t, alertRules), readText(t, filepath.Join(root, "docs", "operations.md"))
	for _, name := range alertNames(t) {
		_, rule, _ := strings.Cut(text, "- alert: "+name+"\n")
		rule, _, _ = strings.Cut(rule, "- alert: ")
		if !regexp.MustCompile(`severity: (critical|warning)\n`).MatchString(rule) {
			t.Errorf("%s has no severity", name)
		}
		if m := regexp.MustCompile(`summary: "(.*)"\n`).FindStringSubmatch(rule); m == nil || !strings.Contains(m[1], ": ") {
			t.Errorf("%s does not say in its summary what happened and, after a colon, what to do: %q", name, m)
		}
		if !strings.Contains(rule, "/docs/operations.md#"+strings.ToLower(name)+"\n") {
			t.Errorf("%s has no link to its part of the manual", name)
		}
		if !strings.Contains(manual, "\n### "+name+"\n") {
			t.Errorf("docs/operations.md has no part %s", name)
		}
	}
}

// usedMetrics is the metrics that a text names.
func usedMetrics(text string) []string {
	found := map[string]bool{}
	for _, name := range regexp.MustCompile(`\brelgate_[a-z_]+`).FindAllString(text, -1) {
		found[name] = true
	}
	return slices.Sorted(maps.Keys(found))
}

func TestAlertsAndTheirTestsNameMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	known := metrics(t)
	text := readText(t, alertRules) + readText(t, filepath.Join(root, "packaging", "prometheus", "tests", "firing.yml"))
	for _, name := range usedMetrics(text) {
		if _, ok := known[name]; !ok {
			t.Errorf("%s is no metric of relgate's", name)
		}
	}
	label := regexp.MustCompile(`([a-z]+)(=~|!~|!=|=)"`)
	for _, m := range regexp.MustCompile(`\b(relgate_[a-z_]+)\{([^}]*)\}`).FindAllStringSubmatch(text, -1) {
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			if l[1] != "job" && l[1] != "instance" && !slices.Contains(known[m[1]], l[1]) {
				t.Errorf("%s has no label %s", m[1], l[1])
			}
		}
	}
}

// scraped is what Prometheus would keep of a daemon that it scrapes every minute.
type scraped struct {
	t       *testing.T
	metrics []string           // that are kept
	base    time.Time          // of the first page
	end     int                // minutes since base
	series  map[string][]point // :: name and labels → samples

	raw func(at time.Time, page string) // takes the pages in place of all this; nil: nothing does
}

type point struct {
	minute int
	value  float64
}

func newScraped(t *testing.T) *scraped {
	return &scraped{t: t, metrics: usedMetrics(readText(t, alertRules)), series: map[string][]point{}}
}

// add keeps the newest sample of a minute: some have several ticks.
func (s *scraped) add(minute int, key string, value float64) {
	points := s.series[key]
	if n := len(points); n > 0 && points[n-1].minute == minute {
		points = points[:n-1]
	}
	s.series[key] = append(points, point{minute, value})
	s.end = max(s.end, minute)
}

// page takes a page in. Prometheus' tests begin in 1970, and so do the times here.
func (s *scraped) page(at time.Time, page string) {
	if s.base.IsZero() {
		s.base = at
	}
	minute := int(at.Sub(s.base) / time.Minute)
	s.add(minute, `up{job="relgate",instance="here"}`, 1)
	for line := range strings.Lines(page) {
		name, rest, labelled := strings.Cut(strings.TrimSpace(line), "{")
		if !labelled {
			name, rest, _ = strings.Cut(name, " ")
		}
		if !slices.Contains(s.metrics, name) {
			continue
		}
		labels := ""
		if labelled {
			i := strings.LastIndex(rest, "} ")
			labels, rest = ","+rest[:i], rest[i+2:]
		}
		value, err := strconv.ParseFloat(rest, 64)
		if err != nil {
			s.t.Fatalf("%q: %v", line, err)
		}
		if strings.HasSuffix(name, "_timestamp_seconds") {
			value -= float64(s.base.Unix())
		}
		s.add(minute, name+`{job="relgate",instance="here"`+labels+`}`, value)
	}
}

// hold keeps every series that there is as it is, for some minutes: a run that is over
// has no more ticks, and its page does not change.
func (s *scraped) hold(minutes int) {
	last := s.end
	for key, points := range s.series {
		if p := points[len(points)-1]; p.minute == last {
			for i := range minutes {
				s.add(last+i+1, key, p.value)
			}
		}
	}
}

// at is the time of a minute.
func (s *scraped) at(minute int) time.Time { return s.base.Add(time.Duration(minute) * time.Minute) }

// down says that a scrape was refused.
func (s *scraped) down(at time.Time) {
	s.add(int(at.Sub(s.base)/time.Minute), `up{job="relgate",instance="here"}`, 0)
}

// values writes samples as promtool reads them. A series that ends becomes stale, as
// Prometheus makes it.
func (s *scraped) values(points []point) string {
	var out []string
	next := 0
	for i := 0; i < len(points); {
		p := points[i]
		if gap := p.minute - next; gap > 0 {
			out = append(out, fmt.Sprintf("_x%d", gap))
		}
		n := 1
		for i+n < len(points) && points[i+n] == (point{p.minute + n, p.value}) {
			n++
		}
		value := strconv.FormatFloat(p.value, 'f', -1, 64)
		if n == 1 {
			out = append(out, value)
		} else {
			out = append(out, fmt.Sprintf("%s+0x%d", value, n-1))
		}
		i, next = i+n, p.minute+n
		if stale := i == len(points) || points[i].minute != next; stale && next <= s.end {
			out = append(out, "stale")
			next++
		}
	}
	return strings.Join(out, " ")
}

// test writes a test of the alert rules over what was scraped. It wants each
// expression to have the samples, at the end.
func (s *scraped) test(wants map[string]string) string {
	s.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "rule_files: [%s]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n", absolutePath(s.t, alertRules))
	for _, key := range slices.Sorted(maps.Keys(s.series)) {
		fmt.Fprintf(&b, "  - series: '%s'\n    values: '%s'\n", strings.ReplaceAll(key, "'", "''"), s.values(s.series[key]))
	}
	b.WriteString("  promql_expr_test:\n")
	for _, expr := range slices.Sorted(maps.Keys(wants)) {
		fmt.Fprintf(&b, "  - expr: '%s'\n    eval_time: %dm\n    exp_samples: [%s]\n", expr, s.end, wants[expr])
	}
	path := filepath.Join(s.t.TempDir(), "scraped.yml")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func absolutePath(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// live runs a demo and scrapes it every minute of its time, after everything that was
// committed is delivered, until stop says so or the plan is decided.
func (s *scraped) live(c demoCommand, stop func(d *demo, now time.Time) bool) {
	s.t.Helper()
	c.Speed, c.Output = "max", "json"
	d := &demo{demoCommand: c, con: console{out: new(strings.Builder), err: new(strings.Builder)}}
	defer func() {
		if err := d.close(); err != nil {
			s.t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Minute)
	defer cancel()
	if err := d.prepare(ctx); err != nil {
		s.t.Fatal(err)
	}
	handler := d.daemon.metrics.Handler()
	d.clock.until(func() bool {
		now := d.clock.Now()
		if (now.Second() == 0 || d.done()) && ctx.Err() == nil && d.release() != nil {
			_ = d.daemon.hooks.Load().Drain(ctx)
			d.daemon.metrics.Update(metricViews(d.daemon.runner.Published(), d.daemon.asked.pool.Load().Timeouts()))
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			if s.raw != nil {
				s.raw(now, w.Body.String())
			} else {
				s.page(now, w.Body.String())
			}
		}
		return stop(d, now)
	})
	running, end := context.WithCancel(ctx)
	defer end()
	var group errgroup.Group
	for _, part := range d.parts() {
		group.Go(func() error { defer end(); return part(running) })
	}
	select {
	case <-d.clock.end:
	case <-running.Done():
		s.t.Error("the demo ended before its plan")
	}
	end()
	if err := group.Wait(); err != nil {
		s.t.Error(err)
	}
}

// reloadOnce puts a config in force that differs in nothing, as SIGHUP does.
func reloadOnce(t *testing.T, d *demo) {
	if err := d.daemon.adopt(t.Context(), d.config); err != nil {
		t.Errorf("reloading: %v", err)
	}
	d.daemon.reloads.done(d.clock.Now(), true)
}

// firing is what fired at any time.
const firing = `count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[60h]))`

// The healthy run of config.toml, with a reload and a restart in it, scraped all the
// while: nothing wakes anybody.
func TestNoAlertFiresOverAHealthyRun(t *testing.T) {
	t.Parallel()
	peertest.Need(t, "promtool")
	dir, begin := t.TempDir(), planStart(t)
	s := newScraped(t)
	var reload sync.Once
	reloaded := make(chan struct{})
	var stopped time.Time
	s.live(demoCommand{Scenario: "healthy", Dir: dir}, func(d *demo, now time.Time) bool {
		if !now.Before(begin.Add(40 * time.Minute)) {
			// The runner takes it up, and it is the runner that asks here.
			reload.Do(func() { go func() { defer close(reloaded); reloadOnce(t, d) }() })
		}
		stopped = now
		return !now.Before(begin.Add(3 * time.Hour))
	})
	<-reloaded
	s.down(stopped.Add(time.Minute))
	passed := false
	s.live(demoCommand{Scenario: "healthy", Dir: dir, ResumeAfter: 90 * time.Second}, func(d *demo, now time.Time) bool {
		passed = d.done()
		return passed
	})
	if !passed || s.end < 30*60 || len(s.series) < 100 {
		t.Fatalf("%d series over %d minutes, want 100 over 30 hours", len(s.series), s.end)
	}
	t.Logf("%d series over %d minutes", len(s.series), s.end)
	promtool(t, "test", "rules", s.test(map[string]string{
		firing: "",
		`count(max_over_time(relgate_run_state{state="passed"}[60h]) == 1)`: "{value: 1}",
		`count(min_over_time(up[60h]) == 0)`:                                "{value: 1}",
	}))
}

// A source that is down for 25 minutes is said while it is, and nothing else. What a
// rule says against the release for a while goes to the channel, not to the pager.
func TestWhatTheAlertsSayOfOtherWorlds(t *testing.T) {
	t.Parallel()
	peertest.Need(t, "promtool")
	against := map[string]string{firing: `{labels: '{alertname="RelgateRuleAgainst"}', value: 2}`}
	for scenario, want := range map[string]map[string]string{
		"late-data": against, "blip": against,
		"outage": {
			firing: `{labels: '{alertname="RelgateSignalOverdue"}', value: 1}`,
			`count(sum by (source, severity) (count_over_time(ALERTS{alertstate="firing",source="sentry",severity="warning"}[60h])) > 15 < 30)`: `{value: 1}`,
		},
	} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			s := newScraped(t)
			s.live(demoCommand{Scenario: scenario, Dir: t.TempDir()}, func(d *demo, at time.Time) bool {
				return !at.Before(planStart(t).Add(4 * time.Hour))
			})
			promtool(t, "test", "rules", s.test(want))
		})
	}
}

// A run that is rolled back pages once, for the rollback, also when relgate is
// restarted meanwhile, and no more when it was reported as carried out.
func TestARollbackPagesOnce(t *testing.T) {
	t.Parallel()
	peertest.Need(t, "promtool")
	dir, config := t.TempDir(), unanswered(t)
	s := newScraped(t)
	var now time.Time
	s.live(demoCommand{Scenario: "api-5xx", Config: config, Dir: dir}, func(d *demo, at time.Time) bool {
		now = at
		return d.done()
	})
	rolledBack := int(now.Sub(s.base) / time.Minute)
	s.hold(10)
	s.down(s.at(s.end + 1))
	s.live(demoCommand{Scenario: "api-5xx", Config: config, Dir: dir, ResumeAfter: 12 * time.Minute}, func(d *demo, at time.Time) bool { return d.done() })
	s.hold(10)
	done := s.end + 1
	for key := range s.series {
		if strings.HasPrefix(key, "relgate_rollback_unacknowledged{") {
			s.add(done, key, 0)
		}
	}
	s.hold(20)
	pages := `sum by (alertname) (sum_over_time((ALERTS{alertstate="firing",severity="critical"} unless ALERTS{alertstate="firing",severity="critical"} offset 1m)[60h:1m]))`
	minutes := `sum by (alertname) (count_over_time(ALERTS{alertstate="firing",severity="critical"}[60h]))`
	promtool(t, "test", "rules", s.test(map[string]string{
		pages:   `{labels: '{alertname="RelgateRollbackOrdered"}', value: 1}`,
		minutes: fmt.Sprintf(`{labels: '{alertname="RelgateRollbackOrdered"}', value: %d}`, done-rolledBack),
	}))
}
