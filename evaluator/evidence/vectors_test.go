package evidence

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// vector is one known value of one function.
type vector struct {
	ID     string          `json:"id"`
	Fn     string          `json:"fn"`
	In     json.RawMessage `json:"in"`
	Out    map[string]any  `json:"out"`
	RelTol float64         `json:"rel_tol"`
}

// arguments are all names that an input of a vector may have.
type arguments struct {
	X, N, P, W, Frac, Ratings, Counts list

	P0, P1, Conf, A, B, Alpha, W1, Delta, Mu0 float64

	PcAlt       float64 `json:"pc_alt"`
	PbAlt       float64 `json:"pb_alt"`
	PriorMean   float64 `json:"prior_mean"`
	PriorWeight float64 `json:"prior_weight"`
	Window, K   int
	Blocks      []struct{ NC, XC, NB, XB float64 }
}

// list is one number or several.
type list []float64

func (l *list) UnmarshalJSON(b []byte) error {
	var one float64
	if json.Unmarshal(b, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(b, (*[]float64)(l))
}

// one is the first number, and NaN where there is none.
func (l list) one() float64 {
	if len(l) == 0 {
		return math.NaN()
	}
	return l[0]
}

// TestVectors runs every vector of every testdata/vectors*.json.
func TestVectors(t *testing.T) {
	files, err := filepath.Glob("testdata/vectors*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var all struct{ Vectors []vector }
		if err := json.Unmarshal(b, &all); err != nil || len(all.Vectors) == 0 {
			t.Fatalf("%s: %d vectors, %v", file, len(all.Vectors), err)
		}
		for _, v := range all.Vectors {
			t.Run(v.ID, func(t *testing.T) { v.run(t) })
		}
	}
}

func (v vector) run(t *testing.T) {
	fn := functions[v.Fn]
	if fn == nil {
		t.Fatalf("no function %q", v.Fn)
	}
	in, err := v.arguments()
	if err != nil {
		t.Fatal(err)
	}
	if err := nearAll(fn(in), v.Out, v.RelTol); err != nil {
		t.Errorf("%s(%s): %v", v.Fn, v.In, err)
	}
}

// arguments decodes the input. "w" are weights and "W" is the window;
// encoding/json would not distinguish the two.
func (v vector) arguments() (arguments, error) {
	raw := map[string]json.RawMessage{}
	if err := json.Unmarshal(v.In, &raw); err != nil {
		return arguments{}, err
	}
	if b, ok := raw["W"]; ok {
		raw["window"] = b
		delete(raw, "W")
	}
	b, err := json.Marshal(raw)
	if err != nil {
		return arguments{}, err
	}
	var in arguments
	return in, json.Unmarshal(b, &in)
}

// nearZero is how far from an expected 0 a rounding error may be.
const nearZero = 1e-15

// near compares two JSON values; numbers may differ by tol of their size, so that
// a small one is held to as many digits as a large one. "inf", "-inf" and "nan"
// stand for numbers that JSON does not have, and null for any number that is not
// finite.
func near(got, want any, tol float64) error {
	mismatch := fmt.Errorf("got %v, want %v (rel. tolerance %g)", got, want, tol)
	switch want := want.(type) {
	case float64:
		return nearNumber(got, want, tol)
	case string:
		if v, err := strconv.ParseFloat(want, 64); err == nil {
			return nearNumber(got, v, tol)
		}
		if got != want {
			return mismatch
		}
	case bool:
		if got != want {
			return mismatch
		}
	case nil:
		if g, ok := number(got); got != nil && !(ok && (math.IsInf(g, 0) || math.IsNaN(g))) {
			return mismatch
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(want) {
			return mismatch
		}
		for i := range want {
			if err := near(g[i], want[i], tol); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return mismatch
		}
		return nearAll(g, want, tol)
	default:
		return fmt.Errorf("do not know how to compare %T", want)
	}
	return nil
}

// nearAll compares every wanted value with the one of the same name.
func nearAll(got, want map[string]any, tol float64) error {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		g, ok := got[name]
		if !ok {
			return fmt.Errorf("%s: got nothing, want %v", name, want[name])
		}
		if err := near(g, want[name], tol); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func nearNumber(got any, want, tol float64) error {
	g, ok := number(got)
	switch {
	case ok && (g == want || math.IsNaN(g) && math.IsNaN(want)):
		return nil
	case ok && want == 0 && math.Abs(g) <= nearZero:
		return nil
	case ok && !math.IsInf(want, 0) && math.Abs(g-want) <= tol*math.Abs(want):
		return nil
	}
	return fmt.Errorf("got %v, want %v (rel. tolerance %g)", got, want, tol)
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	}
	return 0, false
}

// A difference from a vector is always reported, however small the number is and
// whatever was computed instead.
func TestNear(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		got, want any
		ok        bool
	}{
		{5.0004e-13, 5e-13, false}, // a divergence of two rates that hardly differ
		{5e-13 * (1 + 1e-10), 5e-13, true},
		{1e-300, 2e-300, false},
		{1e-16, 0., true}, // what rounding leaves of nothing
		{1e-12, 0., false},
		{3, 3., true},
		{nan, 1., false},
		{nil, 1., false},
		{"1", 1., false},
		{inf, "inf", true},
		{-inf, "-inf", true},
		{inf, "-inf", false},
		{1e308, "inf", false},
		{nan, "nan", true},
		{1., "nan", false},
		{"pass", "pass", true},
		{1., "pass", false},
		{inf, nil, true},
		{nil, nil, true},
		{1., nil, false},
		{true, true, true},
		{1., true, false},
		{[]any{1.}, []any{1., 2.}, false},
		{[]any{1., inf}, []any{1., nil}, true},
		{1., []any{1.}, false},
		{results{"c": 1.}, results{"c": 1., "b": nil}, false},
		{results{"c": 1., "b": 2.}, results{"c": 1.}, true},
		{1., results{"c": 1.}, false},
	} {
		if err := near(c.got, c.want, 1e-9); (err == nil) != c.ok {
			t.Errorf("near(%v, %v) = %v, want it to hold: %v", c.got, c.want, err, c.ok)
		}
	}
}

type results = map[string]any

// functions dispatches a vector's function by its name.
var functions = map[string]func(in arguments) results{
	"log_e_grid": func(in arguments) results {
		return results{"log_e": LogGrid(in.X.one(), in.N.one(), in.P0, in.P, in.W)}
	},
	"log_e_sr_path": func(in arguments) results {
		return running(in, NewTest(in.P0, in.P[0]*6/7), (*Test).Warn)
	},
	"log_e_mb_path": func(in arguments) results {
		return running(in, NewTest(in.P0, in.P0), (*Test).Hold)
	},
	"pearson_dispersion": func(in arguments) results {
		var s Spread
		for t := range in.N {
			s.Add(Minute{N: in.N[t], Bad: in.X[t]})
		}
		return results{"raw": s.Raw(), "phi": s.Phi()}
	},
	"wilson":          func(in arguments) results { return interval(wilson(in.X.one(), in.N.one(), in.Conf)) },
	"clopper_pearson": func(in arguments) results { return interval(ClopperPearson(in.X.one(), in.N.one(), in.Conf)) },
	"beta_quantiles": func(in arguments) results {
		tail := (1 - in.Conf) / 2
		return interval(betaQuantile(in.A, in.B, tail, false), betaQuantile(in.A, in.B, tail, true))
	},
	"cs_beta_binomial": func(in arguments) results {
		return interval(ConfidenceSequence(in.X.one(), in.N.one(), in.Alpha, in.A, in.B))
	},
	"divergence":       func(in arguments) results { return results{"kl": divergence(in.P1, in.P0)} },
	"log_e_two_sample": twoSample,
	"at_least":         func(in arguments) results { return results{"p": AtLeast(in.X.one(), in.N.one(), in.P[0])} },
	"decile_gap": func(in arguments) results {
		d := Deciles(in.X, in.N, in.Alpha, in.Alpha)
		cells, _ := cellsOf(in.X, in.N)
		return results{"gap": d.Gap, "lower_fail": d.LowerFail, "upper_pass": d.UpperPass, "tau_dl": math.Sqrt(between(cells))}
	},
	"expected_normal_range": func(in arguments) results { return results{"range": ExpectedNormalRange(in.K)} },
	"bayesian_average": func(in arguments) results {
		avg, raw := BayesianAverage(Stars(in.Counts), in.PriorMean, in.PriorWeight)
		return results{"avg": avg, "raw": raw}
	},
	"log_e_rating_below": func(in arguments) results {
		return results{"log_e": RatingBelow(starsOf(in.Ratings), in.Mu0, in.Frac)}
	},
	"log_e_rating_above": func(in arguments) results {
		return results{"log_e": RatingAbove(starsOf(in.Ratings), in.Mu0, in.Frac)}
	},
}

// running feeds a series to a running test and reads it after each minute. A test
// loses the start weight of a minute without events. The vectors keep it, and so
// the next minute with events has it besides.
func running(in arguments, test *Test, read func(*Test, *Track) float64) results {
	var tr Track
	logE, spare := logZero, 0.
	out := []any{}
	for i := range in.N {
		spare += start{in.Window, in.W1}.weight(i)
		if in.N[i] > 0 {
			test.Look(&tr, int64(i), Minute{N: in.N[i], Bad: in.X[i]}, spare)
			logE, spare = read(test, &tr), 0
		}
		out = append(out, logAdd(logE, logWeight(spare)))
	}
	return results{"log_e": out}
}

func interval(lo, hi float64) results { return results{"lo": lo, "hi": hi} }

func starsOf(ratings []float64) (s Stars) {
	for _, r := range ratings {
		s[int(r)-1]++
	}
	return s
}

func twoSample(in arguments) results {
	sum, proj := 0.0, []any{}
	for _, b := range in.Blocks {
		logE, c, d := LogTwoSample(Minute{N: b.NC, Bad: b.XC}, Minute{N: b.NB, Bad: b.XB}, in.PcAlt, in.PbAlt, in.Delta)
		sum += logE
		proj = append(proj, results{"c": c, "b": d})
	}
	return results{"log_e": sum, "proj": proj}
}
