package main

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/lab/simulation"
)

// The measures of the drawing, in pixels.
const (
	panelWidth, panelHeight = 420, 190
	marginLeft, marginTop   = 48, 34
	marginRight             = 16
	marginBottom            = 40
	headHeight              = 22
)

// rungColours can be told apart without red and green (Okabe and Ito's palette),
// and each rung has its own dashes as well.
var rungColours = [simulation.Rungs]string{"#e69f00", "#0072b2", "#d55e00"}

var rungDashes = [simulation.Rungs]string{"2 3", "7 3", ""}

// svg draws the share of releases that each rung has reached by when: a panel
// for each true rate, time on a logarithmic scale.
func (s *study) svg(out io.Writer) error {
	lines := append([]string{s.subject()}, s.circumstances()...)
	top := headHeight*len(lines) + 2*headHeight
	columns := 2
	rows := (len(s.cells) + columns - 1) / columns
	width, height := columns*panelWidth, top+rows*panelHeight
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n", html.EscapeString(lines[0]))
	for i, line := range lines {
		weight := ""
		if i == 0 {
			weight = ` font-weight="bold"`
		}
		fmt.Fprintf(&b, "<text x=\"12\" y=\"%d\"%s>%s</text>\n", headHeight*(i+1), weight, html.EscapeString(line))
	}
	s.legend(&b, headHeight*(len(lines)+1))
	for i := range s.cells {
		fmt.Fprintf(&b, "<g transform=\"translate(%d %d)\">\n", i%columns*panelWidth, top+i/columns*panelHeight)
		s.panel(&b, &s.cells[i])
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(out, b.String())
	return err
}

func (s *study) legend(b *strings.Builder, y int) {
	x := 12
	for _, l := range s.lines(&s.cells[0]) {
		fmt.Fprintf(b, "<path d=\"M%d %dh28\" %s/><text x=\"%d\" y=\"%d\">%s</text>\n", x, y-4, l.stroke(), x+34, y, l.name)
		x += 130
	}
}

func (l *line) stroke() string {
	colour, dash := rungColours[l.rung], rungDashes[l.rung]
	if l.plain {
		colour, dash = "#777", "10 3 2 3"
	}
	if dash != "" {
		dash = fmt.Sprintf(` stroke-dasharray="%s"`, dash)
	}
	return fmt.Sprintf(`fill="none" stroke="%s" stroke-width="2"%s`, colour, dash)
}

// panel draws one true rate.
func (s *study) panel(b *strings.Builder, c *cell) {
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" font-weight=\"bold\">true rate %s</text>\n", marginLeft, marginTop-12, s.share(c.rate))
	for _, share := range []float64{0, .5, 1} {
		y := s.y(share)
		fmt.Fprintf(b, "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
			marginLeft, y, panelWidth-marginRight, marginLeft-6, y+4, percent(share))
	}
	last := math.Inf(-1)
	for _, looks := range []int{1, 3, 10, 30, 60, 180, 600, 1440, 4320, 14400, 43200, 144000} {
		if x := s.x(looks); looks <= s.farthest() && x > last+34 {
			fmt.Fprintf(b, "<path d=\"M%.1f %.1fv5\" stroke=\"#888\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
				x, s.y(0), x, s.y(0)+18, lasting(time.Duration(looks)*s.Period))
			last = x
		}
	}
	for _, l := range s.lines(c) {
		fmt.Fprintf(b, "<path d=\"%s\" %s><title>%s: %s</title></path>\n", s.curve(l.fires), l.stroke(), l.name, s.fires(l.fires))
	}
}

// curve is a staircase with a step wherever a release was reached.
func (s *study) curve(f *simulation.Fires) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M%.1f %.1f", s.x(1), s.y(0))
	for i, looks := range f.After {
		if i+1 == len(f.After) || f.After[i+1] != looks {
			fmt.Fprintf(&b, "H%.1fV%.1f", s.x(looks), s.y(float64(i+1)/float64(f.Runs)))
		}
	}
	fmt.Fprintf(&b, "H%.1f", s.x(s.farthest()))
	return b.String()
}

func (s *study) x(looks int) float64 {
	width := float64(panelWidth - marginLeft - marginRight)
	return marginLeft + width*math.Log(float64(max(looks, 1)))/math.Log(float64(max(s.farthest(), 2)))
}

func (s *study) y(share float64) float64 {
	height := float64(panelHeight - marginTop - marginBottom)
	return marginTop + height*(1-share)
}
