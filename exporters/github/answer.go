package github

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/wire"
)

// DefaultAPI is the API of github.com.
const DefaultAPI = "https://api.github.com"

// Gate is what an environment of a repository waits for.
type Gate struct {
	Repository  string        // OWNER/NAME
	Environment string        // its name, in any case
	Plan        string        //
	Phase       string        // a phase, or "run"
	Question    wire.Question //
	Ref         string        // the ref of a deployment, with {version} in it; empty: a ref says nothing of the version
	Parameter   string        // parameter of the run that has the commit of the deployment; empty: none has
}

// Run is a run of a plan that a deployment may belong to.
type Run struct {
	ID         string
	Parameters map[string]string
}

// Config is what an [Answerer] needs.
type Config struct {
	Name     string                 // of `[github.NAME]`; in the log
	App      string                 // id of the App, or its client id
	Key      func() (string, error) // PEM text of the App's private key; read whenever it is needed
	Secret   func() (string, error) // of the App's webhook; read whenever it is needed
	API      string                 // base URL of the API; DefaultAPI if empty
	Gates    []Gate
	Comments bool  // deployments that wait are commented on
	Store    Store //

	// Runs lists the runs of a version, of any version if that is empty, the newest first.
	Runs func(ctx context.Context, plan, version string) ([]Run, error)
	// Ask asks a gate about one run. The error says why there is no answer: ErrStarting
	// while nothing has been evaluated yet.
	Ask func(ctx context.Context, plan, run, phase string, q wire.Question) (wire.Answer, error)
	// Changed is closed when a gate may say something else.
	Changed func() <-chan struct{}

	Link  func(run string) string                // where people see a run; nil: nowhere
	Sink  *webhook.Sink                          // that reaches the API; its format is [format.None]
	Now   func() time.Time                       // time.Now if nil
	After func(d time.Duration) <-chan time.Time // time.After if nil
	Log   *slog.Logger                           // slog.Default() if nil
}

// ErrStarting is that the gate cannot answer yet. No one is told of it: it soon will.
var ErrStarting = errors.New("nothing has been evaluated yet")

// Answerer answers the requests of one App.
type Answerer struct {
	config Config
	api    string
	app    *app
	log    *slog.Logger
	woken  chan struct{}

	mu    sync.Mutex
	tries map[string]*try // :: id of a request → what became of attempts at it
	count Count           // at the newest pass

	// Of lost deliveries; the pass under way alone uses it.
	asked map[string]*try // :: delivery → that GitHub was asked to repeat it
	look  look
}

// try is how often something was tried since the start.
type try struct {
	failures int
	next     time.Time
	said     string   // the reason that the log was last told
	done     *Request // what is to be kept, where that failed after GitHub was told

	about string    // what the gate said last, while it decided nothing
	talk  time.Time // when people are told of that
}

// Times of an Answerer.
const (
	waitsFor   = 30 * 24 * time.Hour // GitHub waits no longer
	keptFor    = waitsFor + 24*time.Hour
	firstAgain = 5 * time.Second // after a failure, doubled
	lastAgain  = 5 * time.Minute
	slowAgain  = time.Minute // after a refusal that a person has to see to, doubled
	lastSlow   = time.Hour
	racing     = 2 * time.Minute  // so young, a request may not be known to all of GitHub yet
	lasting    = 30 * time.Second // so long, what is waited for has not changed before people are told
	looksEvery = 5 * time.Minute  // for lost deliveries
	atATime    = 8                // requests under way
)

// mostComments is how many comments GitHub takes for a deployment.
const mostComments = 10

// mostText is how long a comment may be, in bytes.
const mostText = 1024

