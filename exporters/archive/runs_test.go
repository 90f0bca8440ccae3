package archive_test

import (
	"context"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/relgate/relgate/exporters/archive"
	"github.com/relgate/relgate/exporters/archive/archivetest"
)

// begunAgain is a run that has the id of another: its journal was lost.
func begunAgain() archive.Report {
	r := report
	r.UID, r.Event = "zz9plural", 12
	r.Markdown = []byte("# Review\n\nThe second time.\n")
	return r
}

// texts are the reports that a side has, with what they are called.
func texts(f faulty) map[string]string {
	all := map[string]string{}
	switch s := f.(type) {
	case *archivetest.Confluence:
		for _, p := range s.Pages() {
			all[p.Title] = p.Value
		}
	case *archivetest.GitHub:
		for _, branch := range s.Branches() {
			for path, text := range s.Files(branch) {
				if strings.HasPrefix(path, "docs/reviews/") {
					all[branch+" "+path] = text
				}
			}
		}
	}
	return all
}

// has counts the texts that have a part.
func has(all map[string]string, part string) (n int) {
	for _, text := range all {
		if strings.Contains(text, part) {
			n++
		}
	}
	return n
}

// The review of a run is never in the place of that of another run that had the same id.
func TestAnotherRunOfTheSameIDHasItsOwn(t *testing.T) {
	for _, sc := range scenes {
		s, open := sc.new(t)
		for range 2 {
			for _, r := range []archive.Report{report, begunAgain()} {
				if _, err := keep(t.Context(), open(t), r); err != nil {
					t.Fatalf("%s: %v", sc.name, err)
				}
			}
		}
		if all := texts(s); len(all) != 2 || has(all, "five") != 1 || has(all, "The second time") != 1 {
			t.Errorf("%s: %q, want the reviews of both", sc.name, all)
		}
		switch s := s.(type) {
		case *archivetest.Confluence:
			want := []string{"Review of BioAge 1.0 (bioage@1.0~2)", "Review of BioAge 1.0 (bioage@1.0~2.zz9plural)"}
			if got := slices.Sorted(maps.Keys(texts(s))); !slices.Equal(got, want) {
				t.Errorf("titles %q, want %q", got, want)
			}
		case *archivetest.GitHub:
			if len(s.Pulls()) > 0 && (len(s.Pulls()) != 2 || s.Pulls()[0].Head == s.Pulls()[1].Head) {
				t.Errorf("pull requests %+v, want two with a branch each", s.Pulls())
			}
		}
	}
	dir := t.TempDir()
	first, err := folder(t, dir, report)
	if err != nil {
		t.Fatal(err)
	}
	second, err := folder(t, dir, begunAgain())
	if err != nil || second == first || !isReport(read(t, first), report) || len(names(t, dir)) != 6 {
		t.Errorf("folder: %q after %q, %v: files %q", second, first, err, names(t, dir))
	}
}

// TestTwoRunsOfOneIDAtOnce has the other run's review come before each request.
func TestTwoRunsOfOneIDAtOnce(t *testing.T) {
	for _, sc := range scenes {
		for k := range 9 {
			s, open := sc.new(t)
			var n atomic.Int32
			s.Between(func(*http.Request) {
				if n.Add(1) == int32(k+1) {
					if _, err := keep(context.Background(), open(t), begunAgain()); err != nil {
						t.Errorf("%s: the other run: %v", sc.name, err)
					}
				}
			})
			_, err := keep(t.Context(), open(t), report)
			all := texts(s)
			if err != nil || has(all, "five") != 1 || n.Load() > int32(k) && (len(all) != 2 || has(all, "The second time") != 1) {
				t.Errorf("%s, the other at request %d: %v, %q", sc.name, k, err, all)
			}
		}
	}
}

// A page that a person renamed or wrote is never taken for that of a run.
func TestTheTitleOfARunThatWasBegunAgain(t *testing.T) {
	f, open := scenes[2].new(t)
	s := f.(*archivetest.Confluence)
	for _, r := range []archive.Report{report, begunAgain()} {
		if _, err := keep(t.Context(), open(t), r); err != nil {
			t.Fatal(err)
		}
	}
	own := "Review of BioAge 1.0 (bioage@1.0~2.zz9plural)"
	s.Rename("Review of BioAge 1.0 (bioage@1.0~2)", "Old")
	if _, err := keep(t.Context(), open(t), begunAgain()); err != nil || len(s.Pages()) != 2 {
		t.Errorf("after the other page was renamed: %v, %d pages, want the two", err, len(s.Pages()))
	}
	s.Put(own, "<p>mine</p>", "current")
	if _, err := keep(t.Context(), open(t), begunAgain()); err == nil || !strings.Contains(err.Error(), own) || texts(s)[own] != "<p>mine</p>" {
		t.Errorf("where a person has the title: %v, the page is %q; want it refused", err, texts(s)[own])
	}
}

// What relgate did not write in this form is left alone in a folder, whatever it says.
func TestAFolderKnowsItsOwnByTheMarkAlone(t *testing.T) {
	dir := t.TempDir()
	link, err := folder(t, dir, report)
	if err != nil {
		t.Fatal(err)
	}
	for _, first := range []string{"<!-- relgate review -->", "<!-- relgate review bioage-1.0-2", "# Review\n" + strings.SplitN(read(t, link), "\n", 2)[0]} {
		write(t, link, first+"\n")
		if _, err := folder(t, dir, report); err == nil || read(t, link) != first+"\n" {
			t.Errorf("beginning with %q: %v, the file is %q", first, err, read(t, link))
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
			t.Errorf("files %q are left", left)
		}
	}
	if _, err := os.Stat(link); err != nil {
		t.Error(err)
	}
}
