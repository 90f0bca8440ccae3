package github

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxBody is the size of the largest request that is taken, in bytes.
const MaxBody = 1 << 20

// Result is what became of something that GitHub sent.
type Result string

// Results of what GitHub sends.
const (
	Accepted    Result = "accepted"
	Duplicate   Result = "duplicate"  // it was kept before
	Control     Result = "control"    // a ping, or an event that asks for nothing
	Unsigned    Result = "unsigned"   // there is no signature
	Forged      Result = "signature"  // the signature is wrong
	Malformed   Result = "malformed"  //
	Elsewhere   Result = "elsewhere"  // it names another API than the configured one
	Repository  Result = "repository" // no gate is for its repository
	TooLarge    Result = "too_large"
	Busy        Result = "busy"        // too many large ones at a time
	Unavailable Result = "unavailable" // it could not be kept, or did not arrive whole
)

// Results lists the results.
func Results() []Result {
	return []Result{Accepted, Duplicate, Control, Unsigned, Forged, Malformed, Elsewhere, Repository, TooLarge, Busy, Unavailable}
}

// Refusal is why something was not taken. It holds no secret.
type Refusal struct {
	Result Result
	Reason string
}

func (r *Refusal) Error() string { return r.Reason }

func refuse(result Result, format string, args ...any) *Refusal {
	return &Refusal{result, fmt.Sprintf(format, args...)}
}

// End is how a request came to its end. Empty: it waits.
type End string

// Ends of requests.
const (
	Approved End = "approved" // GitHub was told
	Rejected End = "rejected" // GitHub was told
	Gone     End = "gone"     // it no longer waits at GitHub: it was answered, bypassed or cancelled, or its job was run again
	Expired  End = "expired"  // GitHub waits no longer than 30 days
)

// Request is a deployment that waits at GitHub, as it is kept.
type Request struct {
	ID           string    `json:"id"`           // what tells it from others: see [payload.request]
	Delivery     string    `json:"delivery"`     // GitHub's id of the delivery; not signed
	Repository   string    `json:"repository"`   // OWNER/NAME
	WorkflowRun  uint64    `json:"workflowRun"`  //
	Deployment   uint64    `json:"deployment"`   // GitHub's id of it, which grows; 0: there is none
	Environment  string    `json:"environment"`  //
	Installation uint64    `json:"installation"` // of the App
	Ref          string    `json:"ref"`          // branch or tag that is deployed; empty: not said
	Commit       string    `json:"commit"`       // its SHA, in lower case; empty: not said
	At           time.Time `json:"at"`           // when it came

	Run      string    `json:"run,omitempty"`      // the run of relgate's that it belongs to; empty: not known yet
	Told     string    `json:"told,omitempty"`     // what the newest comment was about
	Comments int       `json:"comments,omitempty"` // that were sent, or may have been
	End      End       `json:"end,omitempty"`      //
	Ended    time.Time `json:"ended,omitzero"`     //
}

// Store keeps requests.
type Store interface {
	// Requests lists what is kept.
	Requests(ctx context.Context) ([]Request, error)
	// Add makes a request durable. It keeps nothing, and reports that, where there is one
	// of the same ID, however old and however it stands.
	Add(ctx context.Context, r Request) (added bool, err error)
	// Put replaces what is kept of a request.
	Put(ctx context.Context, r Request) error
	// Drop forgets a request.
	Drop(ctx context.Context, id string) error
}

// payload is what is read of the event deployment_protection_rule.
type payload struct {
	Action      string `json:"action"`
	Environment string `json:"environment"`
	Callback    string `json:"deployment_callback_url"`
	Ref         string `json:"ref"`
	SHA         string `json:"sha"`
	Deployment  struct {
		ID  uint64 `json:"id"`
		Ref string `json:"ref"`
		SHA string `json:"sha"`
	} `json:"deployment"`
	Repository struct {
		FullName string `json:"full_name"`
	} `json:"repository"`
	Installation struct {
		ID uint64 `json:"id"`
	} `json:"installation"`
}

