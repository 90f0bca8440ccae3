package series

import (
	"math"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/relgate/relgate/rules"
)

// Series is what is known of one signal. Its points are never changed in place:
// two states may share them. It is small because there may be very many.
type Series struct {
	Points  []rules.Point // ascending by At
	Room    *atomic.Int64 // how much capacity behind points is still free, over all states that share it; nil where none is shared
	Settled int64         // watermark: periods that end at or before it are complete
	From    int64         // start of the range that has been answered without a gap up to settled
	Asked   int64         // newest reading
	Next    int64         // when the source is to be asked again
	partial int64         // At of the first point that was read before its period ended; zero when there is none
	Width   int32         // of the periods, seconds; zero for the signal's own period
	Gone    int32         // periods with a value that were forgotten, less those that came after they had settled
	Belated int32         // periods with a value that came after they had settled
	Late    int32         // how many seconds after its end the newest of them came
	Fails   int16         // readings in a row that failed
	Fault   rules.Fault
	Seen    bool // what zeros may stand for has had a value, at any time
	Looked  bool // its source has looked so far back as it keeps data
	Filled  bool // a zero has stood for a value that was missing
	Words   *words
	parts   *[]rules.Parts // nil for most signals, see Parts
}

// words is what people may want to know of the newest reading.
type words struct{ Detail, Note, ref string }

const (
	// Persistent is how many failures in a row make a signal silent before its
	// data is old.
	Persistent = 3
	maxFails   = math.MaxInt16
	maxBackoff = 5 * 60
	// MaxRetryAt bounds how long a source may ask to be left alone.
	MaxRetryAt = 60 * 60
	// HealthOnly marks a signal whose points did not change in this tick.
	HealthOnly = math.MaxInt64
)

// Merge takes a reading in. It gives the new series and the first period that
// changed, healthOnly when none did.
func (s Series) Merge(sig *rules.Signal, lay *Layout, rd *rules.Reading, at, needed int64) (Series, int64) {
	n := s
	width := lay.Period
	if rd.Width > 0 {
		width = min(rd.Width, math.MaxInt32)
	}
	changed := int64(HealthOnly)
	if old := s.Bucket(lay); width != old && (len(rd.Points) > 0 || rd.Width > 0) {
		// Periods of another width cannot be counted together with the ones that
		// are known: forget those, and the watermark that was theirs.
		if len(s.Points) > 0 {
			changed = s.Points[0].At
		}
		n.Points, n.Room, n.Settled, n.From, n.partial, n.Gone, n.Belated, n.Late = nil, nil, 0, 0, 0, 0, 0, 0
		n.parts = nil
		n.Width = 0
		if width != lay.Period {
			n.Width = int32(width)
		}
	}
	good := rd.Fault == rules.OK || rd.Fault == rules.NoData
	n.health(lay, rd, at, good)
	asOf := at
	if rd.To > 0 && rd.To < at {
		asOf = rd.To
	}
	fresh := clean(sig, rd.Points, at)
	n.sight(rd, fresh)
	changed = min(changed, n.put(fresh, lay, asOf, good, needed))
	if len(rd.Parts) > 0 {
		changed = min(changed, n.putParts(rd.Parts, at))
	}
	if good {
		n.advance(rd, at)
	}
	if lay.Gaps && n.Settled > s.Settled { // what is missing since then is known to be
		changed = min(changed, s.Settled)
	}
	if lay.Ripens && n.Settled > s.Settled {
		changed = min(changed, AlignDown(s.Settled, n.Bucket(lay))) // a level may be read in the middle of a period
	}
	return n, changed
}

// sight notes whether what zeros may stand for was seen. What was seen once stays so.
func (s *Series) sight(rd *rules.Reading, fresh []rules.Point) {
	s.Seen, s.Looked = s.Seen || rd.Seen, s.Looked || rd.Looked
	real := false
	for i := range fresh {
		filled := rd.Fills(fresh[i].At)
		s.Filled, real = s.Filled || filled, real || !filled
	}
	s.Seen = s.Seen || real
}

// Unseen reports whether zeros stand for values of a name that was never seen: it may
// be misspelled.
func (s *Series) Unseen() bool { return s.Filled && !s.Seen }

// health notes what the reading says of the source, and when to ask again. A source
// that has nothing new to tell leaves the words of the points that are known.
func (s *Series) health(lay *Layout, rd *rules.Reading, at int64, good bool) {
	same := good && len(rd.Points) == 0 && s.Words != nil && s.Words.Detail == ""
	s.Asked, s.Fault = at, rd.Fault
	if rd.Detail == "" && rd.Note == "" && rd.Ref == "" {
		if !same {
			s.Words = nil
		}
	} else if w := s.Words; w == nil || w.Detail != rd.Detail || w.Note != rd.Note || w.ref != rd.Ref {
		s.Words = &words{rd.Detail, rd.Note, rd.Ref}
	}
	if good {
		s.Fails = 0
		s.Next = AlignDown(at-lay.Settle, int64(lay.Every)) + int64(lay.Every) + lay.Settle
	} else {
		s.Fails = min(s.Fails, maxFails-1) + 1
		s.Next = at + backoff(s.Fails)
	}
	s.Next = max(s.Next, min(rd.RetryAt, at+MaxRetryAt))
}

