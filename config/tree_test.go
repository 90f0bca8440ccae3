package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
)

// What is planted without a fault is what BurntSushi reads.
func TestPlantReadsWhatBurntSushiReads(t *testing.T) {
	for _, text := range []string{
		"", "a = 1\n", "\xef\xbb\xbfa = 1\n[b]\n", "a.b = 1\na.c = 2\n", "[a.b]\nx = 1\n[a]\ny = 2\n", "[a]\nb.c = 1\n[a.b.d]\ne = 2\n", "a.b = 1\n[a.c]\nd = 2\n",
		"[[a]]\nx = 1\n[a.b]\ny = 2\n[[a]]\n[[a.c]]\nz = 3\n", "a = { b.c = 1, b.d = { e = [1, [2.5, true]] } }\n",
		"a = 0x1F\nb = 1_000\nc = +1\nd = -0\ne = 1e5\nf = inf\ng = 6.02e-23\n", "a = 2025-06-04T02:00:00Z\nb = 2025-06-04\nc = 02:00:00\nd = 2025-06-04 02:00:00.5+02:00\n",
		"a = \"\\u00e9\\n\"\nb = 'x\\'\nc = \"\"\"\nx\\\n  y\"\"\"\n", "\"a b\" = 1\n'' = 2\n",
		"a=1\nb=1\nc=1\nd=1\ne=1\nf=1\ng=1\nh=1\ni=1\nj=1\n[k]\n[l.m]\n",
	} {
		root, twice, err := plant([]byte(text))
		if err != nil || len(twice) > 0 {
			t.Errorf("%q: got %v, %v, want no fault", text, err, twice)
		}
		sameAsBurntSushi(t, text, root)
	}
}

func TestPlantFindsWhatIsNoTOML(t *testing.T) {
	for text, want := range map[string]string{
		"a = 1\na.b = 2\n":         `"a" is no table`,
		"a = [1]\n[[a]]\n":         `"a" is no array of tables`,
		"[a]\n[[a]]\n":             `"a" is no array of tables`,
		"[[a]]\n[a]\n":             `"a" is no table`,
		"a = 1\n[a.b]\n":           `"a" is no table`,
		"a = { b = 1, b = 2 }\n":   `"b" has been written already`,
		"a={b={c=1}, b.d=2}\n":     `"b" has been written already`,
		"a = 2025-02-30\n":         "invalid datetime",
		"a = 99999999999999999999": "out of range",
		"a = \n":                   "value",
	} {
		if _, _, err := plant([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// A table in braces takes nothing more, and one that a dotted key or a header made
// is not made again in the other way. BurntSushi lets that pass, other readers of
// TOML do not.
func TestPlantListsTablesThatAreMadeTwice(t *testing.T) {
	for _, tt := range []struct {
		text, path string
		at, first  int // lines
	}{
		{"a={b=1}\n[a.c]\nd=1\n[e]\n", "a", 2, 1},
		{"a={b=1}\n[[a.c]]\nd=1\n[e]\n", "a", 2, 1},
		{"x=1\na={b={c=1}}\n[a.b.c]\nd=1\n[e]\n", "a", 3, 2},
		{"a={b=1}\na.c=2\n[e]\n", "a", 2, 1},
		{"[a]\nb.c=1\n[a.b]\nd=2\n[e]\n", "a.b", 3, 2},
		{"a.b=1\n[a]\nc=1\n[e]\n", "a", 2, 1},
		{"a.b.c = 1\n[a.b]\nd = 2\n[e]\n", "a.b", 2, 1},
		{"[a.b]\nx = 1\n[a]\nb.y = 2\n[e]\n", "a.b", 4, 1},
	} {
		root, twice, err := plant([]byte(tt.text))
		if err != nil || len(twice) != 1 || twice[0].path != tt.path {
			t.Errorf("%q: got %v, %+v, want %s twice", tt.text, err, twice, tt.path)
			continue
		}
		line := func(at int) int { return strings.Count(tt.text[:at], "\n") + 1 }
		if d := twice[0]; line(d.at) != tt.at || line(d.first) != tt.first {
			t.Errorf("%q: line %d, first in %d; want %d and %d", tt.text, line(d.at), line(d.first), tt.at, tt.first)
		}
		if root.child([]byte("e")) == nil {
			t.Errorf("%q: what follows is not planted", tt.text)
		}
		rest := []byte(tt.text)
		twice[0].blank(rest)
		again, twice, err := plant(rest)
		if err != nil || len(twice) > 0 || !reflect.DeepEqual(again.value(), root.value()) {
			t.Errorf("%q: without it: %v, %v, %v", tt.text, again.value(), twice, err)
		}
	}
}

func sameAsBurntSushi(t *testing.T, text string, root *node) {
	t.Helper()
	var want map[string]any
	if _, err := toml.Decode(text, &want); err != nil {
		t.Errorf("%q is planted, and BurntSushi says %v", text, err)
		return
	}
	if got := comparable(root.value()); !reflect.DeepEqual(got, comparable(want)) {
		t.Errorf("%q: got %v, want %v", text, got, want)
	}
}

// comparable is a value in a form that DeepEqual takes: arrays of one type, times
// and numbers by how they are written.
func comparable(v any) any {
	switch v := v.(type) {
	case map[string]any:
		table := map[string]any{}
		for k, e := range v {
			table[k] = comparable(e)
		}
		return table
	case []any, []map[string]any:
		list := []any{}
		for i := range reflect.ValueOf(v).Len() {
			list = append(list, comparable(reflect.ValueOf(v).Index(i).Interface()))
		}
		return list
	case time.Time:
		return v.Format(time.RFC3339Nano) + v.Location().String()
	case float64:
		return fmt.Sprint(v)
	}
	return v
}

// Whatever the text: no panic, and what is planted without a fault is what
// BurntSushi reads.
func FuzzPlant(f *testing.F) {
	f.Add(minimalText)
	paths, err := filepath.Glob("testdata/broken/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		broken, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		_, text, _ := strings.Cut(string(broken), "-- config.toml --\n")
		text, _, _ = strings.Cut(text, "\n-- ")
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		root, twice, err := plant([]byte(text))
		if err == nil && len(twice) == 0 {
			sameAsBurntSushi(t, text, root)
		}
	})
}
