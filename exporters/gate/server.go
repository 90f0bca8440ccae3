package gate

import (
	"net/http"
	"time"
)

// Server is an http.Server with the limits of the public port. A request has
// 5 s for its headers and 16 KiB; its body has 10 s and 64 KiB, which the
// handlers see to. There is no ReadTimeout: it would end a long poll. An answer
// must be out 20 s after the longest poll; an idle connection lives for 2 min. A
// path with an empty step in it is not found, where a mux would redirect.
func Server(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           straight(h),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      MaxWait + 20*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

// Health serves /-/healthy and /-/ready: 200 when the function returns nil, else
// 503 with its error, which therefore must hold no secret. It belongs on the
// private port. Both functions are called by every request and must be quick.
func Health(alive, ready func() error) http.Handler {
	m := http.NewServeMux()
	m.Handle("GET /-/healthy", healthOf("healthy", alive))
	m.Handle("GET /-/ready", healthOf("ready", ready))
	return m
}

func healthOf(word string, check func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", textType)
		h.Set("Cache-Control", notStored)
		text := word + "\n"
		if err := check(); err != nil {
			text = "not " + word + ": " + err.Error() + "\n"
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(text)) // a probe that is gone misses nothing
	})
}
