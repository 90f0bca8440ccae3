package archive_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/relgate/relgate/exporters/archive"
)

// FuzzStorage has any text be a report: Confluence takes it, and nothing in it runs.
func FuzzStorage(f *testing.F) {
	f.Add("# a\n\n| b | c |\n|---|---|\n| d & <e> | `f` |\n\n<script>x</script>\n\n![i](javascript:x) <a@b.example> ~~g~~\n")
	f.Add("[i](javascript)~ [j](javascript:x)")
	f.Add("\x00\x0b\xff\ufffe <!-- -- > --> &nbsp; &bogus; &#0; &#11; <br> [x](<y> \"z\")")
	f.Add("[a]: http://x/\"><b>\n[a] `` ` `` \\<\\&  \n1. x\n   - y\n***\n")
	f.Fuzz(func(t *testing.T, text string) {
		out, err := archive.Storage([]byte(text))
		if err != nil {
			t.Fatalf("Storage(%q): %v", text, err)
		}
		d := xml.NewDecoder(strings.NewReader("<p>" + out + "</p>"))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatalf("Storage(%q) = %q: %v", text, out, err)
			}
			e, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			if strings.Contains(" script style iframe object embed form input ", " "+strings.ToLower(e.Name.Local)+" ") {
				t.Errorf("Storage(%q) = %q has the element %s", text, out, e.Name.Local)
			}
			for _, a := range e.Attr {
				scheme, _, has := strings.Cut(strings.ToLower(strings.TrimSpace(a.Value)), ":") // without one it is a relative link
				if strings.HasPrefix(strings.ToLower(a.Name.Local), "on") || (a.Name.Local == "href" || a.Name.Local == "src") && has && (scheme == "javascript" || scheme == "vbscript" || scheme == "file") {
					t.Errorf("Storage(%q) = %q has %s=%q", text, out, a.Name.Local, a.Value)
				}
			}
		}
	})
}

// FuzzName has any text be a run: its name stands in a path, a URL and a branch as it is.
func FuzzName(f *testing.F) {
	for _, run := range []string{"bioage@1.0~2", "../../x", ".lock", "", "a..b", "日本", strings.Repeat("x", 300)} {
		f.Add(run)
	}
	f.Fuzz(func(t *testing.T, run string) {
		name := archive.Name(run, "k7q")
		if len(name) > 80 || strings.Contains(name, "..") || strings.Trim(name[:1], ".-") == "" || strings.HasSuffix(name, ".lock") ||
			strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != "" {
			t.Errorf("Name(%q) = %q", run, name)
		}
	})
}
