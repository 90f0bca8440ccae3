package gate_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

const (
	badgeURL  = "/v1/plans/REL-1/badge.svg"
	statusURL = "/v1/plans/REL-1/status"
	green     = "#1a7f37"
)

// strictly parses XML as a browser's strict parser does, and gives all text of <text> elements.
func strictly(t *testing.T, doc []byte) (texts []string, label string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(doc))
	in := ""
	for {
		token, err := d.Token()
		if err == io.EOF {
			return texts, label
		}
		if err != nil {
			t.Fatalf("%v: %s", err, doc)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if in = e.Name.Local; e.Name.Space != "http://www.w3.org/2000/svg" {
				t.Errorf("<%s> is no SVG", in)
			}
			if in == "script" || in == "foreignObject" || in == "image" {
				t.Errorf("it holds <%s>", in)
			}
			for _, a := range e.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || strings.HasSuffix(a.Name.Local, "href") {
					t.Errorf("it holds %s", a.Name.Local)
				}
				if a.Name.Local == "aria-label" {
					label = a.Value
				}
			}
		case xml.CharData:
			if in == "text" {
				texts = append(texts, string(e))
			}
		case xml.EndElement:
			in = ""
		}
	}
}

// statusOf asks for the status and for the badge, and holds them against each other.
func statusOf(t *testing.T, h http.Handler, plan string, header ...string) (wire.Status, string) {
	t.Helper()
	url := "/v1/plans/" + plan
	res := ask(h, "GET", url+"/status", "", header...)
	text := readBack(t, res)
	var s wire.Status
	if err := json.Unmarshal(text, &s); res.StatusCode != 200 || err != nil {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	checkContract(t, "GET", url+"/status", ask(h, "GET", url+"/status", "", header...), "")
	res = ask(h, "GET", url+"/badge.svg", "", header...)
	svg := readBack(t, res)
	if res.StatusCode != 200 || res.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(res.Header.Get("Content-Type"), "image/svg+xml") || res.Header.Get("Etag") != "" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	texts, label := strictly(t, svg)
	if len(texts) != 2 || texts[1] != s.Words || label != texts[0]+": "+s.Words {
		t.Errorf("the badge says %q and %q, the status %q", texts, label, s.Words)
	}
	if isGreen := bytes.Contains(svg, []byte(green)); isGreen != (s.Verdict == "pass") || isGreen != (s.Tone == wire.Good) {
		t.Errorf("green: %v, with verdict %s and tone %s", isGreen, s.Verdict, s.Tone)
	}
	return s, string(svg)
}

// TestBadges: every state has its words and its colour, and no state that is no pass is
// green. The words and the pictures are in testdata.
func TestBadges(t *testing.T) {
	var b strings.Builder
	pictures := map[string]string{}
	for _, st := range states {
		s, svg := statusOf(t, stateGate(t, st.edit, st.age, st.trouble), planName, "Authorization", "Bearer reader-secret")
		if s.Verdict == "pass" && st.run != "pass" {
			t.Errorf("%s: %+v", st.about, s)
		}
		if (st.run == "unknown" || st.current == "unknown" && st.run == "pending") && s.Verdict != "unknown" {
			t.Errorf("%s: %+v, and it is not known", st.about, s)
		}
		fmt.Fprintf(&b, "%-60s | %-8s | %-9s | %s\n", st.about, s.Verdict, s.Tone, s.Words)
		if pictures[s.Tone] == "" {
			pictures[s.Tone] = svg
		}
	}
	for _, tone := range []string{wire.Good, wire.UnderWay, wire.Attention, wire.Bad, wire.None} {
		if pictures[tone] == "" {
			t.Errorf("no state has the tone %s", tone)
		}
		b.WriteString("\n" + pictures[tone])
	}
	golden(t, "testdata/badges.txt", b.String())
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is drawn: go test ./exporters/gate -run TestBadges -update\n%s", path, got)
	}
}

