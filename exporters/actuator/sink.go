package actuator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/wire"
)

// Actuator does one step of a way back.
type Actuator interface {
	// Would says what Act would do to what stands there now, in steps, or why it would not.
	// No step and no refusal: it is done already. Nothing is changed.
	Would(ctx context.Context) (steps []string, refusal string, err error)
	// Ready says what there is to go back to, before that is needed, or what is missing.
	// Nothing is changed.
	Ready(ctx context.Context) (says, missing string, err error)
	// Act does it, reads back what stands there, and says that. Done again it changes
	// nothing.
	Act(ctx context.Context) (words string, err error)
}

// Sink is the sink of a receiver that relgate acts on itself. It takes the steps of a way
// back that are sent to it, and nothing else.
type Sink struct {
	Name string
	Does []string                               // what it can do: rules.DoRevert, rules.DoWeigh, rules.DoPause
	Live bool                                   // it acts; else it only says what it would do
	Time time.Duration                          // how long one attempt may take; 0: as long as it wants
	Open func(e *wire.Effect) (Actuator, error) // for the versions of a step
	Idle func()                                 // closes connections that no request uses; nil: there are none
}

// Send does what an event asks for. Of an attempt that is cut off it is not known whether it
// was done: the next one looks first.
func (s *Sink) Send(ctx context.Context, m outbox.Message) outbox.Outcome {
	return s.within(ctx, m, s.attempt)
}

// Look tells whether the step could be done that an event is about.
func (s *Sink) Look(ctx context.Context, m outbox.Message) outbox.Outcome {
	o := s.within(ctx, m, s.ready)
	o.Doubt = false // nothing was to be done
	return o
}

func (s *Sink) within(ctx context.Context, m outbox.Message, do func(context.Context, outbox.Message) outbox.Outcome) outbox.Outcome {
	if s.Time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.Time, errSlow)
		defer cancel()
	}
	o := do(ctx, m)
	if !o.OK && errors.Is(context.Cause(ctx), errSlow) {
		return outbox.Outcome{Doubt: true, Reason: fmt.Sprintf("it did not answer within %s", s.Time)}
	}
	return o
}

// errSlow is the end of an attempt that took too long.
var errSlow = errors.New("the attempt took too long")

func (s *Sink) attempt(ctx context.Context, m outbox.Message) outbox.Outcome {
	var e wire.EventBody
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return outbox.Outcome{Refused: true, Reason: "its event cannot be read: " + err.Error()}
	}
	if e.Kind != string(fact.EffectEvent) || e.To != fact.Intended || e.Effect == nil {
		return outbox.Outcome{OK: true, Skipped: true}
	}
	a, refused := s.open(e.Effect)
	switch {
	case a == nil:
		return refused
	case !s.Live:
		return s.dry(ctx, a)
	}
	return Outcome(a.Act(ctx))
}

// open gives what does a step, or why there is nothing that could.
func (s *Sink) open(e *wire.Effect) (Actuator, outbox.Outcome) {
	if !slices.Contains(s.Does, e.Do) {
		return nil, outbox.Outcome{Refused: true, Reason: fmt.Sprintf("it is asked to %q, and can \"%s\" only", e.Do, strings.Join(s.Does, `" or "`))}
	}
	a, err := s.Open(e)
	if err != nil {
		return nil, outbox.Outcome{Refused: true, Reason: err.Error()}
	}
	return a, outbox.Outcome{}
}

func (s *Sink) ready(ctx context.Context, m outbox.Message) outbox.Outcome {
	var e wire.EventBody
	if err := json.Unmarshal(m.Data, &e); err != nil || e.Effect == nil {
		return outbox.Outcome{Refused: true, Reason: "its event cannot be read"}
	}
	a, refused := s.open(e.Effect)
	if a == nil {
		return refused
	}
	says, missing, err := a.Ready(ctx)
	switch {
	case err != nil:
		return Outcome("", err)
	case missing != "":
		return outbox.Outcome{Refused: true, Reason: missing}
	case !s.Live:
		return outbox.Outcome{Refused: true, Reason: fmt.Sprintf("%s, and it would only say so: write act = \"live\" in [sinks.%s] to have it done", says, s.Name)}
	}
	return outbox.Outcome{OK: true, Kept: says}
}

// dry says what would be done. The step is not done by that.
func (s *Sink) dry(ctx context.Context, a Actuator) outbox.Outcome {
	steps, refusal, err := a.Would(ctx)
	if err != nil {
		return Outcome("", err)
	}
	return outbox.Outcome{Refused: true, Reason: fmt.Sprintf("dry run, nothing was done. It would %s. To have it done, write act = \"live\" in [sinks.%s], or do it by hand", would(steps, refusal), s.Name)}
}

// Would says in words what an actuator would do now.
func Would(steps []string) string { return "it would " + would(steps, "") }

func would(steps []string, refusal string) string {
	switch {
	case refusal != "":
		return "refuse: " + refusal
	case len(steps) == 0:
		return "do nothing: it is so already"
	}
	return "set " + strings.Join(steps, ", then ")
}

// CloseIdleConnections closes connections that no request uses.
func (s *Sink) CloseIdleConnections() {
	if s.Idle != nil {
		s.Idle()
	}
}
