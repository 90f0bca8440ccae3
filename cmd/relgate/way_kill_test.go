package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/actuator/lambdatest"
	"github.com/relgate/relgate/exporters/actuator/phasedtest"
	"github.com/relgate/relgate/exporters/outbox/faulttest"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/sources/simulator"
)

// A juncture is where a receiver of the way back comes to its fault.
type juncture string

const (
	atRead     juncture = "the first read"
	atState    juncture = "the state of the version before" // of an alias
	atOwner    juncture = "CodeDeploy"                      // of an alias
	atChange   juncture = "the change"
	atReadBack juncture = "the reading back"
)

// wayScene is a way back whose receivers have a fault each.
type wayScene struct {
	at    juncture
	fault faulttest.Fault
	steps []string // of wayDeeds
	late  bool     // the receiver does what it was asked for when it is asked once more, right before that
	lives bool     // the daemon is not killed: it tries again by itself
}

func (s wayScene) String() string {
	text := fmt.Sprintf("%s %s at %v", s.steps, s.fault, s.at)
	if s.late {
		text += " and done late"
	}
	if s.lives {
		text += " without a kill"
	}
	return text
}

// wayDeeds are the steps of the way back, as the plan has them.
var wayDeeds = map[string]string{
	"alias":   `{ do = "revert", to = "alias", version = "43", previous = "42" }`,
	"freeze":  `{ do = "pause", to = "ios", version = "6.6.6" }`,
	"restart": `{ do = "restart", to = "hook" }`,
}

// wayTheatre has the receivers of the steps.
type wayTheatre struct {
	*theatre
	scene wayScene
	aws   *lambdatest.Server
	apple *phasedtest.Server

	hooked sync.Mutex
	orders map[string]int // :: id of an event that asks for the restart → times that it came
}

// stagedAt serves the receiver of a step. kind says what a request is, given whether a change
// was asked for before. From the juncture of the scene on nothing is done before the daemon
// was killed.
func (w *wayTheatre) stagedAt(t *testing.T, step string, kind func(r *http.Request, changed bool) juncture, h http.Handler) string {
	w.armed[step] = slices.Contains(w.scene.steps, step)
	var mu sync.Mutex
	var held *http.Request // that is done late
	changed, there := false, false
	return w.staged(t, step, func(r *http.Request) bool {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		mu.Lock()
		defer mu.Unlock()
		is := kind(r, changed)
		changed = changed || is == atChange
		if !there && is == w.scene.at && w.scene.late {
			held = r.Clone(r.Context())
			held.Body = io.NopCloser(bytes.NewReader(body))
		}
		there = there || is == w.scene.at || step == "restart" && is == atChange // it has no other
		return there
	}, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		late := held
		if kind(r, changed) != atChange {
			late = nil
		} else {
			held = nil
		}
		mu.Unlock()
		if late != nil {
			h.ServeHTTP(httptest.NewRecorder(), late)
		}
		h.ServeHTTP(rw, r)
	}))
}

func awsJuncture(r *http.Request, changed bool) juncture {
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		return atOwner
	case strings.HasSuffix(r.URL.Path, "/configuration"):
		return atState
	}
	return appleJuncture(r, changed)
}

func appleJuncture(r *http.Request, changed bool) juncture {
	switch {
	case r.Method != http.MethodGet:
		return atChange
	case changed:
		return atReadBack
	}
	return atRead
}

func hookJuncture(r *http.Request, _ bool) juncture {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if bytes.Contains(body, []byte(`"type":"relgate.effect.intended"`)) {
		return atChange
	}
	return ""
}

// restart is a receiver that knows an event by its id.
func (w *wayTheatre) restart(rw http.ResponseWriter, r *http.Request) {
	if hookJuncture(r, false) == atChange {
		w.hooked.Lock()
		w.orders[r.Header.Get("Webhook-Id")]++
		w.hooked.Unlock()
	}
	rw.WriteHeader(http.StatusNoContent)
}

