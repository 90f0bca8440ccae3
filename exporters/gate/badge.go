package gate

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/relgate/relgate/exporters/wire"
)

// openTo lets in whoever may see a plan's badge: everyone where the config says so, else
// who may read the plan.
func (g *Gate) openTo(w http.ResponseWriter, r *http.Request, plan string) bool {
	if slices.Contains(g.badges, plan) {
		return true
	}
	_, ok := g.admit(w, r, plan)
	return ok
}

// status is how the newest run of a plan stands now.
func (g *Gate) status(r *http.Request, plan string) (wire.Status, *refusal) {
	b := g.board.Load()
	p := b.plans[plan]
	var run *runBoard
	if p != nil && len(p.live) > 0 {
		run = p.live[0]
	} else {
		newest, err := g.past.newest(r.Context(), plan)
		switch {
		case err != nil:
			return wire.Status{}, unreadable
		case newest == nil && len(b.plans) == 0:
			return wire.Status{}, &refusal{http.StatusServiceUnavailable, "starting", "no plan has been evaluated yet"}
		case newest == nil && p == nil:
			return wire.Status{}, noPlan(plan)
		}
		run = newest
	}
	if run == nil {
		return wire.NoStatus(plan, "no release"), nil
	}
	n, age := len(run.view.Snapshot.Phases), wire.AgeOf(&run.view.Snapshot, g.now())
	if n == 0 || !run.started() {
		return wire.NoStatus(plan, "waiting"), nil
	}
	return wire.StatusOf(&run.view, run.answer(wire.Passed, n, age), run.answer(wire.Passed, n+1, age)), nil
}

// serveStatus answers how the newest run of a plan stands.
func (g *Gate) serveStatus(w http.ResponseWriter, r *http.Request) {
	plan := r.PathValue("plan")
	if !g.openTo(w, r, plan) || !withoutQuery(w, r) {
		return
	}
	s, refused := g.status(r, plan)
	if refused != nil {
		refused.write(w)
		return
	}
	writeNow(w, r, new(jsonPayload(s)))
}

// serveBadge draws it. What is not known is drawn as that, and never left to a picture that
// a browser or a proxy has kept.
func (g *Gate) serveBadge(w http.ResponseWriter, r *http.Request) {
	plan := r.PathValue("plan")
	if !g.openTo(w, r, plan) || !withoutQuery(w, r) {
		return
	}
	s, refused := g.status(r, plan)
	switch {
	case refused != nil && refused.status == http.StatusServiceUnavailable:
		s = wire.NoStatus(plan, "unknown")
	case refused != nil:
		refused.write(w)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	h.Set("X-Content-Type-Options", "nosniff")
	writeNow(w, r, new(newPayload("image/svg+xml; charset=utf-8", badge(&s))))
}

// writeNow sends what no cache may keep.
func writeNow(w http.ResponseWriter, r *http.Request, p *payload) {
	h := w.Header()
	h["Cache-Control"] = headerNotStored
	p.set(h)
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(p.body) // a client that is gone misses nothing
	}
}

// toneColours are dark enough for white text: 4.5 to 1 at the least. The words say the same.
var toneColours = map[string]string{
	wire.Good: "#1a7f37", wire.UnderWay: "#0b5cad", wire.Attention: "#8a5300", wire.Bad: "#b3261e", wire.None: "#595959",
}

const (
	labelColour = "#333333"
	mostShown   = 60 // characters of the label
	charWidth   = 7  // pixels; the text is fitted to its place
	padding     = 6  // on both sides of a text
)

// badge is the picture of a status.
func badge(s *wire.Status) []byte {
	label := strings.TrimSpace(s.Plan + " " + s.Version)
	if utf8.RuneCountInString(label) > mostShown {
		label = string([]rune(label)[:mostShown-1]) + "…"
	}
	colour, known := toneColours[s.Tone]
	if !known {
		colour = toneColours[wire.None]
	}
	text := func(t string) int { return charWidth * utf8.RuneCountInString(t) }
	left, right := text(label)+2*padding, text(s.Words)+2*padding
	said := escaped(label + ": " + s.Words)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="20" role="img" aria-label="%s"><title>%s</title>`, left+right, said, said)
	fmt.Fprintf(&b, `<rect width="%d" height="20" fill="%s"/><rect x="%d" width="%d" height="20" fill="%s"/>`, left, labelColour, left, right, colour)
	b.WriteString(`<g fill="#ffffff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" aria-hidden="true">`)
	for _, t := range []struct {
		x    int
		text string
	}{{padding, label}, {left + padding, s.Words}} {
		fmt.Fprintf(&b, `<text x="%d" y="14" textLength="%d" lengthAdjust="spacingAndGlyphs">%s</text>`, t.x, text(t.text), escaped(t.text))
	}
	b.WriteString("</g></svg>\n")
	return []byte(b.String())
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}
