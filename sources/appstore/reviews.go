package appstore

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/internal/connect"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/appstore/kind"
)

// maxPages bounds one reading of reviews: 10 000 of them.
const maxPages = 50

// walk is the reviews of a version, read from the newest back to a time.
type walk struct {
	back    int64 // how far back was asked
	reviews []review
	// since is the time from which on every review was read. It equals back
	// unless err cut the walk short.
	since int64
	err   *sources.CallError
}

// reviews answers a want with the stars of each period. A period without reviews
// is a point without samples: it is known to be empty, and it replaces an earlier
// point if a review was deleted. Each point's parts are how many reviews gave one
// star to five.
func (b *batch) reviews(w sources.Want, q kind.Query) rules.Reading {
	id, err := b.version(q)
	if err != nil {
		return err.Reading(w)
	}
	key := walkKey(q)
	wk := b.walks[key]
	if wk == nil {
		wk = b.walk(id, q.Countries, b.furthest(key))
		b.walks[key] = wk
		b.forgetVersion(q, wk.err)
	}
	r := rules.Reading{Signal: w.Index, From: w.From, To: w.To}
	if wk.err != nil {
		r = wk.err.Reading(w)
	}
	r.Points, r.Parts = wk.points(w, b.now)
	if wk.err == nil {
		r.Note = "written reviews only: stars without a text are not in them"
		r.SettledUntil = settledUntil(w, b.now)
	}
	return r
}

func walkKey(q kind.Query) string {
	return strings.Join([]string{q.VersionID, q.App, q.Version, strings.Join(q.Countries, ",")}, "|")
}

// furthest is the earliest time for which a want of the batch needs these reviews.
func (b *batch) furthest(key string) int64 {
	var from []int64
	for _, w := range b.wants {
		if w.Signal == nil {
			continue
		}
		if q := kind.Of(w.Signal.Query); q != nil && q.Fact == "reviews" && walkKey(*q) == key {
			from = append(from, w.From)
		}
	}
	return slices.Min(from)
}

// walk reads pages, newest review first, until one is older than back.
func (b *batch) walk(id string, territories []string, back int64) *walk {
	query := url.Values{
		"sort":                    {"-createdDate"},
		"limit":                   {"200"},
		"fields[customerReviews]": {"rating,createdDate,territory"},
	}
	if len(territories) > 0 {
		query.Set("filter[territory]", strings.Join(territories, ","))
	}
	wk := &walk{back: back, since: b.now.Unix() + 1}
	ref := "/v1/appStoreVersions/" + url.PathEscape(id) + "/customerReviews?" + query.Encode()
	asked := map[string]bool{}
	ids := map[string]bool{}
	for range maxPages {
		asked[ref] = true
		var p page
		if wk.err = b.get(ref, &p); wk.err != nil {
			return wk
		}
		done := wk.take(p, ids, territories)
		if done {
			return wk
		}
		if ref = p.Links.Next; asked[ref] {
			wk.err = connect.Partial("the pages of reviews form a loop")
			return wk
		}
	}
	wk.err = connect.Partial("more than %d pages of reviews", maxPages)
	return wk
}

// take adds a page and reports whether it was the last one needed.
func (wk *walk) take(p page, ids map[string]bool, territories []string) (done bool) {
	found, wrong := p.reviews()
	if wrong != "" {
		return wk.spoilt(wrong)
	}
	// The whole page, before an old review ends the walk: newer ones may follow it.
	if !slices.IsSortedFunc(found, func(x, y review) int { return cmp.Compare(y.at, x.at) }) {
		return wk.spoilt("the reviews are not sorted by date")
	}
	for _, r := range found {
		if ids[r.id] {
			continue // pages shift when a review comes in between two requests
		}
		ids[r.id] = true
		if r.at > wk.since && len(ids) > 1 {
			return wk.spoilt("the reviews are not sorted by date")
		}
		wk.since = r.at
		if r.at < wk.back {
			wk.since = wk.back
			return true
		}
		if len(territories) == 0 || slices.Contains(territories, r.territory) {
			wk.reviews = append(wk.reviews, r)
		}
	}
	if p.Links.Next != "" {
		return false
	}
	if total := p.Meta.Paging.Total; total != nil && *total > len(ids) {
		wk.err = connect.Partial("only %d of %d reviews came, without a link to more", len(ids), *total)
		return true
	}
	wk.since = wk.back
	return true
}

// spoilt ends a walk whose reviews cannot be trusted, and discards them.
func (wk *walk) spoilt(why string) bool {
	wk.err, wk.reviews, wk.since = connect.Partial("%s", why), nil, 1<<62
	return true
}

// points sums the stars in the periods of which every review was read, and
// counts how many reviews gave how many.
func (wk *walk) points(w sources.Want, now time.Time) (points []rules.Point, parts []rules.Parts) {
	width := int64(w.Signal.Period / time.Second)
	first := ceil(w.From, width)
	if wk.err != nil {
		first = max(first, ceil(min(wk.since, 1<<61)+1, width)) // more may be in the very second where it was cut
	}
	end := min(w.To, now.Unix()+1)
	at := map[int64]int{} // period → its index
	for t := first; t < end; t += width {
		at[t] = len(points)
		points = append(points, rules.Point{At: t})
		parts = append(parts, rules.Parts{At: t, Groups: noStars()})
	}
	for _, r := range wk.reviews {
		if i, ok := at[floor(r.at, width)]; ok && r.at < end {
			points[i].Value += r.stars
			points[i].Samples++
			g := &parts[i].Groups[int(r.stars)-1] // 1 to 5: the page was checked
			g.Value++
			g.Samples++
		}
	}
	return points, parts
}

// noStars are the groups of a period without reviews.
func noStars() []rules.Group {
	return []rules.Group{{Name: "1"}, {Name: "2"}, {Name: "3"}, {Name: "4"}, {Name: "5"}}
}

// settledUntil is the watermark of an answer in full.
func settledUntil(w sources.Want, now time.Time) int64 {
	width := int64(w.Signal.Period / time.Second)
	if settled := floor(min(now.Add(-w.Signal.Settle).Unix(), w.To), width); settled > w.From {
		return settled
	}
	return 0
}