// New makes an Answerer; nothing runs yet.
func New(c Config) *Answerer {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.After == nil {
		c.After = time.After
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	api := strings.TrimSuffix(c.API, "/")
	if api == "" {
		api = DefaultAPI
	}
	return &Answerer{
		config: c, api: api, log: c.Log.With("github", c.Name), woken: make(chan struct{}, 1),
		app:   &app{id: c.App, key: c.Key, api: api, sink: c.Sink, now: c.Now, tokens: map[uint64]token{}},
		tries: map[string]*try{}, asked: map[string]*try{},
	}
}

// Count is how many deployments wait.
type Count struct {
	Waiting int
	Untold  int // of those, that GitHub could not be told of at the last attempt
}

// Count is how many deployments waited when they were looked at last.
func (a *Answerer) Count() Count {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count
}

// wake has the requests looked at.
func (a *Answerer) wake() {
	select {
	case a.woken <- struct{}{}:
	default: // it is awake already
	}
}

// serves reports whether a gate is for a repository.
func (a *Answerer) serves(repository string) bool {
	for i := range a.config.Gates {
		if strings.EqualFold(a.config.Gates[i].Repository, repository) {
			return true
		}
	}
	return false
}

// gate is what the environment of a request waits for, nil where nothing says so. GitHub does
// not tell the names of environments apart by their case.
func (a *Answerer) gate(r *Request) *Gate {
	for i := range a.config.Gates {
		g := &a.config.Gates[i]
		if strings.EqualFold(g.Repository, r.Repository) && strings.EqualFold(g.Environment, r.Environment) {
			return g
		}
	}
	return nil
}

// handle does what is due for a request of list, but for a comment. It reports whether one is due.
func (a *Answerer) handle(ctx context.Context, r *Request, list []Request) (comment bool) {
	now := a.config.Now()
	if r.End != "" {
		if now.After(r.At.Add(keptFor)) {
			a.warn(ctx, a.tryOf(""), "a deployment that has ended cannot be deleted", a.config.Store.Drop(ctx, r.ID))
		}
		return false
	}
	t := a.tryOf(r.ID)
	switch {
	case t.done != nil: // GitHub knows, and that was not kept
		a.end(ctx, t, *t.done)
		return false
	case r.superseded(list):
		a.close(ctx, t, *r, Gone)
		return false
	case now.Before(t.next):
		return false
	case now.After(r.At.Add(waitsFor)):
		a.close(ctx, t, *r, Expired)
		return false
	}
	said, err := a.verdict(ctx, r)
	if err != nil {
		a.unasked(ctx, t, err)
		return false
	}
	if said.end == "" {
		return a.talks(t, r, said, now)
	}
	bearer, made := a.app.installation(ctx, r.Installation)
	if !made.ok() {
		a.again(ctx, t, r, made)
		return false
	}
	// A token may have taken long: the gate is asked again.
	if said, err = a.verdict(ctx, r); err != nil {
		a.unasked(ctx, t, err)
		return false
	}
	if said.end == "" {
		return a.talks(t, r, said, a.config.Now())
	}
	a.tell(ctx, t, *r, said, bearer)
	return false
}

// talks reports whether people are told now what a deployment waits for: once that has lasted,
// so that a restart, which knows nothing for a moment, is nothing to tell of.
func (a *Answerer) talks(t *try, r *Request, said verdict, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t.about != said.about {
		t.about, t.talk = said.about, now.Add(lasting)
	}
	return a.config.Comments && r.Comments < mostComments && said.about != r.Told && !now.Before(t.talk)
}

// unasked tells the log that there is no answer, unless there soon will be.
func (a *Answerer) unasked(ctx context.Context, t *try, err error) {
	if !errors.Is(err, ErrStarting) {
		a.warn(ctx, t, "a deployment waits: its gate gives no answer", err)
	}
}

// comment tells people that a deployment waits, and for what. It is counted before it is sent:
// one whose answer was lost was sent.
func (a *Answerer) comment(ctx context.Context, r Request) {
	t := a.tryOf(r.ID)
	bearer, made := a.app.installation(ctx, r.Installation)
	if !made.ok() {
		a.speechless(ctx, t, made)
		return
	}
	said, err := a.verdict(ctx, &r) // it may be another since the comment became due
	switch {
	case err != nil:
		a.unasked(ctx, t, err)
		return
	case said.end != "":
		a.wake() // the next pass answers
		return
	case !a.talks(t, &r, said, a.config.Now()):
		return
	}
	counted := r
	counted.Comments, counted.Told = r.Comments+1, said.about
	if err := a.config.Store.Put(ctx, counted); err != nil {
		a.warn(ctx, t, "a comment is not sent: it cannot be counted", err)
		return
	}
	got, sent := a.post(ctx, t, &counted, bearer, map[string]string{"environment_name": r.Environment, "comment": clip(said.text)})
	switch {
	case !sent:
	case got.ok():
		a.worked(t)
	default:
		a.speechless(ctx, t, got)
	}
}

// speechless is that a comment could not be made. Its failure holds up no answer, unless GitHub
// asks for that.
func (a *Answerer) speechless(ctx context.Context, t *try, got answer) {
	a.mu.Lock()
	t.talk = a.config.Now().Add(max(lastAgain, got.wait))
	if got.wait > 0 {
		t.next = a.config.Now().Add(got.wait)
	}
	a.mu.Unlock()
	a.warn(ctx, t, "a comment on a waiting deployment failed", errors.New(got.reason))
}

// tell answers GitHub.
func (a *Answerer) tell(ctx context.Context, t *try, r Request, said verdict, bearer string) {
	got, sent := a.post(ctx, t, &r, bearer, map[string]string{"environment_name": r.Environment, "state": string(said.end), "comment": clip(said.text)})
	if !sent {
		return
	}
	if got.ok() {
		a.worked(t)
		a.close(ctx, t, r, said.end)
		return
	}
	if got.status == 422 && !a.waits(ctx, &r, bearer) {
		a.close(ctx, t, r, Gone)
		return
	}
	a.again(ctx, t, &r, got)
}

// post sends a review, unless the job was run again meanwhile: then the request is closed.
func (a *Answerer) post(ctx context.Context, t *try, r *Request, bearer string, body map[string]string) (got answer, sent bool) {
	list, err := a.config.Store.Requests(ctx)
	switch {
	case err != nil:
		a.unasked(ctx, t, err)
		return answer{}, false
	case r.superseded(list):
		a.close(ctx, t, *r, Gone)
		return answer{}, false
	}
	got = a.app.call(ctx, http.MethodPost, r.callback(), bearer, body)
	switch got.status {
	case 401:
		a.app.forget(r.Installation, bearer)
		got.reason = "answered 401: GitHub no longer accepts the token of the installation"
	case 403:
		if got.wait == 0 {
			got.reason = "answered 403: the App may not do this: it needs Deployments: write, and to be a rule of the environment"
		}
	case 404:
		got.reason = "answered 404: there is no such workflow run, or the App is not installed there"
	case 422:
		got.reason = "answered 422: GitHub does not accept an answer for this environment now"
	}
	return got, true
}

// waits reports whether GitHub still waits for an environment: yes, where that is not known.
// A young request may not be known to all of GitHub yet.
func (a *Answerer) waits(ctx context.Context, r *Request, bearer string) bool {
	if a.config.Now().Before(r.At.Add(racing)) {
		return true
	}
	got := a.app.call(ctx, http.MethodGet, r.workflow()+"/pending_deployments", bearer, nil)
	names, ok := pendingNames(got.body)
	if !got.ok() || !ok {
		return true
	}
	for _, name := range names {
		if strings.EqualFold(name, r.Environment) {
			return true
		}
	}
	return false
}

// close ends a request.
func (a *Answerer) close(ctx context.Context, t *try, r Request, end End) {
	r.End, r.Ended = end, a.config.Now().UTC()
	a.end(ctx, t, r)
}

// end keeps that a request has ended. What GitHub was told is not told again while that cannot
// be kept.
func (a *Answerer) end(ctx context.Context, t *try, r Request) {
	if err := a.config.Store.Put(ctx, r); err != nil {
		a.mu.Lock()
		t.done = &r
		a.mu.Unlock()
		a.warn(ctx, t, "a deployment has ended, and that cannot be kept", err)
		return
	}
	a.log.Info("a deployment no longer waits", "repository", r.Repository, "environment", r.Environment, "run", r.Run, "end", string(r.End))
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tries, r.ID)
}

