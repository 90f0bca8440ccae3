package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/internal/peertest"
)

var long = flag.Bool("long", false, "let alerts last as long as the rules say before they page, and run 1,000 closed loops")

// paged records what Alertmanager tells people, by receiver.
type paged struct {
	*httptest.Server
	mu  sync.Mutex
	got map[string]string // :: receiver, alert, plan, source, phase, endpoint → status and summary
}

func newPaged(t *testing.T) *paged {
	p := &paged{got: map[string]string{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var group struct {
			Alerts []struct {
				Status              string
				Labels, Annotations map[string]string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&group); err != nil {
			t.Error(err)
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, a := range group.Alerts {
			key := []string{strings.TrimPrefix(r.URL.Path, "/"), a.Labels["alertname"]}
			for _, name := range []string{"plan", "phase", "source", "endpoint", "alertmanager"} {
				if a.Labels[name] != "" {
					key = append(key, name+"="+a.Labels[name])
				}
			}
			p.got[strings.Join(key, " ")] = a.Status + ": " + a.Annotations["summary"]
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *paged) all() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.got)
}

// replace replaces text that must be there, once.
func replace(t *testing.T, text, old, new string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is there %d times, want once:\n%s", old, strings.Count(text, old), text)
	}
	return strings.Replace(text, old, new, 1)
}

// pagingPath starts Debian's Prometheus and Alertmanager as docs/operations.md prints their
// configs, but for addresses and paces, and gives the address of Prometheus. Without -long
// an alert lasts a second in place of a minute before it fires: how long it is to last is
// tested with promtool.
func pagingPath(t *testing.T, private string, people *paged) (prometheus string) {
	t.Helper()
	server, manager := peertest.Need(t, "prometheus"), peertest.Need(t, "prometheus-alertmanager")
	dir, at, managerAt := t.TempDir(), freePort(t), freePort(t)
	rules := readText(t, alertRules)
	if !*long {
		rules = regexp.MustCompile(`(?m)^( +for: \d+)m\b`).ReplaceAllString(rules, "${1}s")
	}
	place(t, filepath.Join(dir, "relgate.rules.yml"), rules)
	config := recipe(t, "docs/operations.md", "paging-prometheus")
	config = replace(t, config, "/etc/prometheus/relgate.rules.yml", filepath.Join(dir, "relgate.rules.yml"))
	config = replace(t, config, "127.0.0.1:9091", private)
	config = replace(t, config, "127.0.0.1:9093", managerAt)
	config = replace(t, config, "scrape_interval: 30s", "scrape_interval: 1s") + "global: {evaluation_interval: 1s}\n"
	place(t, filepath.Join(dir, "prometheus.yml"), config)
	config = recipe(t, "docs/operations.md", "paging-alertmanager")
	config = replace(t, config, "https://pager.example.com/hooks/relgate", people.URL+"/pager")
	config = replace(t, config, "https://chat.example.com/hooks/relgate", people.URL+"/channel")
	config = replace(t, config, "route:\n", "route:\n  group_wait: 0s\n  group_interval: 1s\n")
	place(t, filepath.Join(dir, "alertmanager.yml"), config)
	start(t, manager, "--config.file="+filepath.Join(dir, "alertmanager.yml"), "--storage.path="+filepath.Join(dir, "manager"),
		"--web.listen-address="+managerAt, "--cluster.listen-address=", "--log.level=error")
	start(t, server, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+at, "--log.level=error")
	return at
}

// A daemon with a run that is held, one that is rolled back and one whose source is silent,
// a webhook that takes no order and an Alertmanager that takes no post: Prometheus scrapes
// it with relgate's rules, Alertmanager is told, and pages. Each alert that must arrive
// arrives at the receiver of its severity, and no other alert does.
func TestAlertsReachPeopleThroughPrometheusAndAlertmanager(t *testing.T) {
	t.Parallel()
	peertest.Need(t, "prometheus")
	peertest.Need(t, "prometheus-alertmanager")
	sentry, dir, people := newCrashes(t), t.TempDir(), newPaged(t)
	mute := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(mute.Close)
	sentry.set("6.6.6", 50)
	place(t, filepath.Join(dir, "token"), "secret")
	away := freePort(t)
	text := `include = ["plans/*.toml"]` + strings.ReplaceAll(fmt.Sprintf(shopDaemon, sentry.URL), `{ env = "SHOP_SENTRY_TOKEN" }`, `{ file = "token" }`)
	text += fmt.Sprintf("\n[sources.mute]\ntype = \"sentry\"\nurl = %q\norg = \"o\"\ntoken = { file = \"token\" }\ntimeout = \"1s\"\nmax_attempts = 1\n", mute.URL)
	text += fmt.Sprintf("\n[webhooks.deploy]\nurl = \"http://%s/\"\nclass = \"action\"\ntypes = [\"relgate.run.rolled_back\"]\nsecrets = [\"text\"]\nallow = [\"127.0.0.0/8\"]\n", away)
	if *long {
		text += fmt.Sprintf("\n[alertmanager.gone]\nurls = [\"http://%s\"]\nallow = [\"127.0.0.0/8\"]\n", away)
	}
	writeConfig(t, dir, text)
	if err := os.Mkdir(filepath.Join(dir, "plans"), 0o755); err != nil {
		t.Fatal(err)
	}
	for plan, version := range map[string]string{"steady": "1.0.0", "doomed": "6.6.6", "silent": "1.0.0"} {
		text := launchPlan(plan, version, time.Now().Add(-10*time.Minute).Truncate(time.Second), "2h")
		if plan == "silent" {
			text = strings.Replace(text, `source   = "sentry"`, `source   = "mute"`, 1)
			text = strings.Replace(text, `"2h"`, "\"5m\"\nextend = \"1m\"", 1) // all that is over: nothing is waited for
		}
		place(t, filepath.Join(dir, "plans", plan+".toml"), text)
	}
	shop := openShop(t, dir)
	eventually(t, "the rollback of doomed", func() bool {
		status, _ := shop.gate("doomed/run/rollback?version=6.6.6")
		return status == http.StatusOK
	})
	if !shop.commanded("steady", "1", "hold") {
		t.Fatal("steady is not held")
	}
	prometheus := pagingPath(t, shop.private(t), people)
	must := []string{
		"channel RelgateGateUnknown plan=silent phase=canary",
		"channel RelgateRunHeld plan=steady",
		"channel RelgateSignalOverdue plan=silent source=mute",
		"pager RelgateOrderPending endpoint=deploy",
		"pager RelgateRollbackOrdered plan=doomed",
	}
	bound := 2 * time.Minute // a source is overdue after one
	if *long {
		must = append(must, "pager RelgateAlertmanagerBehind alertmanager=gone")
		bound = 5 * time.Minute
	}
	slices.Sort(must)
	begin := time.Now()
	for got := people.all(); !slices.Equal(slices.Sorted(maps.Keys(got)), must); got = people.all() {
		if time.Since(begin) > bound {
			_, alerts := get(t, "http://"+prometheus+"/api/v1/alerts")
			t.Fatalf("after %v people were told of\n%s\nwant\n%s\nPrometheus has %s", bound, strings.Join(slices.Sorted(maps.Keys(got)), "\n"), strings.Join(must, "\n"), alerts)
		}
		if sleep(t.Context(), 100*time.Millisecond) != nil {
			t.Fatal("the test is over")
		}
	}
	t.Logf("all have arrived after %v", time.Since(begin).Round(time.Second))
	// A page says what to do, and is over when it was done.
	if said := people.all()["pager RelgateRollbackOrdered plan=doomed"]; !strings.HasPrefix(said, "firing: Rollback of doomed 6.6.6 is ordered: roll it back now") {
		t.Errorf("the page says %q", said)
	}
	if !shop.commanded("doomed", "2", "rollback_done") || !shop.commanded("steady", "3", "resume") {
		t.Fatal("the commands were not applied")
	}
	eventually(t, "the end of both alerts", func() bool {
		got := people.all()
		return strings.HasPrefix(got["pager RelgateRollbackOrdered plan=doomed"], "resolved: ") && strings.HasPrefix(got["channel RelgateRunHeld plan=steady"], "resolved: ")
	})
	// Only Prometheus can say that relgate itself is gone.
	shop.kill()
	eventually(t, "a page that relgate is down", func() bool { return strings.HasPrefix(people.all()["pager RelgateDown"], "firing: ") || *long })
}
