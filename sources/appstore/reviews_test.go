package appstore_test

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/appstore"
	"github.com/relgate/relgate/sources/appstore/kind"
)

// pages answers with one page after the other, linked by page numbers.
func pages(f *fake, all ...[]entry) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
		next := ""
		if n+1 < len(all) {
			next = fmt.Sprintf("%s%s?cursor=%d", f.URL, r.URL.Path, n+1)
		}
		fmt.Fprint(w, reviewsJSON(next, all[n]...))
	}
}

// quarter is the start of a period, counted back from noon.
func quarter(back int64) int64 { return noon.Unix() - back*900 }

func TestReviewsAreSummedInBuckets(t *testing.T) {
	f := newFake(t, nil)
	f.answer = pages(f,
		[]entry{{"9", "2025-06-04T12:00:01Z", "USA", 1}, {"8", "2025-06-04T04:50:00-07:00", "USA", 5}, {"7", "2025-06-04T11:46:00Z", "GBR", 4}},
		[]entry{{"7", "2025-06-04T11:46:00Z", "GBR", 4}, {"6", "2025-06-04T11:44:59Z", "USA", 3}, {"5", "2025-06-04T11:00:00Z", "USA", 2}},
		[]entry{{"4", "2025-06-04T10:59:59Z", "USA", 1}},
		[]entry{{"3", "2025-06-01T10:00:00Z", "USA", 1}},
	)
	got := f.source(t).Fetch(t.Context(), noon, []sources.Want{want(4, byID, noon.Add(-time.Hour), noon.Add(time.Hour))})[0]
	w := rules.Reading{
		Signal: 4, From: noon.Add(-time.Hour).Unix(), To: noon.Add(time.Hour).Unix(), SettledUntil: noon.Unix(),
		Points: []rules.Point{{At: quarter(4), Value: 2, Samples: 1}, {At: quarter(3)}, {At: quarter(2), Value: 3, Samples: 1}, {At: quarter(1), Value: 9, Samples: 2}, {At: quarter(0)}},
		Parts: []rules.Parts{
			{At: quarter(4), Groups: starred(0, 1, 0, 0, 0)}, {At: quarter(3), Groups: starred(0, 0, 0, 0, 0)},
			{At: quarter(2), Groups: starred(0, 0, 1, 0, 0)}, {At: quarter(1), Groups: starred(0, 0, 0, 1, 1)}, {At: quarter(0), Groups: starred(0, 0, 0, 0, 0)},
		},
		Note: got.Note,
	}
	if !reflect.DeepEqual(got, w) || got.Note == "" {
		t.Errorf("got %+v, want %+v", got, w)
	}
	if len(f.asked) != 3 || !strings.Contains(f.asked[0], "sort=-createdDate") || !strings.Contains(f.asked[0], "limit=200") || f.asked[1] != "/v1/appStoreVersions/v1/customerReviews?cursor=1" {
		t.Errorf("asked %q, want three pages, newest first, and none beyond the range", f.asked)
	}
}

// starred are the groups of a period: how many gave one star, two, and so on.
func starred(counts ...float64) (groups []rules.Group) {
	for i, n := range counts {
		groups = append(groups, rules.Group{Name: strconv.Itoa(i + 1), Value: n, Samples: n})
	}
	return groups
}

func TestReviewsSettleAfterTheirTime(t *testing.T) {
	f := newFake(t, say(reviewsJSON("")))
	w := want(0, byID, noon.Add(-6*time.Hour), noon)
	w.Signal.Settle = 4*time.Hour + time.Minute
	if got := f.source(t).Fetch(t.Context(), noon, []sources.Want{w})[0]; got.SettledUntil != noon.Add(-4*time.Hour-15*time.Minute).Unix() {
		t.Errorf("got settled until %v, want 07:45", time.Unix(got.SettledUntil, 0).UTC())
	}
}

func TestOneWalkServesAllWantsOfAVersion(t *testing.T) {
	f := newFake(t, nil)
	f.answer = pages(f, []entry{{"2", "2025-06-04T11:50:00Z", "USA", 5}}, []entry{{"1", "2025-06-04T09:50:00Z", "USA", 3}}, nil)
	got := f.source(t).Fetch(t.Context(), noon, []sources.Want{hourly(0, byID), want(1, byID, noon.Add(-3*time.Hour), noon)})
	if stars, n := sums(got[0]); stars != 5 || n != 1 {
		t.Errorf("the last hour: got %v stars of %v", stars, n)
	}
	if stars, n := sums(got[1]); stars != 8 || n != 2 {
		t.Errorf("the last three: got %v stars of %v", stars, n)
	}
	if len(f.asked) != 3 {
		t.Errorf("%d requests, want 3 for both", len(f.asked))
	}
}

