package evaluator

import (
	"math"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/relgate/relgate/rules"
)

// series is what is known of one signal. Its points are never changed in place:
// two states may share them.
type series struct {
	points  []rules.Point // ascending by At
	room    *atomic.Int64 // how much capacity behind points is still free, over all states that share it; nil where none is shared
	settled int64         // watermark: periods that end at or before it are complete
	from    int64         // start of the range that has been answered without a gap up to settled
	asked   int64         // newest reading
	next    int64         // when the source is to be asked again
	width   int64         // of the periods, seconds; zero for the signal's own period
	partial int64         // At of the first point that was read before its period ended; zero when there is none
	gone    int32         // periods with a value that were forgotten, less those that came after they had settled
	fails   int16         // readings in a row that failed
	fault   rules.Fault
	words   *words
	parts   []rules.Parts // of the points that have any, ascending; the newest is kept even when its point is not
}

// words is what people may want to know of the newest reading.
type words struct{ detail, note, ref string }

const (
	// persistent is how many failures in a row make a signal silent before its
	// data is old.
	persistent = 3
	maxFails   = math.MaxInt16
	maxBackoff = 5 * 60
	// maxRetryAt bounds how long a source may ask to be left alone.
	maxRetryAt = 60 * 60
	// healthOnly marks a signal whose points did not change in this tick.
	healthOnly = math.MaxInt64
)

// merge takes a reading in. It gives the new series and the first period that
// changed, healthOnly when none did.
func (s series) merge(sig *rules.Signal, lay *signalLayout, rd *rules.Reading, at, needed int64) (series, int64) {
	n := s
	width := lay.period
	if rd.Width > 0 {
		width = rd.Width
	}
	changed := int64(healthOnly)
	if old := s.bucket(lay); width != old && (len(rd.Points) > 0 || rd.Width > 0) {
		// Periods of another width cannot be counted together with the ones that
		// are known: forget those, and the watermark that was theirs.
		if len(s.points) > 0 {
			changed = s.points[0].At
		}
		n.points, n.room, n.settled, n.from, n.partial, n.gone = nil, nil, 0, 0, 0, 0
		n.parts = nil
		n.width = rd.Width
		if n.width == lay.period {
			n.width = 0
		}
	}
	good := rd.Fault == rules.OK || rd.Fault == rules.NoData
	n.health(lay, rd, at, good)
	asOf := at
	if rd.To > 0 && rd.To < at {
		asOf = rd.To
	}
	fresh := clean(sig, rd.Points, at)
	changed = min(changed, n.put(fresh, lay, asOf, good, needed))
	if len(rd.Parts) > 0 {
		changed = min(changed, n.putParts(rd.Parts, at))
	}
	if good {
		n.advance(rd, at)
	}
	if lay.gaps && n.settled > s.settled { // what is missing since then is known to be
		changed = min(changed, s.settled)
	}
	return n, changed
}

// health notes what the reading says of the source, and when to ask again.
func (s *series) health(lay *signalLayout, rd *rules.Reading, at int64, good bool) {
	s.asked, s.fault = at, rd.Fault
	if rd.Detail == "" && rd.Note == "" && rd.Ref == "" {
		s.words = nil
	} else if w := s.words; w == nil || w.detail != rd.Detail || w.note != rd.Note || w.ref != rd.Ref {
		s.words = &words{rd.Detail, rd.Note, rd.Ref}
	}
	if good {
		s.fails = 0
		s.next = alignDown(at-lay.settle, lay.every) + lay.every + lay.settle
	} else {
		s.fails = min(s.fails+1, maxFails)
		s.next = at + backoff(s.fails)
	}
	s.next = max(s.next, min(rd.RetryAt, at+maxRetryAt))
}

// backoff is how long a source is left alone, at least, after so many failures in a row.
func backoff(fails int16) int64 { return min(int64(30)<<min(fails-1, 10), maxBackoff) }

