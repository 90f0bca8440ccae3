package rules

import (
	"encoding/json"
	"slices"
	"testing"
)

// One text is kept as a text, as before there were lists.
func TestSeveralIsKept(t *testing.T) {
	for _, tt := range []struct {
		value Several
		text  string
	}{{Several{"a"}, `"a"`}, {Several{"a", "b"}, `["a","b"]`}, {nil, `""`}} {
		var got Several
		if err := json.Unmarshal([]byte(tt.text), &got); err != nil || !slices.Equal(got, tt.value) {
			t.Errorf("%s is %q (%v), want %q", tt.text, got, err, tt.value)
		}
		if text, err := json.Marshal(tt.value); tt.value != nil && (string(text) != tt.text || err != nil) {
			t.Errorf("%q is kept as %s (%v), want %s", tt.value, text, err, tt.text)
		}
	}
	if err := json.Unmarshal([]byte("7"), new(Several)); err == nil {
		t.Error("a number was read")
	}
}

func TestSeveralIsWritten(t *testing.T) {
	for _, tt := range []struct {
		value any
		want  string
		bad   bool
	}{
		{"a", "a", false}, {"", "", false}, {[]any{"a", "b"}, "a + b", false}, {[]any{}, "", false},
		{7, "", true}, {[]any{"a", 7}, "", true},
	} {
		got := Several{"before"}
		if err := got.UnmarshalTOML(tt.value); (err != nil) != tt.bad || err == nil && got.String() != tt.want {
			t.Errorf("%v: got %q (%v)", tt.value, got, err)
		}
	}
}

// sumQuery is a query with a key that may be several texts.
type sumQuery struct {
	PlainQuery `toml:"-" json:"-"`
	Names      Several `json:"names" toml:"names"`
}

func (*sumQuery) Source() string                { return "sum" }
func (*sumQuery) Facts() Facts                  { return Facts{} }
func (q *sumQuery) Implied(*Signal) SourceQuery { return q }

// Placeholders stand in each text, and a run's query shares nothing with the plan's.
func TestSeveralIsFilled(t *testing.T) {
	for _, tt := range []struct {
		names, want Several
		path        string
	}{
		{Several{"a-{version}"}, Several{"a-7"}, "signals.s.sum.names"},
		{Several{"a", "b-{version}"}, Several{"a", "b-7"}, "signals.s.sum.names.[1]"},
	} {
		p := &Plan{Signals: []Signal{{Name: "s", Of: -1, Query: Query{Ask: &sumQuery{Names: slices.Clone(tt.names)}}}}}
		p.eachText(func(_ *string, _ textUse, keys ...string) {
			if got := Path(keys...); got != tt.path && got != `signals.s.sum.names."[1]"` {
				t.Errorf("a text at %s, want %s", got, tt.path)
			}
		})
		bound, found := p.filled(map[string]string{"version": "7"})
		if got := bound.Signals[0].Query.Ask.(*sumQuery).Names; len(found) > 0 || !slices.Equal(got, tt.want) {
			t.Errorf("got %q, %v", got, found)
		}
		if got := p.Signals[0].Query.Ask.(*sumQuery).Names; !slices.Equal(got, tt.names) {
			t.Errorf("the plan's own became %q", got)
		}
	}
}

func TestSeveralIsCompared(t *testing.T) {
	plan := func(names ...string) *Plan {
		return &Plan{Signals: []Signal{{Name: "s", Of: -1, Query: Query{Ask: &sumQuery{Names: names}}}}}
	}
	for _, tt := range []struct {
		old, new *Plan
		want     string
	}{
		{plan("a"), plan("a"), ""},
		{plan("a"), plan("b"), "a → b"},
		{plan("a"), plan("a", "b"), `a → ["a", "b"]`},
	} {
		got := ""
		for _, c := range Diff(tt.old, tt.new) {
			got += c.From + " → " + c.To
		}
		if got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}