func TestTerritoriesAreHeld(t *testing.T) {
	f := newFake(t, say(reviewsJSON("", entry{"2", "2025-06-04T11:50:00Z", "USA", 5}, entry{"1", "2025-06-04T11:49:00Z", "DEU", 1})))
	q := byID
	q.Countries = []string{"USA", "GBR"}
	got := f.source(t).Fetch(t.Context(), noon, []sources.Want{hourly(0, q)})[0]
	if stars, n := sums(got); stars != 5 || n != 1 || !strings.Contains(f.asked[0], "filter%5Bterritory%5D=USA%2CGBR") {
		t.Errorf("got %v stars of %v, asked %s: want the American review only", stars, n, f.asked[0])
	}
}

func TestPagesThatCannotBeTrusted(t *testing.T) {
	newest := entry{"9", "2025-06-04T11:55:00Z", "USA", 5}
	older := entry{"8", "2025-06-04T11:20:00Z", "USA", 1}
	one := func(e entry) string { return reviewsJSON("", newest, e) }
	tests := []struct {
		name   string
		body   func(f *fake, page int) (code int, body string)
		fault  rules.Fault
		detail string
		points int // periods that were read in full: those after the oldest review
	}{
		{"another host", func(*fake, int) (int, string) {
			return 200, reviewsJSON("https://evil.example.com/v1/x?cursor=1", newest, older)
		}, rules.PartialData, "another host", 2},
		{"a circle of one", func(f *fake, _ int) (int, string) { return 200, reviewsJSON(f.URL+f.asked[0], newest, older) }, rules.PartialData, "loop", 2},
		{"pages without end", func(f *fake, n int) (int, string) {
			return 200, reviewsJSON(fmt.Sprintf("%s/v1/x?cursor=%d", f.URL, n), newest, older)
		}, rules.PartialData, "more than 50 pages", 2},
		{"a second page that fails", func(f *fake, n int) (int, string) {
			if n > 1 {
				return 500, ""
			}
			return 200, reviewsJSON(f.URL+"/v1/x?cursor=1", newest, older)
		}, rules.Unavailable, "500", 2},
		{"a list cut short", func(*fake, int) (int, string) {
			return 200, strings.Replace(reviewsJSON("", newest, older), `"limit":200`, `"total":931`, 1)
		}, rules.PartialData, "2 of 931", 2},
		{"unsorted", func(*fake, int) (int, string) { return 200, reviewsJSON("", older, newest) }, rules.PartialData, "not sorted", 0},
		{"no stars", func(*fake, int) (int, string) { return 200, one(entry{"8", older.at, "USA", nil}) }, rules.PartialData, "no rating", 0},
		{"no star at all", func(*fake, int) (int, string) { return 200, one(entry{"8", older.at, "USA", 0}) }, rules.PartialData, "0 stars", 0},
		{"six stars", func(*fake, int) (int, string) { return 200, one(entry{"8", older.at, "USA", 6}) }, rules.PartialData, "6 stars", 0},
		{"half a star", func(*fake, int) (int, string) { return 200, one(entry{"8", older.at, "USA", 4.5}) }, rules.PartialData, "4.5 stars", 0},
		{"stars in words", func(*fake, int) (int, string) { return 200, one(entry{"8", older.at, "USA", "NaN"}) }, rules.Unavailable, "not the JSON", 0},
		{"no date", func(*fake, int) (int, string) { return 200, one(entry{"8", "", "USA", 5}) }, rules.PartialData, "not a time", 0},
		{"a date of another form", func(*fake, int) (int, string) { return 200, one(entry{"8", "2025-06-04 11:20", "USA", 5}) }, rules.PartialData, "not a time", 0},
		{"no id", func(*fake, int) (int, string) { return 200, one(entry{"", older.at, "USA", 5}) }, rules.PartialData, "without id", 0},
		{"no data", func(*fake, int) (int, string) { return 200, `{"links":{}}` }, rules.PartialData, "lacks data", 0},
		{"null data", func(*fake, int) (int, string) { return 200, `{"data":null}` }, rules.PartialData, "lacks data", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, nil)
			f.answer = func(w http.ResponseWriter, _ *http.Request) {
				code, body := tt.body(f, len(f.asked))
				w.WriteHeader(code)
				fmt.Fprint(w, body)
			}
			got := f.source(t).Fetch(t.Context(), noon, []sources.Want{hourly(0, byID)})[0]
			if got.Fault != tt.fault || !strings.Contains(got.Detail, tt.detail) || got.SettledUntil != 0 {
				t.Errorf("got %+v, want %q with %q and no watermark", got, tt.fault, tt.detail)
			}
			if len(got.Points) != tt.points {
				t.Errorf("got points %v, want %d", got.Points, tt.points)
			}
		})
	}
}