// owed is when the source is to answer next, or since when it has failed to: no later
// than the first of the failures in a row.
func (s *series) owed() int64 {
	if s.fails == 0 {
		return s.next
	}
	first, slow := s.asked, int16(5) // from the slow one on the distance is maxBackoff
	for n := int16(1); n < min(s.fails, slow); n++ {
		first -= backoff(n)
	}
	return first - int64(max(0, s.fails-slow))*maxBackoff
}

// advance moves the watermark, never back and never past the tick.
func (s *series) advance(rd *rules.Reading, at int64) {
	if s.from == 0 || rd.From > s.settled || rd.From < s.from {
		s.from = max(rd.From, 1)
	}
	s.settled = max(s.settled, min(rd.SettledUntil, at))
}

// put merges clean points and gives the first period that changed. Points that
// were read before their period ended count as partial until they are read
// again; those that a newer reading leaves out are dropped.
func (s *series) put(fresh []rules.Point, lay *signalLayout, asOf int64, good bool, needed int64) int64 {
	old := s.points
	if s.partial != 0 && (len(fresh) > 0 || good) {
		old = old[:before(old, s.partial)]
	} else if len(fresh) == 0 {
		return healthOnly
	}
	w := s.bucket(lay)
	wasPartial := s.partial
	s.partial = 0
	if !lay.level {
		if i := sort.Search(len(fresh), func(i int) bool { return fresh[i].At+w > asOf }); i < len(fresh) {
			s.partial = fresh[i].At
		}
	}
	if len(old) == len(s.points) && same(old, fresh) && wasPartial == s.partial {
		return healthOnly
	}
	changed := firstChange(s.points, len(old), fresh)
	if wasPartial != 0 { // what was partial may be whole now
		changed = min(changed, wasPartial)
	}
	cut := max(0, len(old)-int(lay.keep))
	cut = min(cut, before(old, needed))
	s.gone += int32(valued(old[:cut], w, lay))
	joined, room := s.extend(old[cut:], fresh)
	// A period that comes after it was said to stay absent is judged, but it does
	// not count as seen.
	if settled := alignDown(s.settled, w); changed < settled {
		s.gone -= int32(valued(joined[:before(joined, settled)], w, lay) - valued(old[cut:cut+before(old[cut:], settled)], w, lay))
	}
	s.points, s.room = joined, room
	return changed
}

// putParts merges the groups of periods and gives the first period whose groups
// changed. Groups are kept as long as the points are; the newest stay.
func (s *series) putParts(parts []rules.Parts, at int64) int64 {
	changed := int64(healthOnly)
	next := slices.Clone(s.parts)
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
	if changed == healthOnly {
		return changed
	}
	if len(s.points) > 0 {
		old := sort.Search(len(next), func(k int) bool { return next[k].At >= s.points[0].At })
		next = next[min(old, len(next)-1):]
	}
	s.parts = next
	return changed
}