var commitName = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// request is the request of a payload. Each attempt of a job has a deployment of its own, by
// which it is known; one without a deployment is known by its delivery.
func (p *payload) request(api, delivery string, now time.Time) (Request, error) {
	r := Request{
		Delivery: delivery, Repository: p.Repository.FullName, Environment: p.Environment, Installation: p.Installation.ID,
		Deployment: p.Deployment.ID, Ref: p.Deployment.Ref, Commit: strings.ToLower(p.Deployment.SHA), At: now.UTC(),
	}
	if r.Ref == "" {
		r.Ref = p.Ref
	}
	if r.Commit == "" {
		r.Commit = strings.ToLower(p.SHA)
	}
	for name, text := range map[string]string{"repository": r.Repository, "environment": r.Environment, "ref": r.Ref, "delivery": r.Delivery} {
		if len(text) > 300 {
			return r, refuse(Malformed, "its %s has more than 300 bytes", name)
		}
	}
	switch {
	case r.Repository == "" || r.Environment == "" || r.Installation == 0:
		return r, refuse(Malformed, "it names no repository, environment or installation")
	case r.Commit != "" && !commitName.MatchString(r.Commit):
		return r, refuse(Malformed, "its sha is not a commit")
	}
	// The call back holds the token of the installation: it goes to the configured API only.
	rest, ok := strings.CutPrefix(p.Callback, api+"/repos/"+r.Repository+"/actions/runs/")
	number, tail, _ := strings.Cut(rest, "/")
	run, err := strconv.ParseUint(number, 10, 63)
	if !ok || err != nil || run == 0 || tail != "deployment_protection_rule" {
		return r, refuse(Elsewhere, "its deployment_callback_url is not that of a workflow run of %.100s below %s", r.Repository, api)
	}
	r.WorkflowRun = run
	r.ID = fmt.Sprintf("%s %d %d %s", r.Repository, run, p.Deployment.ID, r.Environment)
	if p.Deployment.ID == 0 {
		r.ID += " " + delivery
	}
	return r, nil
}

// superseded reports whether the job of a request was run again: list has a newer deployment of
// the same workflow run and environment, open or ended. GitHub takes an answer for a workflow run
// and an environment, not for a deployment, so that an answer to r would decide the newer one.
func (r *Request) superseded(list []Request) bool {
	return slices.ContainsFunc(list, func(o Request) bool {
		if o.WorkflowRun != r.WorkflowRun || !strings.EqualFold(o.Repository, r.Repository) || !strings.EqualFold(o.Environment, r.Environment) {
			return false
		}
		if o.Deployment == 0 || r.Deployment == 0 {
			return o.At.After(r.At)
		}
		return o.Deployment > r.Deployment
	})
}

// callback is the path that a request is answered at.
func (r *Request) callback() string { return r.workflow() + "/deployment_protection_rule" }

func (r *Request) workflow() string {
	owner, name, _ := strings.Cut(r.Repository, "/")
	return fmt.Sprintf("/repos/%s/%s/actions/runs/%d", url.PathEscape(owner), url.PathEscape(name), r.WorkflowRun)
}

// verify checks the signature of a body by the secret of the App's webhook.
func verify(h http.Header, body []byte, secret string) error {
	values := h.Values("X-Hub-Signature-256")
	if len(values) == 0 {
		return refuse(Unsigned, "there is no header X-Hub-Signature-256: give the App's webhook its secret")
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	digits, ok := strings.CutPrefix(values[0], "sha256=")
	got, err := hex.DecodeString(digits)
	if !ok || err != nil || len(values) > 1 || !hmac.Equal(got, mac.Sum(nil)) {
		return refuse(Forged, "the signature in X-Hub-Signature-256 is not that of this body by the secret of the App's webhook")
	}
	return nil
}

// Receive takes what GitHub sends to the App's webhook: it is verified, and a request is kept
// before Receive returns. The error is a *Refusal.
func (a *Answerer) Receive(ctx context.Context, now time.Time, h http.Header, body []byte) (Result, error) {
	result, err := a.receive(ctx, now, h, body)
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return refusal.Result, err
	}
	return result, err
}

func (a *Answerer) receive(ctx context.Context, now time.Time, h http.Header, body []byte) (Result, error) {
	secret, err := a.config.Secret()
	if err != nil {
		a.log.Error("the secret of the App's webhook cannot be read", "err", err)
		return "", refuse(Unavailable, "it cannot be verified now: send it again")
	}
	if err := verify(h, body, secret); err != nil {
		return "", err
	}
	if h.Get("X-GitHub-Event") != "deployment_protection_rule" {
		return Control, nil
	}
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		return "", refuse(Malformed, "it cannot be read: want the content type application/json, and an event deployment_protection_rule")
	}
	if p.Action != "requested" {
		return Control, nil
	}
	r, err := p.request(a.api, h.Get("X-GitHub-Delivery"), now)
	switch {
	case err != nil:
		return "", err
	case !a.serves(r.Repository):
		return "", refuse(Repository, "no gate is configured for the repository %.100s", r.Repository)
	}
	return a.keep(ctx, r)
}

// keep makes a request durable.
func (a *Answerer) keep(ctx context.Context, r Request) (Result, error) {
	added, err := a.config.Store.Add(ctx, r)
	switch {
	case err != nil:
		a.log.Error("a waiting deployment cannot be kept", "repository", r.Repository, "environment", r.Environment, "err", err)
		return "", refuse(Unavailable, "it cannot be kept now: send it again")
	case !added:
		return Duplicate, nil
	}
	a.log.Info("a deployment waits", "repository", r.Repository, "environment", r.Environment, "ref", r.Ref, "commit", r.Commit)
	a.wake()
	return Accepted, nil
}
