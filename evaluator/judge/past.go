package judge

import (
	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// MostPast bounds the earlier releases of a run against an absurd tick.
const MostPast = 100

// mostSamples bounds what a release can have counted: up to it, numbers are exact.
const mostSamples = 1 << 46

// PoolAll is what earlier releases counted, by signal; nil when none were looked for.
func PoolAll(plan *rules.Plan, past []fact.Past) []Pooled {
	if past == nil {
		return nil
	}
	past = past[:min(len(past), MostPast)]
	all := make([]Pooled, len(plan.Signals))
	for i := range plan.Signals {
		all[i] = Pool(&plan.Signals[i], past)
	}
	return all
}

// Pool adds up what earlier releases counted of a signal: nothing but of ratios.
func Pool(sig *rules.Signal, past []fact.Past) Pooled {
	p := Pooled{Looked: int32(len(past)), known: true, Bound: 1}
	if sig.Kind != rules.Ratio {
		return p
	}
	for i := range past {
		for _, t := range past[i].Totals {
			if t.Signal == sig.Name && t.Bad >= 0 && t.Bad <= t.Samples && t.Samples > 0 && t.Samples < mostSamples {
				p.Had++
				p.Sum.Bad, p.Sum.N = p.Sum.Bad+t.Bad, p.Sum.N+t.Samples
				p.Sighted = p.Sighted || t.Bad > 0 && t.Zeros == sig.Query.Facts().Zeros
				break
			}
		}
	}
	if p.Had > 0 {
		c := max(sig.Cluster, 1)
		_, p.Bound = evidence.ClopperPearson(p.Sum.Bad/c, p.Sum.N/c, .95)
	}
	return p
}
