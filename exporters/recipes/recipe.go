package recipes

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/relgate/relgate/rules"
)

// Script asks a gate with curl. The action and the GitLab component run the same.
//
//go:embed gate.sh
var Script string

//go:embed *.tmpl
var files embed.FS

// jobLimits is how long a job of a kind may live by default; zero is for ever.
// :: kind → limit
var jobLimits = map[string]time.Duration{
	"argo":    0,
	"curl":    0,
	"flagger": 0,
	"github":  6 * time.Hour, // of a runner that GitHub hosts
	"gitlab":  3 * time.Hour, // of a runner that gitlab.com hosts
	"jenkins": 0,
}

// Kinds lists the kinds of recipes.
func Kinds() []string { return slices.Sorted(maps.Keys(jobLimits)) }

// Config says what a recipe is for. The zero JobLimit is the kind's own.
type Config struct {
	Plan     *rules.Plan   // required
	Target   string        // only the phases of this target; all if empty
	BaseURL  string        // where clients reach the gate; https://gate.example if empty
	JobLimit time.Duration // how long a job may live
}

const (
	// patience is how long a first phase waits for its run to begin, and how long a later one
	// waits for a person beyond its planned start.
	patience = 30 * time.Minute
	// settle is how long a verdict may take beyond window and extension: a restart, a tick.
	settle = 10 * time.Minute
	// argoRetry is how soon Argo Rollouts measures again after an error.
	argoRetry = 10 * time.Second
)

// chunk is a row of phases that one pipeline goes through. It ends with a phase that takes
// longer than a job may live, or with the plan.
type chunk struct {
	After  string // the phase whose pass starts the pipeline; empty for the first chunk
	Phases []phase
}

// phase is a phase with what a recipe writes of it.
type phase struct {
	rules.Phase
	Number   int           // 1 for the first
	ID       string        // letters, digits and "-", the first a letter: good for jobs and for Kubernetes
	Percent  string        // of the traffic: "10"
	Before   string        // ID of the phase before in its chunk; empty for the first of a chunk
	EnterIn  time.Duration // how long its entry is waited for, in whole minutes
	DecideIn time.Duration // how long its verdict is waited for, in whole minutes
	Long     bool          // it takes longer than a job may live
}

// Signalled reports whether the phase begins by a command of the pipeline.
func (p phase) Signalled() bool { return p.Advance == rules.Signalled }

// JobFor is how long the phase's job may live.
func (p phase) JobFor() time.Duration {
	if p.Long {
		return p.EnterIn + settle
	}
	return p.EnterIn + p.DecideIn + settle
}

// page is what a template is made of.
type page struct {
	Plan   *rules.Plan
	URL    string
	Host   string // URL without its scheme
	Scheme string
	Limit  time.Duration
	Chunks []chunk
	Script string
}

// Phases are the phases of all chunks.
func (p page) Phases() (list []phase) {
	for _, c := range p.Chunks {
		list = append(list, c.Phases...)
	}
	return list
}

// Signals reports whether the pipeline says of a phase that it has begun.
func (p page) Signals() bool { return slices.ContainsFunc(p.Phases(), phase.Signalled) }

// Long reports whether a phase takes longer than a job may live.
func (p page) Long() bool {
	return slices.ContainsFunc(p.Phases(), func(ph phase) bool { return ph.Long })
}

// Split reports whether a pipeline starts the next.
func (p page) Split() bool { return len(p.Chunks) > 1 }

// Write makes the recipe of a kind for a plan. It is an error where the kind cannot do what
// the plan wants.
func Write(kind string, c Config) ([]byte, error) {
	limit, known := jobLimits[kind]
	if !known {
		return nil, fmt.Errorf("unknown kind %q: want %s", kind, strings.Join(Kinds(), ", "))
	}
	if c.JobLimit > 0 {
		limit = c.JobLimit
	}
	if limit > 0 && limit < patience+2*settle {
		return nil, fmt.Errorf("a job that may live for %s only cannot wait for anything: want %s or more", rules.Duration{Duration: limit}, rules.Duration{Duration: patience + 2*settle})
	}
	url := strings.TrimSuffix(c.BaseURL, "/")
	if url == "" {
		url = "https://gate.example"
	}
	phases, err := chosen(kind, c)
	if err != nil {
		return nil, err
	}
	p := page{Plan: c.Plan, URL: url, Limit: limit, Chunks: cut(phases, limit), Script: Script}
	p.Scheme, p.Host, _ = strings.Cut(url, "://")
	t, err := template.New(kind+".tmpl").Funcs(template.FuncMap{
		"span":    span,
		"minutes": func(d time.Duration) int64 { return int64(d / time.Minute) },
		"every":   every, "count": count, "errorsFor": func(d time.Duration) int64 { return int64(d / argoRetry) },
		"less": func(n int64) int64 { return n - 1 },
	}).ParseFS(files, kind+".tmpl")
	if err != nil {
		return nil, fmt.Errorf("reading the template of %s: %w", kind, err) // unreachable: a test writes every kind
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("writing the recipe of %s: %w", kind, err) // unreachable: a test writes every kind
	}
	return b.Bytes(), nil
}