// storefronts answers lookups: country → what it shows.
func storefronts(shown map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		result, ok := shown[r.URL.Query().Get("country")]
		if !ok {
			fmt.Fprint(w, "\n\n{\"resultCount\":0,\"results\":[]}")
			return
		}
		fmt.Fprintf(w, "\n\n{\"resultCount\":1,\n\"results\":[{\"trackId\":647,%s}]}", result)
	}
}

func stars(count int, average string) string {
	return fmt.Sprintf(`"userRatingCount":%d,"averageUserRating":%s`, count, average)
}

func TestNewStarsAreTheDifferenceOfSnapshots(t *testing.T) {
	shown := map[string]string{"us": stars(1000, "4.5"), "gb": stars(100, "4")}
	f := newFake(t, storefronts(shown))
	s := f.source(t)
	q := kind.Query{Fact: "lookup", App: "647", Countries: []string{"US", "GB"}}
	minute := 0
	fetch := func(us, gb string) rules.Reading {
		shown["us"], shown["gb"] = us, gb
		now := noon.Add(time.Duration(minute) * time.Minute)
		minute += 15
		return s.Fetch(t.Context(), now, []sources.Want{want(2, q, now.Add(-time.Hour), now)})[0]
	}
	silent := func(r rules.Reading, detail string) {
		t.Helper()
		if r.Fault != rules.NoData || r.Points != nil || r.SettledUntil != 0 || !strings.Contains(r.Detail, detail) {
			t.Errorf("got %+v, want no data: %s", r, detail)
		}
	}
	told := func(r rules.Reading, sum, count float64) {
		t.Helper()
		end := noon.Unix() + int64(minute-15)*60
		if r.Fault != rules.OK || len(r.Points) != 1 || r.Points[0].Samples != count || r.Points[0].Value-sum > 1e-6 || sum-r.Points[0].Value > 1e-6 ||
			r.Points[0].At != end-900 || r.SettledUntil != end {
			t.Errorf("got %+v, want %v stars of %v in the quarter that ended", r, sum, count)
		}
	}
	silent(fetch(stars(1000, "4.5"), stars(100, "4")), "first snapshot: 1100")
	told(fetch(stars(1010, "4.485148514851485148514851485148514851485148514851"), stars(110, "4.090909090909")), 80, 20)
	silent(fetch(stars(1010, "4.48514851485"), stars(110, "4.09090909090")), "no new ratings")
	told(fetch(stars(1020, "4.490196078431"), stars(110, "4.090909090909")), 50, 10)
	silent(fetch(stars(900, "4.5"), stars(110, "4.09090909090")), "removed")
	silent(fetch(stars(1000, "2"), stars(110, "4.09090909090")), "corrected")
	told(fetch(stars(1e6, "4"), stars(110, "4.09090909090")), 4e6-2000, 999000)
	if r := fetch(stars(1e6+10, "4.0"), stars(110, "4.09090909090")); r.Fault != rules.NoData || !strings.Contains(r.Detail, "too few") {
		t.Errorf("ten beside a million: got %+v, want too few", r)
	}
	told(fetch(stars(1e6+1000, "4.0005"), stars(110, "4.09090909090")), 4500.5, 1000)
	for _, asked := range f.asked {
		if !strings.Contains(asked, "ts=17") || !strings.Contains(asked, "id=647") {
			t.Errorf("asked %s, want the app, and something that passes the caches", asked)
		}
	}
}

func TestStorefrontsThatCannotBeRead(t *testing.T) {
	q := kind.Query{Fact: "lookup", App: "647", Countries: []string{"us"}}
	tests := []struct {
		name  string
		code  int
		body  string
		fault rules.Fault
	}{
		{"not sold there", 200, `{"resultCount":0,"results":[]}`, rules.ConfigFault},
		{"another app", 200, `{"resultCount":1,"results":[{"trackId":648,"userRatingCount":5,"averageUserRating":4}]}`, rules.PartialData},
		{"no ratings yet", 200, `{"resultCount":1,"results":[{"trackId":647}]}`, rules.NoData},
		{"six stars", 200, `{"resultCount":1,"results":[{"trackId":647,"userRatingCount":5,"averageUserRating":6}]}`, rules.PartialData},
		{"ratings without stars", 200, `{"resultCount":1,"results":[{"trackId":647,"userRatingCount":5,"averageUserRating":0}]}`, rules.PartialData},
		{"less than none", 200, `{"resultCount":1,"results":[{"trackId":647,"userRatingCount":-5,"averageUserRating":4}]}`, rules.PartialData},
		{"something else", 200, `{}`, rules.PartialData},
		{"a page", 200, `<html>`, rules.Unavailable},
		{"too many calls", 403, ``, rules.Throttled},
		{"down", 503, ``, rules.Unavailable},
	}
	for _, tt := range tests {
		f := newFake(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(tt.code); fmt.Fprint(w, tt.body) })
		got := f.source(t).Fetch(t.Context(), noon, []sources.Want{hourly(0, q)})[0]
		if got.Fault != tt.fault || got.Points != nil || got.SettledUntil != 0 {
			t.Errorf("%s: got %+v, want %q", tt.name, got, tt.fault)
		}
	}
}

