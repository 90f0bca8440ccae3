package sentry

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/sources"
)

const (
	field     = "sum(session)"
	fieldUser = "count_unique(user)"
	fieldRate = "crash_free_rate(user)" // null where there are none
)

// always are the statuses that every answer with sessions has, with zeros where
// there were none: an answer without "crashed" does not mean that nothing crashed.
var always = []string{"healthy", "errored", "abnormal", "crashed"}

// known are the statuses that sessions may have. A new one could be a new kind
// of crash, so an answer with an unknown status is refused.
var known = []string{"healthy", "errored", "abnormal", "crashed", "unhandled"}

// body is an answer of the sessions endpoint.
type body struct {
	Start     time.Time   `json:"start"`
	End       time.Time   `json:"end"`
	Intervals []time.Time `json:"intervals"`
	Groups    groups      `json:"groups"`
}

// groups are the statuses of an answer. Null is none of them; a member that is absent
// is something else.
type groups struct {
	list  []group
	given bool
}

// UnmarshalJSON is called for null too.
func (g *groups) UnmarshalJSON(b []byte) error {
	g.given = true
	return json.Unmarshal(b, &g.list)
}

// empty reports whether an answer has no sessions at all: no groups, or only such as
// have neither periods nor a total.
func (b *body) empty(field string) bool {
	for _, g := range b.Groups.list {
		if total := g.Totals[field]; len(g.Series[field]) > 0 || total != nil && *total != 0 {
			return false
		}
	}
	return b.Groups.given && !b.Start.IsZero() && !b.End.IsZero()
}

// group is one status. Series may be absent although the specification says
// otherwise; every number may be null.
type group struct {
	By     map[string]any        `json:"by"`
	Totals map[string]*float64   `json:"totals"`
	Series map[string][]*float64 `json:"series"`
}

// sessions is a body that was understood.
type sessions struct {
	start, end int64
	width      int64   // of a period
	starts     []int64 // of the periods
	crashed    []float64
	total      []float64
	unknown    []bool // periods of which Sentry gave a null
	seen       []string
}

// sessions checks a body against itself, or says what is wrong with it.
func (b *body) sessions() (s *sessions, wrong string) {
	if s, wrong = b.frame(); wrong != "" {
		return nil, wrong
	}
	for _, g := range b.Groups.list {
		if wrong = s.add(g); wrong != "" {
			return nil, wrong
		}
	}
	return s, ""
}

// frame is what a body says of its periods.
func (b *body) frame() (s *sessions, wrong string) {
	if !b.Groups.given || b.Start.IsZero() || b.End.IsZero() || len(b.Intervals) == 0 {
		return nil, "the answer lacks start, end, intervals or groups"
	}
	n := len(b.Intervals)
	s = &sessions{
		start: b.Start.Unix(), end: b.End.Unix(), starts: make([]int64, n),
		crashed: make([]float64, n), total: make([]float64, n), unknown: make([]bool, n),
	}
	if wrong = s.times(b.Intervals); wrong != "" {
		return nil, wrong
	}
	return s, ""
}

// times reads the period starts, which must be evenly spaced.
func (s *sessions) times(intervals []time.Time) (wrong string) {
	for i, at := range intervals {
		s.starts[i] = at.Unix()
	}
	s.width = s.end - s.starts[0]
	if len(s.starts) > 1 {
		s.width = s.starts[1] - s.starts[0]
	}
	for i := 1; i < len(s.starts); i++ {
		if s.starts[i]-s.starts[i-1] != s.width {
			return "the answer's intervals are not evenly spaced"
		}
	}
	if s.width <= 0 || s.starts[0] < s.start || s.starts[len(s.starts)-1] >= s.end {
		return "the answer's intervals do not lie between its start and end"
	}
	return ""
}

