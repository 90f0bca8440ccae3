package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// SourceKind is a kind of source that describes itself: all that relgate knows of an
// upstream before it asks it. It is pure, and lives in a package beside its client.
type SourceKind interface {
	Name() string       // how a config names it: the type of its sources, and the key of its queries
	Title() string      // its name for people
	Account() Account   // what its sources are told
	Query() SourceQuery // an empty query, which a config or a journal fills
}

// Kinds are the kinds of sources that there are, in the order in which people are told
// of them.
type Kinds []SourceKind

// Named is the kind of that name, nil when there is none.
func (k Kinds) Named(name string) SourceKind {
	for _, kind := range k {
		if kind.Name() == name {
			return kind
		}
	}
	return nil
}

// Names are the names of the kinds.
func (k Kinds) Names() []string {
	names := make([]string, 0, len(k))
	for _, kind := range k {
		names = append(names, kind.Name())
	}
	return names
}

// offer says which queries a signal could have: "add [signals.x.a], .b or .c".
func (k Kinds) offer(signal string) string {
	if len(k) == 0 {
		return "add one"
	}
	names := k.Names()
	text := "add [signals." + Path(signal) + "." + names[0] + "]"
	for i, name := range names[1:] {
		if i == len(names)-2 {
			text += " or ." + name
		} else {
			text += ", ." + name
		}
	}
	return text
}

// Account is what a source of a kind is told, beside what every source is.
type Account struct {
	Timeout time.Duration // how long one fetch may take where the config does not say; zero: as others
	Keys    []AccountKey
	// Check reports what is wrong with a source's keys beyond one that is missing: at is its
	// table, text gives the keys that are no secrets, given says which there are. Nil: nothing
	// else can be.
	Check func(at Checker, text func(key string) string, given func(key string) bool)
}

// AccountKey is a key that a kind brings to `[sources.NAME]`, or a format to
// `[webhooks.NAME]`. Its value is text.
type AccountKey struct {
	Key      string
	Doc      string // a sentence for the manual
	Example  string // as the file writes it: for who has left it out
	Required bool
	Secret   bool // it is never shown, and may be kept elsewhere
	URL      bool // it must be an absolute URL
	Table    bool // of a format: its value is a table of texts
}

// SourceQuery is what a source is asked for one signal: a pointer to a struct. Its
// fields with a `toml` tag are the keys of `[signals.NAME.KIND]`, and their `json` tags
// are how journals keep them. Fields are strings, bools, ints, Durations, lists of
// strings, [Several] and tables of strings, and lists of structs of such, which are tables
// that the file names: the name is the field Name with the tag `key:"name"`. A value stands in quotes in SQL where the field has
// the tag `text:"sql"`; a field with the key "file", or "-", has no placeholders.
//
// All fields are exported.
//
// A query that can measure what runs beside the release is a [BesideQuery] as well,
// one that a file belongs to a [FileQuery], one that depends on its account an
// [AccountQuery].
type SourceQuery interface {
	Source() string                  // name of its kind
	Facts() Facts                    // what the core needs to know of it
	Implied(sig *Signal) SourceQuery // the query with what its signal implies; another one where that changes it
	Lint(at Checker, sig *Signal)    // reports what is wrong; at is the signal's table
	LintForms(at Checker)            // reports how values are written, when a run has filled them in; at is the query's table
	Line() string                    // the question in a line, for people
	Price(sig *Signal) []Question    // what is billed each time it is asked; none is free
	Past(sig *Signal) Past           // what it can answer of the past
}

// BesideQuery is a query that can be asked of what runs beside the release, too.
type BesideQuery interface {
	SourceQuery
	Apart() map[string]string                   // what can tell the two apart :: dimension → its value for the release
	Beside(dimension, value string) SourceQuery // another query, for what has this value
}

// FileQuery is a query whose text stands in a file of its own, below the key "file".
type FileQuery interface {
	SourceQuery
	FileText() (name, text string)
	SetText(text string)
}

// AccountQuery is a query that wants to know what its source is told: text gives the keys
// of the account that are no secrets.
type AccountQuery interface {
	SourceQuery
	SetAccount(text func(key string) string)
}

// Facts is what the core may know of a query.
type Facts struct {
	Every    time.Duration // how often it is asked where the plan does not say
	Settle   time.Duration // how long after its end a period may change, where the plan does not say
	Maturity time.Duration // how old a period must be to help to pass, where the plan does not say
	Whole    bool          // a period is as long as the time between two questions, where the plan does not say
	Fills    bool          // a period in which nothing happened has a point
	Zeros    string        // the name of what a missing value counts as zero of; empty where none is filled in
	Counted  []Kind        // kinds of signal, beside ratios, whose points carry counts that can be weighed
	Groups   int           // how many groups a gauge compares; 0 when it compares none
	Nouns    Nouns         // what a ratio counts; the zero value when that is not known
	Alarm    string        // what people call an alarm of it: "CloudWatch alarm"; empty where it has none
	Named    string        // the alarm's name there, where that is known: another source may tell the same one

	// Dimension is an example of what tells a baseline from the release.
	Dimension string
}

// Nouns are what a signal counts, in words: so many of so many requests failed.
type Nouns struct {
	All  string // "requests"
	Verb string // "failed"
	Good Noun   // one that is not bad
	Bad  Noun   // one that is
}

// Noun is a noun's singular and plural.
type Noun struct{ One, Many string }

// Question is what is billed each time it is asked. Two that are alike are asked once.
type Question struct {
	API   string  // "GetMetricData"
	What  string  // what tells it from others of its API
	Unit  Noun    // "metric", "metrics"
	USD   float64 // list price of a call or a unit
	Batch int     // how many units one call may hold, where calls are billed; else 0
	// AtLeast says that the true price depends on the answer.
	AtLeast bool
}

