package appstore

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/relgate/relgate/internal/connect"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

var fuzzNoon = time.Date(2025, 6, 4, 12, 0, 0, 0, time.UTC)

// FuzzReviews reads any bytes as a page of reviews, twice.
func FuzzReviews(f *testing.F) {
	f.Add([]byte(`{"data":[{"id":"9","attributes":{"rating":5,"createdDate":"2025-06-04T11:55:00Z","territory":"USA"}},
		{"id":"8","attributes":{"rating":1,"createdDate":"2025-06-04T04:15:00-07:00","territory":"USA"}}],"links":{"next":"/v1/x"}}`))
	f.Add([]byte(`{"data":[{"id":"1","attributes":{"rating":1e9,"createdDate":"0000-01-01T00:00:00Z"}}],"meta":{"paging":{"total":-1}}}`))
	f.Add([]byte(`{"data":[{"id":"1","attributes":{"rating":3,"createdDate":"9999-12-31T23:59:59Z"}}],"meta":{"paging":{"total":9}}}`))
	f.Add([]byte(`{"errors":[{"code":"X","detail":"y","source":{"parameter":"sort"}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = connect.Explain(b)
		var p page
		if json.Unmarshal(b, &p) != nil {
			return
		}
		w := sources.Want{From: fuzzNoon.Unix() - 3600, To: fuzzNoon.Unix(), Signal: &rules.Signal{Period: 15 * time.Minute}}
		wk := &walk{back: w.From, since: fuzzNoon.Unix() + 1}
		ids := map[string]bool{}
		if !wk.take(p, ids, nil) {
			wk.take(p, ids, nil)
		}
		points, parts := wk.points(w, fuzzNoon)
		if len(parts) != len(points) {
			t.Fatalf("%q: %d points, %d parts", b, len(points), len(parts))
		}
		for i, q := range points {
			if stars, n := counted(parts[i]); parts[i].At != q.At || stars != q.Value || n != q.Samples {
				t.Errorf("%q: the parts %+v are not those of point %+v", b, parts[i], q)
			}
			if q.At < w.From || q.At >= w.To || q.Value < q.Samples || q.Value > 5*q.Samples {
				t.Errorf("%q: impossible point %+v", b, q)
			}
		}
	})
}

// counted gives the stars and the reviews of all groups.
func counted(p rules.Parts) (stars, n float64) {
	for i, g := range p.Groups {
		stars += float64(i+1) * g.Samples
		n += g.Samples
	}
	return stars, n
}

// FuzzBodies reads any bytes as each of the other answers.
func FuzzBodies(f *testing.F) {
	f.Add([]byte(`{"data":{"attributes":{"phasedReleaseState":"ACTIVE","currentDayNumber":3,"totalPauseDuration":1}}}`), "user-hour-lim:3600;user-hour-rem:3121;")
	f.Add([]byte(`{"data":null}`), "user-hour-rem:NaN;user-hour-rem:-1")
	f.Add([]byte(`{"data":[{"id":"a","attributes":{"versionString":"1.0.0","platform":"IOS"}}]}`), "user-hour-rem:Inf")
	f.Add([]byte(`{"resultCount":1,"results":[{"trackId":647,"userRatingCount":5,"averageUserRating":4.696129999999999959925179178}]}`), ";;:")
	f.Fuzz(func(t *testing.T, b []byte, limit string) {
		if _, left := connect.Limits(http.Header{"X-Rate-Limit": {limit}}, 200, fuzzNoon); !(left == -1 || left >= 0 && left < 1e308) {
			t.Errorf("%q: %v left", limit, left)
		}
		var ph connect.PhasedBody
		if json.Unmarshal(b, &ph) == nil {
			if r, err := ph.Release(); err == nil && !(r.Day >= 0 && r.Day <= connect.PhasedDays) {
				t.Errorf("%q: day %v", b, r.Day)
			}
		}
		var vs connect.Versions
		if json.Unmarshal(b, &vs) == nil {
			if id, err := vs.Only("647", "1.0.0"); (id == "") != (err != nil) {
				t.Errorf("%q: id %q with error %v", b, id, err)
			}
		}
		var l lookupBody
		if json.Unmarshal(b, &l) == nil {
			if n, average, err := l.figures("647", "us"); err == nil && !(n >= 0 && average >= 0 && average <= 5) {
				t.Errorf("%q: %v ratings of %v stars", b, n, average)
			}
		}
	})
}
