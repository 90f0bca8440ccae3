package outboxtest

import (
	"net/http"
	"net/http/httptest"
)

// Network gives requests to a handler without a network, so that virtual time can pass. A
// handler that panics with http.ErrAbortHandler drops the connection. The handler must end
// with its request.
type Network struct{ http.Handler }

// RoundTrip gives a request to the handler.
func (n Network) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		req = req.WithContext(req.Context())
		req.Body = http.NoBody // as a server has it
	}
	w, served, dropped := httptest.NewRecorder(), make(chan struct{}), false
	go func() {
		defer close(served)
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				dropped = true
			default:
				panic(p)
			}
		}()
		n.ServeHTTP(w, req)
	}()
	<-served
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if dropped {
		return nil, http.ErrAbortHandler
	}
	return w.Result(), nil
}
