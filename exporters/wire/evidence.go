package wire

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Evidence is the numbers behind a verdict: of a rule in the gate's bodies, and of an
// event.
type Evidence struct {
	Signal       string     `json:"signal"`
	Value        *float64   `json:"value" unit:"beside"` // null when it is not known
	Op           string     `json:"op"`
	Threshold    *float64   `json:"threshold" unit:"beside"`
	Unit         string     `json:"unit"`                  // "%", "s" or none
	Samples      *float64   `json:"samples" unit:"count"`  // null while nothing has been judged
	Points       int        `json:"points" unit:"count"`   // periods present
	Expected     int        `json:"expected" unit:"count"` // periods that the judged stretch has
	Window       Span       `json:"window"`                // the judged stretch
	LastSampleAt *time.Time `json:"lastSampleAt"`
	Held         string     `json:"held"`       // rollback: for how long it has been so, "4m0s"
	For          string     `json:"for"`        // and for how long it must be
	Note         string     `json:"note"`       // what the source adds
	Assumed      bool       `json:"assumed"`    // zeros stand for a name that was never seen, and count because of assume_seen
	Way          string     `json:"way"`        // of a gauge: how its periods make the value, "worst", "mean", "share" or "last"; else empty
	Spacing      string     `json:"spacing"`    // how far apart its values come, where that is more than a period, "5m0s"; else empty
	OnBefore     bool       `json:"onBefore"`   // of an alarm that was on before the release, and has not been OK since
	Quantile     *Quantile  `json:"quantile"`   // of a percentile, which is judged by the share of samples above its threshold; else null
	Datapoints   *Periods   `json:"datapoints"` // of a rule with datapoints; else null
	Alarm        *Alarm     `json:"alarm"`      // rollback: what the alarm says that it names; else null
	Weighed      *Weighed   `json:"weighed"`
}

// Alarm is what the alarm says that a rollback rule names beside its own numbers.
type Alarm struct {
	Signal string     `json:"signal"`
	State  string     `json:"state"` // unknown, off, on, over (it was on for a moment), before (on since before the watch began)
	Since  *time.Time `json:"since"` // since when it is on, or when it was
	Cause  string     `json:"cause"` // unknown: why; else empty
	Fired  bool       `json:"fired"` // it is why the rule fires: its own numbers do not
}

// Quantile is what a percentile itself was. It is shown, never judged.
type Quantile struct {
	OfPercent float64  `json:"ofPercent"` // 95
	Value     *float64 `json:"value" unit:"beside"`
	Threshold *float64 `json:"threshold" unit:"beside"` // that the plan's author wrote
	Unit      string   `json:"unit"`
}

// Periods is what a rule with datapoints has counted.
type Periods struct {
	Breaching int  `json:"breaching" unit:"count"` // of the newest, the missing ones that count as breaching among them
	Missing   int  `json:"missing" unit:"count"`
	Premature bool `json:"premature"` // too few are known, none of them is good, and the breach is old enough
}

// Weighed is what a rule that weighs evidence judges by; null for a rule that compares
// a value with a threshold. What a rule of its kind does not have is null.
type Weighed struct {
	Unit     string    `json:"unit"`
	Rung     string    `json:"rung"`                  // how far the evidence against the release has come: empty, warn, hold, rollback
	Rests    string    `json:"rests"`                 // on what: evidence, baseline
	Bad      *float64  `json:"bad" unit:"count"`      // of Samples; null where it is no share of bad ones that is judged
	Samples  *float64  `json:"samples" unit:"count"`  //
	Low      *float64  `json:"low" unit:"beside"`     // the value lies between low and high, 95 %, at any time
	High     *float64  `json:"high" unit:"beside"`    //
	Limit    *float64  `json:"limit" unit:"beside"`   // the target: the share of bad samples that a good release keeps
	Trigger  *float64  `json:"trigger" unit:"beside"` // what is rolled back
	Against  Odds      `json:"against"`               // "the release met its target": holds and rolls back from bound on
	Bound    Odds      `json:"bound"`
	Warning  Odds      `json:"warning"`           // the same, taking every sample as independent: warns from bound on
	Middle   Odds      `json:"middle"`            // "at most halfway to the trigger": rolls back from 5 on
	Keeps    Odds      `json:"keeps"`             // success: for "the target is kept"
	Spared   Odds      `json:"spared"`            // success: for "the trigger is not reached"
	Proof    Odds      `json:"proof"`             // success: passes when one of the two that is enough here has come so far
	More     *float64  `json:"more" unit:"count"` // success: samples without a bad one that would let it pass, at least
	Baseline *Baseline `json:"baseline"`
	Earlier  *Earlier  `json:"earlier"` // null where earlier releases were not looked for, or something runs beside
	Groups   *Groups   `json:"groups"`
	Rating   *Rating   `json:"rating"`
}

