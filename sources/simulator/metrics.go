package simulator

import "math"

// A part gives some of a metric's values for minute m, as CloudWatch has them at
// seenAt. A sample without values means that there is no datum.
type part func(m, seenAt int64) sample

// A metric is all the parts that its values come from: one for each version of
// a function, for example.
type metric []part

// over is what is known at seenAt of the minutes from first to before end.
func (parts metric) over(first, end, seenAt int64) samples {
	var out samples
	for m := first; m < end; m++ {
		for _, p := range parts {
			if s := p(m, seenAt); s.n > 0 {
				out = append(out, s)
			}
		}
	}
	return out
}

func one(p part) metric {
	if p == nil {
		return nil
	}
	return metric{p}
}

// metric finds a metric by its namespace, name and exact dimensions. It is nil if
// there is none: CloudWatch itself answers for a misspelt metric as for one
// without data.
func (w *world) metric(namespace, name string, dims map[string]string) metric {
	switch namespace {
	case "AWS/ApiGateway":
		return one(w.apiMetric(name, dims))
	case "AWS/Lambda":
		return w.lambdaMetric(name, dims)
	}
	return nil
}

func (w *world) apiMetric(name string, dims map[string]string) part {
	n := w.s.Names
	byStage := len(dims) == 2 && dims["ApiName"] == n.API && dims["Stage"] == n.Stage
	if !byStage && !(len(dims) == 1 && dims["ApiName"] == n.API) {
		return nil
	}
	switch name {
	case "Count":
		return func(m, at int64) sample { all, _ := w.api5xx(m, at); return sample{n: all, ones: all} }
	case "5XXError":
		return func(m, at int64) sample { all, bad := w.api5xx(m, at); return sample{n: all, ones: bad} }
	case "4XXError":
		return func(m, at int64) sample {
			all, _ := w.api5xx(m, at)
			return sample{n: all, ones: w.share("4xx", m, all, w.level("api.4xx", m*60))}
		}
	case "Latency", "IntegrationLatency":
		return func(m, at int64) sample {
			all, _ := w.api5xx(m, at)
			return w.latency("drawn api", m, all, 1000*w.level("api.latency_p95", m*60)*(0.97+0.06*w.noise("latency", m)), latencySigma)
		}
	}
	return nil
}

// api5xx is how many API requests of minute m are known at seenAt, and how many
// of them ended in 5xx.
func (w *world) api5xx(m, seenAt int64) (all, bad float64) {
	seen := w.visible("cloudwatch", m, seenAt)
	if seen == 0 {
		return 0, 0
	}
	total := w.traffic("api.requests", m)
	return partly(total, w.share("api.5xx", m, total, w.shown("api.5xx", m, seenAt)), seen)
}

// partly is the visible part of a count and of those among it.
func partly(all, some, seen float64) (float64, float64) {
	if seen == 1 {
		return all, some
	}
	n := math.Floor(all * seen)
	return n, min(n, math.Floor(some*seen+0.5))
}

// lambdaMetric knows the dimension sets that exist: the function, its alias,
// and the alias by executed version.
func (w *world) lambdaMetric(name string, dims map[string]string) metric {
	n := w.s.Names
	if dims["FunctionName"] != n.Function {
		return nil
	}
	versions := []string{n.Stable, n.Canary}
	switch {
	case len(dims) == 1:
	case len(dims) == 2 && dims["Resource"] == n.Function+":"+n.Alias:
	case len(dims) == 3 && dims["Resource"] == n.Function+":"+n.Alias && dims["ExecutedVersion"] == n.Stable:
		versions = versions[:1]
	case len(dims) == 3 && dims["Resource"] == n.Function+":"+n.Alias && dims["ExecutedVersion"] == n.Canary:
		versions = versions[1:]
	default:
		return nil
	}
	var parts metric
	for _, v := range versions {
		if name == "Duration" {
			parts = append(parts, w.durations(v)...)
		} else if p := w.lambdaVersion(name, v); p != nil {
			parts = append(parts, p)
		}
	}
	return parts
}

// durations are those of a version's warm invocations and of its cold starts.
func (w *world) durations(version string) metric {
	p95 := "lambda.p95"
	if version != w.s.Names.Canary {
		p95 = "lambda.stable.p95"
	}
	counts := func(m, at int64) (warm, cold float64) {
		n := w.invocations(version, m, at)
		cold = w.chance("cold "+version, m, n, w.level("lambda.cold", m*60))
		return n - cold, cold
	}
	return metric{
		func(m, at int64) sample {
			n, _ := counts(m, at)
			jitter := 0.97 + 0.06*w.noise("duration "+version, m)
			return w.latency("drawn "+version, m, n, 1000*w.shown(p95, m, at)*jitter, latencySigma)
		},
		func(m, at int64) sample {
			_, n := counts(m, at)
			return w.latency("drawn cold "+version, m, n, coldP95, coldSigma)
		},
	}
}

func (w *world) lambdaVersion(name, version string) part {
	errors := "lambda.errors"
	if version != w.s.Names.Canary {
		errors = "lambda.stable.errors"
	}
	switch name {
	case "Invocations":
		return func(m, at int64) sample { n := w.invocations(version, m, at); return sample{n: n, ones: n} }
	case "Errors":
		return func(m, at int64) sample {
			n := w.invocations(version, m, at)
			return sample{n: n, ones: w.invoked("lambda.errors "+version, m, n, w.level(errors, m*60))}
		}
	case "Throttles":
		return func(m, at int64) sample { return sample{n: w.invocations(version, m, at)} }
	}
	return nil
}

// invocations is how many calls of minute m are known at seenAt that the alias
// sent to a version. The other version gets what the released one does not.
func (w *world) invocations(version string, m, seenAt int64) float64 {
	seen := w.visible("cloudwatch", m, seenAt)
	if seen == 0 {
		return 0
	}
	total, canary := w.traffic("lambda.requests", m), w.s.Names.Canary
	n := w.invoked("lambda.weight "+canary, m, total, w.weight(canary, m*60))
	if version != canary {
		n = total - n
	}
	all, _ := partly(n, 0, seen)
	return all
}

// invoked is how many of n invocations have a property of the given rate.
func (w *world) invoked(what string, m int64, n, rate float64) float64 {
	if w.s.CloudWatch.Chance {
		return w.chance(what, m, n, rate)
	}
	return w.share(what, m, n, rate)
}
