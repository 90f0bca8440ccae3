package lambda

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/relgate/relgate/internal/amazon"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/lambda/kind"
)

// Config says which account and region to ask, and how.
type Config = amazon.Config

// Source asks Lambda in one account and region. It is a sources.Source.
type Source struct {
	client   *lambda.Client
	counters *amazon.Counters
	idle     func() // closes idle connections
}

// New makes a source. It calls no network; an error says what is wrong with the
// configuration.
func New(ctx context.Context, cfg Config) (*Source, error) {
	counters := new(amazon.Counters)
	loaded, err := amazon.Load(ctx, cfg, counters)
	if err != nil {
		return nil, fmt.Errorf("making source %q: %w", cfg.Name, err)
	}
	client := lambda.NewFromConfig(loaded, func(o *lambda.Options) {
		if base := amazon.Endpoint(cfg.BaseURL); base != nil {
			o.BaseEndpoint = base
		}
		o.APIOptions = append(o.APIOptions, amazon.Guard("JSON"))
	})
	return &Source{client: client, counters: counters, idle: func() { amazon.CloseIdle(loaded) }}, nil
}

// Stats is what the source has done since it was made. Nothing is billed.
func (s *Source) Stats() sources.Stats { return s.counters.Stats() }

// CloseIdleConnections closes the connections that no request uses. The source
// may be used again.
func (s *Source) CloseIdleConnections() { s.idle() }

// Fetch answers every want, in order. Each alias is read once.
func (s *Source) Fetch(ctx context.Context, now time.Time, wants []sources.Want) []rules.Reading {
	readings := make([]rules.Reading, len(wants))
	seen := map[string]seen{} // :: function and alias → what stands there
	for i, w := range wants {
		q, wrong := check(w)
		if wrong != "" {
			readings[i] = sources.Faulty(w, rules.ConfigFault, wrong)
			continue
		}
		key := q.Function + "\x00" + q.Alias
		at, known := seen[key]
		if !known {
			at = s.read(ctx, now, q)
			seen[key] = at
		}
		readings[i] = at.reading(w, q.Version, now)
	}
	return readings
}

// check gives the query of a want, or why it cannot be answered.
func check(w sources.Want) (q *kind.Query, wrong string) {
	if w.Signal == nil {
		return nil, "there is no signal"
	}
	q = kind.Of(w.Signal.Query)
	switch {
	case q == nil:
		return nil, "the signal has no lambda-alias query"
	case q.Function == "" || q.Alias == "" || q.Version == "":
		return nil, "the lambda-alias query needs function, alias and version"
	case w.Signal.Kind != rules.Gauge || w.Signal.Unit != rules.Percent:
		return nil, fmt.Sprintf("the share of a version is a gauge in %%, not a %v in %q", w.Signal.Kind, w.Signal.Unit)
	case w.Signal.Period < time.Second:
		return nil, "the signal has no period"
	}
	return q, ""
}

// seen is what stands at an alias, or why that is not known.
type seen struct {
	amazon.Failure
	version string             // gets what the weights leave
	weights map[string]float64 // :: additional version → its share, 0 to 1
}

// read reads an alias.
func (s *Source) read(ctx context.Context, now time.Time, q *kind.Query) seen {
	const op = "lambda:GetAlias"
	out, err := amazon.Call(ctx, s.client.GetAlias, &lambda.GetAliasInput{FunctionName: &q.Function, Name: &q.Alias})
	if err != nil {
		return seen{Failure: amazon.Explain(op, err, now)}
	}
	partial := func(format string, args ...any) seen {
		return seen{Failure: amazon.Failure{Fault: rules.PartialData, Detail: amazon.Scrub(op + ": " + fmt.Sprintf(format, args...))}}
	}
	at := seen{version: aws.ToString(out.FunctionVersion)}
	if at.version == "" || aws.ToString(out.RevisionId) == "" {
		return partial("the answer lacks FunctionVersion or RevisionId")
	}
	if out.RoutingConfig != nil {
		at.weights = out.RoutingConfig.AdditionalVersionWeights
	}
	sum := 0.0
	for version, share := range at.weights {
		if sum += share; !(share >= 0 && sum <= 1+tolerance) || version == at.version {
			return partial("the answer gives version %q the weight %v beside version %q", version, share, at.version)
		}
	}
	return at
}

// tolerance is how far floats may be off that are added up.
const tolerance = 1e-9

// share is that of a version.
func (a *seen) share(version string) float64 {
	if share, ok := a.weights[version]; ok {
		return share
	}
	if version != a.version {
		return 0
	}
	rest := 1.0
	for _, share := range a.weights {
		rest -= share
	}
	return min(max(rest, 0), 1)
}

// reading answers a want with the share of a version. The weights are those of now, so
// that they are the level of the newest period.
func (a *seen) reading(w sources.Want, version string, now time.Time) rules.Reading {
	if a.Fault != rules.OK {
		r := sources.Faulty(w, a.Fault, a.Detail)
		r.RetryAt = a.RetryAt
		return r
	}
	period := int64(w.Signal.Period / time.Second)
	at := floor(min(now.Unix(), w.To-1), period)
	if at < floor(w.From, period) || w.To+period <= now.Unix() {
		return sources.Faulty(w, rules.NoData, "the range asked for does not include the present")
	}
	r := rules.Reading{
		Signal: w.Index, From: w.From, To: w.To, Note: a.note(),
		Points: []rules.Point{{At: at, Value: a.share(version), Samples: 1}},
	}
	if settled := floor(min(now.Add(-w.Signal.Settle).Unix(), w.To), period); settled > w.From {
		r.SettledUntil = settled
	}
	return r
}

// note says what stands at the alias: "43 10 %, 42 90 %".
func (a *seen) note() string {
	var parts []string
	for version, share := range a.weights {
		if share > 0 {
			parts = append(parts, version+" "+rules.Percent.Short(share))
		}
	}
	slices.Sort(parts)
	rest, _ := strconv.ParseFloat(strconv.FormatFloat(a.share(a.version), 'g', 6, 64), 64)
	return strings.Join(append(parts, a.version+" "+rules.Percent.Short(rest)), ", ")
}

// floor is the start of the period that holds t, for t of either sign.
func floor(t, period int64) int64 {
	r := t % period
	if r < 0 {
		r += period
	}
	return t - r
}
