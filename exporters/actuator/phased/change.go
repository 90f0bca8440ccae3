package phased

import (
	"context"
	"fmt"
	"net/http"

	"github.com/relgate/relgate/exporters/actuator"
	"github.com/relgate/relgate/internal/connect"
	"github.com/relgate/relgate/rules"
)

// mostPauseDays is for how many days in all Apple allows a phased release to be paused.
const mostPauseDays = 30

// Done is what became of a phased release.
type Done struct {
	Before, After Seen
	Changed       bool   // a change of this call was answered; else it stood there already
	Words         string // for people: what was seen, and what was done
}

// PlanPause says what [Release.Pause] would do, in plain words, or why it would refuse.
// Neither means that nothing is left to do.
func (r *Release) PlanPause(s Seen) (steps []string, refusal string) {
	switch s.State {
	case connect.Paused:
		return nil, ""
	case connect.Inactive:
		return nil, fmt.Sprintf("the phased release of version %s has not begun: it cannot be paused. Hold the release of the version itself back", r.Version)
	case connect.Complete:
		return nil, fmt.Sprintf("the phased release of version %s is complete: everyone has it; it cannot be paused. Remove the version from sale or ship a new build", r.Version)
	case connect.Active:
	default:
		return nil, fmt.Sprintf("version %s has no phased release: everyone gets it at once; it cannot be paused. Remove the version from sale or ship a new build", r.Version)
	}
	steps = []string{
		fmt.Sprintf("phased release of version %s: %s → %s, at %v", r.Version, s.State, connect.Paused, s),
		"who has it keeps it, and anyone may install it by hand",
	}
	if s.PauseDays > 0 {
		steps = append(steps, fmt.Sprintf("it was paused for %d of the %d days that Apple allows in all", s.PauseDays, mostPauseDays))
	}
	return steps, ""
}

// Pause stops the version from spreading to more users. Where it is paused already, it does
// nothing. Its error is an [actuator.Error].
func (r *Release) Pause(ctx context.Context) (Done, error) {
	done, err := r.Account.take(ctx)
	if err != nil {
		return Done{}, err
	}
	defer done()
	var d Done
	for tries := 0; ; tries++ {
		s, err := r.look(ctx)
		if err != nil {
			return Done{}, err
		}
		if tries == 0 {
			d.Before = s
		}
		steps, refusal := r.PlanPause(s)
		switch {
		case refusal != "":
			return Done{}, actuator.Refuse("%s", refusal)
		case len(steps) == 0:
			d.After, d.Words = s, fmt.Sprintf("phased release of version %s: %v, nothing was left to do", r.Version, s)
			return d, nil
		}
		var answer connect.PhasedBody
		refused := r.Account.pause(ctx, s.id, &answer)
		// A crash from here on leaves a release that may stand as it should: the next call sees it.
		if refused != nil {
			if refused.Status == http.StatusConflict && tries == 0 {
				continue // its state is another by now: it is decided anew
			}
			e := r.Account.failed("changing the phased release", refused)
			e.Doubt = refused.Fault == rules.Unavailable
			return Done{}, e
		}
		d.Before, d.Changed = s, true
		return d, r.readBack(ctx, &d)
	}
}

// readBack looks at the release after a change. Apple has taken it: what cannot be read, or is
// otherwise, is looked at again by the next attempt.
func (r *Release) readBack(ctx context.Context, d *Done) error {
	s, err := r.look(ctx)
	if err != nil {
		return &actuator.Error{Doubt: true, Reason: fmt.Sprintf("the phased release was paused, and cannot be read back: %v", err)}
	}
	d.After = s
	d.Words = fmt.Sprintf("phased release of version %s: %s → %s, at %v", r.Version, d.Before.State, s.State, s)
	if s.State != connect.Paused {
		return &actuator.Error{Doubt: true, Reason: fmt.Sprintf("the phased release was paused, and now it is %s: someone else is changing it", s.State)}
	}
	return nil
}
