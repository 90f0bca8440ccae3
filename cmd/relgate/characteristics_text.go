package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/relgate/relgate/evaluator/lab/simulation"
)

const (
	confidence  = 0.95 // of the intervals that are shown
	stripWidth  = 48   // columns of a chart's line
	stripLevels = " ▁▂▃▄▅▆▇█"
)

// text writes the table and the chart for people who read a terminal.
func (s *study) text(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, s.subject())
	for _, line := range s.circumstances() {
		fmt.Fprintln(w, line)
	}
	for k, o := range s.cells[0].outcomes {
		if o.Knows.Has(simulation.Held) {
			s.rungTable(w, k)
		}
	}
	s.plainTable(w)
	fmt.Fprintf(w, "\nshare of releases (95 %% interval), then when: half of them by / 95 in 100 of them by; - is not within the window\n")
	s.chart(w)
	return w.Flush()
}

// rungTable is a rule with rungs: a line for each true rate.
func (s *study) rungTable(w io.Writer, k int) {
	fmt.Fprintf(w, "\n%s\ttrue rate\twarned\theld\trolled back\n", s.cells[0].outcomes[k].Rule)
	for _, c := range s.cells {
		fmt.Fprintf(w, "\t%s", s.share(c.rate))
		for rung := range c.outcomes[k].Fires {
			fmt.Fprintf(w, "\t%s", s.fires(&c.outcomes[k].Fires[rung]))
		}
		fmt.Fprintln(w)
	}
}

// plainTable is the rules that fire or do not: a line for each.
func (s *study) plainTable(w io.Writer) {
	head := true
	for k, o := range s.cells[0].outcomes {
		if o.Knows.Has(simulation.Held) {
			continue
		}
		if head {
			fmt.Fprint(w, "\nby threshold: fired")
			for _, c := range s.cells {
				fmt.Fprintf(w, "\tat %s", s.share(c.rate))
			}
			fmt.Fprintln(w)
			head = false
		}
		fmt.Fprint(w, o.Rule)
		for _, c := range s.cells {
			f := &c.outcomes[k].Fires[simulation.RolledBack]
			fmt.Fprintf(w, "\t%s %% %s%s", figure(f.Share()), s.when(f), s.early(f))
		}
		fmt.Fprintln(w)
	}
}

// fires is how often and when a rung was reached.
func (s *study) fires(f *simulation.Fires) string {
	lo, hi := f.Interval(confidence)
	return fmt.Sprintf("%s %% (%s-%s) %s%s", figure(f.Share()), figure(lo), figure(hi), s.when(f), s.early(f))
}

// early says how often a rung was reached before there was a fault.
func (s *study) early(f *simulation.Fires) string {
	if f.Early == 0 {
		return ""
	}
	return fmt.Sprintf(", %s %% before the fault", figure(float64(f.Early)/float64(f.Runs)))
}

// figure is a share in per cent, no finer than it deserves.
func figure(share float64) string {
	digits := 2
	if share > .1 {
		digits = 1
	}
	scale := math.Pow10(digits)
	return short(math.Round(share*100*scale) / scale)
}

// when is the median and the 95th percentile over all releases.
func (s *study) when(f *simulation.Fires) string {
	return s.quantile(f, .5) + "/" + s.quantile(f, .95)
}

func (s *study) quantile(f *simulation.Fires, q float64) string {
	looks, reached := f.Quantile(q)
	if !reached {
		return "-"
	}
	return lasting(time.Duration(looks) * s.Period)
}

// line is one line of a chart: how many releases a rung of a rule has reached by
// when.
type line struct {
	name  string
	rung  simulation.Rung
	plain bool // it is a rule that only fires or does not
	fires *simulation.Fires
}

// lines is what is drawn of a true rate: the rule by evidence and by threshold,
// not what it is compared with.
func (s *study) lines(c *cell) []line {
	var list []line
	for k := range c.outcomes[:s.own] {
		o := &c.outcomes[k]
		for _, rung := range rungsOf(o.Knows) {
			l := line{rung.String(), rung, !o.Knows.Has(simulation.Held), &o.Fires[rung]}
			if l.plain {
				l.name = "by threshold"
			}
			list = append(list, l)
		}
	}
	return list
}

func rungsOf(known simulation.Reached) []simulation.Rung {
	var list []simulation.Rung
	for rung := range simulation.Rung(simulation.Rungs) {
		if known.Has(rung) {
			list = append(list, rung)
		}
	}
	return list
}

// chart shows how many releases each rung has reached by when, on a logarithmic
// scale of time.
func (s *study) chart(w io.Writer) {
	fmt.Fprintln(w, "\nshare of releases by then")
	for i := range s.cells {
		label := s.share(s.cells[i].rate)
		for _, l := range s.lines(&s.cells[i]) {
			fmt.Fprintf(w, "%s\t%s\t|%s|\n", label, l.name, s.strip(l.fires))
			label = ""
		}
	}
	fmt.Fprintf(w, "\t\t %s\n", s.axis())
}

