package lambda

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/relgate/relgate/exporters/actuator"
)

// tolerance is how far two shares are apart that are the same: they were written in decimals.
const tolerance = 1e-9

// target is how an alias is to stand.
type target struct {
	version string
	weights map[string]float64 // never nil
}

// target is how the alias stands when the released version gets a share.
func (a *Alias) target(share float64) target {
	switch {
	case share == 0:
		return target{a.Previous, map[string]float64{}}
	case share == 1:
		return target{a.Version, map[string]float64{}}
	}
	return target{a.Previous, map[string]float64{a.Version: share}}
}

// stands reports whether an alias stands so. Of two versions either may be the additional one:
// what counts is the share of each.
func (t target) stands(s Seen) bool {
	if len(t.weights) == 0 {
		return s.FunctionVersion == t.version && len(s.Weights) == 0
	}
	return maps.EqualFunc(shares(s.FunctionVersion, s.Weights), shares(t.version, t.weights), func(x, y float64) bool { return math.Abs(x-y) < tolerance })
}

// shares maps each version to its share of the requests.
func shares(version string, weights map[string]float64) map[string]float64 {
	all := map[string]float64{version: 1}
	for v, share := range weights {
		all[v] = share
		all[version] -= share
	}
	return all
}

// Plan says what [Alias.Revert] would do where the alias stands so, in plain words, or why it
// would refuse. Neither means that nothing is left to do: the alias stands as it should.
func (a *Alias) Plan(s Seen) (steps []string, refusal string) { return a.PlanWeight(s, 0) }

// PlanWeight is Plan of [Alias.Weigh].
func (a *Alias) PlanWeight(s Seen, share float64) (steps []string, refusal string) {
	if !(share >= 0 && share <= 1) {
		return nil, fmt.Sprintf("a share of %v: want 0 to 1", share)
	}
	to := a.target(share)
	if refusal = a.refusal(s, to); refusal != "" || to.stands(s) {
		return nil, refusal
	}
	steps = []string{fmt.Sprintf("%s: %s → %s", a, traffic(s.FunctionVersion, s.Weights), traffic(to.version, to.weights))}
	for _, v := range needed(to) {
		if s.States[v] == "Inactive" {
			steps = append(steps, fmt.Sprintf("version %s is inactive: its first requests fail until Lambda has woken it", v))
		}
	}
	return steps, ""
}

// PlanLower is Plan of [Alias.Lower].
func (a *Alias) PlanLower(s Seen, share float64) (steps []string, refusal string) {
	steps, refusal = a.PlanWeight(s, share)
	if refusal == "" && s.Share <= share+tolerance {
		return nil, "" // it would get more
	}
	return steps, refusal
}

// String names the alias for people.
func (a *Alias) String() string { return fmt.Sprintf("alias %s of %s", a.Alias, a.Function) }

// refusal says why the alias is not touched, empty where it may be.
func (a *Alias) refusal(s Seen, to target) string {
	if s.Owner != "" {
		return fmt.Sprintf("%s is being shifted by CodeDeploy: stop its deployment %s with automatic rollback instead (aws deploy stop-deployment --deployment-id %s --auto-rollback-enabled)", a, s.Owner, s.Owner)
	}
	for _, v := range append([]string{s.FunctionVersion}, slices.Sorted(maps.Keys(s.Weights))...) {
		if v != a.Version && v != a.Previous {
			return fmt.Sprintf("%s was moved by someone else: it sends requests to version %s (%s), and this release is of %s, with %s before it. Whoever moved it has to say what it should be",
				a, v, traffic(s.FunctionVersion, s.Weights), a.Version, a.Previous)
		}
	}
	if to.stands(s) {
		return ""
	}
	for _, v := range needed(to) {
		switch state := s.States[v]; state {
		case "Active", "Inactive":
		case "":
			return fmt.Sprintf("version %s of %s is not there: it was deleted, or never published", v, a.Function)
		default:
			return fmt.Sprintf("version %s of %s cannot take requests: its state is %s", v, a.Function, state)
		}
	}
	return ""
}

// needed are the versions that get requests.
func needed(t target) []string {
	return append([]string{t.version}, slices.Sorted(maps.Keys(t.weights))...)
}

// traffic says which version gets what: the additional ones first, which are what is new.
func traffic(version string, weights map[string]float64) string {
	var parts []string
	rest := 1.0
	for _, v := range slices.Sorted(maps.Keys(weights)) {
		parts = append(parts, fmt.Sprintf("version %s with %s", v, actuator.Percent(weights[v])))
		rest -= weights[v]
	}
	if rest = max(rest, 0); rest > tolerance || len(weights) == 0 {
		parts = append(parts, fmt.Sprintf("version %s with %s", version, actuator.Percent(rest)))
	}
	return strings.Join(parts, ", ")
}
