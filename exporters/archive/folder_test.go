package archive_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/relgate/relgate/exporters/archive"
)

// names are the files of a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func folder(t *testing.T, dir string, r archive.Report) (string, error) {
	t.Helper()
	f, err := archive.NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f.Archive(t.Context(), r)
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderHasOneReportOfARun(t *testing.T) {
	dir := t.TempDir()
	link, err := folder(t, dir, report)
	if err != nil || filepath.Dir(link) != dir || !isReport(read(t, link), report) {
		t.Fatalf("Archive = %q, %v", link, err)
	}
	base := strings.TrimSuffix(filepath.Base(link), ".md")
	if got, want := names(t, dir), []string{base + ".html", base + ".json", base + ".md"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	if again, err := folder(t, dir, later()); err != nil || again != link || !isReport(read(t, link), later()) || len(names(t, dir)) != 3 {
		t.Errorf("Archive of a later report = %q, %v, files %q", again, err, names(t, dir))
	}
	// Other runs have other files, also where case makes no difference.
	seen := map[string]bool{strings.ToLower(link): true}
	for _, run := range []string{"bioage@1.0", "bioage@1.0~3", "BioAge@1.0~2", "bioage-1.0-2", "../../etc/passwd", "..", "a/b", "a\\b", strings.Repeat("x", 500), strings.Repeat("x", 501), "日本", "-"} {
		r := report
		r.Run = run
		other, err := folder(t, dir, r)
		if err != nil || filepath.Dir(other) != dir || seen[strings.ToLower(other)] || len(filepath.Base(other)) > 100 {
			t.Errorf("run %.20q: Archive = %q, %v, want a file of its own in the folder", run, other, err)
		}
		seen[strings.ToLower(other)] = true
	}
}

// TestKilledAtEachStepOfAFolder begins with what a kill at each step leaves behind.
func TestKilledAtEachStepOfAFolder(t *testing.T) {
	model := t.TempDir()
	link, err := folder(t, model, report)
	if err != nil {
		t.Fatal(err)
	}
	base := strings.TrimSuffix(filepath.Base(link), ".md")
	old := func(t *testing.T, dir string, parts ...string) {
		for _, p := range parts {
			write(t, filepath.Join(dir, base+p), read(t, filepath.Join(model, base+p)))
		}
	}
	for what, before := range map[string]func(t *testing.T, dir string){
		"half a draft": func(t *testing.T, dir string) { write(t, filepath.Join(dir, "."+base+".md.new"), "<!-- relg") },
		"a draft that has its name, too": func(t *testing.T, dir string) {
			old(t, dir, ".md")
			write(t, filepath.Join(dir, "."+base+".md.new"), "x")
		},
		"the Markdown alone": func(t *testing.T, dir string) { old(t, dir, ".md") },
		"half a draft of the HTML": func(t *testing.T, dir string) {
			old(t, dir, ".md")
			write(t, filepath.Join(dir, "."+base+".html.new"), "<")
		},
		"all but the JSON": func(t *testing.T, dir string) { old(t, dir, ".md", ".html") },
		"an older report and a draft": func(t *testing.T, dir string) {
			old(t, dir, ".md", ".html", ".json")
			write(t, filepath.Join(dir, "."+base+".md.new"), "<!--")
		},
		"an older report, half of it newer": func(t *testing.T, dir string) {
			old(t, dir, ".html", ".json")
			write(t, filepath.Join(dir, base+".md"), newer(t))
		},
		"nothing":                              func(*testing.T, string) {},
		"a draft that leads out of the folder": func(t *testing.T, dir string) { _ = os.Symlink("/etc/passwd", filepath.Join(dir, "."+base+".md.new")) },
		"a draft that leads to another's file": func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "mine"), "mine")
			_ = os.Symlink("mine", filepath.Join(dir, "."+base+".md.new"))
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			before(t, dir)
			link, err := folder(t, dir, later())
			if err != nil || !isReport(read(t, link), later()) || read(t, filepath.Join(dir, base+".json")) != string(report.JSON) || read(t, filepath.Join(dir, base+".html")) != string(report.HTML) {
				t.Fatalf("Archive = %q, %v", link, err)
			}
			for _, name := range names(t, dir) {
				switch name {
				case base + ".md", base + ".html", base + ".json":
				case "mine":
					if read(t, filepath.Join(dir, name)) != "mine" {
						t.Error("another's file was written")
					}
				default:
					t.Errorf("%s is left", name)
				}
			}
		})
	}
}

