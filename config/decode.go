package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// decoder fills Go values from the tree of a TOML document. Unlike the TOML
// package's own, it goes on after a mistake, knows every unknown key's place,
// and keeps the order of named tables.
type decoder struct {
	kinds    rules.Kinds           // whose queries and accounts a file may have
	formats  []rules.WebhookFormat // whose keys a webhook may have
	problems rules.Problems
	meant    []string // key paths that unknown keys were probably meant to be

	fields map[reflect.Type]map[string][]int // :: struct → its keys → their fields; filled as types are met
	names  map[reflect.Type][]int            // :: type of elements → the field that takes the name of a named table, nil if it has none
}

// tomlDecoder is a type that has more than one form in TOML.
type tomlDecoder interface{ UnmarshalTOML(value any) error }

// scalarDecoder is a table that one value may stand for.
type scalarDecoder interface{ UnmarshalScalar(value any) error }

func (d *decoder) fail(n *node, id, fix, format string, args ...any) {
	d.problems = append(d.problems, rules.Problem{Path: n.path(), ID: id, Message: fmt.Sprintf(format, args...), Fix: fix})
}

// decode fills dst from a node and reports whether it could.
func (d *decoder) decode(n *node, dst reflect.Value) bool {
	if dst.Kind() == reflect.Pointer {
		fresh := reflect.New(dst.Type().Elem())
		if !d.decode(n, fresh.Elem()) {
			return false
		}
		dst.Set(fresh)
		return true
	}
	switch special := dst.Addr().Interface().(type) {
	case *string:
		text, ok := n.scalar.(string)
		if !ok {
			return d.wrongType(n, dst.Type())
		}
		*special = text
		return true
	case *time.Time:
		return d.time(n, special)
	case tomlDecoder:
		return d.report(n, special.UnmarshalTOML(n.value()))
	case encoding.TextUnmarshaler:
		text, ok := n.scalar.(string)
		if !ok {
			return d.wrongType(n, dst.Type())
		}
		return d.report(n, special.UnmarshalText([]byte(text)))
	case scalarDecoder:
		if n.kind != tableNode {
			return d.report(n, special.UnmarshalScalar(n.value()))
		}
	}
	return d.plain(n, dst)
}

// texts reports what can show as something else where people read it, in every text and
// every name of a document. It never shows the text: it may be a secret.
func (d *decoder) texts(n *node) {
	text, _ := n.scalar.(string)
	if n.key != "" && rules.UnsafeIn(n.key) != "" {
		d.fail(n, "unsafe-text", "write plain text", "the name of the key holds %s", rules.UnsafeIn(n.key))
	}
	// Actions, messages and queries may have several lines; a name has one.
	class := rules.UnsafeIn(text)
	if class != "" && !slices.Contains([]string{"title", "manager", "author", "owner", "name", "target", "channel", "subject", "to", "tell", "page", "slack", "email"}, n.key) {
		class = rules.UnsafeIn(strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(text))
	}
	if class != "" {
		d.fail(n, "unsafe-text", "write plain text", "it holds %s", class)
	}
	for _, c := range n.children {
		d.texts(c)
	}
}

func (d *decoder) report(n *node, err error) bool {
	if err != nil {
		d.fail(n, "bad-value", "", "%v", err)
	}
	return err == nil
}

// time takes an instant: a TOML date and time without an offset from UTC is a
// different one in each zone.
func (d *decoder) time(n *node, dst *time.Time) bool {
	t, ok := n.scalar.(time.Time)
	if !ok || strings.HasSuffix(t.Location().String(), "-local") {
		return d.wrongType(n, reflect.TypeFor[time.Time]())
	}
	*dst = t.UTC()
	return true
}

func (d *decoder) plain(n *node, dst reflect.Value) bool {
	v := n.scalar
	switch dst.Kind() {
	case reflect.Struct:
		return d.table(n, dst)
	case reflect.Slice:
		if key := d.nameField(dst.Type().Elem()); key != nil {
			return d.named(n, dst, key)
		}
		return d.list(n, dst)
	case reflect.Map:
		return d.mapping(n, dst)
	case reflect.Float64:
		if i, ok := v.(int64); ok {
			v = float64(i)
		}
	case reflect.Int:
		if i, ok := v.(int64); ok && !dst.OverflowInt(i) {
			v = int(i)
		}
	}
	if v == nil || reflect.TypeOf(v) != dst.Type() {
		return d.wrongType(n, dst.Type())
	}
	dst.Set(reflect.ValueOf(v))
	return true
}

// wrongType never shows the value: it may be a secret in the wrong place.
func (d *decoder) wrongType(n *node, want reflect.Type) bool {
	d.fail(n, "wrong-type", "", "%s, want %s", tomlType(n), wanted(want))
	return false
}

