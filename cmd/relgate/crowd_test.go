//go:build unix

package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/server"
)

// crowding opens connections that send the same and then nothing more.
func crowding(t *testing.T, addr, send string, n int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, 0, n)
	for range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Error(err)
			break
		}
		conns = append(conns, c)
		_, _ = io.WriteString(c, send) // it may be closed already
	}
	return conns
}

// inUse is the memory of this process in bytes, goroutines' stacks included.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// TestConnectionsThatSendNothingCostNothingButTheirLimit opens 8,000 connections, fewer
// where this process may not: half of them are silent, half say that a body comes and send
// none. Meanwhile gate and health answer as before, a long poll goes on, and what the crowd
// costs is bounded.
func TestConnectionsThatSendNothingCostNothingButTheirLimit(t *testing.T) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	limit := server.PublicLimit()
	crowd := min(8000, int(min(files.Cur, 1<<20))-limit-200)
	if crowd < limit+limit/8 {
		t.Skipf("this process may have %d files: too few for a crowd", files.Cur)
	}
	d := housed(t, withTokens(), nil, io.Discard)
	addr := d.public.Addr().String()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	ask := func(ctx context.Context, path string, want int) {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer read-1")
		resp, err := client.Do(req)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	// times asks gate and health in turns, each over a new connection, and gives the
	// median and the longest time of an answer.
	times := func() (median, most time.Duration) {
		var took []time.Duration
		for i := range 200 {
			begun := time.Now()
			if i%2 == 0 {
				ask(t.Context(), gate1, 200)
			} else {
				ask(t.Context(), "/-/ready", 200)
			}
			took = append(took, time.Since(begun))
		}
		slices.Sort(took)
		return took[len(took)/2], took[len(took)-1]
	}
	median, most := times()

	polled := make(chan struct{})
	go func() {
		defer close(polled)
		ask(t.Context(), "/v1/gates/P-1/one/gate?wait=50s", 503)
	}()
	eventually(t, "the long poll", func() bool { return d.gate.Stats().Waiting == 1 })

	before := inUse()
	conns := crowding(t, addr, "", crowd/2)
	eventually(t, "the limit", func() bool { st := d.public.server.Stats(); return st.Open == limit && st.Closed > 0 })
	each := (inUse() - before) / int64(limit)
	rest := make(chan []net.Conn, 1)
	go func() {
		rest <- crowding(t, addr, "POST "+command1+" HTTP/1.1\r\nHost: gate\r\nContent-Length: 9\r\n\r\n", crowd-crowd/2)
	}()
	medianCrowd, mostCrowd := times()
	conns = append(conns, <-rest...)
	st := d.public.server.Stats()
	t.Logf("%d silent connections: %d bytes for each of %d that are open, %d closed; an answer takes %v (%v at most), without them %v (%v)",
		len(conns), each, limit, st.Closed, medianCrowd, mostCrowd, median, most)
	if each > 32<<10 {
		t.Errorf("a silent connection takes %d bytes, want at most 32 KiB", each)
	}
	if st.Open > limit {
		t.Errorf("%+v: want no more than the limit", st)
	}
	if mostCrowd > 5*time.Second {
		t.Errorf("an answer took %v beside the crowd, %v without it", mostCrowd, most)
	}
	for _, c := range conns {
		c.Close()
	}
	select {
	case <-polled:
		t.Error("the long poll ended")
	default:
	}
	d.gate.Drain()
	<-polled
}