// saneParts reports whether groups can be true.
func saneParts(p *rules.Parts, at int64) bool {
	if p.At <= 0 || p.At > at || len(p.Groups) == 0 || len(p.Groups) > mostGroups {
		return false
	}
	for _, g := range p.Groups {
		if !(g.Value >= 0 && g.Value <= g.Samples) || !finite(g.Samples) {
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
	if p.At <= 0 || p.At > at || !finite(p.Value) || !finite(p.Samples) || p.Samples < 0 {
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

func finite(v float64) bool { return v-v == 0 }

// before gives the number of points that lie before a time.
func before(points []rules.Point, at int64) int {
	// Mostly the time is near an end.
	i := len(points)
	if i == 0 || points[0].At >= at {
		return 0
	}
	for n := 0; i > 0 && points[i-1].At >= at; n++ {
		if n == 16 {
			return sort.Search(i, func(k int) bool { return points[k].At >= at })
		}
		i--
	}
	return i
}

// same reports whether the fresh points say nothing new.
func same(old, fresh []rules.Point) bool {
	if len(fresh) == 0 { // unreachable unless a stored state says partial and holds no such point
		return true
	}
	i := before(old, fresh[0].At)
	for k := range fresh {
		for i < len(old) && old[i].At < fresh[k].At {
			i++
		}
		if i == len(old) || old[i] != fresh[k] {
			return false
		}
	}
	return true
}

// firstChange gives the first period at which old, of which only the first
// keep are still there, and its union with fresh differ.
func firstChange(old []rules.Point, keep int, fresh []rules.Point) int64 {
	changed := int64(healthOnly)
	if keep < len(old) {
		changed = old[keep].At
	}
	if len(fresh) == 0 {
		return changed
	}
	i := before(old[:keep], fresh[0].At)
	for k := range fresh {
		for i < keep && old[i].At < fresh[k].At {
			i++
		}
		if i == keep || old[i] != fresh[k] {
			return min(changed, fresh[k].At)
		}
	}
	return changed
}

// manyPoints is from how many points on a series shares what is behind them with
// the states before it, instead of copying all of them for each new one.
const manyPoints = 64

// extend gives the union of old, which are points of s, and fresh; fresh wins.
// States never change, and a state may be gone on from more than once: so points
// are put behind old ones in place only by whoever takes the room there first.
func (s *series) extend(old, fresh []rules.Point) ([]rules.Point, *atomic.Int64) {
	if len(old) < manyPoints {
		return join(old, fresh), nil
	}
	last := old[len(old)-1].At
	k := sort.Search(len(fresh), func(k int) bool { return fresh[k].At > last })
	if !same(old, fresh[:k]) {
		return join(old, fresh), nil
	}
	fresh = fresh[k:]
	free := int64(cap(old) - len(old))
	if s.room != nil && free >= int64(len(fresh)) && s.room.CompareAndSwap(free, free-int64(len(fresh))) {
		return append(old, fresh...), s.room
	}
	joined := append(make([]rules.Point, 0, len(old)+len(fresh)+len(old)/4), old...)
	joined = append(joined, fresh...)
	room := new(atomic.Int64)
	room.Store(int64(cap(joined) - len(joined)))
	return joined, room
}

// join merges two ascending slices into a new one; fresh wins.
func join(old, fresh []rules.Point) []rules.Point {
	if len(fresh) == 0 {
		return slices.Clone(old)
	}
	i := before(old, fresh[0].At)
	rest := old[i:]
	extra := len(rest)
	for j, k := 0, 0; j < len(rest) && k < len(fresh); {
		switch {
		case rest[j].At == fresh[k].At:
			extra--
			j++
			k++
		case rest[j].At < fresh[k].At:
			j++
		default:
			k++
		}
	}
	c := make([]rules.Point, i, i+extra+len(fresh))
	copy(c, old[:i])
	for len(rest) > 0 && len(fresh) > 0 {
		if rest[0].At < fresh[0].At {
			c, rest = append(c, rest[0]), rest[1:]
			continue
		}
		if rest[0].At == fresh[0].At {
			rest = rest[1:]
		}
		c, fresh = append(c, fresh[0]), fresh[1:]
	}
	c = append(c, rest...)
	return append(c, fresh...)
}

// bucket is the width of the series' periods in seconds.
func (s *series) bucket(lay *signalLayout) int64 {
	if s.width > 0 {
		return s.width
	}
	return lay.period
}

// whole gives the points that may be judged. With ended, a level whose period
// still runs at a time is left out too.
func (s *series) whole(lay *signalLayout, ended bool, at int64) []rules.Point {
	p := s.points
	if s.partial != 0 {
		p = p[:before(p, s.partial)]
	}
	if ended && lay.level {
		p = p[:before(p, at-s.bucket(lay)+1)]
	}
	return p
}

// newest is the end of the newest whole period, zero when there is none.
func (s *series) newest(lay *signalLayout) int64 {
	p := s.whole(lay, false, 0)
	if len(p) == 0 {
		return 0
	}
	return p[len(p)-1].At + s.bucket(lay)
}

// valued counts the periods that have a value, or are known to be empty where that
// is as good.
func valued(points []rules.Point, w int64, lay *signalLayout) int {
	n, last := 0, int64(-1)
	for i := range points {
		if (lay.level || lay.empties || points[i].Samples > 0) && points[i].At/w != last {
			n, last = n+1, points[i].At/w
		}
	}
	return n
}