// A report that is there already is left as it is, and what a kill left beside it goes.
func TestTheSameReportLeavesNoDraft(t *testing.T) {
	dir := t.TempDir()
	link, err := folder(t, dir, report)
	if err != nil {
		t.Fatal(err)
	}
	before := names(t, dir)
	for _, name := range before {
		write(t, filepath.Join(dir, "."+name+".new"), "half")
	}
	if _, err := folder(t, dir, report); err != nil || !isReport(read(t, link), report) {
		t.Errorf("Archive: %v", err)
	}
	if now := names(t, dir); !slices.Equal(now, before) {
		t.Errorf("files %q, want %q", now, before)
	}
}

// newer is the Markdown of the later report, as a file.
func newer(t *testing.T) string {
	t.Helper()
	link, err := folder(t, t.TempDir(), later())
	if err != nil {
		t.Fatal(err)
	}
	return read(t, link)
}

func TestAFolderKeepsWhatIsAnothers(t *testing.T) {
	model := t.TempDir()
	link, err := folder(t, model, report)
	if err != nil {
		t.Fatal(err)
	}
	base := strings.TrimSuffix(filepath.Base(link), ".md")
	outside := filepath.Join(t.TempDir(), "secret")
	write(t, outside, read(t, link))
	for what, before := range map[string]func(t *testing.T, dir string){
		"a file without the mark": func(t *testing.T, dir string) { write(t, filepath.Join(dir, base+".md"), "mine") },
		"an empty file":           func(t *testing.T, dir string) { write(t, filepath.Join(dir, base+".md"), "") },
		"the mark of another run": func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, base+".md"), "<!-- relgate review x -->\n")
		},
		"JSON without the Markdown":  func(t *testing.T, dir string) { write(t, filepath.Join(dir, base+".json"), "{}") },
		"a folder":                   func(t *testing.T, dir string) { _ = os.Mkdir(filepath.Join(dir, base+".md"), 0o700) },
		"a link to a report outside": func(t *testing.T, dir string) { _ = os.Symlink(outside, filepath.Join(dir, base+".md")) },
		"a link in place of the HTML": func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, base+".md"), read(t, link))
			_ = os.Symlink(outside, filepath.Join(dir, base+".html"))
		},
		"a link that leads nowhere yet": func(t *testing.T, dir string) {
			_ = os.Symlink(filepath.Join(t.TempDir(), "x"), filepath.Join(dir, base+".json"))
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			before(t, dir)
			was := names(t, dir)
			_, err := folder(t, dir, later())
			if e, ok := errors.AsType[*archive.Error](err); !ok || !e.Refused {
				t.Errorf("Archive = %v, want it refused", err)
			}
			for _, name := range was {
				if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || info.Mode().IsRegular() && name != base+".md" && read(t, filepath.Join(dir, name)) != "{}" {
					t.Errorf("%s was changed", name)
				}
			}
			if now := names(t, dir); !slices.Equal(now, was) {
				t.Errorf("files %q, before %q", now, was)
			}
			if strings.Contains(read(t, outside), "Signed by") {
				t.Error("a file outside the folder was written")
			}
		})
	}
	_, err = folder(t, filepath.Join(model, "not mounted"), report)
	if e, ok := errors.AsType[*archive.Error](err); !ok || e.Refused {
		t.Errorf("Archive in a folder that is not there = %v, want another attempt", err)
	}
	if got := names(t, model); len(got) != 3 {
		t.Errorf("files %q: the folder was made", got)
	}
}
