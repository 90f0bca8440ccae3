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
		"", "a = 1\n", "\xef\xbb\xbfa = 1\n[b]\n", "a.b = 1\na.c = 2\n", "[a.b]\nx = 1\n[a]\nb.y = 2\n", "a.b.c = 1\n[a.b]\nd = 2\n",
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
		"a = 2025-02-30\n":         "invalid datetime",
		"a = 99999999999999999999": "out of range",
		"a = \n":                   "value",
	} {
		if _, _, err := plant([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
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
