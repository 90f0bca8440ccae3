package gate

import "net/http"

// Health serves /-/healthy and /-/ready: 200 when the function returns nil, else
// 503 with its error, which therefore must hold no secret. It belongs on the
// private port. Both functions are called by every request and must be quick.
func Health(alive, ready func() error) http.Handler { return health(alive, ready, true) }

// PublicHealth is Health for whoever can reach the public port, without a token:
// load balancers and the probes of containers. It says yes or no, and not why.
func PublicHealth(alive, ready func() error) http.Handler { return health(alive, ready, false) }

func health(alive, ready func() error, why bool) http.Handler {
	m := http.NewServeMux()
	m.Handle("GET /-/healthy", healthOf("healthy", alive, why))
	m.Handle("GET /-/ready", healthOf("ready", ready, why))
	return m
}

func healthOf(word string, check func() error, why bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", textType)
		h.Set("Cache-Control", notStored)
		text := word + "\n"
		if err := check(); err != nil {
			text = "not " + word + "\n"
			if why {
				text = "not " + word + ": " + err.Error() + "\n"
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(text)) // a probe that is gone misses nothing
	})
}
