package gate_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/gate"
)

// bare answers bytes and does nothing else: as little as net/http lets a handler
// do for a body of that size.
func bare(body []byte) http.Handler {
	contentType, length := []string{"application/json"}, []string{strconv.Itoa(len(body))}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h["Content-Type"] = contentType
		h["Content-Length"] = length
		_, _ = w.Write(body)
	})
}

// client is one keep-alive connection that sends the same request again and
// again; what it costs is little and the same for both servers.
type client struct {
	conn    net.Conn
	in      *bufio.Reader
	request []byte
	took    []time.Duration
}

func dial(b *testing.B, addr, path string) *client {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return &client{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), request: []byte(request(path))}
}

func request(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer reader-secret\r\nAccept: */*\r\n\r\n"
}

// do sends n requests one after the other.
func (c *client) do(n int) error {
	for range n {
		begin := time.Now()
		if _, err := c.conn.Write(c.request); err != nil {
			return err
		}
		length := 0
		for {
			line, err := c.in.ReadSlice('\n')
			if err != nil {
				return err
			}
			if len(line) == 2 {
				break
			}
			if name := "Content-Length: "; len(line) > len(name) && string(line[:len(name)]) == name {
				length, _ = strconv.Atoi(string(line[len(name) : len(line)-2]))
			}
		}
		if _, err := c.in.Discard(length); err != nil {
			return err
		}
		c.took = append(c.took, time.Since(begin))
	}
	return nil
}

// load is some connections to one server.
type load struct {
	clients []*client
	spent   time.Duration // of the processors, by server and client together
}

func (l *load) round(b *testing.B, each int) {
	begin := cpuTime()
	var wg sync.WaitGroup
	for _, c := range l.clients {
		wg.Go(func() {
			if err := c.do(each); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	l.spent += cpuTime() - begin
}

func (l *load) p99() time.Duration {
	var all []time.Duration
	for _, c := range l.clients {
		all = append(all, c.took...)
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}

func serve(b *testing.B, h http.Handler) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	b.Cleanup(func() { _ = s.Close(); <-done })
	return l.Addr().String()
}

// mute answers every request with the same bytes and reads as little of it as it
// can: what is left is the client's part and, as much again, the system calls.
func mute(b *testing.B, response, request int) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	head := "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(response) + "\r\n\r\n"
	answer := append([]byte(head), make([]byte, response)...)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for in := make([]byte, request); ; {
					if _, err := io.ReadFull(conn, in); err != nil {
						return
					}
					if _, err := conn.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// BenchmarkGate asks the gate, with its token check and a pin, and a bare handler of the
// same size in turns. cpu-ratio is what the gate's requests cost to what the bare
// one's do, the client's part, which is the same, taken out. An op is one request
// to each server.
func BenchmarkGate(b *testing.B) {
	g, _ := newGate(b, gate.Config{Tokens: tokens()}, view(planName, situations()["pass"]))
	res := ask(g.Handler(), "GET", gateURL, "", "Authorization", "Bearer reader-secret")
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 200 {
		b.Fatal(res.StatusCode)
	}
	url := gateURL + "?version=1.0.0"
	request := len(request(url))
	addrs := []string{serve(b, bare(body)), serve(b, g.Handler()), mute(b, len(body), request)}
	for _, conns := range []int{1, 32} {
		b.Run(fmt.Sprintf("%d-connections", conns), func(b *testing.B) {
			loads := make([]*load, len(addrs))
			for i, addr := range addrs {
				loads[i] = &load{}
				for range conns {
					loads[i].clients = append(loads[i].clients, dial(b, addr, url))
				}
			}
			const each = 50
			b.ResetTimer()
			for n := 0; n < b.N; n += each * conns {
				for i := range loads { // in turns, and not always the same one first
					loads[(i+n/each/conns)%len(loads)].round(b, each)
				}
			}
			client := float64(loads[2].spent) / 2
			bare, gate := float64(loads[0].spent)-client, float64(loads[1].spent)-client
			b.ReportMetric(gate/bare, "cpu-ratio")
			b.ReportMetric(bare/float64(len(loads[0].clients[0].took)*conns), "bare-cpu-ns")
			b.ReportMetric(float64(loads[1].p99())/float64(loads[0].p99()), "p99-ratio")
			b.ReportMetric(float64(loads[0].p99().Microseconds()), "bare-p99-µs")
		})
	}
}

// BenchmarkHandler is the handlers alone, without connections: a question without a
// pin, and one that names its version.
func BenchmarkHandler(b *testing.B) {
	g, _ := newGate(b, gate.Config{Tokens: tokens()}, view(planName, situations()["pass"]))
	h := g.Handler()
	for name, url := range map[string]string{"plain": gateURL, "pinned": gateURL + "?version=1.0.0"} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", url, nil)
			r.Header.Set("Authorization", "Bearer reader-secret")
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(void{http.Header{}}, r)
			}
		})
	}
}

type void struct{ h http.Header }

func (v void) Header() http.Header         { return v.h }
func (v void) Write(b []byte) (int, error) { return len(b), nil }
func (v void) WriteHeader(int)             {}
