package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/relgate/relgate/internal/peertest"
)

// burst is how many events there are at once.
const burst = 2000

// BenchmarkBurst is 2,000 events of one tick, from before their commit until the
// receiver has the last, against Debian's Alertmanager, which gets 2,000 alerts by
// its API and is configured not to wait. Our events leave one by one and in order,
// as an endpoint needs them. Alertmanager sends each alert from a goroutine of its
// own, in any order, and writes nothing to disk before. The goal is 10,000 events
// a second, and twice as many as Alertmanager.
func BenchmarkBurst(b *testing.B) {
	url, arrived := receiver(b)
	s := newStore(b, url)
	peer := newAlertmanager(b, url)
	var ours, theirs took
	for b.Loop() {
		ours.do(func() {
			first := s.n + 1
			s.commit(b, burst, breached)
			for i := range uint64(burst) {
				if p := <-arrived; p.n != first+i {
					b.Fatalf("event %d arrived in place of %d", p.n, first+i)
				}
			}
		})
		s.settle(b)
		if peer != nil {
			theirs.do(func() {
				peer.alert(b, burst)
				for range burst {
					await(b, arrived)
				}
			})
		}
	}
	b.ReportMetric(burst/ours.median().Seconds(), "events/s")
	if peer != nil {
		b.ReportMetric(burst/theirs.median().Seconds(), "alertmanager-events/s")
		b.ReportMetric(ratio(theirs, ours), "x_alertmanager")
	}
	noOp(b)
}

// BenchmarkBurstOfOrders is 2,000 orders of one tick, from before their commit until
// the receiver has all. They leave side by side, in any order.
func BenchmarkBurstOfOrders(b *testing.B) {
	url, arrived := receiver(b)
	s := newStore(b, url)
	var ours took
	for b.Loop() {
		ours.do(func() {
			s.commit(b, burst, fired)
			for range burst {
				await(b, arrived)
			}
		})
		s.settle(b)
	}
	b.ReportMetric(burst/ours.median().Seconds(), "events/s")
	noOp(b)
}

func await(b *testing.B, arrived <-chan post) {
	select {
	case <-arrived:
	case <-time.After(time.Minute):
		b.Fatal("a minute without any alert from Alertmanager")
	}
}

const alertmanagerConfig = `
route:
  receiver: hook
  group_by: ['...']
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 24h
receivers:
- name: hook
  webhook_configs:
  - url: %s
    send_resolved: false
`

type alertmanager struct {
	url  string
	sent int
}

// newAlertmanager starts one that delivers to url, nil if none is installed.
func newAlertmanager(b *testing.B, url string) *alertmanager {
	b.Helper()
	path := peertest.Find(b, "prometheus-alertmanager")
	if path == "" {
		return nil
	}
	dir, addr := b.TempDir(), freeAddress(b)
	config := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, alertmanagerConfig, url), 0o600); err != nil {
		b.Fatal(err)
	}
	start(b, path, "--config.file="+config, "--storage.path="+dir, "--web.listen-address="+addr, "--cluster.listen-address=", "--log.level=error")
	a := &alertmanager{url: "http://" + addr}
	untilReady(b, a.url+"/-/ready")
	return a
}

// alert gives it so many new alerts in one request.
func (a *alertmanager) alert(b *testing.B, n int) {
	b.Helper()
	alerts := make([]map[string]any, n)
	now := time.Now()
	for i := range alerts {
		a.sent++
		e := fired(uint64(a.sent))
		alerts[i] = map[string]any{
			"labels":      map[string]string{"alertname": e.Subject, "plan": e.Plan, "owner": "DevSecOps", "n": fmt.Sprint(a.sent)},
			"annotations": map[string]string{"reason": "5.03 % > 3 % for 10m", "action": "pause the rollout, revert the alias"},
			"startsAt":    now, "endsAt": now.Add(time.Minute),
		}
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		b.Fatal(err)
	}
	res, err := http.Post(a.url+"/api/v2/alerts", "application/json", bytes.NewReader(body))
	if err != nil || res.StatusCode != http.StatusOK {
		b.Fatal(res, err)
	}
	_ = res.Body.Close()
}

// freeAddress is a loopback address that is not in use.
func freeAddress(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
