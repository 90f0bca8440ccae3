package sentry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/sentry/kind"
)

const (
	// maxBuckets is how many periods one request asks for. Sentry keeps 5000
	// divided by that many groups of the answer and silently drops the rest; with
	// 720 there is room for its five statuses and one more.
	maxBuckets = 720
	// maxPages ends a paged answer that does not end by itself.
	maxPages = 10
	// coarseFor is how long a refused period is not asked for again.
	coarseFor = 24 * time.Hour
	hour      = 3600
	// restricted is the longest range of minutes that an older Sentry answers.
	restricted = 6 * hour
)

// Config says which Sentry, and as whom.
type Config struct {
	Name        string        // of the source, for logs; required
	BaseURL     string        // https://sentry.io, a region's host, or one's own; required
	Org         string        // organisation slug or id; required
	Token       string        // of an internal integration with org:read; required unless ReadToken is set
	CAFile      string        // PEM certificates to trust; the system's if empty
	MaxAttempts int           // for one request; 3 if zero
	Pause       sources.Pause // sources.Sleep if nil
	Log         *slog.Logger  // nothing is logged if nil

	// ReadToken reads the token where it is kept, before each request and after one
	// that was refused: a token that is rotated counts at once. Token counts if nil.
	ReadToken func() (string, error)
}

// Source is one Sentry organisation. It is a sources.Source.
type Source struct {
	client *sources.Client
	name   string
	path   string // of the sessions endpoint
	log    *slog.Logger

	mu          sync.Mutex
	coarseUntil time.Time // only hours are asked for before
	shortUntil  time.Time // no more than restricted is asked for at once before, in periods below an hour
}

// New makes a Source, or says what its config lacks. It asks nothing.
func New(cfg Config) (*Source, error) {
	switch {
	case cfg.Org == "":
		return nil, errors.New("sentry: org is missing")
	case cfg.Token == "" && cfg.ReadToken == nil:
		return nil, errors.New("sentry: token is missing")
	}
	token := sources.Fixed(cfg.Token)
	if cfg.ReadToken != nil {
		var err error
		if token, err = sources.NewSecret(cfg.Name, cfg.ReadToken, cfg.Log); err != nil {
			return nil, err
		}
	}
	client, err := sources.NewClient(sources.ClientConfig{
		BaseURL: cfg.BaseURL, CAFile: cfg.CAFile, MaxAttempts: cfg.MaxAttempts, Pause: cfg.Pause,
		Secret: token, Explain: explain, Limits: limits,
		Authorize: func(r *http.Request) error { r.Header.Set("Authorization", "Bearer "+token.Value()); return nil },
	})
	if err != nil {
		return nil, fmt.Errorf("sentry: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Source{
		client: client, name: cfg.Name, log: cfg.Log,
		path: "/api/0/organizations/" + url.PathEscape(cfg.Org) + "/sessions/", // the last slash matters
	}, nil
}

// Stats counts the requests.
func (s *Source) Stats() sources.Stats { return s.client.Stats() }

// CloseIdleConnections closes connections that no request uses.
func (s *Source) CloseIdleConnections() { s.client.CloseIdleConnections() }

// question is what one or more wants ask for: equal questions are asked once.
type question struct {
	kind.Query
	from, to int64
	period   int64 // seconds
}

// Fetch answers every want with the sessions of its release.
func (s *Source) Fetch(ctx context.Context, now time.Time, wants []sources.Want) []rules.Reading {
	out := make([]rules.Reading, len(wants))
	asked := map[question]answer{}
	var stop *sources.CallError // a fault that the next question would get too
	for i, w := range wants {
		q, wrong := ask(w)
		if wrong != "" {
			out[i] = sources.Faulty(w, rules.ConfigFault, wrong)
			continue
		}
		a, known := asked[q]
		if !known {
			if a.err = stop; stop == nil {
				a = s.answer(ctx, now, q)
			}
			asked[q] = a
		}
		if stop == nil && a.err != nil && (a.err.Fault == rules.Throttled || a.err.Status == http.StatusUnauthorized) {
			stop = a.err
		}
		out[i] = a.reading(w, now)
	}
	return out
}

// ask makes the question of a want, or says why there is none.
func ask(w sources.Want) (q question, wrong string) {
	if w.Signal == nil {
		return q, "there is no signal"
	}
	own := kind.Of(w.Signal.Query)
	if own == nil {
		return q, "the signal has no sentry query"
	}
	q = question{Query: *own, from: w.From, to: w.To, period: int64(w.Signal.Period / time.Second)}
	switch {
	case w.Signal.Kind != rules.Ratio:
		return q, fmt.Sprintf("sentry answers signals of kind ratio, not %s", w.Signal.Kind)
	case q.Release == "":
		return q, "the sentry query has no release"
	case strings.Contains(q.Release, "*"):
		return q, "the release holds a wildcard: want one release, package@version+build"
	case q.period <= 0 || q.period > 24*hour || 24*hour%q.period != 0:
		return q, fmt.Sprintf("period %s does not divide a day", w.Signal.Period)
	}
	return q, ""
}

// answer asks in the finest periods that this Sentry gives.
func (s *Source) answer(ctx context.Context, now time.Time, q question) answer {
	switch {
	case q.period >= hour:
		return s.series(ctx, now, q, q.period)
	case s.isCoarse(now):
		return s.series(ctx, now, q, hour)
	}
	a := s.series(ctx, now, q, q.period)
	if q.to-q.from > restricted && refusesRange(a.err) && !s.isShort(now) {
		s.mu.Lock()
		s.shortUntil = now.Add(coarseFor)
		s.mu.Unlock()
		a = s.series(ctx, now, q, q.period)
	}
	switch {
	case lacksMinutes(a.err):
		s.mu.Lock()
		s.coarseUntil = now.Add(coarseFor)
		s.mu.Unlock()
		s.log.Warn("sentry has no periods this short, asking for hours", "source", s.name, "period", time.Duration(q.period)*time.Second)
	case !refusesPeriod(a.err):
		return a
	}
	return s.series(ctx, now, q, hour)
}

func (s *Source) isCoarse(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.coarseUntil)
}