// chosen are the phases that a recipe is of. Argo Rollouts and Flagger raise the share of one
// target, in whole percents, and send no commands.
func chosen(kind string, c Config) ([]rules.Phase, error) {
	list := c.Plan.Phases
	if c.Target != "" {
		list = slices.DeleteFunc(slices.Clone(list), func(p rules.Phase) bool { return p.Target != c.Target })
		if len(list) == 0 {
			return nil, fmt.Errorf("no phase of plan %q has the target %q", c.Plan.Name, c.Target)
		}
	}
	if kind != "argo" && kind != "flagger" {
		return list, nil
	}
	for i, p := range list {
		switch {
		case p.Advance == rules.Signalled:
			return nil, fmt.Errorf(`phase %q begins by a command (advance = "signalled"), and %s sends none: let it begin "on_pass" or "scheduled"`, p.Name, kind)
		case strings.Contains(percent(p.Traffic), "."):
			return nil, fmt.Errorf("phase %q: %s knows whole percents only, not %s %%", p.Name, kind, percent(p.Traffic))
		case i > 0 && p.Traffic <= list[i-1].Traffic:
			return nil, fmt.Errorf("phase %q: %s raises the share of one target, and this one has %s %% after %s %%: name a target by --target", p.Name, kind, percent(p.Traffic), percent(list[i-1].Traffic))
		}
	}
	if kind == "flagger" && (len(list) > 2 || len(list) == 2 && list[1].Traffic != 1) {
		return nil, errors.New("flagger asks one gate before all of its steps, so it can wait for one phase and then for the promotion to 100 %: this plan has more phases; use argo, or a plan with fewer")
	}
	return list, nil
}

// cut makes chunks of phases.
func cut(list []rules.Phase, limit time.Duration) []chunk {
	chunks := []chunk{{}}
	for i, r := range list {
		p := phase{Phase: r, Number: i + 1, ID: identifier(i, r.Name), Percent: percent(r.Traffic), EnterIn: patience}
		if i > 0 {
			p.EnterIn = minutely(max(0, r.Start-list[i-1].Start-list[i-1].Window)) + patience
		}
		if limit > 0 {
			p.EnterIn = min(p.EnterIn, limit-2*settle)
		}
		p.DecideIn = minutely(r.Window+r.Extend) + settle
		p.Long = limit > 0 && p.EnterIn+p.DecideIn+settle > limit
		last := &chunks[len(chunks)-1]
		if n := len(last.Phases); n > 0 {
			p.Before = last.Phases[n-1].ID
		}
		last.Phases = append(last.Phases, p)
		if p.Long && i < len(list)-1 {
			chunks = append(chunks, chunk{After: r.Name})
		}
	}
	return chunks
}

// identifier is a phase's name as a job and an object of Kubernetes may be called; the number
// keeps apart what would be called the same.
func identifier(i int, name string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	if len(plain) > 40 {
		plain = plain[:40]
	}
	return "p" + strconv.Itoa(i+1) + "-" + strings.Trim(plain, "-")
}

// minutely rounds up to whole minutes.
func minutely(d time.Duration) time.Duration {
	return (d + time.Minute - 1).Truncate(time.Minute)
}

// percent writes a share without the error of its floating point.
func percent(share float64) string {
	return strconv.FormatFloat(math.Round(share*1e6)/1e4, 'f', -1, 64)
}

// span writes a length of time in one unit, as every client here reads it.
func span(d time.Duration) string {
	if d%time.Hour == 0 && d > 0 {
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	}
	return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
}

// every is how often a verdict is asked for: often enough for the plan's interval, and not
// more than some 500 times in a phase.
func every(interval, in time.Duration) string {
	d := max(interval, 30*time.Second, (in / 500).Truncate(10*time.Second))
	return strconv.FormatInt(int64(d/time.Second), 10) + "s"
}

// count is how many measurements there are in a time.
func count(interval, in time.Duration) int64 {
	d, _ := time.ParseDuration(every(interval, in))
	return int64((in + d - 1) / d)
}