func (d *decoder) table(n *node, dst reflect.Value) bool {
	if n.kind != tableNode {
		return d.wrongType(n, dst.Type())
	}
	fields, ok := d.fields[dst.Type()]
	if !ok {
		fields = fieldsOf(dst.Type())
		d.fields[dst.Type()] = fields
	}
	for _, c := range n.children {
		if index, ok := fields[c.key]; ok {
			d.decode(c, dst.FieldByIndex(index))
		} else if !d.ofKind(c, dst) {
			d.unknownKey(c, slices.Collect(maps.Keys(fields)), dst)
		}
	}
	return true
}

func (d *decoder) unknownKey(n *node, known []string, dst reflect.Value) {
	known = append(known, d.keysOfKinds(dst)...)
	sort.Strings(known)
	fix := "known here: " + strings.Join(known, ", ")
	if near := rules.Nearest(n.key, known); near != "" {
		fix = `did you mean "` + near + `"?`
		d.meant = append(d.meant, join(n.parent.path(), near))
	}
	d.fail(n, "unknown-key", fix, "unknown key %q", n.key)
}

// named fills a list from a table of tables, in the order of the file.
func (d *decoder) named(n *node, dst reflect.Value, name []int) bool {
	if n.kind != tableNode {
		d.fail(n, "wrong-type", "write ["+n.path()+".NAME]", "%s, want a table of named tables", tomlType(n))
		return false
	}
	list := reflect.MakeSlice(dst.Type(), len(n.children), len(n.children))
	for i, c := range n.children {
		entry := list.Index(i)
		entry.FieldByIndex(name).SetString(c.key)
		// What is no table still has its name, which others may refer to.
		d.decode(c, entry)
	}
	dst.Set(list)
	return true
}

func (d *decoder) list(n *node, dst reflect.Value) bool {
	if n.kind != arrayNode {
		return d.wrongType(n, dst.Type())
	}
	list := reflect.MakeSlice(dst.Type(), 0, len(n.children))
	for _, c := range n.children {
		element := reflect.New(dst.Type().Elem()).Elem()
		if d.decode(c, element) {
			list = reflect.Append(list, element)
		}
	}
	dst.Set(list)
	return true
}

func (d *decoder) mapping(n *node, dst reflect.Value) bool {
	if n.kind != tableNode {
		return d.wrongType(n, dst.Type())
	}
	dst.Set(reflect.MakeMapWithSize(dst.Type(), len(n.children)))
	for _, c := range n.children {
		element := reflect.New(dst.Type().Elem()).Elem()
		if d.decode(c, element) {
			dst.SetMapIndex(reflect.ValueOf(c.key), element)
		}
	}
	return true
}

// fieldsOf maps a table's keys to the fields of its struct, those of embedded
// structs among them.
func fieldsOf(t reflect.Type) map[string][]int {
	fields := map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		if key := f.Tag.Get("toml"); key != "" && key != "-" {
			fields[key] = f.Index
		}
	}
	return fields
}

func (d *decoder) nameField(t reflect.Type) []int {
	field, ok := d.names[t]
	if !ok {
		field = nameField(t)
		d.names[t] = field
	}
	return field
}

// nameField is the field that takes the name of a named table, nil if the type
// has none.
func nameField(t reflect.Type) []int {
	if t.Kind() != reflect.Struct {
		return nil
	}
	for _, f := range reflect.VisibleFields(t) {
		if f.Tag.Get("key") == "name" {
			return f.Index
		}
	}
	return nil
}

func tomlType(n *node) string {
	switch n.kind {
	case tableNode:
		return "this is a table"
	case arrayNode:
		return "this is an array"
	}
	switch n.scalar.(type) {
	case string:
		return "this is a string"
	case int64:
		return "this is an integer"
	case float64:
		return "this is a float"
	case bool:
		return "this is a boolean"
	}
	return "this is a date or a time"
}

// wanted says what a field takes, with an example.
func wanted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[rules.Duration]():
		return `a length of time in quotes, such as "90s", "2.5h" or "1d12h"`
	case reflect.TypeFor[rules.Offset]():
		return `a time on the plan's clock in quotes, such as "T", "T+20m" or "T-24h"`
	case reflect.TypeFor[rules.Moment]():
		return `a time on the plan's clock in quotes, such as "T-24h", or after a phase has begun, "mobile-10+30m"`
	case reflect.TypeFor[rules.Condition]():
		return `a condition in quotes, such as "> 3 %" or "<= 2.5 s"`
	case reflect.TypeFor[time.Time]():
		return "a date and time with its offset from UTC, such as 2025-06-04T02:00:00Z"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "an array in brackets"
	case reflect.Map:
		return "a table"
	case reflect.Struct:
		if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			return "a string in quotes"
		}
		return "a table"
	}
	return "a string in quotes"
}
