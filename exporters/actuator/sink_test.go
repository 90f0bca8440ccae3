package actuator_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/exporters/actuator"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/wire"
)

// lever is an actuator that notes what it was asked.
type lever struct {
	steps   []string
	refusal string
	err     error
	acted   int
}

func (l *lever) Would(context.Context) ([]string, string, error) { return l.steps, l.refusal, l.err }

func (l *lever) Ready(context.Context) (string, string, error) {
	if l.refusal != "" || l.err != nil {
		return "", l.refusal, l.err
	}
	return actuator.Would(l.steps), "", nil
}

func (l *lever) Act(context.Context) (string, error) {
	l.acted++
	return "version 42 has all requests", l.err
}

func message(t *testing.T, e wire.EventBody) outbox.Message {
	t.Helper()
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return outbox.Message{Data: data}
}

func TestASinkThatActs(t *testing.T) {
	asked := wire.EventBody{Kind: "effect", To: "intended", Effect: &wire.Effect{Do: "revert", Version: "43", Previous: "42"}}
	other, done, run := asked, asked, wire.EventBody{Kind: "run", To: "rolled_back"}
	other.Effect = &wire.Effect{Do: "pause"}
	done.To = "done"
	busy := &actuator.Error{Reason: "throttled", RetryAfter: time.Minute}
	for name, tt := range map[string]struct {
		event wire.EventBody
		live  bool
		lever lever
		open  error
		acted int
		want  outbox.Outcome
	}{
		"it acts":                 {asked, true, lever{}, nil, 1, outbox.Outcome{OK: true, Kept: "version 42 has all requests"}},
		"it is refused":           {asked, true, lever{err: actuator.Refuse("version 47 stands there")}, nil, 1, outbox.Outcome{Refused: true, Reason: "version 47 stands there"}},
		"it is to wait":           {asked, true, lever{err: busy}, nil, 1, outbox.Outcome{Reason: "throttled", RetryAfter: time.Minute}},
		"versions that are none":  {asked, true, lever{}, errors.New("version \"x\": want a number"), 0, outbox.Outcome{Refused: true, Reason: "version \"x\": want a number"}},
		"another thing to do":     {other, true, lever{}, nil, 0, outbox.Outcome{Refused: true, Reason: `it is asked to "pause", and can "revert" only`}},
		"what is done already":    {done, true, lever{}, nil, 0, outbox.Outcome{OK: true, Skipped: true}},
		"another event":           {run, true, lever{}, nil, 0, outbox.Outcome{OK: true, Skipped: true}},
		"a dry run":               {asked, false, lever{steps: []string{"version 43 with 10 % to version 42"}}, nil, 0, dry("set version 43 with 10 % to version 42")},
		"a dry run of nothing":    {asked, false, lever{}, nil, 0, dry("do nothing: it is so already")},
		"a dry run is refused":    {asked, false, lever{refusal: "CodeDeploy owns it"}, nil, 0, dry("refuse: CodeDeploy owns it")},
		"a dry run that is blind": {asked, false, lever{err: busy}, nil, 0, outbox.Outcome{Reason: "throttled", RetryAfter: time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			idle := false
			s := &actuator.Sink{Name: "alias", Does: []string{"revert"}, Live: tt.live, Idle: func() { idle = true }, Open: func(e *wire.Effect) (actuator.Actuator, error) {
				if e.Version != "43" || e.Previous != "42" {
					t.Errorf("it is opened for %+v", e)
				}
				return &tt.lever, tt.open
			}}
			if got := s.Send(t.Context(), message(t, tt.event)); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if tt.lever.acted != tt.acted {
				t.Errorf("it acted %d times, want %d", tt.lever.acted, tt.acted)
			}
			if s.CloseIdleConnections(); !idle {
				t.Error("its connections stay open")
			}
		})
	}
	if got := (&actuator.Sink{}).Send(t.Context(), outbox.Message{Data: []byte("{")}); !got.Refused || !strings.Contains(got.Reason, "cannot be read") {
		t.Errorf("got %+v", got)
	}
	(&actuator.Sink{}).CloseIdleConnections()
}

func dry(would string) outbox.Outcome {
	return outbox.Outcome{Refused: true, Reason: "dry run, nothing was done. It would " + would + `. To have it done, write act = "live" in [sinks.alias], or do it by hand`}
}

