package series

import (
	"slices"
	"sort"
	"sync/atomic"

	"github.com/relgate/relgate/rules"
)

// Before gives the number of points that lie before a time.
func Before(points []rules.Point, at int64) int {
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
	i := Before(old, fresh[0].At)
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
	changed := int64(HealthOnly)
	if keep < len(old) {
		changed = old[keep].At
	}
	if len(fresh) == 0 {
		return changed
	}
	i := Before(old[:keep], fresh[0].At)
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

// ManyPoints is from how many points on a series shares what is behind them with
// the states before it, instead of copying all of them for each new one.
const ManyPoints = 64

// Extend gives the union of old, which are points of s, and fresh; fresh wins.
// States never change, and a state may be gone on from more than once: so points
// are put behind old ones in place only by whoever takes the room there first.
func (s *Series) Extend(old, fresh []rules.Point) ([]rules.Point, *atomic.Int64) {
	if len(old) < ManyPoints {
		return Join(old, fresh), nil
	}
	last := old[len(old)-1].At
	k := sort.Search(len(fresh), func(k int) bool { return fresh[k].At > last })
	if !same(old, fresh[:k]) {
		return Join(old, fresh), nil
	}
	fresh = fresh[k:]
	free := int64(cap(old) - len(old))
	if s.Room != nil && free >= int64(len(fresh)) && s.Room.CompareAndSwap(free, free-int64(len(fresh))) {
		return append(old, fresh...), s.Room
	}
	joined := append(make([]rules.Point, 0, len(old)+len(fresh)+len(old)/4), old...)
	joined = append(joined, fresh...)
	room := new(atomic.Int64)
	room.Store(int64(cap(joined) - len(joined)))
	return joined, room
}

// Join merges two ascending slices into a new one; fresh wins.
func Join(old, fresh []rules.Point) []rules.Point {
	if len(fresh) == 0 {
		return slices.Clone(old)
	}
	i := Before(old, fresh[0].At)
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