// Odds is an e-value: if what it speaks against were true, the chance of evidence this
// strong, at any time, would be under 1 in OneIn.
type Odds struct {
	Log   *float64 `json:"log" unit:"log"`     // natural log of the e-value
	OneIn *float64 `json:"oneIn" unit:"count"` // the e-value in whole numbers, from 1 to 1e15
}

// Baseline is what runs beside the release, over the same minutes.
type Baseline struct {
	Signal  string   `json:"signal"`
	Bad     *float64 `json:"bad" unit:"count"`
	Samples *float64 `json:"samples" unit:"count"`
	Worse   Odds     `json:"worse"`   // "the release is no worse": confirms a rollback from 20 on
	Warning Odds     `json:"warning"` // the same, as if each failure were its own: warns from bound on
}

// Earlier is what the releases counted that passed before.
type Earlier struct {
	Releases int      `json:"releases" unit:"count"` // 0: there is no baseline yet
	Bad      *float64 `json:"bad" unit:"count"`
	Samples  *float64 `json:"samples" unit:"count"`
	Worse    Odds     `json:"worse"` // "the release is no worse": warns from bound on, and does no more
}

// Groups is the greatest gap between the rates of groups.
type Groups struct {
	Unit     string   `json:"unit"`
	Highest  string   `json:"highest"`
	Lowest   string   `json:"lowest"`
	AtLeast  *float64 `json:"atLeast" unit:"beside"` // the true gap lies between the two, for all pairs at once
	AtMost   *float64 `json:"atMost" unit:"beside"`
	ByChance *float64 `json:"byChance" unit:"beside"` // what groups of this size would show if all were alike
	Shrunken *float64 `json:"shrunken" unit:"beside"`
	Small    []string `json:"small"` // groups with too few
	Looks    int      `json:"looks" unit:"count"`
}

// Rating is a mean of stars.
type Rating struct {
	Unit    string      `json:"unit"`
	Stars   [5]*float64 `json:"stars" unit:"count"`    // how many gave one to five
	Average *float64    `json:"average" unit:"beside"` // pulled to the limit by fifty reviews; for people only
	Low     *float64    `json:"low" unit:"beside"`
	High    *float64    `json:"high" unit:"beside"`
}

// evidence is the one mapping of what a rule rests on; success tells a success rule.
func evidence(e *fact.Evidence, success bool) Evidence {
	out := Evidence{
		Signal: e.Signal, Op: e.Op.String(), Unit: e.Unit.String(), Points: e.Points, Expected: e.Expected,
		Window: Span{at(e.From), at(e.To)}, LastSampleAt: at(e.Newest), Held: e.Held, For: e.For, Note: e.Note, Assumed: e.Assumed,
		Spacing: e.Spacing, OnBefore: e.Before, Weighed: weighed(e, success),
	}
	if e.Way != rules.Pooled {
		out.Way = e.Way.String()
	}
	if e.Known {
		out.Value = number(e.Value, e.Unit)
	}
	if e.Known || e.Expected > 0 || e.Samples > 0 {
		out.Samples = number(e.Samples, rules.Number)
	}
	if q := e.Quantile; q != nil {
		out.Quantile = &Quantile{Value: number(q.Value, q.Unit), Threshold: number(q.Threshold, q.Unit), Unit: q.Unit.String()}
		if of := number(q.Of, rules.Percent); of != nil {
			out.Quantile.OfPercent = *of
		}
	}
	if a := e.Alarm; a != nil {
		out.Alarm = &Alarm{Signal: a.Signal, State: string(a.State), Since: at(a.Since), Fired: a.Fired}
		if a.Cause != rules.CauseNone {
			out.Alarm.Cause = a.Cause.String()
		}
	}
	if d := e.Datapoints; d != nil {
		out.Datapoints = &Periods{Breaching: d.Breaching, Missing: d.Missing, Premature: d.Premature}
	}
	if e.Op != rules.NoOp {
		out.Threshold = number(e.Threshold, e.Unit)
	}
	return out
}

