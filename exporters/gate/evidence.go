package gate

import (
	"math"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// Evidence is what a rule that weighs evidence judges by. Every field is always
// there; what a rule of its kind does not have is null.
type Evidence struct {
	Bad      *float64  `json:"bad"`     // of Samples; null where it is no share of bad ones that is judged
	Samples  float64   `json:"samples"` //
	Low      *float64  `json:"low"`     // the value lies between low and high, 95 %, at any time
	High     *float64  `json:"high"`    //
	Limit    *float64  `json:"limit"`   // what a good release keeps: the share of bad samples
	Trigger  *float64  `json:"trigger"` // what is taken back
	Against  Odds      `json:"against"` // "the release met its limit": holds and rolls back from bound on
	Bound    Odds      `json:"bound"`
	Warning  Odds      `json:"warning"` // the same, taking every sample as independent: warns from bound on
	Middle   Odds      `json:"middle"`  // "at most halfway to the trigger": rolls back from 5 on
	Keeps    Odds      `json:"keeps"`   // success: for "the limit is kept"
	Spared   Odds      `json:"spared"`  // success: for "the trigger is not reached"
	Proof    Odds      `json:"proof"`   // success: passes when one of the two that is enough here has come so far
	More     *float64  `json:"more"`    // success: samples without a bad one that would let it pass, at least
	Baseline *Baseline `json:"baseline"`
	Earlier  *Earlier  `json:"earlier"` // null where nobody looked for earlier releases, or something runs beside
	Groups   *Groups   `json:"groups"`
	Rating   *Rating   `json:"rating"`
}

// Odds is an e-value: evidence this strong would appear at any time in fewer than
// one of OneIn releases if what it speaks against were true.
type Odds struct {
	Log   *float64 `json:"log"`   // natural log of the e-value
	OneIn *float64 `json:"oneIn"` // the e-value in whole numbers, from 1 to 1e15
}

// Baseline is what runs beside the release, over the same minutes.
type Baseline struct {
	Signal  string  `json:"signal"`
	Bad     float64 `json:"bad"`
	Samples float64 `json:"samples"`
	Worse   Odds    `json:"worse"`   // "the release is no worse": confirms a rollback from 20 on
	Warning Odds    `json:"warning"` // the same, as if each failure were its own: warns from bound on
}

// Earlier is what the releases counted that passed before.
type Earlier struct {
	Releases int     `json:"releases"` // 0: there is no baseline yet
	Bad      float64 `json:"bad"`
	Samples  float64 `json:"samples"`
	Worse    Odds    `json:"worse"` // "the release is no worse": warns from bound on, and does no more
}

// Groups is the greatest gap between the rates of groups.
type Groups struct {
	Highest  string   `json:"highest"`
	Lowest   string   `json:"lowest"`
	AtLeast  *float64 `json:"atLeast"` // the true gap lies between the two, for all pairs at once
	AtMost   *float64 `json:"atMost"`
	ByChance *float64 `json:"byChance"` // what groups of this size would show if all were alike
	Shrunken *float64 `json:"shrunken"`
	Small    []string `json:"small"` // groups with too few
	Looks    int      `json:"looks"`
}

// Rating is a mean of stars.
type Rating struct {
	Stars   [5]float64 `json:"stars"`   // how many gave one to five
	Average *float64   `json:"average"` // pulled to the limit by fifty reviews; for people only
	Low     *float64   `json:"low"`
	High    *float64   `json:"high"`
}

// evidence is null for a rule that compares a value with a threshold.
func evidence(r *evaluator.RuleView) *Evidence {
	e, d := &r.Evidence, r.Evidence.Weighed
	if d == nil {
		return nil
	}
	out := &Evidence{
		Samples: counted(e.Samples), Low: number(d.Low, e.Unit), High: number(d.High, e.Unit),
		Limit: number(d.Limit, e.Unit), Trigger: number(d.Trigger, e.Unit),
	}
	switch {
	case d.Groups != nil:
		out.Groups = groups(d.Groups, e.Unit)
	case d.Rating != nil:
		out.Rating = rating(d.Rating, e.Unit)
		out.Against, out.Bound = odds(d.Against), odds(d.Bound)
	default:
		out.Bad = new(counted(d.Bad))
		out.Against, out.Bound, out.Warning, out.Middle = odds(d.Against), odds(d.Bound), odds(d.Warning), odds(d.Middle)
	}
	if r.Kind == rules.Success && d.Groups == nil {
		out.Keeps, out.Spared, out.Proof = odds(d.Keeps), odds(d.Spared), odds(d.Proof)
		if d.More > 0 {
			out.More = number(d.More, rules.Number)
		}
	}
	if b := d.Baseline; b != nil {
		out.Baseline = &Baseline{Signal: b.Signal, Bad: counted(b.Bad), Samples: counted(b.Samples), Worse: odds(b.Worse), Warning: odds(b.Warning)}
	}
	if p := d.Past; p != nil {
		out.Earlier = &Earlier{Releases: p.Releases, Bad: counted(p.Bad), Samples: counted(p.Samples), Worse: odds(p.Worse)}
	}
	return out
}

func counted(n float64) float64 { return orZero(number(n, rules.Number)) }

func groups(g *evaluator.Gap, u rules.Unit) *Groups {
	return &Groups{
		Highest: g.Highest, Lowest: g.Lowest, AtLeast: number(g.AtLeast, u), AtMost: number(g.AtMost, u),
		ByChance: number(g.ByChance, u), Shrunken: number(g.Shrunken, u), Small: append([]string{}, g.Small...), Looks: g.Looks,
	}
}

func rating(r *evaluator.Ratings, u rules.Unit) *Rating {
	out := &Rating{Average: number(r.Average, u), Low: number(r.Low, u), High: number(r.High, u)}
	for i, n := range r.Stars {
		out.Stars[i] = counted(n)
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
	return Odds{Log: number(logE, rules.Number), OneIn: new(min(math.Floor(oneIn), mostOneIn))}
}

// finiteWeighed is what was weighed, with numbers that have a JSON form.
func finiteWeighed(d *evaluator.Weighed) *evaluator.Weighed {
	if d == nil {
		return nil
	}
	out := *d
	for _, v := range []*float64{
		&out.Bad, &out.Low, &out.High, &out.Limit, &out.Trigger, &out.Against, &out.Bound, &out.Warning, &out.Middle,
		&out.Keeps, &out.Spared, &out.Proof, &out.More,
	} {
		*v = counted(*v)
	}
	if b := d.Baseline; b != nil {
		out.Baseline = &evaluator.Beside{Signal: b.Signal, Bad: counted(b.Bad), Samples: counted(b.Samples), Worse: counted(b.Worse), Warning: counted(b.Warning)}
	}
	if p := d.Past; p != nil {
		out.Past = &evaluator.Earlier{Releases: p.Releases, Bad: counted(p.Bad), Samples: counted(p.Samples), Worse: counted(p.Worse)}
	}
	if g := d.Groups; g != nil {
		gap := *g
		gap.AtLeast, gap.AtMost, gap.ByChance, gap.Shrunken = counted(g.AtLeast), counted(g.AtMost), counted(g.ByChance), counted(g.Shrunken)
		out.Groups = &gap
	}
	if r := d.Rating; r != nil {
		stars := evaluator.Ratings{Average: counted(r.Average), Low: counted(r.Low), High: counted(r.High)}
		for i, n := range r.Stars {
			stars.Stars[i] = counted(n)
		}
		out.Rating = &stars
	}
	return &out
}
