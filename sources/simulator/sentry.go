package simulator

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What Sentry's rate limiter says of itself on every answer.
const (
	sentryLimit  = 40 // requests in a window
	sentryWindow = 1  // seconds
)

var sessionsPath = regexp.MustCompile(`^/api/0/organizations/([^/]+)/sessions/$`)

func (s *Simulator) serveSentry(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, "sentry", "sessions", func(w http.ResponseWriter, r *http.Request) {
		m := sessionsPath.FindStringSubmatch(r.URL.Path)
		switch {
		case !s.sentryAuthorized(r):
			detail := "Invalid token"
			if r.Header.Get("Authorization") == "" {
				detail = "Authentication credentials were not provided."
			}
			writeJSON(w, http.StatusUnauthorized, map[string]any{"detail": detail})
		case m == nil || m[1] != s.world.s.Names.Org:
			writeJSON(w, http.StatusNotFound, map[string]any{"detail": "The requested resource does not exist"})
		case r.Method != http.MethodGet:
			writeJSON(w, http.StatusMethodNotAllowed, map[string]any{"detail": fmt.Sprintf("Method %q not allowed.", r.Method)})
		default:
			s.sentryLimits(w, sentryLimit-1, 0)
			s.sessions(w, r)
		}
	})
}

func (s *Simulator) sentryAuthorized(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && token != "" && (s.cfg.SentryToken == "" || token == s.cfg.SentryToken)
}

func (s *Simulator) sentryLimits(w http.ResponseWriter, remaining int, reset time.Duration) {
	h := w.Header()
	h.Set("X-Sentry-Rate-Limit-Limit", strconv.Itoa(sentryLimit))
	h.Set("X-Sentry-Rate-Limit-Remaining", strconv.Itoa(remaining))
	h.Set("X-Sentry-Rate-Limit-Reset", strconv.FormatInt(s.now().Unix()+max(sentryWindow, seconds(reset)), 10))
	h.Set("X-Sentry-Rate-Limit-ConcurrentLimit", "25")
	h.Set("X-Sentry-Rate-Limit-ConcurrentRemaining", "24")
}

// refusal is Sentry's answer to a query that it does not accept.
type refusal struct {
	status int
	detail string
}

