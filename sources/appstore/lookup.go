package appstore

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/internal/connect"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/appstore/kind"
)

const (
	// maxStorefronts is what Apple lets one address look up in a minute.
	maxStorefronts = 20
	// rounding is how far a published average may be from the true one: it has
	// five decimals.
	rounding = 0.000005
	// exact is how far the average of the new ratings may be off, in stars.
	exact = 0.05
)

// snapshot is what the storefronts showed at one time.
type snapshot struct {
	at     time.Time
	counts []float64 // ratings, by storefront
	stars  []float64 // their sum
}

// track is what a signal compares with.
type track struct {
	base   *snapshot // from which the point of the period at is counted
	latest *snapshot // to which it was counted; nil if there is no point yet
	at     int64
}

func newLookupClient(cfg sources.ClientConfig, baseURL string) (*sources.Client, error) {
	cfg.BaseURL = baseURL
	return sources.NewClient(cfg)
}

// ratings answers a want with the stars that came in since an earlier snapshot,
// as a point in the newest period that has ended.
func (b *batch) ratings(w sources.Want, q kind.Query) rules.Reading {
	if q.App == "" || len(q.Countries) == 0 || len(q.Countries) > maxStorefronts {
		return sources.Faulty(w, rules.ConfigFault, fmt.Sprintf("fact lookup needs an app and 1 to %d countries", maxStorefronts))
	}
	now, err := b.look(q)
	if err != nil {
		return err.Reading(w)
	}
	width := int64(w.Signal.Period / time.Second)
	at := floor(min(b.now.Unix(), w.To), width) - width
	if at < w.From {
		return sources.Faulty(w, rules.NoData, "no period of the range has ended")
	}
	key := fmt.Sprintf("%s|%d|%s", w.Run, w.Index, lookKey(q))
	t := b.tracks[key]
	if t == nil {
		b.tracks[key] = &track{base: now, at: at}
		return sources.Faulty(w, rules.NoData, fmt.Sprintf("first snapshot: %v ratings; new ones are counted from here", total(now.counts)))
	}
	if t.latest != nil && at > t.at {
		t.base, t.latest = t.latest, nil
	}
	if wrong, useless := implausible(t.base, now); wrong != "" {
		if useless {
			t.base, t.latest = now, nil
		}
		return sources.Faulty(w, rules.NoData, wrong)
	}
	t.latest, t.at = now, at
	return t.reading(w, width, q)
}

// reading is the difference of the two snapshots.
func (t *track) reading(w sources.Want, width int64, q kind.Query) rules.Reading {
	count, stars := difference(t.base, t.latest)
	return rules.Reading{
		Signal: w.Index, From: w.From, To: w.To, SettledUntil: t.at + width,
		Points: []rules.Point{{At: t.at, Value: min(max(stars, count), 5*count), Samples: count}},
		Note:   fmt.Sprintf("%v new ratings in %s since %s", count, strings.Join(q.Countries, ", "), t.base.at.UTC().Format(time.RFC3339)),
	}
}

func difference(before, now *snapshot) (count, stars float64) {
	return total(now.counts) - total(before.counts), total(now.stars) - total(before.stars)
}

func lookKey(q kind.Query) string { return q.App + "|" + strings.Join(q.Countries, ",") }

// implausible says why the difference of two snapshots cannot be used, or "", and
// whether the earlier one has become useless. While it is useful it is kept, and
// the difference grows until it is exact enough.
func implausible(before, now *snapshot) (wrong string, useless bool) {
	for i := range now.counts {
		if now.counts[i] < before.counts[i] {
			return fmt.Sprintf("ratings were removed: %v after %v", now.counts[i], before.counts[i]), true
		}
	}
	since := before.at.UTC().Format(time.RFC3339)
	count, stars := difference(before, now)
	if count <= 0 {
		return "no new ratings since " + since, false
	}
	if off := rounding * (total(before.counts) + total(now.counts)) / count; off > exact {
		return fmt.Sprintf("%v new ratings since %s: too few among %v to know their average", count, since, total(before.counts)), false
	}
	if mean := stars / count; mean < 1-exact || mean > 5+exact {
		return fmt.Sprintf("ratings were corrected: %v new ones would have %.2f stars", count, mean), true
	}
	return "", false
}

func total(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum
}

// look makes a snapshot of all storefronts, once per batch. If one of them fails,
// there is no snapshot.
func (b *batch) look(q kind.Query) (*snapshot, *sources.CallError) {
	l, ok := b.looks[lookKey(q)]
	if !ok {
		l.snapshot, l.err = b.snapshot(q)
		b.looks[lookKey(q)] = l
	}
	return l.snapshot, l.err
}

func (b *batch) snapshot(q kind.Query) (*snapshot, *sources.CallError) {
	s := &snapshot{at: b.now}
	for _, country := range q.Countries {
		var body lookupBody
		err := b.spaced(b.lookup, "/lookup?"+url.Values{
			"id": {q.App}, "country": {strings.ToLower(country)}, "entity": {"software"},
			"ts": {strconv.FormatInt(b.now.Unix(), 10)}, // bypasses the caches, which keep answers for a day
		}.Encode(), &body)
		if err != nil && err.Status == http.StatusForbidden {
			err.Fault = rules.Throttled // no permission is needed here: 403 means too many calls
		}
		if err != nil {
			return nil, err
		}
		count, average, err := body.figures(q.App, country)
		if err != nil {
			return nil, err
		}
		s.counts = append(s.counts, count)
		s.stars = append(s.stars, count*average)
	}
	return s, nil
}

// lookupBody is an answer of /lookup.
type lookupBody struct {
	ResultCount *int         `json:"resultCount"`
	Results     []storefront `json:"results"`
}

type storefront struct {
	TrackID int64    `json:"trackId"`
	Average *float64 `json:"averageUserRating"` // of all versions; that "for the current version" is often the same
	Count   *float64 `json:"userRatingCount"`
}

func (l lookupBody) figures(app, country string) (count, average float64, err *sources.CallError) {
	if l.ResultCount == nil {
		return 0, 0, connect.Partial("the answer lacks resultCount")
	}
	if *l.ResultCount == 0 || len(l.Results) == 0 {
		return 0, 0, connect.Wrong("app %s is not in the storefront %q", app, country)
	}
	i := slices.IndexFunc(l.Results, func(r storefront) bool { return strconv.FormatInt(r.TrackID, 10) == app })
	if i < 0 {
		return 0, 0, connect.Partial("the answer of storefront %q is of another app", country)
	}
	r := l.Results[i]
	switch {
	case r.Count == nil || r.Average == nil:
		return 0, 0, &sources.CallError{Fault: rules.NoData, Detail: sources.Clip(fmt.Sprintf("no ratings in storefront %q", country))}
	case *r.Count < 0 || *r.Count != math.Trunc(*r.Count) || *r.Average < 0 || *r.Average > 5 || *r.Count > 0 && *r.Average < 1:
		return 0, 0, connect.Partial("storefront %q shows %v ratings of %v stars", country, *r.Count, *r.Average)
	}
	return *r.Count, *r.Average, nil
}
