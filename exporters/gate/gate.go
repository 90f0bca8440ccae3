package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/relgate/relgate/evaluator"
)

// Commander takes commands into the next tick of a plan.
type Commander interface {
	// Command returns when the tick that holds the command has been committed,
	// with the event that says whether it was applied or refused: Event.To is
	// "applied" or "refused". A repeated ID gives the first one's event or one
	// that says so. The error is for a command that was not committed.
	Command(ctx context.Context, plan string, c evaluator.Command) (evaluator.Event, error)
}

// Config is what a Gate needs.
type Config struct {
	Tokens       []Token          // who may ask; none: everybody may read, see OpenCommands
	OpenCommands bool             // without tokens, commands are taken from anybody; meant for a loopback listener
	Commander    Commander        // takes commands; nil: they are answered with 503
	BaseURL      string           // external URL in links, "https://gate.example"; empty: links hold a path only
	Now          func() time.Time // the clock that ages a verdict; nil: time.Now
	Waiters      int              // long polls at a time for one token; 100 if zero
	Log          *slog.Logger     // commands and their failures; nil: nothing
}

// Gate answers CI. Its methods may be called at the same time.
type Gate struct {
	now       func() time.Time
	base      string
	commander Commander
	open      bool
	log       *slog.Logger
	tokens    []token
	waiters   waiters
	cross     *http.CrossOriginProtection
	counts    counts

	mu       sync.Mutex // serialises Update
	board    atomic.Pointer[board]
	draining chan struct{} // closed by Drain
	drain    sync.Once
	mux      *http.ServeMux
}

// New makes a Gate that answers 503 until the first Update. The errors are of
// the Config: a token's hash or scope, the base URL.
func New(c Config) (*Gate, error) {
	tokens, err := compileTokens(c.Tokens)
	base, baseErr := compileBase(c.BaseURL)
	if err := errors.Join(err, baseErr); err != nil {
		return nil, err
	}
	g := &Gate{
		now: c.Now, base: base, commander: c.Commander, open: c.OpenCommands, log: c.Log, tokens: tokens,
		waiters:  waiters{limit: c.Waiters, busy: map[string]int{}},
		cross:    http.NewCrossOriginProtection(),
		draining: make(chan struct{}),
	}
	if g.now == nil {
		g.now = time.Now
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	if g.waiters.limit <= 0 {
		g.waiters.limit = 100
	}
	g.board.Store(&board{changed: make(chan struct{})})
	g.mux = g.routes()
	return g, nil
}

func compileBase(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("reading base URL %q: want http:// or https://, a host and nothing behind the path", text)
	}
	return strings.TrimSuffix(text, "/"), nil
}

// Update publishes the snapshots of a committed tick: all plans that there are.
// Whoever waits for a change is woken. A plan whose snapshot is the one that is
// shown already keeps its answers.
func (g *Gate) Update(views []View) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.board.Load()
	next := &board{plans: make(map[string]*planBoard, len(views)), changed: make(chan struct{})}
	for _, v := range views {
		name := v.Snapshot.Plan
		was := old.plans[name]
		if _, twice := next.plans[name]; !twice {
			next.names = append(next.names, name)
		}
		switch {
		case was == nil || was.view.Plan != v.Plan:
			next.plans[name] = newPlanBoard(v, planDigest(v.Plan))
		case same(&was.view.Snapshot, &v.Snapshot):
			next.plans[name] = was
		default:
			next.plans[name] = newPlanBoard(v, was.digest)
		}
	}
	g.board.Store(next)
	close(old.changed)
}

// same reports whether two snapshots of a plan are of one tick.
func same(a, b *evaluator.Snapshot) bool {
	return a.Seq == b.Seq && a.At.Equal(b.At) && a.Generation == b.Generation && a.Seq != 0
}

// Drain lets every long poll answer at once, now and from now on. A server that
// is about to stop calls it first (http.Server.RegisterOnShutdown).
func (g *Gate) Drain() { g.drain.Do(func() { close(g.draining) }) }

// Alive is nil while every run is evaluated: its newest tick is younger than
// three intervals, or it is over. Before the first tick it is nil.
func (g *Gate) Alive() error {
	b := g.board.Load()
	for _, name := range b.names {
		if p := b.plans[name]; p.started() && p.isStale(g.now()) {
			return fmt.Errorf("plan %q: no tick since %s", name, p.view.Snapshot.At.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// Started is nil when every plan has seen a tick, and there is a plan.
func (g *Gate) Started() error {
	b := g.board.Load()
	if len(b.names) == 0 {
		return errors.New("no plan yet")
	}
	for _, name := range b.names {
		if !b.plans[name].started() {
			return fmt.Errorf("plan %q: no tick yet", name)
		}
	}
	return nil
}
