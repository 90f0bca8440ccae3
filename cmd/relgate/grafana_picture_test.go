package main

import (
	"encoding/json"
	"fmt"
	"html"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/chart"
	"github.com/relgate/relgate/exporters/grafana/grafanatest"
	"github.com/relgate/relgate/internal/peertest"
)

// recorded is a demo as Prometheus has it: every minute of it, at its own time.
type recorded struct {
	t           *testing.T
	address     string // of the Prometheus
	from, to    time.Time
	annotations []grafanatest.Object
}

// record runs a scenario, for some time after T or to its end, and gives a Prometheus
// that has scraped it every minute of its time.
func record(t *testing.T, scenario string, to time.Duration) *recorded {
	t.Helper()
	promtool, prometheus := peertest.Need(t, "promtool"), peertest.Need(t, "prometheus")
	dir := t.TempDir()
	config := filepath.Join(dir, "config.toml")
	text := readText(t, unanswered(t))
	for _, phase := range []string{"lambda-10", "lambda-100"} { // whose share is seen
		text = strings.Replace(text, "\n[phases."+phase+"]\n", "\n[phases."+phase+"]\nobserve = \"weight\"\n", 1)
	}
	text += "\n" + strings.Split(recipe(t, "docs/rollout.md", "rollout-levels"), "\n\n[signals.phased]")[0] + "\n\n[sources.alias]\ntype = \"lambda-alias\"\nregion = \"eu-central-1\"\n"
	if err := os.WriteFile(config, []byte(text+"\n[grafana]\nurl = \"https://grafana.invalid\"\ntoken = { env = \"NOT_SET_IN_THE_TEST\" }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &recorded{t: t, from: planStart(t)}
	var samples strings.Builder
	value := regexp.MustCompile(`^([a-zA-Z_]+)(\{(.*)\})? (\S+)$`)
	s := newScraped(t)
	last := ""
	s.raw = func(at time.Time, page string) {
		r.to, last = at, page
		for line := range strings.Lines(page) {
			// What the process itself counts differs each time.
			if m := value.FindStringSubmatch(strings.TrimSpace(line)); m != nil && (strings.HasPrefix(m[1], "relgate_") || m[1] == "ALERTS") {
				labels := strings.TrimPrefix(m[3]+`,job="relgate",instance="demo"`, ",")
				fmt.Fprintf(&samples, "%s{%s} %s %d\n", m[1], labels, m[4], at.Unix())
			}
		}
	}
	var shown *demo
	s.live(demoCommand{Scenario: scenario, Config: config}, func(d *demo, at time.Time) bool {
		shown = d
		return d.done() || at.Sub(r.from) >= to
	})
	for range 12 { // the daemon goes on answering
		s.raw(r.to.Add(time.Minute), last)
	}
	r.annotations = shown.grafana.memory.Annotations()
	file := filepath.Join(dir, "samples")
	if err := os.WriteFile(file, []byte(samples.String()+"# EOF\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "tsdb", "create-blocks-from", "openmetrics", file, filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	empty := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(empty, []byte("global: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.address = freePort(t)
	start(t, prometheus, "--config.file="+empty, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--storage.tsdb.retention.time=100y",
		"--web.listen-address="+r.address, "--log.level=error")
	eventually(t, "Prometheus", func() bool { status, _ := get(t, "http://"+r.address+"/-/ready"); return status == http.StatusOK })
	return r
}

// lineOf is one series of a panel.
type lineOf struct {
	labels map[string]string
	name   string
	at     []int64
	values []float64
}

// ask gives the series of a question over the run, by name.
func (r *recorded) ask(expr, legend string) []lineOf {
	r.t.Helper()
	query := url.Values{"query": {expr}, "start": {fmt.Sprint(r.from.Unix())}, "end": {fmt.Sprint(r.to.Unix())}, "step": {"60"}}
	status, body := get(r.t, "http://"+r.address+"/api/v1/query_range?"+query.Encode())
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		r.t.Fatalf("%s: %v: %s", expr, err, body)
	}
	var lines []lineOf
	for _, s := range answer.Data.Result {
		l := lineOf{labels: s.Metric, name: strings.TrimSpace(regexp.MustCompile(`\{\{([a-z]+)\}\}`).ReplaceAllStringFunc(legend, func(m string) string {
			return s.Metric[strings.Trim(m, "{}")]
		}))}
		for _, v := range s.Values {
			n, err := strconv.ParseFloat(v[1].(string), 64)
			if err != nil {
				r.t.Fatal(err)
			}
			l.at, l.values = append(l.at, int64(v[0].(float64))), append(l.values, n)
		}
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b lineOf) int { return strings.Compare(a.name, b.name) })
	return lines
}

// shownPanel is what a picture needs of a panel.
type shownPanel struct {
	Title, Type, Repeat string
	Targets             []struct{ Expr, LegendFormat string }
	FieldConfig         struct {
		Defaults struct {
			Unit     string
			Mappings []struct {
				Options map[string]struct{ Text, Color string }
			}
		}
		Overrides []struct {
			Matcher    struct{ Options string }
			Properties []struct {
				ID    string
				Value any
			}
		}
	}
}

// hues are Grafana's names of colours, as far as the dashboard uses them.
var hues = map[string]string{
	"text": "#b8bcc4", "light-blue": "#8ab8ff", "blue": "#3274d9", "orange": "#ff9830", "red": "#e02f44", "dark-red": "#a50d22", "purple": "#8f3bb8",
	"yellow": "#f2cc0c", "gray": "#9a9fa8", "semi-dark-red": "#d0454c", "semi-dark-orange": "#e5822f",
}

// freeHues are the colours of lines that the dashboard leaves to Grafana.
var freeHues = []string{"#1f78c1", "#705da0", "#508642", "#cca300", "#447ebc", "#c15c17", "#890f02", "#0a437c", "#6d1f62", "#584477"}

// picture draws the dashboard over what was recorded, with the axes of the other charts.
type picture struct {
	*recorded
	strings.Builder
	scale     chart.Axis
	x, y, low float64
}

const pictureGap = 24.0

func (p *picture) text(x, y float64, class, text string) {
	fmt.Fprintf(p, "<text x=\"%v\" y=\"%v\" class=\"%s\">%s</text>\n", chart.Round1(x), chart.Round1(y), class, html.EscapeString(text))
}

func (p *picture) rect(x, y, w, h float64, fill string) {
	fmt.Fprintf(p, "<rect x=\"%v\" y=\"%v\" width=\"%v\" height=\"%v\" fill=\"%s\"/>\n", chart.Round1(x), chart.Round1(y), chart.Round1(w), chart.Round1(h), fill)
}

// box begins a panel of a height: two lie side by side.
func (p *picture) box(title string, height float64) {
	if p.x > chart.Width*1.5 {
		p.x, p.y = 0, p.low+pictureGap
	}
	fmt.Fprintf(p, "<g transform=\"translate(%v %v)\">\n", p.x, p.y)
	p.text(0, 14, "title", title)
	p.x, p.low = p.x+chart.Width+pictureGap, max(p.low, p.y+height+20)
}

// heading begins a row.
func (p *picture) heading(title string) {
	p.x, p.y = 0, p.low+pictureGap*2
	p.text(0, p.y, "row", title)
	p.y += 12
	p.low = p.y
}

// clock draws the times below a panel, and where something was decided.
func (p *picture) clock(height float64) {
	for _, t := range chart.Times(p.scale, height) {
		p.text(t.X, t.Y, "tick", t.Text[6:])
	}
	for _, a := range p.annotations {
		if a["time"] == a["timeEnd"] {
			x := p.scale.X(int64(a["time"].(float64)) / 1000)
			fmt.Fprintf(p, "<path d=\"M%v 22V%v\" class=\"mark\"/>\n", x, height-chart.Bottom)
		}
	}
}

// shownAs is a number as a panel shows it.
func shownAs(v float64, s *shownPanel) (text, colour string) {
	for _, m := range s.FieldConfig.Defaults.Mappings {
		if o, ok := m.Options[strconv.FormatFloat(v, 'f', -1, 64)]; ok {
			return o.Text, hues[o.Color]
		}
	}
	switch s.FieldConfig.Defaults.Unit {
	case "percentunit":
		return strconv.FormatFloat(chart.Round3(100*v), 'f', -1, 64) + " %", "none"
	case "s":
		if v < 60 {
			return strconv.FormatFloat(chart.Round3(v), 'f', -1, 64) + " s", "none"
		}
		return time.Duration(v * float64(time.Second)).String(), "none"
	}
	return strconv.FormatFloat(chart.Round3(v), 'f', -1, 64), "none"
}

// stats draws what is shown as words, two side by side in one box.
func (p *picture) stats(panels []shownPanel) {
	p.box("", float64((len(panels)+1)/2)*62)
	for i := range panels {
		s := &panels[i]
		x, y := float64(i%2)*(chart.Width/2), 8+float64(i/2)*62
		p.text(x, y+8, "title", s.Title)
		lines := p.ask(chosen.Replace(s.Targets[0].Expr), s.Targets[0].LegendFormat)
		lines = slices.DeleteFunc(lines, func(l lineOf) bool { return l.at[len(l.at)-1] < p.to.Unix()-120 }) // it has no value now
		for k, l := range lines {
			said, fill := shownAs(l.values[len(l.values)-1], s)
			if s.Title == "Release" {
				said = l.name
			}
			width := (chart.Width/2 - pictureGap) / float64(len(lines))
			class := "word"
			if fill != "none" {
				class = "light"
				p.rect(x+float64(k)*width, y+14, width-4, 36, fill)
			}
			if len(lines) > 1 {
				p.text(x+float64(k)*width+6, y+28, class, l.name)
				p.text(x+float64(k)*width+6, y+44, class, said)
				continue
			}
			p.text(x+float64(k)*width+6, y+37, class, said)
		}
		if len(lines) == 0 {
			p.text(x+6, y+37, "word", "–")
		}
	}
	p.WriteString("</g>\n")
}

// list draws the annotations, the newest first.
func (p *picture) list(title string) {
	p.box(title, float64(len(p.annotations))*22)
	all := slices.Clone(p.annotations)
	slices.SortStableFunc(all, func(a, b grafanatest.Object) int { return int(b["timeEnd"].(float64) - a["timeEnd"].(float64)) })
	for i, a := range all {
		text := html.UnescapeString(fmt.Sprint(a["text"]))
		if _, end, ok := strings.Cut(text, "<br>"); ok {
			text = end
		}
		at := time.UnixMilli(int64(a["timeEnd"].(float64))).UTC().Format("15:04")
		p.text(0, 40+float64(i)*22, "tick", at)
		p.text(50, 40+float64(i)*22, "said", text)
	}
	p.WriteString("</g>\n")
}

// timeline draws states as bars.
func (p *picture) timeline(s *shownPanel) {
	lines := p.ask(chosen.Replace(s.Targets[0].Expr), s.Targets[0].LegendFormat)
	height := 24 + chart.RowHeight*float64(len(lines)) + chart.Bottom
	p.box(s.Title, height)
	left := p.scale
	for _, l := range lines {
		p.scale.Left = max(p.scale.Left, 12+chart.Letter*float64(len(l.name)))
	}
	for i, l := range lines {
		y := 26 + chart.RowHeight*float64(i)
		p.text(0, y+13, "tick", l.name)
		for k := 0; k < len(l.values); {
			n := k
			for n < len(l.values) && l.values[n] == l.values[k] {
				n++
			}
			said, fill := shownAs(l.values[k], s)
			x, to := p.scale.X(l.at[k]), p.scale.X(l.at[min(n, len(l.at)-1)])
			p.rect(x, y, max(to-x, 2), chart.RowHeight-5, fill)
			if to-x > chart.Letter*float64(len(said))+6 {
				p.text(x+4, y+13, "light", said)
			}
			k = n
		}
	}
	p.clock(height)
	p.scale = left
	p.WriteString("</g>\n")
}

// style is how the dashboard has a line drawn.
func (s *shownPanel) style(t *testing.T, name string, i int) (colour, dash string, width float64) {
	colour, width = freeHues[i%len(freeHues)], 1.6
	for _, o := range s.FieldConfig.Overrides {
		matcher, err := regexp.Compile(strings.Trim(o.Matcher.Options, "/"))
		if err != nil {
			t.Fatal(err)
		}
		if !matcher.MatchString(name) {
			continue
		}
		for _, property := range o.Properties {
			switch property.ID {
			case "color":
				colour = hues[property.Value.(map[string]any)["fixedColor"].(string)]
			case "custom.lineStyle":
				dash = "8 6"
			case "custom.lineWidth":
				width = property.Value.(float64)
			}
		}
	}
	return colour, dash, width
}

// chart draws numbers as lines, and the band between what they lie.
func (p *picture) chart(s *shownPanel, title, variable string) {
	var lines []lineOf
	for _, q := range s.Targets {
		expr := q.Expr
		if variable != "" {
			expr = strings.ReplaceAll(expr, "$"+s.Repeat, regexp.QuoteMeta(variable))
			expr = strings.ReplaceAll(expr, `\`, `\\`)
		}
		lines = append(lines, p.ask(chosen.Replace(expr), q.LegendFormat)...)
	}
	lo, hi := 0.0, 0.0
	for i, l := range lines {
		if i == 0 {
			lo, hi = l.values[0], l.values[0]
		}
		lo, hi = min(lo, slices.Min(l.values)), max(hi, slices.Max(l.values))
	}
	if lo < (hi-lo)/2 {
		lo = min(lo, 0)
	}
	hi += max((hi-lo)*0.06, 1e-6)
	y := func(v float64) float64 {
		return chart.Round1(24 + (chart.Height-24-chart.Bottom)*(1-(v-lo)/(hi-lo)))
	}
	p.box(title, chart.Height+18)
	for _, v := range []float64{lo, (lo + hi) / 2, hi} {
		said, _ := shownAs(v, s)
		p.text(0, y(v)+4, "tick", said)
	}
	var low, high *lineOf
	for i := range lines {
		switch lines[i].name {
		case "95 % low":
			low = &lines[i]
		case "95 % high":
			high = &lines[i]
		}
	}
	if low != nil && high != nil {
		var d strings.Builder
		for i, at := range high.at {
			fmt.Fprintf(&d, "%s%v %v", map[bool]string{true: "M", false: "L"}[i == 0], p.scale.X(at), y(high.values[i]))
		}
		for i := range low.at {
			k := len(low.at) - 1 - i
			fmt.Fprintf(&d, "L%v %v", p.scale.X(low.at[k]), y(low.values[k]))
		}
		fmt.Fprintf(p, "<path d=\"%sZ\" fill=\"#9a9fa8\" fill-opacity=\".25\"/>\n", d.String())
	}
	x := chart.Left
	for i, l := range lines {
		colour, dash, width := s.style(p.t, l.name, i)
		var d strings.Builder
		for k, at := range l.at {
			op := "L"
			if k == 0 || at-l.at[k-1] > 90 {
				op = "M"
			}
			fmt.Fprintf(&d, "%s%v %v", op, p.scale.X(at), y(l.values[k]))
		}
		fmt.Fprintf(p, "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"%v\" stroke-dasharray=\"%s\"/>\n", d.String(), colour, width, dash)
		if x < chart.Width-chart.Letter*float64(len(l.name)) {
			fmt.Fprintf(p, "<text x=\"%v\" y=\"%v\" class=\"tick\" style=\"fill:%s\">%s</text>\n", chart.Round1(x), chart.Height+14, colour, html.EscapeString(l.name))
		}
		x += chart.Letter*float64(len(l.name)) + 18
	}
	p.clock(chart.Height)
	p.WriteString("</g>\n")
}

// values are those of a variable of the dashboard.
func (p *picture) values(d *dashboard, name string) []string {
	for _, v := range d.Templating.List {
		if m := labelValues.FindStringSubmatch(v.Definition); m != nil && v.Name == name {
			var out []string
			for _, l := range p.ask(chosen.Replace("count by ("+m[2]+") ("+m[1]+")"), "") {
				out = append(out, l.labels[m[2]])
			}
			slices.Sort(out)
			return out
		}
	}
	p.t.Fatalf("no variable %q", name)
	return nil
}

// draw draws the dashboard, but what is about sources and deliveries.
func (p *picture) draw(text string) string {
	var d dashboard
	var panels struct{ Panels []shownPanel }
	if json.Unmarshal([]byte(text), &d) != nil || json.Unmarshal([]byte(text), &panels) != nil {
		p.t.Fatal("the dashboard cannot be read")
	}
	p.scale = chart.Axis{From: p.from.Unix(), To: p.to.Unix(), Left: chart.Left + 10}
	p.low = 20
	var tiles []shownPanel
	list := ""
	for i := range panels.Panels {
		switch s := &panels.Panels[i]; {
		case s.Type == "row" && s.Title == "Sources and deliveries":
			return p.done()
		case s.Type == "row":
			if len(tiles) > 0 {
				p.stats(tiles)
				p.list(list)
				tiles = nil
			}
			p.heading(s.Title)
		case s.Type == "stat":
			tiles = append(tiles, *s)
		case s.Type == "annolist":
			list = s.Title
		case s.Type == "state-timeline":
			p.timeline(s)
		case s.Repeat != "":
			for _, v := range p.values(&d, s.Repeat) {
				p.chart(s, v, v)
			}
		default:
			p.chart(s, s.Title, "")
		}
	}
	return p.done()
}

func (p *picture) done() string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="-16 0 %v %v" font-family="sans-serif" role="img">
<title>The dashboard of relgate over a release that is rolled back</title>
<style>text{font-size:13px;fill:#24292f}.row{font-size:17px;font-weight:bold}.title{font-weight:bold}.tick{font-size:11px;fill:#57606a}.light{fill:#fff;font-size:12px}.word{font-size:15px}.mark{stroke:#ff9830;stroke-dasharray:3 3}</style>
<rect x="-16" width="100%%" height="100%%" fill="#fff"/>
`, 2*chart.Width+pictureGap+32, math.Ceil(p.low+20)) + p.String() + "</svg>\n"
}

// The picture in the documents is the dashboard's own: every question of it, answered by a
// Prometheus over the release of config.toml that is rolled back, and whose way back no one
// takes. -update draws it again.
func TestThePictureOfTheDashboardIsFresh(t *testing.T) {
	t.Parallel()
	_, text := dashboardOf(t)
	p := &picture{recorded: record(t, "api-5xx", 24*time.Hour)}
	got := p.draw(text)
	path := filepath.Join(root, "docs", "grafana.svg")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := readText(t, path); got != want {
		t.Errorf("%s is not what the dashboard shows: run `go test ./cmd/relgate -run Picture -update`", path)
	}
	for _, said := range []string{"ROLL BACK NOW", "ROLLBACK: API 5xx 4.9 %", "target of api-5xx", "trigger of api-5xx-high", "rolled_back", "lambda-10"} {
		if !strings.Contains(got, said) {
			t.Errorf("the picture does not show %q", said)
		}
	}
}