func (s *Source) isShort(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.shortUntil)
}

// lacksMinutes recognises an installation that has no periods below an hour, whatever
// is asked. Either it says so, or it refuses minutes for no more than the six hours for
// which it says it has them.
func lacksMinutes(err *sources.CallError) bool {
	return refused(err, "minimum interval of one hour") || refusesRange(err)
}

// refusesPeriod recognises the 400 of an installation that does not answer this question
// in periods this short, and may answer others: "restricted to the last 30 days", "create
// too many results. Use a larger interval".
func refusesPeriod(err *sources.CallError) bool {
	return refused(err, "minimum interval", "minute resolution", "restricted to", "larger interval")
}

// refusesRange recognises that a shorter range would be answered.
func refusesRange(err *sources.CallError) bool { return refused(err, "restricted to 6 hours") }

// unknownProject recognises that a project is not there, or not for this token. Nothing
// but another config or another token cures that.
func unknownProject(err *sources.CallError) bool {
	return refused(err, "no projects available", "project does not exist", "project not found", "invalid project")
}

// refused reports whether an error says one of some words.
func refused(err *sources.CallError, words ...string) bool {
	if err == nil || err.Status != http.StatusBadRequest && err.Status != http.StatusNotFound {
		return false
	}
	said := strings.ToLower(err.Detail)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(said, w) })
}

// series asks for a range in periods of a width, in as many requests as it
// takes, oldest first. Points from before a fault are kept.
func (s *Source) series(ctx context.Context, now time.Time, q question, width int64) answer {
	a := answer{width: width, from: floor(q.from, width)}
	a.until = a.from
	// Nothing is asked of the future: its periods would be empty, not unknown.
	end := min(ceil(q.to, width), ceil(now.Unix()+1, width))
	for a.until < end {
		to := min(a.until+maxBuckets*width, end)
		if width < hour && s.isShort(now) {
			to = min(to, a.until+restricted)
		}
		part, err := s.request(ctx, now, q, a.until, to, width)
		if unknownProject(err) {
			err.Fault = rules.ConfigFault
			err.Detail = sources.Clip(err.Detail + ": is project " + strconv.Quote(q.Project) + " right, and may the token read it?")
		}
		if err == nil && part == nil { // nothing, and that in full
			a.until = max(a.until, to)
			continue
		}
		whole := false
		if err == nil {
			whole, err = a.add(part, to)
		}
		if a.err = err; err != nil || !whole {
			return a
		}
	}
	return a
}

// request asks for one stretch, and for the further pages of the answer. An answer
// without sessions is nil.
func (s *Source) request(ctx context.Context, now time.Time, q question, from, to, width int64) (*sessions, *sources.CallError) {
	query := q.values(from, to, width)
	var all *sessions
	for range maxPages {
		var page body
		got, err := s.client.Get(ctx, now, s.path+"?"+query.Encode(), &page)
		if err != nil {
			return nil, err
		}
		if all == nil && page.empty(q.counts()) && nextCursor(got.Header.Values("Link")) == "" {
			return nil, nil
		}
		part, wrong := q.read(&page)
		if wrong == "" && all != nil {
			wrong = all.join(part)
		} else if all == nil {
			all = part
		}
		if wrong != "" {
			return nil, partial("%s", wrong)
		}
		cursor := nextCursor(got.Header.Values("Link"))
		if cursor == "" {
			if wrong = all.whole(); q.Of != kind.Users && wrong != "" {
				return nil, partial("%s", wrong)
			}
			return all, nil
		}
		query.Set("cursor", cursor)
	}
	return nil, partial("the answer has too many pages")
}

// counts is the field that says of how many an answer tells.
func (q question) counts() string {
	if q.Of == kind.Users {
		return fieldUser
	}
	return field
}

// read understands an answer.
func (q question) read(page *body) (*sessions, string) {
	if q.Of == kind.Users {
		return page.users()
	}
	return page.sessions()
}

// values is the request's query string.
func (q question) values(from, to, width int64) url.Values {
	v := url.Values{
		"field":         {field},
		"groupBy":       {"session.status"},
		"query":         {`release:"` + strings.ReplaceAll(q.Release, `"`, `\"`) + `"`},
		"start":         {stamp(from)},
		"end":           {stamp(to)},
		"interval":      {interval(width)},
		"includeTotals": {"1"},
		"includeSeries": {"1"},
	}
	if q.Of == kind.Users {
		// By status one user could be in several groups.
		v["field"] = []string{fieldUser, fieldRate}
		v.Del("groupBy")
	}
	if q.Project != "" {
		v.Set("project", q.Project)
	}
	if q.Environment != "" {
		v.Set("environment", q.Environment)
	}
	return v
}

func stamp(unix int64) string { return time.Unix(unix, 0).UTC().Format("2006-01-02T15:04:05Z") }

// interval writes a width as Sentry does: "1m", "1h".
func interval(seconds int64) string {
	switch {
	case seconds%hour == 0:
		return strconv.FormatInt(seconds/hour, 10) + "h"
	case seconds%60 == 0:
		return strconv.FormatInt(seconds/60, 10) + "m"
	}
	return strconv.FormatInt(seconds, 10) + "s"
}

func floor(t, width int64) int64 {
	r := t % width
	if r < 0 {
		r += width
	}
	return t - r
}

func ceil(t, width int64) int64 { return floor(t+width-1, width) }
