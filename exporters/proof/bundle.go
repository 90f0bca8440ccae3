package proof

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// Formats that a bundle is made of.
const (
	Type          = "relgate-bundle/v1"
	PayloadType   = "application/vnd.in-toto+json"
	statementType = "https://in-toto.io/Statement/v1"
	svrType       = "https://in-toto.io/attestation/svr/v0.2"
	resultType    = "https://in-toto.io/attestation/test-result/v0.1"
)

// Source is what a bundle is made of: a run as the journal has it.
type Source struct {
	View    wire.RunView      // after the last tick
	Ticks   []fact.Kept       // all of them, in order
	Plans   map[string][]byte // :: digest → document of every plan that was in force
	Judging int               // number of the way in which this program judges
	Version string            // of this program
	Now     time.Time
}

// Signer signs the statements.
type Signer interface {
	ID() string
	Sign(message []byte) []byte
}

// Make makes the bundle of a run. An error says why the run cannot be proven.
func Make(s *Source, by Signer) ([]byte, error) {
	id := s.View.ID()
	if len(s.Ticks) == 0 {
		return nil, errors.New("it has no tick")
	}
	plans, ticks, order := map[string]any{}, []any{}, []string(nil)
	for i := range s.Ticks {
		k := &s.Ticks[i]
		if k.Link == "" {
			return nil, errors.New("its ticks have no links: the journal has a form from before them; start relgate on it once, to upgrade it")
		}
		if plans[k.Digest] == nil {
			document := s.Plans[k.Digest]
			if sum := sha256.Sum256(document); hex.EncodeToString(sum[:]) != k.Digest {
				return nil, fmt.Errorf("plan document %q is not what was in force at tick %d: it was changed after it was written", k.Digest, k.Seq)
			}
			plans[k.Digest], order = string(document), append(order, k.Digest)
		}
		ticks = append(ticks, map[string]any{"digest": k.Digest, "events": raw(k.Raw), "link": k.Link, "seq": k.Seq, "tick": string(k.Text)})
	}
	bundle := map[string]any{"plans": plans, "run": id, "svr": s.envelope(by, svrType, s.svr(order)), "ticks": ticks, "type": Type}
	if result := s.result(order); result != nil {
		bundle["testResult"] = s.envelope(by, resultType, result)
	}
	return canonical(nil, bundle), nil
}

// envelope signs a statement about the run, in a DSSE envelope.
func (s *Source) envelope(by Signer, predicateType string, predicate map[string]any) map[string]any {
	last := &s.Ticks[len(s.Ticks)-1]
	statement := canonical(nil, map[string]any{
		"_type": statementType,
		"subject": []any{map[string]any{
			"name": s.View.ID(), "digest": map[string]any{"sha256": last.Link},
			"annotations": map[string]any{"asOf": stamp(last.Tick.At), "plan": s.View.Plan.Name, "ticks": last.Seq, "version": s.View.Plan.Version},
		}},
		"predicateType": predicateType, "predicate": predicate,
	})
	return map[string]any{
		"payload": base64.StdEncoding.EncodeToString(statement), "payloadType": PayloadType,
		"signatures": []any{map[string]any{"keyid": by.ID(), "sig": base64.StdEncoding.EncodeToString(by.Sign(encoded(PayloadType, statement)))}},
	}
}

// encoded is what is signed of a payload: DSSE's PAE.
func encoded(payloadType string, payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}

// svr is the Simple Verification Result: what a gate lets pass now, and nothing else.
func (s *Source) svr(digests []string) map[string]any {
	properties := []any{}
	for k := range s.View.Snapshot.Phases {
		if s.View.PhasePassed(k).Outcome == wire.IsPass {
			properties = append(properties, "RELGATE_PHASE_PASSED:"+s.View.Snapshot.Phases[k].Name)
		}
	}
	if s.View.RunPassed().Outcome == wire.IsPass {
		properties = append(properties, "RELGATE_RUN_PASSED")
	}
	return map[string]any{
		"verifier": map[string]any{
			"id":       fmt.Sprintf("https://github.com/relgate/relgate/judging/%d", s.Judging),
			"version":  map[string]any{"relgate": s.Version},
			"policies": s.policies(digests),
		},
		"timeCreated": stamp(s.Now), "properties": properties,
	}
}

// policies are the plans that were in force, in order.
func (s *Source) policies(digests []string) []any {
	var out []any
	for _, digest := range digests {
		out = append(out, map[string]any{"name": s.View.Plan.Name, "digest": map[string]any{"sha256": digest}})
	}
	return out
}

// result is the Test Result: each rule is a test. A run that is not decided has none: there
// is no word in that format for what is not known.
func (s *Source) result(digests []string) map[string]any {
	passed, warned, failed := s.tests()
	var result string
	switch state := s.View.Snapshot.State; {
	case state == rules.RolledBack || state == rules.Failed:
		result = "FAILED"
	case state != rules.Passed || s.View.RunPassed().Outcome != wire.IsPass:
		return nil
	case len(warned)+len(failed) > 0:
		result = "WARNED"
	default:
		result = "PASSED"
	}
	return map[string]any{
		"result": result, "configuration": s.policies(digests),
		"passedTests": list(passed), "warnedTests": list(warned), "failedTests": list(failed),
	}
}

// tests are the rules by where their newest events left them: a rollback rule by its name,
// a success rule in each phase, PHASE/RULE. Those that were not judged are in no list.
func (s *Source) tests() (passed, warned, failed []string) {
	ended := map[string]string{} // :: test → where it stands
	for i := range s.Ticks {
		for n := range s.Ticks[i].Events {
			e := &s.Ticks[i].Events[n]
			if e.Kind != fact.RuleEvent {
				continue
			}
			name := e.Subject
			if slices.Contains(verdicts, e.To) {
				name = e.Phase + "/" + e.Subject
			}
			ended[name] = e.To
		}
	}
	for name, state := range ended {
		switch state {
		case rules.Pass.String(), string(fact.RuleClear):
			passed = append(passed, name)
		case rules.Fail.String(), string(fact.RuleFired):
			failed = append(failed, name)
		case string(fact.RuleWarning), string(fact.RuleHolding), string(fact.RuleBreaching), string(fact.RuleWouldFire), string(fact.RuleWouldHold):
			warned = append(warned, name)
		}
	}
	for _, l := range [][]string{passed, warned, failed} {
		slices.SortFunc(l, strings.Compare)
	}
	return passed, warned, failed
}

// verdicts are what success rules move between.
var verdicts = []string{rules.Pass.String(), rules.Fail.String(), rules.Pending.String(), rules.Unknown.String()}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
