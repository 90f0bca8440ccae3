package lambda

import (
	"context"
	"fmt"

	"github.com/relgate/relgate/exporters/actuator"
)

// Done is what became of an alias.
type Done struct {
	Before, After Seen
	Changed       bool   // an update of this call was answered; else it stood there already
	Words         string // for people: what was seen, and what was done
}

// Revert brings all requests to the version before the release. Where they go there already,
// it does nothing. Its error is an [actuator.Error].
func (a *Alias) Revert(ctx context.Context) (Done, error) { return a.Weigh(ctx, 0) }

// Weigh gives the released version a share of the requests, 0 to 1, and the version before it
// the rest. Where it has that share, it does nothing. Its error is an [actuator.Error].
func (a *Alias) Weigh(ctx context.Context, share float64) (Done, error) {
	return a.change(ctx, share, a.PlanWeight)
}

// Lower is Weigh, but never gives the released version more than it has.
func (a *Alias) Lower(ctx context.Context, share float64) (Done, error) {
	return a.change(ctx, share, a.PlanLower)
}

// change brings the alias to where the released version has a share, as a plan says for what
// stands there.
func (a *Alias) change(ctx context.Context, share float64, plan func(Seen, float64) ([]string, string)) (Done, error) {
	var d Done
	to := a.target(share)
	for range 2 {
		s, err := a.look(ctx, needed(to)...)
		if err != nil {
			return Done{}, err
		}
		if d.Before.Revision == "" {
			d.Before = s
		}
		steps, refusal := plan(s, share)
		switch {
		case refusal != "":
			return Done{}, actuator.Refuse("%s", refusal)
		case len(steps) == 0:
			d.After, d.Words = s, fmt.Sprintf("%s: %s, nothing was left to do", a, traffic(s.FunctionVersion, s.Weights))
			return d, nil
		}
		err = a.update(ctx, s, to)
		// A crash from here on leaves an alias that may stand as it should: the next call sees it.
		switch {
		case overtaken(err):
			continue // it is decided anew, on what stands there now
		case err != nil:
			return Done{}, a.changing("lambda:UpdateAlias", err)
		}
		d.Before, d.Changed = s, true
		return d, a.readBack(ctx, &d, to)
	}
	return Done{}, &actuator.Error{Reason: fmt.Sprintf("%s was changed twice by someone else while it was to be changed", a)}
}

// readBack looks at the alias after an update. Lambda has taken it: what cannot be read, or is
// otherwise, is looked at again by the next attempt.
func (a *Alias) readBack(ctx context.Context, d *Done, to target) error {
	s, err := a.read(ctx)
	if err != nil {
		return &actuator.Error{Doubt: true, Reason: fmt.Sprintf("%s was updated, and cannot be read back: %v", a, err)}
	}
	s.States, s.Owner = d.Before.States, d.Before.Owner
	d.After = s
	d.Words = fmt.Sprintf("%s: %s → %s", a, traffic(d.Before.FunctionVersion, d.Before.Weights), traffic(s.FunctionVersion, s.Weights))
	if !to.stands(s) {
		return &actuator.Error{Doubt: true, Reason: fmt.Sprintf("%s was updated to %s, and now it is %s: someone else is changing it", a, traffic(to.version, to.weights), traffic(s.FunctionVersion, s.Weights))}
	}
	return nil
}
