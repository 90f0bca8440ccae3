package bench

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// process is a program that runs for a benchmark.
type process struct {
	*exec.Cmd
	err  bytes.Buffer
	stop func()
}

// start runs a program until stop or the end of the benchmark, whichever is
// first.
func start(tb testing.TB, path string, args ...string) *process {
	tb.Helper()
	p := &process{Cmd: exec.Command(path, args...)}
	p.Stderr = &p.err
	p.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=AKIDBENCH", "AWS_SECRET_ACCESS_KEY=bench", "AWS_EC2_METADATA_DISABLED=true")
	if err := p.Start(); err != nil {
		tb.Fatal(err)
	}
	p.stop = sync.OnceFunc(func() {
		_ = terminate(p.Process)
		_ = p.Wait() // the exit status is not measured
	})
	tb.Cleanup(p.stop)
	return p
}

// untilReady asks until the answer is 200.
func untilReady(tb testing.TB, url string) {
	tb.Helper()
	client := http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(500 * time.Microsecond) {
		res, err := client.Get(url)
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return
		}
	}
	tb.Fatalf("%s is not ready after a minute", url)
}

// used is a process's CPU time and resident memory. ok is false without /proc.
func (p *process) used() (cpu time.Duration, resident int64, ok bool) {
	dir := fmt.Sprintf("/proc/%d/", p.Process.Pid)
	// The sum of what its threads ran, in nanoseconds: stat counts in ticks of 10 ms.
	threads, _ := filepath.Glob(dir + "task/*/schedstat")
	for _, t := range threads {
		text, _ := os.ReadFile(t)
		ran, _, _ := strings.Cut(string(text), " ")
		ns, _ := strconv.ParseInt(ran, 10, 64)
		cpu += time.Duration(ns)
	}
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return 0, 0, false
	}
	for line := range strings.Lines(string(status)) {
		if kb, found := strings.CutPrefix(line, "VmRSS:"); found {
			resident, _ = strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kb), " kB"), 10, 64)
		}
	}
	return cpu, resident << 10, len(threads) > 0 && resident > 0
}

// build compiles a program as it is released.
func build(tb testing.TB, dir, pkg string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("building %s: %v\n%s", pkg, err, out)
	}
	return path
}