// newWay makes the receivers, and the folder of a daemon in which a rule fires whose way
// back has the steps of the scene.
func newWay(t *testing.T, scene wayScene) (*wayTheatre, string) {
	p8, public, err := simulator.DemoKey()
	if err != nil {
		t.Fatal(err)
	}
	w := &wayTheatre{
		theatre: &theatre{fault: scene.fault, reached: make(chan string, 16), killed: make(chan struct{}), armed: map[string]bool{}}, scene: scene, orders: map[string]int{},
		aws:   &lambdatest.Server{Function: "shop", Name: "live", States: map[string]string{"42": "Active", "43": "Active"}},
		apple: &phasedtest.Server{App: "6470000001", Version: "6.6.6", KeyID: "2X9R4HXF34", Issuer: "issuer", Public: public},
	}
	w.aws.Move("42", map[string]float64{"43": 0.1})
	w.apple.Set("ACTIVE", 2, 0)
	sentry, dir := newCrashes(t), t.TempDir()
	sentry.set("6.6.6", 50)
	text := launchPlan("doomed", "6.6.6", time.Now().Add(-10*time.Minute).Truncate(time.Second), "2h") + "\n[rollback.crashes-high.effects]\n"
	for _, step := range scene.steps {
		text += step + " = " + wayDeeds[step] + "\n"
	}
	text += strings.ReplaceAll(fmt.Sprintf(shopDaemon, sentry.URL), `{ env = "SHOP_SENTRY_TOKEN" }`, `{ file = "token" }`)
	sinks := map[string]string{"alias": fmt.Sprintf(`
[sinks.alias]
type     = "lambda"
region   = "eu-central-1"
function = "shop"
alias    = "live"
act      = "live"
timeout  = "1s"
api      = "%s"
`, w.stagedAt(t, "alias", awsJuncture, w.aws)), "freeze": fmt.Sprintf(`
[sinks.ios]
type    = "phased-release"
app     = "6470000001"
issuer  = "issuer"
key_id  = "2X9R4HXF34"
key     = { file = "key.p8" }
act     = "live"
timeout = "1s"
api     = "%s"
`, w.stagedAt(t, "freeze", appleJuncture, w.apple)), "restart": fmt.Sprintf(`
[webhooks.hook]
url     = "%s/restart"
class   = "action"
timeout = "1s"
secrets = [{ file = "hook" }]
allow   = ["127.0.0.0/8"]
`, w.stagedAt(t, "restart", hookJuncture, http.HandlerFunc(w.restart)))}
	for _, step := range scene.steps {
		text += sinks[step]
	}
	place(t, filepath.Join(dir, "token"), "secret-of-the-test")
	place(t, filepath.Join(dir, "key.p8"), string(p8))
	place(t, filepath.Join(dir, "hook"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	writeConfig(t, dir, text)
	return w, dir
}

// played is a way back whose daemon was killed, and is back.
func (w *wayTheatre) played(t *testing.T, dir string) *shopkeeper {
	t.Helper()
	s := openShop(t, dir)
	for range w.scene.steps {
		select {
		case <-w.reached:
		case <-time.After(time.Minute):
			close(w.killed)
			t.Fatalf("%v: a receiver was asked for nothing:\n%s", w.scene, s.log)
		}
	}
	if w.scene.lives {
		close(w.killed)
		return s
	}
	s.kill()
	close(w.killed)
	return openShop(t, dir)
}

const wayRun = "doomed@6.6.6"

// wayBack is where each step of the way back has stood, in order, and all of it: "doomed". last
// is the newest event of it.
func (s *shopkeeper) wayBack() (all map[string][]string, last wire.EventBody) {
	s.t.Helper()
	all = map[string][]string{}
	for _, e := range s.everything(wayRun) {
		if e.Kind == string(fact.EffectEvent) {
			all[strings.TrimPrefix(e.Subject, "crashes-high/")], last = append(all[strings.TrimPrefix(e.Subject, "crashes-high/")], e.To), e
		}
	}
	return all, last
}

// check waits for the end of the way back, has the daemon killed once more, and holds the
// receivers and the run's events to what one way back leaves there.
func (w *wayTheatre) check(t *testing.T, s *shopkeeper, dir string) {
	t.Helper()
	has := func(step string) bool { return slices.Contains(w.scene.steps, step) }
	want := map[string][]string{"doomed": {fact.Taken}}
	for _, step := range w.scene.steps {
		want[step] = []string{fact.Intended, fact.Done}
	}
	if has("freeze") {
		want["doomed"] = []string{fact.Stopped}
	}
	if has("restart") { // a webhook has it when it has arrived; a person says that it is done
		want["restart"] = []string{fact.Intended, fact.Acknowledged, fact.Done}
		eventually(t, "the restart to arrive", func() bool { all, _ := s.wayBack(); return slices.Contains(all["restart"], fact.Acknowledged) })
		s.relgate(exitPass, "effects", "done", wayRun, "restart", "--by", "Ada", "--why", "it is up again")
	}
	eventually(t, "the way back to be taken", func() bool { all, _ := s.wayBack(); return len(all["doomed"]) > 0 })
	s.kill() // now, when not all that was answered may be on disk
	s = openShop(t, dir)
	eventually(t, "nothing to be left to do", func() bool {
		for _, e := range s.endpoints() {
			if e.Pending > 0 {
				return false
			}
		}
		return true
	})
	all, last := s.wayBack()
	if !reflect.DeepEqual(all, want) || last.Subject != "doomed" {
		t.Errorf("%v: the way back is %v, want %v; its last event is of %s\n%s", w.scene, all, want, last.Subject, s.log)
	}
	for name, e := range s.endpoints() {
		if len(e.DeadLetters) > 0 {
			t.Errorf("%v: %s: given up: %+v", w.scene, name, e.DeadLetters)
		}
	}
	if moves := w.aws.Updates(); has("alias") && (len(moves) != 1 || w.aws.Alias().Version != "42" || len(w.aws.Alias().Weights) > 0) {
		t.Errorf("%v: the alias is %+v after %+v", w.scene, w.aws.Alias(), moves)
	}
	if set := w.apple.Updates(); has("freeze") && (len(set) != 1 || w.apple.State() != "PAUSED") {
		t.Errorf("%v: the phased release is %s after %v", w.scene, w.apple.State(), set)
	}
	w.hooked.Lock()
	defer w.hooked.Unlock()
	if has("restart") && len(w.orders) != 1 {
		t.Errorf("%v: the restart was asked for under %d ids: %v", w.scene, len(w.orders), w.orders)
	}
	for _, wrong := range slices.Concat(w.aws.Wrong(), w.apple.Wrong()) {
		// Two processes, of which one was killed, do not know of each other's requests.
		if wrong != "two requests within 200 ms" {
			t.Errorf("%v: a wrong request: %s", w.scene, wrong)
		}
	}
	s.kill()
}

// The daemon is killed with -9 at every step between a step of the way back that is intended
// and one that is done, and once more before users are safe: while a receiver is read from,
// while it holds the change, when it has made it and not answered, as it has answered that it
// did, that it did not, or that it did not though it did, and while the change is read back.
// It makes its change once, or knows the event again, and the run tells of that once.
func TestKilledAtEachStepTheWayBackIsTakenOnce(t *testing.T) {
	t.Parallel()
	all, alias, ios := []string{"alias", "freeze", "restart"}, []string{"alias"}, []string{"freeze"}
	var scenes []wayScene
	for _, fault := range []faulttest.Fault{faulttest.Hanging, faulttest.Broken, faulttest.None} {
		scenes = append(scenes, wayScene{at: atRead, fault: fault, steps: all}, wayScene{at: atReadBack, fault: fault, steps: all})
	}
	for _, fault := range []faulttest.Fault{faulttest.None, faulttest.Hanging, faulttest.Lost, faulttest.Lying, faulttest.Broken} {
		scenes = append(scenes, wayScene{at: atChange, fault: fault, steps: all})
		if fault != faulttest.None {
			scenes = append(scenes, wayScene{at: atChange, fault: fault, steps: all, lives: true})
		}
	}
	scenes = append(scenes,
		wayScene{at: atChange, fault: faulttest.Hanging, steps: all, late: true},
		wayScene{at: atChange, fault: faulttest.Hanging, steps: all, late: true, lives: true},
		wayScene{at: atState, fault: faulttest.Hanging, steps: alias}, wayScene{at: atOwner, fault: faulttest.Hanging, steps: alias},
		// Alone, so that it is killed as it is answered, and what follows is not told yet.
		wayScene{at: atReadBack, steps: alias}, wayScene{at: atReadBack, steps: ios},
	)
	var waiting []func() // those that wait for the end of an attempt that hangs, and for the next
	for _, scene := range scenes {
		if scene.lives {
			w, dir := newWay(t, scene)
			s := w.played(t, dir)
			waiting = append(waiting, func() { w.check(t, s, dir) })
		}
	}
	for _, scene := range scenes { // not in parallel: each would queue behind all other tests
		if !scene.lives {
			t.Run(scene.String(), func(t *testing.T) {
				w, dir := newWay(t, scene)
				w.check(t, w.played(t, dir), dir)
			})
		}
	}
	for _, check := range waiting {
		check()
	}
}