// Past is what a source can answer of the past.
type Past struct {
	None  string        // it cannot, and why
	Whole bool          // one question for all of it costs least
	Keeps time.Duration // how long it keeps what is asked; zero: as long as it says itself
	Kept  string        // that, in words
}

// Query is what a source is asked for a signal. The zero Query asks nothing.
type Query struct {
	Ask SourceQuery

	unread *unreadQuery // as a journal has it, before it is known what kinds there are
}

type unreadQuery struct {
	source string
	text   json.RawMessage
}

// Facts is what is known of the query. Without one it is asked every minute.
func (q Query) Facts() Facts {
	if q.Ask == nil {
		return Facts{Every: time.Minute}
	}
	return q.Ask.Facts()
}

// MarshalJSON writes the query under the name of its kind: {"cloudwatch": {…}}.
func (q Query) MarshalJSON() ([]byte, error) {
	switch {
	case q.unread != nil:
		return json.Marshal(map[string]json.RawMessage{q.unread.source: q.unread.text})
	case q.Ask != nil:
		return json.Marshal(map[string]SourceQuery{q.Ask.Source(): q.Ask})
	}
	return []byte("{}"), nil
}

// UnmarshalJSON keeps what it finds, to be read when the kinds are known: see [ReadPlan].
func (q *Query) UnmarshalJSON(text []byte) error {
	var found map[string]json.RawMessage
	if err := json.Unmarshal(text, &found); err != nil {
		return err
	}
	if len(found) > 1 {
		return fmt.Errorf("a signal with %d queries", len(found))
	}
	*q = Query{}
	for source, text := range found {
		q.unread = &unreadQuery{source, text}
	}
	return nil
}

// read makes the query what its kind says. One of a kind that is not known stays as it is.
func (q *Query) read(kinds Kinds) error {
	if q.unread == nil {
		return nil
	}
	kind := kinds.Named(q.unread.source)
	if kind == nil {
		return nil
	}
	ask := kind.Query()
	if err := json.Unmarshal(q.unread.text, ask); err != nil {
		return fmt.Errorf("a query of %s: %w", q.unread.source, err)
	}
	*q = Query{Ask: ask}
	return nil
}

// ReadPlan reads a plan as a journal keeps it. A signal whose kind is not among the
// kinds keeps its query, unread: it comes from a later version.
func ReadPlan(document []byte, kinds Kinds) (*Plan, error) {
	p := new(Plan)
	if err := json.Unmarshal(document, p); err != nil {
		return nil, err
	}
	for i := range p.Signals {
		if err := p.Signals[i].Query.read(kinds); err != nil {
			return nil, fmt.Errorf("signal %q: %w", p.Signals[i].Name, err)
		}
	}
	return p, nil
}

// lintForms checks how the values of the query are written, when a run has filled them
// in. at is the signal's table.
func (q Query) lintForms(at Checker) {
	if q.Ask != nil {
		q.Ask.LintForms(at.At(q.Ask.Source()))
	}
}

// clone is a copy that shares nothing with the query that binding changes.
func (q Query) clone() Query {
	if q.Ask == nil {
		return q
	}
	own := reflect.New(reflect.TypeOf(q.Ask).Elem())
	own.Elem().Set(reflect.ValueOf(q.Ask).Elem())
	unshare(own.Elem())
	q.Ask = own.Interface().(SourceQuery)
	return q
}

// unshare replaces the lists and tables of a struct by copies.
func unshare(v reflect.Value) {
	for i := range v.NumField() {
		switch field := v.Field(i).Addr().Interface().(type) {
		case *[]string:
			*field = slices.Clone(*field)
		case *Several:
			*field = slices.Clone(*field)
		case *map[string]string:
			*field = maps.Clone(*field)
		default:
			list := v.Field(i)
			if !namedTables(list.Type()) || list.IsNil() {
				continue
			}
			own := reflect.MakeSlice(list.Type(), list.Len(), list.Len())
			reflect.Copy(own, list)
			list.Set(own)
			for k := range own.Len() {
				unshare(own.Index(k))
			}
		}
	}
}

// namedTables reports whether a field of a query is a list of tables with names.
func namedTables(t reflect.Type) bool {
	if t.Kind() != reflect.Slice || t.Elem().Kind() != reflect.Struct {
		return false
	}
	f, ok := t.Elem().FieldByName("Name")
	return ok && f.Tag.Get("key") == "name"
}

// beside is a query for what runs beside the release; the same where it has none.
func (q Query) beside(b BaselineSpec) Query {
	if ask, ok := q.Ask.(BesideQuery); ok {
		q.Ask = ask.Beside(b.Dimension, b.Value)
	}
	return q
}

// apart is what tells the query's signal from its baseline, nil where nothing does.
func (q Query) apart() map[string]string {
	if ask, ok := q.Ask.(BesideQuery); ok {
		return ask.Apart()
	}
	return nil
}

// besideDimension is the dimension in which the query of what runs beside the release
// differs from the release's own; the first one where none does.
func besideDimension(own, beside Query) string {
	was, dimensions := own.apart(), beside.apart()
	names := sortedKeys(dimensions)
	for _, name := range names {
		if was[name] != dimensions[name] {
			return name
		}
	}
	return slices.Concat(names, []string{""})[0]
}

// Fixed reports whether a text is what it will be in every run: it has no placeholders.
func Fixed(text string) bool { return len(placeholderNames(text)) == 0 }

// Moved is v in full with its point moved right by shift digits: 0.999 by 2 is "99.9".
func Moved(v float64, shift int) string { return written(v, shift) }
