package bench

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// summary is what matters here of a demo's last line.
type summary struct {
	Summary struct {
		Verdict  string         `json:"verdict"`
		Ended    time.Time      `json:"ended"`
		Requests map[string]int `json:"requests"`
	} `json:"summary"`
}

// demo runs the plan of config.toml in virtual time, healthy to its end.
func demo(tb testing.TB, binary, interval string) (s summary) {
	tb.Helper()
	text, err := os.ReadFile("../config.toml")
	if err != nil {
		tb.Fatal(err)
	}
	changed := bytes.Replace(text, []byte(`= "30s" `), []byte(`= "`+interval+`" `), 1)
	if interval != "30s" && bytes.Equal(text, changed) {
		tb.Fatal("config.toml has no interval of 30 s to be changed")
	}
	dir := tb.TempDir()
	path := filepath.Join(dir, "config.toml")
	if err := os.CopyFS(filepath.Join(dir, "sql"), os.DirFS("../sql")); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, changed, 0o600); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(binary, "demo", "--config", path, "--speed", "max", "--exit-when-done", "-o", "json")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &s); err != nil {
		tb.Fatal(err)
	}
	if s.Summary.Verdict != "pass" {
		tb.Fatalf("the plan ended with %q, want pass", s.Summary.Verdict)
	}
	return s
}

// BenchmarkRequests counts what CloudWatch is asked in the 30 hours of the plan
// of config.toml: calls of GetMetricData, each of which asks for all metrics at
// once, for each minute, as each minute is one datum of every metric. One that
// asked at every tick, the baseline, would ask 2 and 12 times. The goal is 1.05.
func BenchmarkRequests(b *testing.B) {
	binary := build(b, "..", "./cmd/relgate")
	for _, interval := range []string{"30s", "5s"} {
		b.Run("interval="+interval, func(b *testing.B) {
			every, err := time.ParseDuration(interval)
			if err != nil {
				b.Fatal(err)
			}
			var perDatum, list float64
			for b.Loop() {
				s := demo(b, binary, interval).Summary
				// The demo begins a minute before T.
				data := s.Ended.Sub(epoch.Add(-time.Minute)).Minutes()
				perDatum = float64(s.Requests["cloudwatch/GetMetricData"]) / data
				list = float64(s.Requests["cloudwatch/ListMetrics"] + s.Requests["sts/AssumeRole"])
			}
			b.ReportMetric(perDatum, "requests/datum")
			b.ReportMetric(float64(time.Minute/every)/perDatum, "x_less_than_each_tick")
			b.ReportMetric(list, "list-or-sts-calls")
			noOp(b)
		})
	}
}
