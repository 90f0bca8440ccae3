package simulator

import (
	"math"
	"sync"
	"time"
)

// world knows what is true and what an upstream shows of it. It is a pure function
// of the scenario, of T and of the time that is asked about; the only state is
// what clients wrote (alias weights) and caches of computed values.
//
// Minutes are counted since the Unix epoch. seenAt is the Unix second of the
// question; settled means that everything is visible.
type world struct {
	s       *Scenario
	start   time.Time
	changes []Change // rollout, then changes: a later one wins

	mu     sync.Mutex
	alarms alarmLine

	written sync.Mutex    // what clients wrote; levels are read under mu
	writes  []aliasWrite  // by time
	phased  []phasedWrite // by time
}

// settled is a time at which all has been published and corrected.
const settled = math.MaxInt64

func newWorld(s *Scenario, start time.Time) *world {
	w := &world{s: s, start: start.UTC()}
	w.changes = append(append([]Change(nil), s.Rollout...), s.Changes...)
	return w
}

// offset is the time of a second since T.
func (w *world) offset(unix int64) time.Duration {
	return time.Duration(unix-w.start.Unix()) * time.Second
}

// level is what a signal is at a Unix second.
func (w *world) level(signal string, unix int64) float64 {
	v := defaultLevels[signal]
	if set, has := w.s.Levels[signal]; has {
		v = set.V
	}
	if signal == "traffic.mobile" {
		unix = w.spread(unix)
	}
	if signal == "api.5xx" && w.reverted(unix) {
		return v // the version that fails gets no requests any more
	}
	at := w.offset(unix)
	for _, c := range w.changes {
		since := at - c.At.D
		if c.Signal != signal || since < 0 || (c.For.D > 0 && since >= c.For.D) {
			continue
		}
		if since < c.Over.D {
			v += (c.Value.V - v) * float64(since) / float64(c.Over.D)
			continue
		}
		v = c.Value.V
	}
	return v
}

// shown is the level of a correctable signal in minute m as it is published at
// seenAt: the false value until its correction.
func (w *world) shown(signal string, m, seenAt int64) float64 {
	v := w.level(signal, m*60)
	if seenAt == settled {
		return v
	}
	at := w.offset(m * 60)
	for _, c := range w.s.Corrections {
		if c.Signal != signal || at < c.At.D || at >= c.At.D+c.For.D {
			continue
		}
		first := w.publishedAt(correctable[signal], m)
		if seenAt < first+int64(c.After.D/time.Second) {
			v = c.Value.V
		}
	}
	return v
}

// publishedAt is when the first part of minute m can be seen, Unix seconds.
func (w *world) publishedAt(upstream string, m int64) int64 {
	return (m+1)*60 + seconds(w.delay(upstream).After.D+w.lateness(upstream, m))
}

// completeAt is when all of minute m can be seen, Unix seconds.
func (w *world) completeAt(upstream string, m int64) int64 {
	d := w.delay(upstream)
	return (m+1)*60 + seconds(max(d.After.D, d.Complete.D)+w.lateness(upstream, m))
}

func (w *world) delay(upstream string) Delay {
	d := defaultPublish[upstream]
	if set, ok := w.s.Publish[upstream]; ok {
		if set.After.set {
			d.After = set.After
		}
		if set.Complete.set {
			d.Complete = set.Complete
		}
	}
	return d
}

func (w *world) lateness(upstream string, m int64) time.Duration {
	at := w.offset(m * 60)
	for _, l := range w.s.Late {
		if l.Upstream == upstream && at >= l.From.D && at < l.To.D {
			return l.Delay.D
		}
	}
	return 0
}

// visible is the share of minute m's data that an upstream shows at seenAt: 0
// before it is published, about two thirds at first, 1 when complete. It never
// falls as time goes on. What was lost in a silent stretch stays lost.
func (w *world) visible(upstream string, m, seenAt int64) float64 {
	switch {
	case w.silent(upstream, m*60):
		return 0
	case seenAt >= w.completeAt(upstream, m):
		return 1
	case seenAt >= w.publishedAt(upstream, m):
		return 0.6 + 0.1*w.noise("visible "+upstream, m)
	}
	return 0
}

// silent says whether an upstream loses what happens at a second.
func (w *world) silent(upstream string, unix int64) bool {
	at := w.offset(unix)
	for _, f := range w.s.Faults {
		if f.Kind == "silent" && f.Upstream == upstream && at >= f.From.D && (!f.To.set || at < f.To.D) {
			return true
		}
	}
	return false
}

// noise is a reproducible number in [0, 1) for a thing at an index. It has no
// state, so the order and the number of questions do not matter.
func (w *world) noise(what string, i int64) float64 {
	h := w.s.Seed*0x9E3779B97F4A7C15 + 14695981039346656037
	for k := range len(what) {
		h = (h ^ uint64(what[k])) * 1099511628211
	}
	h ^= uint64(i) * 0xBF58476D1CE4E5B9
	h ^= h >> 30 // SplitMix64's finisher
	h *= 0xBF58476D1CE4E5B9
	h ^= h >> 27
	h *= 0x94D049BB133111EB
	h ^= h >> 31
	return float64(h>>11) / (1 << 53)
}

// swing is how much of the base traffic there is at a second: a day's curve
// with its height at 20:00 UTC.
func (w *world) swing(unix int64) float64 {
	hour := float64(unix%86400) / 3600
	return 1 + w.level("day.swing", unix)*math.Cos(2*math.Pi*(hour-20)/24)
}

// traffic is how many of a thing there were in minute m, with some noise.
func (w *world) traffic(signal string, m int64) float64 {
	jitter := 0.96 + 0.08*w.noise(signal, m)
	return math.Round(w.level(signal, m*60) * w.swing(m*60) * jitter)
}

// share draws how many of n have a property of the given rate: the mean, plus or
// minus at most its square root, and never below 0. So the mean stays at the
// level that a scenario promises.
func (w *world) share(what string, m int64, n, rate float64) float64 {
	mean := n * rate
	reach := min(mean, n-mean, math.Sqrt(mean*max(0, 1-rate)))
	off := reach * (2*w.noise(what, m) - 1)
	return min(n, max(0, math.Floor(mean+off+w.noise("round "+what, m))))
}

// chance is how many of n have a property of the given rate. If they are few, each
// is drawn separately. A larger n adds draws and changes none.
func (w *world) chance(what string, m int64, n, rate float64) float64 {
	if n > drawMost || rate <= 0 {
		return w.share(what, m, n, rate)
	}
	some := 0.0
	for i := range int64(n) {
		if w.noise(what, m*drawMost+i) < rate {
			some++
		}
	}
	return some
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