// Before it is needed, a sink that acts says what it would do, and does nothing.
func TestASinkThatActsIsAskedBeforeItIsNeeded(t *testing.T) {
	asked := wire.EventBody{Kind: "effect", To: "asked", Effect: &wire.Effect{Do: "revert", Version: "43", Previous: "42"}}
	other := asked
	other.Effect = &wire.Effect{Do: "pause"}
	for name, tt := range map[string]struct {
		event wire.EventBody
		live  bool
		lever lever
		open  error
		want  outbox.Outcome
	}{
		"it could":               {asked, true, lever{steps: []string{"version 42 with 100 %"}}, nil, outbox.Outcome{OK: true, Kept: "it would set version 42 with 100 %"}},
		"it is so":               {asked, true, lever{}, nil, outbox.Outcome{OK: true, Kept: "it would do nothing: it is so already"}},
		"it could not":           {asked, true, lever{refusal: "version 42 is not there"}, nil, outbox.Outcome{Refused: true, Reason: "version 42 is not there"}},
		"it is blind":            {asked, true, lever{err: &actuator.Error{Reason: "throttled", RetryAfter: time.Minute}}, nil, outbox.Outcome{Reason: "throttled", RetryAfter: time.Minute}},
		"it does not act":        {asked, false, lever{}, nil, outbox.Outcome{Refused: true, Reason: `it would do nothing: it is so already, and it would only say so: write act = "live" in [sinks.alias] to have it done`}},
		"another thing":          {other, true, lever{}, nil, outbox.Outcome{Refused: true, Reason: `it is asked to "pause", and can "revert" only`}},
		"versions that are none": {asked, true, lever{}, errors.New("want a number"), outbox.Outcome{Refused: true, Reason: "want a number"}},
		"no step":                {wire.EventBody{}, true, lever{}, nil, outbox.Outcome{Refused: true, Reason: "its event cannot be read"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &actuator.Sink{Name: "alias", Does: []string{"revert"}, Live: tt.live, Open: func(*wire.Effect) (actuator.Actuator, error) { return &tt.lever, tt.open }}
			if got := s.Look(t.Context(), message(t, tt.event)); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if tt.lever.acted != 0 {
				t.Error("it acted")
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := &actuator.Sink{Does: []string{"revert"}, Time: 30 * time.Second, Open: func(*wire.Effect) (actuator.Actuator, error) { return stuck{}, nil }}
		if got, want := s.Look(t.Context(), message(t, asked)), (outbox.Outcome{Reason: "it did not answer within 30s"}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// stuck is an actuator whose other side does not answer.
type stuck struct{}

func (stuck) Would(ctx context.Context) ([]string, string, error) {
	<-ctx.Done()
	return nil, "", ctx.Err()
}

func (s stuck) Ready(ctx context.Context) (string, string, error) {
	_, _, err := s.Would(ctx)
	return "", "", err
}

func (s stuck) Act(ctx context.Context) (string, error) {
	_, _, err := s.Would(ctx)
	return "", err
}

// An attempt ends in its time, and what became of it is not known then. A stop ends it too,
// and is not called slow.
func TestAnAttemptOfASinkThatActsEnds(t *testing.T) {
	asked := message(t, wire.EventBody{Kind: "effect", To: "intended", Effect: &wire.Effect{Do: "revert"}})
	for _, live := range []bool{true, false} {
		for _, stopped := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				s := &actuator.Sink{Name: "alias", Does: []string{"revert"}, Live: live, Time: 30 * time.Second, Open: func(*wire.Effect) (actuator.Actuator, error) { return stuck{}, nil }}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				want, most := outbox.Outcome{Doubt: true, Reason: "it did not answer within 30s"}, 30*time.Second
				if stopped {
					time.AfterFunc(10*time.Second, stop)
					want, most = outbox.Outcome{Reason: "context canceled"}, 10*time.Second
				}
				began := time.Now()
				if got := s.Send(ctx, asked); got != want || time.Since(began) != most {
					t.Errorf("live %v, stopped %v: %+v after %v, want %+v after %v", live, stopped, got, time.Since(began), want, most)
				}
			})
		}
	}
}