// tryOf is what is known of attempts at a request.
func (a *Answerer) tryOf(id string) *try {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tries[id] == nil {
		a.tries[id] = &try{}
	}
	return a.tries[id]
}

func (a *Answerer) worked(t *try) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t.failures, t.next, t.said = 0, time.Time{}, ""
}

// again says when a request is tried again, and tells the log why.
func (a *Answerer) again(ctx context.Context, t *try, r *Request, got answer) {
	if ctx.Err() != nil {
		return
	}
	first, last := firstAgain, lastAgain
	if got.status == 403 || got.status == 404 {
		first, last = slowAgain, lastSlow
	}
	a.mu.Lock()
	t.failures++
	wait := min(last, first<<min(t.failures-1, 16))
	if got.status == 401 && t.failures == 1 {
		wait = 0 // with a new token
	}
	t.next = a.config.Now().Add(max(wait, got.wait, time.Second))
	news := t.said != got.reason
	t.said = got.reason
	a.mu.Unlock()
	if news {
		a.log.Warn("an answer to GitHub failed, and is tried again", "repository", r.Repository, "environment", r.Environment, "run", r.Run, "err", got.reason)
	}
}

// warn tells the log of an error, once until it is another.
func (a *Answerer) warn(ctx context.Context, t *try, message string, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	a.mu.Lock()
	news := t.said != err.Error()
	t.said = err.Error()
	a.mu.Unlock()
	if news {
		a.log.Warn(message, "err", err)
	}
}