// add counts one status in.
func (s *sessions) add(g group) (wrong string) {
	status, ok := g.By["session.status"].(string)
	switch {
	case !ok:
		return "the answer has sessions without a status"
	case !slices.Contains(known, status):
		return fmt.Sprintf("the answer has sessions of an unknown status, %q", status)
	case slices.Contains(s.seen, status):
		return fmt.Sprintf("the answer has status %q twice", status)
	}
	s.seen = append(s.seen, status)
	series, ok := g.Series[field]
	if !ok || len(series) != len(s.starts) {
		return fmt.Sprintf("the answer has %d periods of status %q for %d intervals", len(series), status, len(s.starts))
	}
	sum := 0.0
	for i, v := range series {
		switch {
		case v == nil:
			s.unknown[i] = true
			continue
		case *v < 0 || math.IsNaN(*v) || math.IsInf(*v, 0):
			return fmt.Sprintf("the answer has %v sessions of status %q", *v, status)
		}
		s.total[i] += *v
		sum += *v
		if status == "crashed" {
			s.crashed[i] += *v
		}
	}
	// Totals are counted separately, a moment later, so they may be slightly higher.
	if total := g.Totals[field]; total != nil && *total > sum*1.1+10 {
		return fmt.Sprintf("the series hold %v of %v sessions of status %q", sum, *total, status)
	}
	return ""
}

// join adds the statuses of a further page.
func (s *sessions) join(page *sessions) (wrong string) {
	if !slices.Equal(s.starts, page.starts) {
		return "the pages of the answer differ in their intervals"
	}
	for _, status := range page.seen {
		if slices.Contains(s.seen, status) {
			return fmt.Sprintf("the answer has status %q twice", status)
		}
	}
	s.seen = append(s.seen, page.seen...)
	for i := range s.starts {
		s.crashed[i] += page.crashed[i]
		s.total[i] += page.total[i]
		s.unknown[i] = s.unknown[i] || page.unknown[i]
	}
	return ""
}

// whole says which status is missing, "" when none is.
func (s *sessions) whole() (wrong string) {
	for _, status := range always {
		if len(s.seen) > 0 && !slices.Contains(s.seen, status) {
			return fmt.Sprintf("the answer lacks the sessions of status %q", status)
		}
	}
	return ""
}

// explain finds the words of an error: detail is a text or an object with a
// message.
func explain(b []byte) string {
	var e struct {
		Detail json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(b, &e) != nil {
		return ""
	}
	var text string
	if json.Unmarshal(e.Detail, &text) == nil {
		return text
	}
	var object struct{ Code, Message string }
	if json.Unmarshal(e.Detail, &object) == nil {
		return strings.TrimSpace(object.Code + " " + object.Message)
	}
	return ""
}

// limits reads X-Sentry-Rate-Limit-*. A 429 with requests left is the limit on
// concurrency, which does not depend on the window's end.
func limits(h http.Header, status int, now time.Time) (resetAt time.Time, remaining float64) {
	remaining = -1
	if v, err := strconv.ParseFloat(h.Get("X-Sentry-Rate-Limit-Remaining"), 64); err == nil && v >= 0 && !math.IsInf(v, 0) {
		remaining = v
	}
	if status == http.StatusTooManyRequests && remaining <= 0 {
		resetAt = sources.EpochReset(h, "X-Sentry-Rate-Limit-Reset", now)
	}
	return resetAt, remaining
}

// nextCursor reads the cursor of the next page from the Link headers; "" when
// there is none. Only the cursor is taken, so no link can lead elsewhere.
func nextCursor(links []string) string {
	for _, link := range strings.Split(strings.Join(links, ","), ",") {
		if !strings.Contains(link, `rel="next"`) || !strings.Contains(link, `results="true"`) {
			continue
		}
		if _, rest, ok := strings.Cut(link, `cursor="`); ok {
			cursor, _, _ := strings.Cut(rest, `"`)
			return cursor
		}
		if target, _, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(link), "<"), ">"); ok {
			if u, err := url.Parse(target); err == nil {
				return u.Query().Get("cursor")
			}
		}
	}
	return ""
}