// planned fills in what the plan says of a rule that has not been judged.
func (out *Evidence) planned(plan *rules.Plan, name string, kind rules.RuleKind) {
	for i := range plan.Rules {
		p := &plan.Rules[i]
		if p.Name != name || p.Kind != kind {
			continue
		}
		out.Op, out.Unit = p.ShownWhen.Op.String(), p.ShownWhen.Unit.String()
		out.Threshold = number(p.ShownWhen.Threshold, p.ShownWhen.Unit)
		if p.ShownSignal >= 0 && p.ShownSignal < len(plan.Signals) {
			out.Signal = plan.Signals[p.ShownSignal].Name
		}
		return
	}
}

func weighed(e *fact.Evidence, success bool) *Weighed {
	d := e.Weighed
	if d == nil {
		return nil
	}
	out := &Weighed{
		Unit: e.Unit.String(), Rung: string(d.Rung), Rests: d.Rests.String(), Samples: count(e.Samples), Low: number(d.Low, e.Unit), High: number(d.High, e.Unit),
		Limit: number(d.Limit, e.Unit), Trigger: number(d.Trigger, e.Unit),
	}
	switch {
	case d.Groups != nil:
		out.Groups = groups(d.Groups, e.Unit)
	case d.Rating != nil:
		out.Rating = rating(d.Rating, e.Unit)
		out.Against, out.Bound = odds(d.Against), odds(d.Bound)
	default:
		out.Bad = count(d.Bad)
		out.Against, out.Bound, out.Warning, out.Middle = odds(d.Against), odds(d.Bound), odds(d.Warning), odds(d.Middle)
	}
	if success && d.Groups == nil {
		out.Keeps, out.Spared, out.Proof = odds(d.Keeps), odds(d.Spared), odds(d.Proof)
		if d.More > 0 {
			out.More = count(d.More)
		}
	}
	if b := d.Baseline; b != nil {
		out.Baseline = &Baseline{Signal: b.Signal, Bad: count(b.Bad), Samples: count(b.Samples), Worse: odds(b.Worse), Warning: odds(b.Warning)}
	}
	if p := d.Past; p != nil {
		out.Earlier = &Earlier{Releases: p.Releases, Bad: count(p.Bad), Samples: count(p.Samples), Worse: odds(p.Worse)}
	}
	return out
}

func groups(g *fact.Gap, u rules.Unit) *Groups {
	return &Groups{
		Unit: u.String(), Highest: g.Highest, Lowest: g.Lowest, AtLeast: number(g.AtLeast, u), AtMost: number(g.AtMost, u),
		ByChance: number(g.ByChance, u), Shrunken: number(g.Shrunken, u), Small: append([]string{}, g.Small...), Looks: g.Looks,
	}
}

func rating(r *fact.Ratings, u rules.Unit) *Rating {
	out := &Rating{Unit: u.String(), Average: number(r.Average, u), Low: number(r.Low, u), High: number(r.High, u)}
	for i, n := range r.Stars {
		out.Stars[i] = count(n)
	}
	return out
}

// mostOneIn is where whole numbers end that a float64 holds exactly.
const mostOneIn = 1e15

// odds writes a log e-value. What says nothing against a release, however often
// one is looked at, is one in one.
func odds(logE float64) Odds {
	if math.IsNaN(logE) {
		return Odds{}
	}
	oneIn := math.Exp(max(0, min(logE, 40)))
	if near := math.Round(oneIn); math.Abs(oneIn-near) < 1e-9*near {
		oneIn = near // ln 100 is not quite the log of 100
	}
	return Odds{Log: count(logE), OneIn: new(min(math.Floor(oneIn), mostOneIn))}
}

// number is an inner value in the unit that people read, null when it is not a
// finite number. It goes through the decimal form, so that 0.0007 is 0.07 %.
func number(v float64, u rules.Unit) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	text, _, _ := strings.Cut(u.Format(v), " ")
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil // a ratio at the very edge of float64 has no form in per cent
	}
	return &f
}

// count is a number without a unit.
func count(v float64) *float64 { return number(v, rules.Number) }

// at is a time for a body: UTC, null when there is none.
func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