// TestBadgesCanBeRead: white text stands on every colour with 4.5 to 1 at the least.
func TestBadgesCanBeRead(t *testing.T) {
	text, err := os.ReadFile("testdata/badges.txt")
	if err != nil {
		t.Fatal(err)
	}
	colours := map[string]bool{}
	for _, part := range strings.Split(string(text), `height="20" fill="`)[1:] {
		colours[part[:7]] = true
	}
	if len(colours) != 6 {
		t.Errorf("%d colours, want the label's and five more", len(colours))
	}
	for c := range colours {
		var light float64
		for i, weight := range []float64{.2126, .7152, .0722} {
			n, err := strconv.ParseUint(c[1+2*i:3+2*i], 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			v := float64(n) / 255
			if v <= .04045 {
				v /= 12.92
			} else {
				v = math.Pow((v+.055)/1.055, 2.4)
			}
			light += weight * v
		}
		if ratio := 1.05 / (light + .05); ratio < 4.5 {
			t.Errorf("%s: %.1f to 1", c, ratio)
		}
	}
}

func TestABadgeWithoutARun(t *testing.T) {
	plan := view(planName)
	plan.Runs = nil
	g, _ := newGate(t, gate.Config{}, plan)
	if s, _ := statusOf(t, g.Handler(), planName); s.Words != "no release" || s.Tone != wire.None || s.Verdict != "unknown" {
		t.Errorf("%+v", s)
	}
	if res := ask(g.Handler(), "GET", "/v1/plans/other/badge.svg", ""); res.StatusCode != 404 {
		t.Errorf("an unknown plan: %d", res.StatusCode)
	}
	starting, _ := newGate(t, gate.Config{})
	res := ask(starting.Handler(), "GET", badgeURL, "")
	if texts, _ := strictly(t, readBack(t, res)); res.StatusCode != 200 || texts[1] != "unknown" {
		t.Errorf("while starting: %d %q", res.StatusCode, texts)
	}
	res = ask(starting.Handler(), "GET", statusURL, "")
	if res.StatusCode != 503 {
		t.Errorf("while starting: %d", res.StatusCode)
	}
	checkContract(t, "GET", statusURL, res, "")
}

// TestWhoMaySeeABadge: as other reads, but for the plans that the config says.
func TestWhoMaySeeABadge(t *testing.T) {
	g, _ := newGate(t, gate.Config{Tokens: append(scoped(gate.Read), gate.Token{Name: "stop", SHA256: hash("y"), Scopes: []gate.Scope{gate.Stop}}), PublicBadges: []string{"REL-2"}}, view(planName), view("REL-2"))
	for _, tt := range []struct {
		url, token string
		status     int
	}{
		{badgeURL, "", 401}, {statusURL, "", 401}, {badgeURL, "z", 401}, {badgeURL, "y", 403}, {badgeURL, "x", 200}, {statusURL, "x", 200},
		{"/v1/plans/REL-2/badge.svg", "", 200}, {"/v1/plans/REL-2/status", "", 200}, {"/v1/plans/REL-2/badge.svg", "z", 200},
		{"/v1/plans/REL-2", "", 401}, {"/v1/gates/REL-2/ten/gate", "", 401}, {"/v1/plans/other/badge.svg", "", 401},
		{badgeURL + "?style=flat", "x", 400},
	} {
		var header []string
		if tt.token != "" {
			header = []string{"Authorization", "Bearer " + tt.token}
		}
		for _, method := range []string{"GET", "HEAD"} {
			res := ask(g.Handler(), method, tt.url, "", header...)
			if res.StatusCode != tt.status {
				t.Errorf("%s %s with %q: %d, want %d", method, tt.url, tt.token, res.StatusCode, tt.status)
			}
			checkContract(t, method, strings.SplitN(tt.url, "?", 2)[0], res, "")
		}
	}
}

// TestABadgeIsEscaped: whatever names a plan and a version have, the picture is XML and shows
// them as they are.
func TestABadgeIsEscaped(t *testing.T) {
	const evil = `a<b>&"c'`
	v := view(evil, func(s *fact.Snapshot) {})
	p := *v.Runs[0].Plan
	p.Version = `1.0]]>--><script>` + strings.Repeat("x", 200)
	v.Runs[0].Plan = &p
	g, _ := newGate(t, gate.Config{}, v)
	res := ask(g.Handler(), "GET", "/v1/plans/a%3Cb%3E&%22c'/badge.svg", "")
	texts, _ := strictly(t, readBack(t, res))
	if res.StatusCode != 200 || len(texts) != 2 || !strings.HasPrefix(texts[0], evil+" 1.0]]>--><script>xx") || len([]rune(texts[0])) != 60 || !strings.HasSuffix(texts[0], "…") {
		t.Errorf("%d %q", res.StatusCode, texts)
	}
}

// TestABadgeThatIsTooOld says so, and a run that is over needs no newer evaluation.
func TestABadgeThatIsTooOld(t *testing.T) {
	g, ck := newGate(t, gate.Config{}, view(planName))
	if s, _ := statusOf(t, g.Handler(), planName); s.Words != "monitoring 10 %" || s.Stale {
		t.Errorf("%+v", s)
	}
	ck.set(t0.Add(now5 + 91*time.Second))
	if s, _ := statusOf(t, g.Handler(), planName); s.Words != "unknown: stale" || !s.Stale || s.Tone != wire.None || s.State != rules.Monitoring.String() {
		t.Errorf("%+v", s)
	}
}