// backoff is how long a source is left alone, at least, after so many failures in a row.
func backoff(fails int16) int64 { return min(int64(30)<<min(fails-1, 10), maxBackoff) }

// AskAgain forgets that the source asked to be left alone. One that only failed keeps its
// distance.
func (s *Series) AskAgain() {
	if s.Fails > 0 {
		s.Next = min(s.Next, s.Asked+backoff(s.Fails))
	}
}

// Owed is when the source is to answer next, or since when it has failed to: no later
// than the first of the failures in a row.
func (s *Series) Owed() int64 {
	if s.Fails == 0 {
		return s.Next
	}
	first, slow := s.Asked, int16(5) // from the slow one on the distance is maxBackoff
	for n := int16(1); n < min(s.Fails, slow); n++ {
		first -= backoff(n)
	}
	return first - int64(max(0, s.Fails-slow))*maxBackoff
}

// advance moves the watermark, never back and never past the tick.
func (s *Series) advance(rd *rules.Reading, at int64) {
	if s.From == 0 || rd.From > s.Settled || rd.From < s.From {
		s.From = max(rd.From, 1)
	}
	s.Settled = max(s.Settled, min(rd.SettledUntil, at))
}

// put merges clean points and gives the first period that changed. Points that
// were read before their period ended count as partial until they are read
// again; those that a newer reading leaves out are dropped.
func (s *Series) put(fresh []rules.Point, lay *Layout, asOf int64, good bool, needed int64) int64 {
	old := s.Points
	if s.partial != 0 && (len(fresh) > 0 || good) {
		old = old[:Before(old, s.partial)]
	} else if len(fresh) == 0 {
		return HealthOnly
	}
	w := s.Bucket(lay)
	wasPartial := s.partial
	s.partial = 0
	if !lay.Level {
		if i := sort.Search(len(fresh), func(i int) bool { return fresh[i].At+w > asOf }); i < len(fresh) {
			s.partial = fresh[i].At
		}
	}
	if len(old) == len(s.Points) && same(old, fresh) && wasPartial == s.partial {
		return HealthOnly
	}
	changed := firstChange(s.Points, len(old), fresh)
	if wasPartial != 0 { // what was partial may be whole now
		changed = min(changed, wasPartial)
	}
	cut := max(0, len(old)-int(lay.Keep))
	cut = lay.thick(old, min(cut, Before(old, needed)), s.Settled-w+1)
	s.Gone += int32(Valued(old[:cut], w, lay))
	joined, room := s.Extend(old[cut:], fresh)
	// A period that comes after it was said to stay absent is judged, but it does
	// not count as seen. Neither does one that turns out to be empty.
	if settled := AlignDown(s.Settled, w); changed < settled {
		came, was := joined[:Before(joined, settled)], old[cut:cut+Before(old[cut:], settled)]
		if n := int32(Valued(came, w, lay) - Valued(was, w, lay)); n > 0 {
			s.Gone, s.Belated = s.Gone-n, s.Belated+n
			s.Late = int32(min(asOf-lay.newestOf(came, was)-w, math.MaxInt32))
		}
	}
	s.Points, s.Room = joined, room
	return changed
}

// putParts merges the groups of periods and gives the first period whose groups
// changed. Groups are kept as long as the points are; the newest stay.
func (s *Series) putParts(parts []rules.Parts, at int64) int64 {
	changed := int64(HealthOnly)
	next := slices.Clone(s.Parts())
	for i := range parts {
		p := &parts[i]
		if !saneParts(p, at) {
			continue
		}
		k := sort.Search(len(next), func(k int) bool { return next[k].At >= p.At })
		switch {
		case k == len(next) || next[k].At != p.At:
			next = slices.Insert(next, k, *p)
		case slices.Equal(next[k].Groups, p.Groups):
			continue
		default:
			next[k] = *p
		}
		changed = min(changed, p.At)
	}
	if changed == HealthOnly {
		return changed
	}
	if len(s.Points) > 0 {
		old := sort.Search(len(next), func(k int) bool { return next[k].At >= s.Points[0].At })
		next = next[min(old, len(next)-1):]
	}
	s.SetParts(next)
	return changed
}

// Parts gives the groups of the points that have any, ascending. The newest is kept even
// when its point is not.
func (s *Series) Parts() []rules.Parts {
	if s.parts == nil {
		return nil
	}
	return *s.parts
}

// SetParts puts groups in place of those that were known.
func (s *Series) SetParts(parts []rules.Parts) {
	if s.parts = nil; len(parts) > 0 {
		own := parts // most have none, and take no room for it
		s.parts = &own
	}
}

