package simulator

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// sessionCounts are sessions by how they ended.
type sessionCounts struct {
	healthy, errored, abnormal, crashed float64
}

func (c sessionCounts) all() float64 { return c.healthy + c.errored + c.abnormal + c.crashed }

func (c sessionCounts) status(name string) float64 {
	switch name {
	case "healthy":
		return c.healthy
	case "errored":
		return c.errored
	case "abnormal":
		return c.abnormal
	case "crashed":
		return c.crashed
	}
	return c.all()
}

func (c *sessionCounts) add(d sessionCounts) {
	c.healthy += d.healthy
	c.errored += d.errored
	c.abnormal += d.abnormal
	c.crashed += d.crashed
}

// sessionsOf is what is known at seenAt of a release's sessions in minute m. A
// crash is reported by the next launch, so fewer crashes than sessions are seen
// at first.
func (w *world) sessionsOf(release string, m, seenAt int64) sessionCounts {
	seen := w.visible("sentry", m, seenAt)
	if seen == 0 {
		return sessionCounts{}
	}
	n := w.s.Names
	users, crash := w.level("traffic.mobile", m*60), w.shown("sessions.crash", m, seenAt)
	if release != n.Release {
		users, crash = 1-users, w.level("sessions.previous.crash", m*60)
	}
	total := math.Round(w.traffic("sessions", m) * max(0, users))
	c := sessionCounts{crashed: w.share("crash "+release, m, total, crash)}
	c.errored = min(total-c.crashed, w.share("errored "+release, m, total, 0.01))
	c.abnormal = min(total-c.crashed-c.errored, w.share("abnormal "+release, m, total, 0.003))
	c.healthy = total - c.crashed - c.errored - c.abnormal
	if seen == 1 {
		return c
	}
	return sessionCounts{
		healthy: math.Floor(c.healthy * seen), errored: math.Floor(c.errored * seen),
		abnormal: math.Floor(c.abnormal * seen), crashed: math.Floor(c.crashed * seen * 0.8),
	}
}

// sessionGroups answers a question: one group for each combination of the
// groupBy values that has sessions at all.
func (s *Simulator) sessionGroups(q sessionsQuery) []map[string]any {
	n := s.world.s.Names
	by := map[string]bool{}
	for _, g := range q.groupBy {
		by[g] = true
	}
	releases := [][]string{{n.Release, n.Previous}}
	if by["release"] {
		releases = [][]string{{n.Release}, {n.Previous}}
	}
	statuses := []string{""}
	if by["session.status"] {
		statuses = []string{"abnormal", "crashed", "errored", "healthy"}
	}
	groups := []map[string]any{}
	for _, rs := range releases {
		series := s.sessionSeries(q, rs)
		var total sessionCounts
		for _, c := range series {
			total.add(c)
		}
		if total.all() == 0 && len(q.groupBy) > 0 {
			continue
		}
		for _, status := range statuses {
			group := map[string]any{"by": s.groupBy(by, rs[0], status)}
			if q.totals {
				group["totals"] = totalsOf(q.fields, total, status)
			}
			if q.series {
				group["series"] = seriesOf(q.fields, series, status)
			}
			groups = append(groups, group)
		}
	}
	return groups
}

func (s *Simulator) groupBy(by map[string]bool, release, status string) map[string]any {
	n := s.world.s.Names
	out := map[string]any{}
	if by["project"] {
		out["project"] = n.ProjectID
		if id, err := strconv.ParseInt(n.ProjectID, 10, 64); err == nil {
			out["project"] = id // Sentry's ids are numbers here
		}
	}
	if by["environment"] {
		out["environment"] = n.Environment
	}
	if by["release"] {
		out["release"] = release
	}
	if by["session.status"] {
		out["session.status"] = status
	}
	return out
}

// sessionSeries counts the sessions of the releases that the question lets
// through, interval by interval.
func (s *Simulator) sessionSeries(q sessionsQuery, releases []string) []sessionCounts {
	now := s.now().Unix()
	out := make([]sessionCounts, (q.to-q.from)/q.step)
	if len(q.environment) > 0 && !slices.Contains(q.environment, s.world.s.Names.Environment) {
		return out
	}
	for _, release := range releases {
		if len(q.releases) > 0 && !slices.Contains(q.releases, release) {
			continue
		}
		for i := range out {
			from := q.from + int64(i)*q.step
			for m := from / 60; m < (from+q.step)/60 && m*60 < now; m++ {
				out[i].add(s.world.sessionsOf(release, m, now))
			}
		}
	}
	return out
}

func totalsOf(fields []string, c sessionCounts, status string) map[string]any {
	out := map[string]any{}
	for _, f := range fields {
		out[f] = fieldOf(f, c, status)
	}
	return out
}

func seriesOf(fields []string, series []sessionCounts, status string) map[string][]any {
	out := map[string][]any{}
	for _, f := range fields {
		values := make([]any, len(series))
		for i, c := range series {
			values[i] = fieldOf(f, c, status)
		}
		out[f] = values
	}
	return out
}

// fieldOf is one number as Sentry gives it: counts are 0 where there is
// nothing, rates are fractions and null where there is nothing.
func fieldOf(field string, c sessionCounts, status string) any {
	switch field {
	case "sum(session)":
		return c.status(status)
	case "count_unique(user)":
		return usersOf(c.status(status))
	}
	all := c.all()
	if all == 0 {
		return nil
	}
	crashed := c.crashed / all
	if strings.HasSuffix(field, "(user)") {
		crashed = usersOf(c.crashed) / usersOf(all)
	}
	if strings.HasPrefix(field, "crash_rate") {
		return crashed
	}
	return 1 - crashed
}

// usersOf is how many users have that many sessions.
func usersOf(sessions float64) float64 { return math.Ceil(sessions * 0.7) }
