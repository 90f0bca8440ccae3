package report_test

import (
	"bytes"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"

	"github.com/relgate/relgate/exporters/report"
)

// A renderer of GitHub's Markdown that lets HTML through and makes links of addresses shows
// nasty texts as they are written.
func TestNastyTextsAreShownAsTheyAreWritten(t *testing.T) {
	gfm := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(html.WithUnsafe()))
	p := shop()
	spoil(reflect.ValueOf(p), nasty)
	var plan bytes.Buffer
	if err := report.OfPlan(p, nasty).Markdown(&plan); err != nil {
		t.Fatal(err)
	}
	tags := regexp.MustCompile(`<([a-zA-Z][a-zA-Z0-9]*)`)
	for name, text := range map[string]string{"report": markdown(t, spoilt()), "plan": plan.String()} {
		var out bytes.Buffer
		if err := gfm.Convert([]byte(text), &out); err != nil {
			t.Fatal(err)
		}
		for _, m := range tags.FindAllStringSubmatch(out.String(), -1) {
			if !slices.Contains(strings.Fields("h1 h2 h3 p ul li code table thead tbody tr th td blockquote strong em"), m[1]) {
				t.Errorf("%s: an element <%s>", name, m[1])
				break
			}
		}
		// What the texts say is there to the letter, markup and all.
		want := `&lt;script&gt;alert(1)&lt;/script&gt;&quot;'|` + "` "
		if n := strings.Count(out.String(), want); n < 20 {
			t.Errorf("%s: %q is shown %d times", name, want, n)
		}
		if strings.Count(out.String(), "<table>") < 3 {
			t.Errorf("%s: tables are lost", name)
		}
	}
}
