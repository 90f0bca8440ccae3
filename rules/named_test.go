package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// part is a table that the file names, of a query.
type part struct {
	Name  string            `toml:"-" key:"name" json:"name"`
	Text  string            `toml:"text" json:"text"`
	Texts map[string]string `toml:"texts" json:"texts"`
}

// partsQuery is a query with named tables.
type partsQuery struct {
	PlainQuery `toml:"-" json:"-"`
	Counts     []struct{ N int } `toml:"counts" json:"counts"` // no named tables
	Parts      []part            `toml:"parts" json:"parts"`
}

func (*partsQuery) Source() string                { return "sum" }
func (*partsQuery) Facts() Facts                  { return Facts{} }
func (q *partsQuery) Implied(*Signal) SourceQuery { return q }

func planOfParts(parts ...part) *Plan {
	return &Plan{Signals: []Signal{{Name: "s", Of: -1, Query: Query{Ask: &partsQuery{Counts: []struct{ N int }{{1}}, Parts: parts}}}}}
}

// Placeholders stand in the texts of named tables, and a run's query shares nothing with
// the plan's.
func TestNamedTablesAreFilled(t *testing.T) {
	p := planOfParts(part{Name: "a", Text: "x-{version}"}, part{Name: "b", Texts: map[string]string{"v": "{version}", "w": "w"}})
	var paths []string
	p.eachText(func(_ *string, _ textUse, keys ...string) { paths = append(paths, textPath(keys...)) })
	slices.Sort(paths)
	if got := strings.Join(paths, " "); got != "signals.s.sum.parts.a.text signals.s.sum.parts.b.texts.v" {
		t.Errorf("texts at %s", got)
	}
	bound, found := p.filled(map[string]string{"version": "7"})
	got := bound.Signals[0].Query.Ask.(*partsQuery).Parts
	if len(found) > 0 || got[0].Text != "x-7" || !maps.Equal(got[1].Texts, map[string]string{"v": "7", "w": "w"}) {
		t.Errorf("got %+v, %v", got, found)
	}
	if own := p.Signals[0].Query.Ask.(*partsQuery).Parts; own[0].Text != "x-{version}" || own[1].Texts["v"] != "{version}" {
		t.Errorf("the plan's own became %+v", own)
	}
}

// What differs of named tables is named with its table.
func TestNamedTablesAreCompared(t *testing.T) {
	a, b := part{Name: "a", Text: "x"}, part{Name: "b", Texts: map[string]string{"v": "1"}}
	changed := part{Name: "b", Texts: map[string]string{"v": "2"}}
	for _, tt := range []struct {
		old, new *Plan
		want     string
	}{
		{planOfParts(a, b), planOfParts(a, b), ""},
		{planOfParts(a, b), planOfParts(b, a), ""},
		{planOfParts(a, b), planOfParts(a, changed), `signals.s.sum.parts.b.texts: { v = "1" } → { v = "2" }; `},
		{planOfParts(a), planOfParts(a, b), `signals.s.sum.parts.b.texts:  → { v = "1" }; `},
		{planOfParts(a, b), planOfParts(b), `signals.s.sum.parts.a.text: x → ; `},
	} {
		got := ""
		for _, c := range Diff(tt.old, tt.new) {
			got += fmt.Sprintf("%s: %s → %s; ", c.Path, c.From, c.To)
		}
		if got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}
