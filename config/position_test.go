package config

import (
	"fmt"
	"testing"
)

func TestPositions(t *testing.T) {
	text := `top = 1
[a.b]
  "quoted key" = "x"
x.y = [ 1, [2,
  3], { k = "v" } ]
inline = { one = 1, two.three = { four = 4 } }
[[list]]
n = 1
[[list]]
n = 2
[list.sub]
m = 3
[c]
spaced   =   true # comment
multi = """
text"""
after = 'é'
é = 1
`
	found, twice := placesOf([]byte(text))
	if len(twice) > 0 {
		t.Errorf("got %v twice, want nothing", twice)
	}
	for path, want := range map[string]string{
		"top":                       "1:1 1:7",
		"a":                         "2:2 2:2",
		"a.b":                       "2:4 2:4",
		`a.b."quoted key"`:          "3:3 3:18",
		"a.b.x":                     "4:1 4:1",
		"a.b.x.y":                   "4:3 4:7",
		"a.b.x.y[0]":                "4:9 4:9",
		"a.b.x.y[1][0]":             "4:13 4:13",
		"a.b.x.y[1][1]":             "5:3 5:3",
		"a.b.x.y[2]":                "5:7 5:7",
		"a.b.x.y[2].k":              "5:9 5:13",
		"a.b.inline":                "6:1 6:10",
		"a.b.inline.one":            "6:12 6:18",
		"a.b.inline.two.three":      "6:25 6:33",
		"a.b.inline.two.three.four": "6:35 6:42",
		"list":                      "7:3 7:3",
		"list[0]":                   "7:3 7:3",
		"list[0].n":                 "8:1 8:5",
		"list[1].n":                 "10:1 10:5",
		"list[1].sub":               "11:7 11:7",
		"list[1].sub.m":             "12:1 12:5",
		"c.spaced":                  "14:1 14:14",
		"c.multi":                   "15:1 15:9",
		"c.after":                   "17:1 17:9",
	} {
		p, ok := found[path]
		if got := fmt.Sprintf("%d:%d %d:%d", p.key.line, p.key.col, p.value.line, p.value.col); !ok || got != want {
			t.Errorf("%s is at %s (%v), want %s", path, got, ok, want)
		}
	}
}

// A key that is written twice keeps its first place, and a document that is not
// TOML gives what stands before the mistake.
func TestPositionsOfBadDocuments(t *testing.T) {
	found, _ := placesOf([]byte("[a]\nx = 1\n[a]\nx = 2\ny = 3\nz = \n[b]\n"))
	for path, want := range map[string]int{"a": 1, "a.x": 2} {
		if got := found[path].key.line; got != want {
			t.Errorf("%s is in line %d, want %d", path, got, want)
		}
	}
	if _, ok := found["b"]; ok {
		t.Error("found a table behind the mistake")
	}
	if found, _ := placesOf(nil); len(found) != 0 {
		t.Errorf("found %v in nothing", found)
	}
}

func TestLines(t *testing.T) {
	lines := Lines([]byte("# periods\n[[bad]]\nfrom = 1\n[[bad]]\nrules = [\n  \"a\",\n  \"b\",\n]\n"))
	for path, want := range map[string]int{"bad[0]": 2, "bad[0].from": 3, "bad[1]": 4, "bad[1].rules": 5, "bad[1].rules[1]": 7, "bad[1].from": 0} {
		if got := lines[path]; got != want {
			t.Errorf("%s is in line %d, want %d", path, got, want)
		}
	}
}

func placesOf(data []byte) (map[string]place, []duplicate) {
	root, twice, _ := plant(data)
	l := &locator{data: data, root: root}
	l.place("")
	return l.places, twice
}