// saneParts reports whether groups can be true.
func saneParts(p *rules.Parts, at int64) bool {
	if p.At <= 0 || p.At > at || len(p.Groups) == 0 || len(p.Groups) > mostGroups {
		return false
	}
	for _, g := range p.Groups {
		if !(g.Value >= 0 && g.Value <= g.Samples) || !Finite(g.Samples) {
			return false
		}
	}
	return true
}

// mostGroups bounds the groups of a period against an absurd answer.
const mostGroups = 1000

// clean gives the points that can be true, ascending, one for each time. It
// returns its argument when all of them are.
func clean(sig *rules.Signal, points []rules.Point, at int64) []rules.Point {
	ok := true
	for i := range points {
		if !sane(sig, &points[i], at) || i > 0 && points[i-1].At >= points[i].At {
			ok = false
			break
		}
	}
	if ok {
		return points
	}
	c := make([]rules.Point, 0, len(points))
	for i := range points {
		if sane(sig, &points[i], at) {
			c = append(c, points[i])
		}
	}
	slices.SortStableFunc(c, func(a, b rules.Point) int {
		if a.At < b.At {
			return -1
		} else if a.At > b.At {
			return 1
		}
		return 0
	})
	kept := c[:0]
	for i := range c {
		if i+1 < len(c) && c[i+1].At == c[i].At {
			continue // the later one of the reading replaces it
		}
		kept = append(kept, c[i])
	}
	return kept
}

// sane reports whether a point can be true. One that cannot is as good as
// missing: it never helps to pass.
func sane(sig *rules.Signal, p *rules.Point, at int64) bool {
	if p.At <= 0 || p.At > at || !Finite(p.Value) || !Finite(p.Samples) || p.Samples < 0 {
		return false
	}
	switch sig.Kind {
	case rules.Ratio:
		return p.Value >= 0 && p.Value <= p.Samples
	case rules.Alarm:
		return p.Value == 0 || p.Value == 1
	}
	return true
}

// Finite reports whether v is a number to count with, neither NaN nor infinite.
func Finite(v float64) bool { return v-v == 0 }

// Bucket is the width of the series' periods in seconds.
func (s *Series) Bucket(lay *Layout) int64 {
	if s.Width > 0 {
		return int64(s.Width)
	}
	return lay.Period
}

// Whole gives the points that may be judged. With ended, a level whose period
// still runs at a time is left out too.
func (s *Series) Whole(lay *Layout, ended bool, at int64) []rules.Point {
	p := s.Points
	if s.partial != 0 {
		p = p[:Before(p, s.partial)]
	}
	if ended && lay.Level {
		p = p[:Before(p, at-s.Bucket(lay)+1)]
	}
	return p
}

// Newest is the end of the newest whole period, zero when there is none.
func (s *Series) Newest(lay *Layout) int64 {
	p := s.Whole(lay, false, 0)
	if len(p) == 0 {
		return 0
	}
	return p[len(p)-1].At + s.Bucket(lay)
}

// Valued counts the periods that have a value, or are known to be empty where that
// is as good.
func Valued(points []rules.Point, w int64, lay *Layout) int {
	n, last := 0, int64(-1)
	for i := range points {
		if lay.valued(&points[i]) && points[i].At/w != last {
			n, last = n+1, points[i].At/w
		}
	}
	return n
}

// ValuedBefore counts the periods with a value that begin before a time, those that were
// forgotten included.
func (s *Series) ValuedBefore(lay *Layout, t int64) int {
	p := s.Whole(lay, false, 0)
	return int(s.Gone) + Valued(p[:Before(p, t)], s.Bucket(lay), lay)
}

// ValuedUntil is the end of the newest period with a value that ends at or before a time;
// zero where none is kept.
func (s *Series) ValuedUntil(lay *Layout, t int64) int64 {
	p, w := s.Whole(lay, false, 0), s.Bucket(lay)
	for i := Before(p, t-w+1) - 1; i >= 0; i-- {
		if lay.valued(&p[i]) {
			return AlignDown(p[i].At, w) + w
		}
	}
	return 0
}

// newestOf is the start of the newest period that has a value now and had none before.
func (l *Layout) newestOf(now, was []rules.Point) int64 {
	k := len(was) - 1
	for i := len(now) - 1; i > 0; i-- {
		for k >= 0 && was[k].At > now[i].At {
			k--
		}
		if l.valued(&now[i]) && (k < 0 || was[k].At < now[i].At || !l.valued(&was[k])) {
			return now[i].At
		}
	}
	return now[0].At
}

// MostlyLate reports whether the values of a signal come after they were said to be
// complete as a rule, and not once.
func (s *Series) MostlyLate(lay *Layout) bool {
	return s.Belated > 0 && 2*int(s.Belated) >= s.ValuedBefore(lay, math.MaxInt64)+int(s.Belated)
}

// valued reports whether a period is known: one without samples is where nothing but
// evidence is weighed.
func (l *Layout) valued(p *rules.Point) bool { return l.Level || l.Empties || p.Samples > 0 }