// farthest is the end of the chart in looks: times count from the beginning of the fault.
func (s *study) farthest() int { return max(s.Looks-int(s.late/s.Period), 1) }

// strip is a line of a chart: a column's height is the share by then.
func (s *study) strip(f *simulation.Fires) string {
	levels := []rune(stripLevels)
	var b strings.Builder
	for i := range stripWidth {
		share := f.Within(s.column(i))
		level := int(math.Ceil(share * float64(len(levels)-1)))
		b.WriteRune(levels[min(level, len(levels)-1)])
	}
	return b.String()
}

// column is the looks up to the end of a column.
func (s *study) column(i int) int {
	return int(math.Round(math.Pow(float64(s.farthest()), float64(i+1)/stripWidth)))
}

// axis labels the columns that are the first to reach a round time.
func (s *study) axis() string {
	line := []rune(strings.Repeat(" ", stripWidth+8))
	free := 0
	for _, looks := range []int{1, 3, 10, 30, 60, 180, 600, 1440, 4320, 14400, 43200, 144000} {
		at := -1
		for i := range stripWidth {
			if s.column(i) >= looks {
				at = i
				break
			}
		}
		label := []rune(lasting(time.Duration(looks) * s.Period))
		if at < free || looks > s.farthest() {
			continue
		}
		copy(line[at:], label)
		free = at + len(label) + 1
	}
	return strings.TrimRight(string(line), " ")
}

// The form of -o json. Times are in seconds from the beginning of the fault, null
// where so many releases were never reached.
type (
	studyJSON struct {
		Plan     string     `json:"plan,omitempty"`
		Phase    string     `json:"phase,omitempty"`
		Rule     string     `json:"rule,omitempty"`
		Of       string     `json:"shares_of"` // always "bad": events that limit, trigger and every rate are shares of
		Limit    float64    `json:"limit"`
		Trigger  float64    `json:"trigger"`
		Alpha    float64    `json:"alpha,omitempty"`
		Look     float64    `json:"look_seconds"`
		Window   float64    `json:"window_seconds"`
		Events   float64    `json:"events_per_look"`
		Baseline float64    `json:"baseline_events_per_look"`
		BaseRate float64    `json:"baseline_rate"`
		Late     float64    `json:"late_seconds"`
		Before   float64    `json:"rate_before"`
		CV       float64    `json:"cv"`
		Runs     int        `json:"runs"`
		Seed     uint64     `json:"seed"`
		Cells    []cellJSON `json:"cells"`
	}
	cellJSON struct {
		Rate  float64        `json:"true_rate"`
		Rules []outcomesJSON `json:"rules"`
	}
	outcomesJSON struct {
		Name  string     `json:"name"`
		Rungs []rungJSON `json:"rungs"`
	}
	rungJSON struct {
		Rung   string   `json:"rung"`
		Count  int      `json:"count"`
		Early  int      `json:"before_the_fault"`
		Share  float64  `json:"share"`
		Low    float64  `json:"low"`
		High   float64  `json:"high"`
		Median *float64 `json:"median_seconds"`
		P95    *float64 `json:"p95_seconds"`
	}
)

func (s *study) json(out io.Writer) error {
	j := studyJSON{
		Plan: s.Plan, Phase: s.Phase, Rule: s.Setting.Rule, Of: "bad", Limit: s.Limit, Trigger: s.Trigger,
		Look: s.Period.Seconds(), Window: (time.Duration(s.Looks) * s.Period).Seconds(), Events: s.traffic.Canary,
		Baseline: s.traffic.Baseline, BaseRate: s.base, Late: s.late.Seconds(), CV: s.cv, Runs: s.runs, Seed: s.seed,
	}
	if s.Sequential != nil {
		j.Alpha = s.Sequential.Alpha
	}
	if s.late > 0 {
		j.Before = s.before
	}
	for _, c := range s.cells {
		row := cellJSON{Rate: c.rate}
		for _, o := range c.outcomes {
			row.Rules = append(row.Rules, s.outcomeJSON(&o))
		}
		j.Cells = append(j.Cells, row)
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(j)
}

func (s *study) outcomeJSON(o *simulation.Outcome) outcomesJSON {
	j := outcomesJSON{Name: o.Rule}
	for _, rung := range rungsOf(o.Knows) {
		f := &o.Fires[rung]
		r := rungJSON{Rung: rung.String(), Count: f.Count(), Early: f.Early, Share: f.Share(), Median: s.seconds(f, .5), P95: s.seconds(f, .95)}
		r.Low, r.High = f.Interval(confidence)
		j.Rungs = append(j.Rungs, r)
	}
	return j
}

func (s *study) seconds(f *simulation.Fires, q float64) *float64 {
	looks, reached := f.Quantile(q)
	if !reached {
		return nil
	}
	v := (time.Duration(looks) * s.Period).Seconds()
	return &v
}