func refuse(format string, args ...any) *refusal {
	return &refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// sessionsQuery is a checked question to the sessions endpoint.
type sessionsQuery struct {
	fields      []string
	groupBy     []string
	from, to    int64 // rounded outward to the interval
	step        int64 // seconds
	releases    []string
	query       string
	environment []string
	series      bool
	totals      bool
}

func (s *Simulator) sessions(w http.ResponseWriter, r *http.Request) {
	q, no := s.readSessions(r)
	if no != nil {
		writeJSON(w, no.status, map[string]any{"detail": no.detail})
		return
	}
	intervals := []string{}
	for t := q.from; t < q.to; t += q.step {
		intervals = append(intervals, isoTime(t))
	}
	groups := s.sessionGroups(q)
	switch f, _ := s.fault("sentry", "sessions"); f.Kind {
	case "no_groups":
		groups = []map[string]any{}
	case "empty_series":
		for _, g := range groups {
			g["totals"], g["series"] = totalsOf(q.fields, sessionCounts{}, ""), map[string]any{}
		}
	}
	if s.partial("sentry", "sessions") {
		for _, g := range groups {
			cutSeries(g)
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"start": isoTime(q.from), "end": isoTime(q.to), "query": q.query, "intervals": intervals, "groups": groups,
	})
}

func isoTime(unix int64) string { return time.Unix(unix, 0).UTC().Format("2006-01-02T15:04:05Z") }

// cutSeries removes the last third of each series of a group.
func cutSeries(group map[string]any) {
	series, _ := group["series"].(map[string][]any)
	for k, v := range series {
		series[k] = v[:len(v)*2/3]
	}
}

var sessionFields = []string{
	"sum(session)", "count_unique(user)", "crash_rate(session)", "crash_free_rate(session)", "crash_rate(user)", "crash_free_rate(user)",
}

func (s *Simulator) readSessions(r *http.Request) (q sessionsQuery, no *refusal) {
	v := r.URL.Query()
	q = sessionsQuery{
		fields: v["field"], groupBy: v["groupBy"], query: v.Get("query"), environment: v["environment"],
		series: v.Get("includeSeries") != "0", totals: v.Get("includeTotals") != "0",
	}
	if no = s.checkProjects(v["project"]); no != nil {
		return q, no
	}
	if no = q.checkFields(); no != nil {
		return q, no
	}
	if no = q.readFilter(); no != nil {
		return q, no
	}
	return q, q.readRange(v, s.now(), s.world.s.Sentry)
}

func (s *Simulator) checkProjects(projects []string) *refusal {
	n := s.world.s.Names
	for _, p := range projects {
		if p != n.Project && p != n.ProjectID && p != "-1" {
			return &refusal{http.StatusForbidden, "You do not have permission to perform this action."}
		}
	}
	return nil
}

func (q sessionsQuery) checkFields() *refusal {
	if len(q.fields) == 0 {
		return refuse("Request is missing a \"field\"")
	}
	for _, f := range q.fields {
		if !slices.Contains(sessionFields, f) {
			return refuse("Invalid field: %q", f)
		}
	}
	for _, g := range q.groupBy {
		if !slices.Contains([]string{"project", "release", "environment", "session.status"}, g) {
			return refuse("Invalid groupBy: %q", g)
		}
	}
	if slices.Contains(q.groupBy, "session.status") {
		for _, f := range q.fields {
			if strings.HasPrefix(f, "crash") {
				return refuse("Cannot group field %s by session.status", f)
			}
		}
	}
	return nil
}

var filterTerm = regexp.MustCompile(`^([a-z.]+):(?:"([^"]*)"|(\S+))\s*`)

// readFilter reads the search terms release:"…" and environment:….
func (q *sessionsQuery) readFilter() *refusal {
	rest := strings.TrimSpace(q.query)
	for rest != "" {
		m := filterTerm.FindStringSubmatch(rest)
		if m == nil {
			return refuse("Invalid condition: %s", rest)
		}
		value := m[2] + m[3]
		if strings.Contains(value, "*") {
			return refuse("Invalid condition: wildcard search is not supported")
		}
		switch m[1] {
		case "release":
			q.releases = append(q.releases, value)
		case "environment":
			q.environment = append(q.environment, value)
		default:
			return refuse("Invalid search filter: %s", m[1])
		}
		rest = rest[len(m[0]):]
	}
	return nil
}

var periodText = regexp.MustCompile(`^(\d{1,6})([smhdw])$`)

func sentryPeriod(s string) (int64, bool) {
	m := periodText.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	unit := map[string]int64{"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}[m[2]]
	return n * unit, err == nil && n > 0
}

// readRange applies Sentry's rules for intervals, in Sentry's order and words.
func (q *sessionsQuery) readRange(v url.Values, now time.Time, can SentrySettings) *refusal {
	interval := v.Get("interval")
	step, ok := int64(3600), true
	if interval != "" {
		if step, ok = sentryPeriod(interval); !ok {
			return refuse("%q is not a valid interval. Use a format such as 1h.", interval)
		}
	}
	from, to, no := sentryRange(v.Get("start"), v.Get("end"), v.Get("statsPeriod"), now)
	if no != nil {
		return no
	}
	smallest, name := seconds(can.Resolution.D), "one minute"
	if smallest >= 3600 {
		smallest, name = 3600, "one hour"
	}
	switch {
	case step > 86400:
		return refuse("The interval has to be less than one day.")
	case 86400%step != 0:
		return refuse("The interval should divide one day without a remainder.")
	case step%smallest != 0:
		return refuse("The interval has to be a multiple of the minimum interval of %s.", name)
	}
	if most := seconds(can.Minutes.D); most > 0 && step < 3600 && to-from > most {
		return refuse("The time-range when using one-minute resolution intervals is restricted to %d hours.", most/3600)
	}
	q.step, q.from, q.to = step, floorTo(from, step), -floorTo(-to, step)
	if (q.to-q.from)/step > 1000 {
		return refuse("Your interval and date range would create too many results. Use a larger interval, or a smaller date range.")
	}
	return nil
}

func sentryRange(start, end, statsPeriod string, now time.Time) (from, to int64, no *refusal) {
	if statsPeriod != "" {
		n, ok := sentryPeriod(statsPeriod)
		if !ok {
			return 0, 0, refuse("Invalid statsPeriod: %q", statsPeriod)
		}
		return now.Unix() - n, now.Unix(), nil
	}
	if start == "" && end == "" {
		return now.Unix() - 90*86400, now.Unix(), nil
	}
	a, okA := sentryTime(start)
	b, okB := sentryTime(end)
	if !okA || !okB {
		return 0, 0, refuse("start and end are both required, as ISO 8601 times")
	}
	if a >= b {
		return 0, 0, refuse("start must be before end")
	}
	return a, b, nil
}

func sentryTime(s string) (int64, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Unix(), true
		}
	}
	return 0, false
}
