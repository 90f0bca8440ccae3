package simulator

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// fault is the scenario's first fault that applies to an operation now. A silent
// upstream answers as always, without data.
func (s *Simulator) fault(up, op string) (Fault, bool) {
	at := s.world.offset(s.now().Unix())
	for _, f := range s.cfg.Scenario.Faults {
		if f.Upstream != up || (f.Operation != "" && f.Operation != op) || f.Kind == "silent" {
			continue
		}
		if at >= f.From.D && (!f.To.set || at < f.To.D) {
			return f, true
		}
	}
	return Fault{}, false
}

// partial says whether an upstream answers in part only now.
func (s *Simulator) partial(up, op string) bool {
	f, ok := s.fault(up, op)
	return ok && f.Kind == "partial"
}

// misbehave carries a fault out and says whether the request is dealt with.
func (s *Simulator) misbehave(w http.ResponseWriter, r *http.Request, up string, f Fault) bool {
	switch f.Kind {
	case "500":
		writeInternalError(w, r, up)
	case "502", "503", "504":
		status, _ := strconv.Atoi(f.Kind)
		writeGateway(w, status)
	case "hang":
		s.hang(r)
	case "throttle":
		s.writeThrottled(w, r, up, f.Delay.D)
	case "garbage":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>Welcome</title><p>Please log in to the network.")
	case "auth":
		writeAuth(w, r, up)
	case "empty200":
		w.WriteHeader(http.StatusOK)
	case "204":
		w.WriteHeader(http.StatusNoContent)
	case "login":
		w.Header().Set("Location", "https://login.example.com/?next=%2F")
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusFound)
		_, _ = io.WriteString(w, "<a href=\"https://login.example.com/\">Found</a>")
	case "foreign":
		writeForeign(w, up)
	case "endless":
		writeEndless(w, r)
	case "expired":
		writeExpired(w, r, up)
	case "no_project":
		writeJSON(w, http.StatusBadRequest, map[string]any{"detail": "No projects available"})
	case "slow":
		d := f.Delay.D
		if d == 0 {
			d = 5 * time.Second
		}
		return s.cfg.Pause(r.Context(), d) != nil // the client has gone
	default: // partial shows in the answer itself
		return false
	}
	return true
}

// hang reads the request to its end and then waits until the client has gone: the
// server notices that only after the body is read.
func (s *Simulator) hang(r *http.Request) {
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(nil, r.Body, maxBody))
	s.count(func(st *Stats) { st.Hung++ })
	s.cfg.OnHang()
	<-r.Context().Done()
}

func writeGateway(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<html><head><title>%d %s</title></head><body><center><h1>%d %s</h1></center></body></html>\n",
		status, http.StatusText(status), status, http.StatusText(status))
}

func writeInternalError(w http.ResponseWriter, r *http.Request, up string) {
	switch up {
	case "cloudwatch":
		writeAWSError(w, r, &awsError{status: 500, code: "InternalServiceFault", query: "InternalServiceError", message: "Internal server error"})
	case "athena":
		writeAWSError(w, r, &awsError{status: 500, code: "InternalServerException", message: "Internal server error"})
	case "lambda":
		writeAWSError(w, r, &awsError{status: 500, code: "ServiceException", message: "An error occurred and the request cannot be processed."})
	case "sentry":
		writeJSON(w, http.StatusInternalServerError, map[string]any{"detail": "Internal Error", "errorId": nil})
	default:
		writeAppStoreError(w, http.StatusInternalServerError, "UNEXPECTED_ERROR", "An unexpected error occurred.", "An unexpected error occurred on the server side.", nil)
	}
}

func (s *Simulator) writeThrottled(w http.ResponseWriter, r *http.Request, up string, after time.Duration) {
	if after > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(seconds(after), 10))
	}
	switch up {
	case "cloudwatch":
		writeAWSError(w, r, &awsError{status: 400, code: "ThrottlingException", query: "Throttling", message: "Rate exceeded"})
	case "athena":
		writeAWSError(w, r, &awsError{status: 400, code: "TooManyRequestsException", message: "You have exceeded the limit for the number of queries you can run concurrently.",
			fields: map[string]any{"Reason": "CONCURRENT_QUERY_LIMIT_EXCEEDED"}})
	case "lambda":
		writeAWSError(w, r, &awsError{status: 429, code: "TooManyRequestsException", message: "Rate exceeded", fields: map[string]any{"Reason": "CallerRateLimitExceeded"}})
	case "sentry":
		s.sentryLimits(w, 0, after)
		writeJSON(w, http.StatusTooManyRequests, map[string]any{"detail": fmt.Sprintf(
			"You are attempting to use this endpoint too frequently. Limit is %d requests in %d seconds", sentryLimit, sentryWindow)})
	default:
		w.Header().Set("X-Rate-Limit", "user-hour-lim:3600;user-hour-rem:0;")
		writeAppStoreError(w, http.StatusTooManyRequests, "RATE_LIMIT_EXCEEDED", "The request rate limit has been reached.", "We've received too many requests for this API. Please wait and try again or slow down your request rate.", nil)
	}
}

// writeForeign answers in a format that the upstream's client does not read.
func writeForeign(w http.ResponseWriter, up string) {
	if up == "cloudwatch" {
		writeJSON(w, http.StatusOK, map[string]any{"MetricDataResults": []any{}, "MetricAlarms": []any{}})
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	_, _ = io.WriteString(w, "<?xml version=\"1.0\"?><status>ok</status>")
}

// endless is far more than any client should read of an error.
const endless = 1 << 30

// writeEndless sends an error until the client has gone.
func writeEndless(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusInternalServerError)
	chunk := []byte(strings.Repeat("internal error ", 4096))
	for sent := 0; sent < endless && r.Context().Err() == nil; sent += len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

func writeExpired(w http.ResponseWriter, r *http.Request, up string) {
	switch up {
	case "cloudwatch", "athena", "lambda":
		writeAWSError(w, r, &awsError{status: 403, code: "ExpiredTokenException", query: "ExpiredToken", message: "The security token included in the request is expired"})
	default:
		writeAuth(w, r, up)
	}
}

func writeAuth(w http.ResponseWriter, r *http.Request, up string) {
	switch up {
	case "cloudwatch", "athena", "lambda":
		writeAWSError(w, r, &awsError{status: 403, code: "AccessDeniedException", query: "AccessDenied", message: "User: arn:aws:iam::123456789012:user/relgate is not authorized to perform this action"})
	case "sentry":
		writeJSON(w, http.StatusUnauthorized, map[string]any{"detail": "Invalid token"})
	default:
		writeNotAuthorized(w)
	}
}
