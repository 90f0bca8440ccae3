package phased_test

import (
	"net/http"
	"net/http/httptest"
)

// tap keeps what a handler answers to the requests of a path.
type tap struct {
	next http.Handler
	path string
	body []byte
}

func (t *tap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	t.next.ServeHTTP(rec, r)
	if r.URL.Path == t.path {
		t.body = rec.Body.Bytes()
	}
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}
