package simulator

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// review is one customer review.
type review struct {
	id        string
	at        int64 // Unix seconds
	stars     int
	territory string
}

// reviewCell is the length of a cell, in seconds; each cell has its own reviews.
const reviewCell = 300

// maxReviews is how many a cell holds at most.
const maxReviews = 1000

var territories = []string{"USA", "USA", "USA", "GBR", "DEU"}

// reviewsIn are the reviews that were written in a cell of time.
func (w *world) reviewsIn(cell int64) []review {
	from := cell * reviewCell
	if w.silent("appstore", from) {
		return nil
	}
	mean := w.level("reviews.per_hour", from) * w.level("traffic.mobile", from) * reviewCell / 3600
	count := int(min(maxReviews, math.Floor(mean+w.noise("reviews", cell))))
	var out []review
	for i := range count {
		k := cell*maxReviews + int64(i)
		out = append(out, review{
			id: uuid(fmt.Sprintf("review %d", k)), at: from + int64(w.noise("review time", k)*reviewCell),
			stars: starsOf(w.level("reviews.stars", from), w.noise("stars", k)), territory: territories[int(w.noise("territory", k)*float64(len(territories)))],
		})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].at < out[j].at })
	return out
}

// starsOf turns a number u in [0, 1) into stars whose mean is mean: half of the
// difference to five comes from ones, half from fours.
func starsOf(mean, u float64) int {
	missing := 5 - min(5, max(1, mean))
	one, four := missing/8, missing/2
	if one+four > 1 {
		return int(math.Floor(mean + u))
	}
	switch {
	case u < one:
		return 1
	case u < one+four:
		return 4
	}
	return 5
}

// reviewsUntil are all reviews that can be seen at a time, newest first. The
// release has none before T.
func (w *world) reviewsUntil(seenAt int64) []review {
	var out []review
	for cell := floorTo(w.start.Unix(), reviewCell) / reviewCell; cell*reviewCell < seenAt; cell++ {
		for _, rv := range w.reviewsIn(cell) {
			delay := seconds(w.delay("appstore").After.D + w.lateness("appstore", rv.at/60))
			if rv.at+delay <= seenAt {
				out = append(out, rv)
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].at > out[j].at || (out[i].at == out[j].at && out[i].id < out[j].id) })
	return out
}

var reviewFields = []string{"rating", "title", "body", "reviewerNickname", "createdDate", "territory", "response"}

func (s *Simulator) customerReviews(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit := 100
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 200 {
			writeParameterError(w, "limit", "The value must be between 1 and 200.")
			return
		}
		limit = n
	}
	fields := reviewFields
	if text := q.Get("fields[customerReviews]"); text != "" {
		fields = strings.Split(text, ",")
		for _, f := range fields {
			if !slices.Contains(reviewFields, f) {
				writeParameterError(w, "fields[customerReviews]", fmt.Sprintf("'%s' is not a valid field name", f))
				return
			}
		}
	}
	seenAt, from, err := readCursor(q.Get("cursor"), s.now().Unix())
	if err != nil {
		writeParameterError(w, "cursor", "'"+q.Get("cursor")+"' is not a valid cursor for this request")
		return
	}
	list := s.world.reviewsUntil(seenAt)
	list, err = filterReviews(list, q.Get("filter[territory]"), q.Get("filter[rating]"), q.Get("sort"))
	if err != nil {
		writeParameterError(w, "sort", err.Error())
		return
	}
	s.writeReviews(w, r, list, fields, seenAt, from, limit)
}

func (s *Simulator) writeReviews(w http.ResponseWriter, r *http.Request, list []review, fields []string, seenAt int64, from, limit int) {
	from = min(from, len(list))
	to := min(len(list), from+limit)
	var data = []any{}
	for _, rv := range list[from:to] {
		data = append(data, rv.resource(fields))
	}
	if from > 0 && s.partial("appstore", "customerReviews") {
		writeAppStoreError(w, http.StatusInternalServerError, "UNEXPECTED_ERROR", "An unexpected error occurred.", "An unexpected error occurred on the server side.", nil)
		return
	}
	cursor := ""
	if to < len(list) {
		cursor = base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %d", seenAt, to))
	}
	writePage(w, r, data, cursor, len(list), limit)
}

func readCursor(cursor string, now int64) (seenAt int64, from int, err error) {
	if cursor == "" {
		return now, 0, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, 0, err
	}
	if _, err = fmt.Sscanf(string(text), "%d %d", &seenAt, &from); err == nil && (from < 0 || seenAt > now) {
		err = fmt.Errorf("cursor out of range")
	}
	return seenAt, from, err
}

func filterReviews(list []review, territory, rating, order string) ([]review, error) {
	list = slices.DeleteFunc(list, func(rv review) bool {
		return (territory != "" && !slices.Contains(strings.Split(territory, ","), rv.territory)) ||
			(rating != "" && !slices.Contains(strings.Split(rating, ","), strconv.Itoa(rv.stars)))
	})
	switch order {
	case "-createdDate", "":
	case "createdDate":
		slices.Reverse(list)
	case "rating":
		sort.SliceStable(list, func(i, j int) bool { return list[i].stars < list[j].stars })
	case "-rating":
		sort.SliceStable(list, func(i, j int) bool { return list[i].stars > list[j].stars })
	default:
		return nil, fmt.Errorf("'%s' is not a valid sort", order)
	}
	return list, nil
}

func (rv review) resource(fields []string) map[string]any {
	all := map[string]any{"rating": rv.stars, "title": "BioAge", "body": fmt.Sprintf("%d of 5.", rv.stars),
		"reviewerNickname": "reader " + rv.id[:4], "createdDate": appleTime(rv.at), "territory": rv.territory}
	attributes := map[string]any{}
	for _, f := range fields {
		if v, ok := all[f]; ok {
			attributes[f] = v
		}
	}
	return map[string]any{"type": "customerReviews", "id": rv.id, "attributes": attributes,
		"links": map[string]any{"self": "https://api.appstoreconnect.apple.com/v1/customerReviews/" + rv.id}}
}
