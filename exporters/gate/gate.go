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

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// Commander takes commands into the next tick of a run.
type Commander interface {
	// Command returns when the tick that holds the command has been committed, with
	// the event that says whether it was applied or refused: Event.To is "applied" or
	// "refused". A run of "" is the one that is under way, else the newest. A repeated
	// ID gives the first one's event or one that says so. Command returns ErrNoRun if
	// there is no such plan or run; any other error is for a command that was not
	// committed.
	Command(ctx context.Context, plan, run string, c fact.Command) (fact.Event, error)
}

// ErrNoRun says that a plan or a run does not exist.
var ErrNoRun = errors.New("no such run")

// Starter begins runs.
type Starter interface {
	// StartRun returns when the first tick of the run has been committed, or with the
	// run of the same version that exists already. It returns ErrNoRun if there is no
	// such plan, a *Refused if another run is in the way, a *BadStart if the request
	// cannot be carried out as it is; any other error is for a run that was not
	// committed.
	StartRun(ctx context.Context, plan string, s StartRequest) (StartAnswer, error)
}

// StartRequest is what a run is begun with.
type StartRequest struct {
	Version   string            // required
	At        time.Time         // T; zero: now
	Set       map[string]string // parameters by name; "previous.NAME" sets one of the release before
	Again     bool              // begin another try of a version that ended without a pass
	Supersede bool              // end the run that is under way and take its place
	Previous  rules.Previous    // the release before; zero: the last run that passed
	By, Why   string            // in the sender's words; required with Supersede
	Principal string            // name of the token; empty without tokens
}

// StartAnswer is the run that a start began or found.
type StartAnswer struct {
	Run     wire.RunView
	Created bool // false: the run was there already
}

// Refused says that a run cannot begin as things stand, or that it is not clear
// which run a command is for.
type Refused struct {
	Run    string // id of the run that is in the way; empty where it is none
	Reason string
}

func (r *Refused) Error() string { return r.Reason }

// BadStart says that a request for a run is wrong in itself: a parameter that is
// missing or badly formed, a version that a plan does not take.
type BadStart struct{ Reason string }

func (b *BadStart) Error() string { return b.Reason }

// Past reads the runs that are not live any more, and the events of every run. Its
// methods may be called at the same time.
type Past interface {
	// Run gives a run by its id, nil if there is none.
	Run(ctx context.Context, id string) (*wire.RunView, error)
	// Find gives the newest try of a version, nil if there is none.
	Find(ctx context.Context, plan, version string) (*wire.RunView, error)
	// Runs lists runs, newest first, live ones included; a plan of "" means all.
	Runs(ctx context.Context, plan string, limit int) ([]fact.RunRecord, error)
	// Events gives the events of a run with N > after, in order, at most limit.
	Events(ctx context.Context, id string, after uint64, limit int) ([]fact.Stored, error)
}

// Config is what a Gate needs.
type Config struct {
	Tokens       []Token          // who may ask, until SetTokens; none: everyone may read, see OpenCommands
	Jobs         []Job            // of CI systems that may ask beside them, until SetTokens
	PublicBadges []string         // plans whose badge and status everyone may see
	OpenCommands bool             // the listener is for this machine alone: without tokens, commands and starts are taken from it
	Commander    Commander        // takes commands; nil: they are answered with 503
	Starter      Starter          // begins runs; nil: starts are answered with 503
	Driller      Driller          // rehearses; nil: drills are answered with 503
	Past         Past             // reads ended runs; nil: only what Update gives is known
	BaseURL      string           // external URL in links, "https://gate.example"; empty: links hold a path only
	Now          func() time.Time // the clock that ages a verdict; nil: time.Now
	Waiters      int              // long polls at a time for one token; 100 if zero
	Log          *slog.Logger     // refused requests, commands that fail; nil: nothing
}

// Views is everything that the gate shows.
type Views struct {
	Plans   []PlanView
	Trouble Trouble
}

// Trouble is what keeps the daemon from knowing: a journal that cannot be written.
// While there is any, every gate is unknown but one that orders a rollback. The zero
// value is none.
type Trouble struct {
	Cause string // wire.CauseJournal
	Says  string // "the journal cannot be written: no space left on device"
}

// PlanView is a plan with its runs.
type PlanView struct {
	Name     string
	Title    string
	Template bool           // its runs begin by a start command
	Version  string         // that its file has in force; empty for a template. As it was last where the file is gone
	Phases   []string       // names in order; nil: not known
	File     File           //
	Runs     []wire.RunView // those that are live, newest first
}

// FileState is how a plan's file stands.
type FileState string

const (
	FileOK      FileState = "ok"
	FileGone    FileState = "gone"    // its run is watched by the plan in the journal
	FileBroken  FileState = "broken"  // the same
	FileWaiting FileState = "waiting" // it names another version than the run under way
)

// File is a plan's file.
type File struct {
	State  FileState
	Reason string // empty for FileOK
}

// Gate answers CI. Its methods may be called at the same time.
type Gate struct {
	now       func() time.Time
	base      string
	commander Commander
	starter   Starter
	driller   Driller
	past      *past
	open      bool
	badges    []string
	log       *slog.Logger
	keys      atomic.Pointer[keys]
	refused   refusals
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
	base, err := compileBase(c.BaseURL)
	if err != nil {
		return nil, err
	}
	g := &Gate{
		now: c.Now, base: base, commander: c.Commander, starter: c.Starter, driller: c.Driller, open: c.OpenCommands, badges: c.PublicBadges, log: c.Log,
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
	g.past = &past{from: c.Past, base: base, log: g.log, found: map[string]*runBoard{}}
	tokens, err := g.compileKeys(c.Tokens, c.Jobs, nil)
	if err != nil {
		return nil, err
	}
	g.keys.Store(tokens)
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

// Update publishes what stands after a committed tick: all plans that there are, and
// their live runs. It wakes the requests that wait for a change. A run whose snapshot
// is the one that is shown already keeps its answers.
func (g *Gate) Update(v Views) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.board.Load()
	next := newBoard(v, g.base, old)
	g.board.Store(next)
	g.past.forget(v.Trouble)
	close(old.changed)
}

// Drain lets every long poll answer at once, now and from now on. A server that
// is about to stop calls it first (http.Server.RegisterOnShutdown).
func (g *Gate) Drain() { g.drain.Do(func() { close(g.draining) }) }

// Changed is closed by the next Update.
func (g *Gate) Changed() <-chan struct{} { return g.board.Load().changed }

// ErrStarting is that nothing has been evaluated yet.
var ErrStarting = errors.New("starting")

// Answer is what a gate says of one run to another part of the daemon: never of another run.
// The error says why there is no answer now: it is ErrStarting where there soon will be.
func (g *Gate) Answer(ctx context.Context, plan, run, phase string, q wire.Question) (wire.Answer, error) {
	if run == "" {
		return wire.Answer{}, errors.New("no run is named")
	}
	b := g.board.Load()
	f, refused := g.find(ctx, b, plan, pin{run: run})
	var i int
	if refused == nil {
		i, refused = f.place(phase, q)
	}
	switch {
	case refused != nil && refused.title == ErrStarting.Error():
		return wire.Answer{}, fmt.Errorf("%w: %s", ErrStarting, refused.detail)
	case refused != nil:
		return wire.Answer{}, errors.New(refused.detail)
	case f.run == nil:
		return wire.Unreadable(q, i, "the journal cannot be read"), nil
	}
	return f.run.answer(q, i, wire.AgeOf(&f.run.view.Snapshot, g.now())), nil
}