func TestTwoPlansShareASnapshot(t *testing.T) {
	shown := map[string]string{"us": stars(100, "4")}
	f := newFake(t, storefronts(shown))
	s := f.source(t)
	q := kind.Query{Fact: "lookup", App: "647", Countries: []string{"us"}}
	a, b := hourly(0, q), hourly(0, q)
	b.Run = "q"
	s.Fetch(t.Context(), noon, []sources.Want{a, b})
	shown["us"] = stars(200, "4.5")
	got := s.Fetch(t.Context(), noon.Add(time.Minute), []sources.Want{a, b})
	if len(f.asked) != 2 || !reflect.DeepEqual(got[0].Points, got[1].Points) || len(got[0].Points) != 1 || got[0].Points[0].Value != 500 {
		t.Errorf("got %+v in %d requests, want the same 500 stars for both", got, len(f.asked))
	}
	shown["us"] = stars(300, "4.5") // again within the quarter: its point grows
	if got := s.Fetch(t.Context(), noon.Add(2*time.Minute), []sources.Want{a})[0]; len(got.Points) != 1 || got.Points[0].Value != 950 || got.Points[0].Samples != 200 {
		t.Errorf("got %+v, want all 200 ratings since the first snapshot", got)
	}
}

// Whatever Apple answers, there is one reading a want, every star in it was
// given, and it has a watermark only if nothing was wrong.
func TestOddAnswersNeverBecomeStars(t *testing.T) {
	f := newFake(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		source, err := appstore.New(f.config())
		if err != nil {
			t.Fatal(err)
		}
		defer source.CloseIdleConnections()
		f.asked = nil
		given := map[int64]map[string]float64{} // period → review id → stars
		var bodies []string
		at := noon.Unix() + 60
		for n := range rapid.IntRange(1, 4).Draw(t, "pages") {
			var entries []entry
			for range rapid.IntRange(0, 4).Draw(t, "reviews") {
				at -= rapid.Int64Range(-30, 900).Draw(t, "step")
				e := entry{strconv.Itoa(rapid.IntRange(0, 20).Draw(t, "id")), time.Unix(at, 0).UTC().Format(time.RFC3339), "USA",
					rapid.SampledFrom([]any{1, 2, 3, 4, 5, 5, 5, 5, 5, 0, 6, nil, "NaN"}).Draw(t, "stars")}
				if v, ok := e.stars.(int); ok {
					bucket := at - at%900
					if given[bucket] == nil {
						given[bucket] = map[string]float64{}
					}
					given[bucket][e.id] = max(given[bucket][e.id], float64(v))
				}
				entries = append(entries, e)
			}
			next := rapid.SampledFrom([]string{"", f.URL + "/v1/x?cursor=" + strconv.Itoa(n+1), f.URL + "/v1/x?cursor=0", "https://evil.example.com/x", "::"}).Draw(t, "next")
			bodies = append(bodies, reviewsJSON(next, entries...))
		}
		code := rapid.SampledFrom([]int{200, 200, 200, 204, 302, 401, 403, 404, 429, 500}).Draw(t, "code")
		bad := rapid.IntRange(0, 6).Draw(t, "bad page")
		cut := rapid.SampledFrom([]int{0, 0, 0, 5, 50}).Draw(t, "cut")
		f.answer = func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
			body := bodies[min(n, len(bodies)-1)]
			if n == bad {
				w.WriteHeader(code)
				body = body[:max(0, len(body)-cut)]
			}
			fmt.Fprint(w, body)
		}
		w := hourly(6, byID)
		got := source.Fetch(context.Background(), noon, []sources.Want{w})
		if len(got) != 1 || got[0].Signal != 6 || got[0].Fault != rules.OK && got[0].SettledUntil != 0 {
			t.Fatalf("got %+v, want one reading of signal 6, settled only without a fault", got)
		}
		if len(f.asked) > 60 {
			t.Fatalf("%d requests", len(f.asked))
		}
		for _, p := range got[0].Points {
			most := 0.0
			for _, v := range given[p.At] {
				most += v
			}
			if p.Value > most || p.Samples > float64(len(given[p.At])) || p.Value < p.Samples || p.Value > 5*p.Samples || p.At < w.From || p.At >= w.To {
				t.Fatalf("point %+v, but Apple gave %v", p, given[p.At])
			}
		}
	})
}

var _ sources.Source = (*appstore.Source)(nil)
var _ sources.Metered = (*appstore.Source)(nil)
