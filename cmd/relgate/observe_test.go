package main

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/relgate/relgate/exporters/prom"
)

// series is a page's own series: what each is worth, and which of them only grow.
type series struct {
	value map[string]float64 // :: name and labels → value
	grows map[string]bool    // :: name and labels → a counter, or the sum or count of a summary
}

// readSeries reads a page; the client library's own series are left out.
func readSeries(t *testing.T, page string) series {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		t.Fatalf("parsing the page: %v\n%s", err, page)
	}
	s := series{value: map[string]float64{}, grows: map[string]bool{}}
	for name, f := range families {
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := make([]string, len(m.GetLabel()))
			for i, l := range m.GetLabel() {
				labels[i] = fmt.Sprintf("%s=%q", l.GetName(), l.GetValue())
			}
			of := func(name string, value float64, grows bool) {
				key := name + "{" + strings.Join(labels, ",") + "}"
				s.value[key], s.grows[key] = value, grows
			}
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				of(name, m.GetCounter().GetValue(), true)
			case dto.MetricType_SUMMARY:
				of(name+"_sum", m.GetSummary().GetSampleSum(), true)
				of(name+"_count", float64(m.GetSummary().GetSampleCount()), true)
			default:
				of(name, m.GetGauge().GetValue(), false)
			}
		}
	}
	return s
}

// scrapeSeries asks a daemon's private port.
func (s *shopkeeper) scrapeSeries() series {
	s.t.Helper()
	_, page := get(s.t, "http://"+s.private(s.t)+"/metrics")
	return readSeries(s.t, page)
}

const (
	reloadedAt = "relgate_config_last_reload_success_timestamp_seconds{}"
	delivered1 = `relgate_webhook_delivered_total{class="notify",endpoint="ops"}`
	answered1  = `relgate_source_readings_total{fault="ok",source="sentry"}`
)

// A reload replaces sources and webhooks. What they have counted goes on, and no
// series is gone, however often.
func TestSeriesSurviveAReload(t *testing.T) {
	t.Parallel()
	s := openShop(t, pairDir(t, newCrashes(t), newReceiver(t), "reloaded"))
	s.begin("steady", "1.0.0", time.Now().Add(-time.Minute))
	var before series
	eventually(t, "answers and deliveries", func() bool {
		before = s.scrapeSeries()
		return before.value[answered1] >= 3 && before.value[delivered1] >= 2
	})
	for n := range 3 {
		eventually(t, "a second in which the last reload was not", func() bool {
			return float64(time.Now().UnixMilli())/1000 > before.value[reloadedAt]+.01
		})
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		var after series
		eventually(t, "the reload", func() bool {
			after = s.scrapeSeries()
			for key, value := range before.value {
				got, there := after.value[key]
				if !there && !strings.HasPrefix(key, "ALERTS") {
					t.Errorf("reload %d: %s is gone", n+1, key)
				}
				if there && before.grows[key] && got < value {
					t.Errorf("reload %d: %s fell from %v to %v", n+1, key, value, got)
				}
			}
			return t.Failed() || after.value[reloadedAt] > before.value[reloadedAt]
		})
		if t.Failed() {
			t.FailNow()
		}
		eventually(t, "answers to the new sources", func() bool {
			after = s.scrapeSeries()
			return after.value[answered1] > before.value[answered1]
		})
		before = after
	}
}

func TestTotalsGoOnOverPartsThatReplaceEachOther(t *testing.T) {
	stats := func(name string, n uint64) prom.EndpointStats {
		return prom.EndpointStats{Endpoint: name, Class: "action", Delivered: n, Pending: int(n)}
	}
	parts := [][]prom.EndpointStats{{stats("a", 1), stats("b", 10)}, {stats("a", 2)}, {stats("a", 4), stats("b", 40)}, {stats("a", 8), stats("b", 80)}}
	var told totals[prom.EndpointStats]
	use := func(i int) { told.use(i, func() []prom.EndpointStats { return slices.Clone(parts[i]) }) }
	want := func(about, want string) {
		t.Helper()
		var got []string
		for _, s := range told.all() {
			got = append(got, fmt.Sprintf("%s %d/%d", s.Endpoint, s.Delivered, s.Pending))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, want %q", about, got, want)
		}
	}
	want("before any part", "")
	use(0)
	want("the first", "a 1/1, b 10/10")
	use(1)
	want("the second does without b", "a 3/2")
	parts[0][0].Delivered = 5
	want("the first ends its work", "a 7/2")
	use(2)
	want("b is back", "a 11/4, b 50/40")
	use(3)
	use(2)
	want("the third is put in force again", "a 19/4, b 130/40")
	use(0)
	want("and replaced", "a 24/1, b 140/10")
}
