package config

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// decoder fills Go values from the tables of a TOML document. Unlike the TOML
// package's own, it goes on after a mistake, knows every unknown key's place,
// and keeps the order of named tables.
type decoder struct {
	places   map[string]place
	problems rules.Problems
	meant    []string // key paths that unknown keys were probably meant to be

	fields map[reflect.Type]map[string][]int // :: struct → its keys → their fields; filled as types are met
}

// tomlDecoder is a type that has more than one form in TOML.
type tomlDecoder interface{ UnmarshalTOML(value any) error }

func (d *decoder) fail(path, id, fix, format string, args ...any) {
	d.problems = append(d.problems, rules.Problem{Path: path, ID: id, Message: fmt.Sprintf(format, args...), Fix: fix})
}

// decode fills dst from v and reports whether it could.
func (d *decoder) decode(path string, v any, dst reflect.Value) bool {
	if dst.Kind() == reflect.Pointer {
		fresh := reflect.New(dst.Type().Elem())
		if !d.decode(path, v, fresh.Elem()) {
			return false
		}
		dst.Set(fresh)
		return true
	}
	if at, ok := dst.Addr().Interface().(*time.Time); ok {
		return d.time(path, v, at)
	}
	if special, ok := dst.Addr().Interface().(tomlDecoder); ok {
		return d.report(path, special.UnmarshalTOML(v))
	}
	if text, ok := dst.Addr().Interface().(encoding.TextUnmarshaler); ok {
		s, ok := v.(string)
		if !ok {
			return d.wrongType(path, v, dst.Type())
		}
		return d.report(path, text.UnmarshalText([]byte(s)))
	}
	return d.plain(path, v, dst)
}

func (d *decoder) report(path string, err error) bool {
	if err != nil {
		d.fail(path, "bad-value", "", "%v", err)
	}
	return err == nil
}

// time takes an instant: a TOML date and time without an offset from UTC is
// nobody's in particular.
func (d *decoder) time(path string, v any, dst *time.Time) bool {
	t, ok := v.(time.Time)
	if !ok || strings.HasSuffix(t.Location().String(), "-local") {
		return d.wrongType(path, v, reflect.TypeFor[time.Time]())
	}
	*dst = t.UTC()
	return true
}

func (d *decoder) plain(path string, v any, dst reflect.Value) bool {
	switch dst.Kind() {
	case reflect.Struct:
		return d.table(path, v, dst)
	case reflect.Slice:
		if key := nameField(dst.Type().Elem()); key != nil {
			return d.named(path, v, dst, key)
		}
		return d.list(path, v, dst)
	case reflect.Map:
		return d.mapping(path, v, dst)
	case reflect.Float64:
		if n, ok := v.(int64); ok {
			v = float64(n)
		}
	case reflect.Int:
		if n, ok := v.(int64); ok && !dst.OverflowInt(n) {
			v = int(n)
		}
	}
	rv := reflect.ValueOf(v)
	if rv.Type() != dst.Type() {
		return d.wrongType(path, v, dst.Type())
	}
	dst.Set(rv)
	return true
}

// wrongType never shows the value: it may be a secret in the wrong place.
func (d *decoder) wrongType(path string, v any, want reflect.Type) bool {
	d.fail(path, "wrong-type", "", "%s, want %s", tomlType(v), wanted(want))
	return false
}

func (d *decoder) table(path string, v any, dst reflect.Value) bool {
	table, ok := v.(map[string]any)
	if !ok {
		return d.wrongType(path, v, dst.Type())
	}
	fields, ok := d.fields[dst.Type()]
	if !ok {
		fields = fieldsOf(dst.Type())
		d.fields[dst.Type()] = fields
	}
	for _, key := range d.order(path, table) {
		index, ok := fields[key]
		if !ok {
			d.unknownKey(path, key, fields)
			continue
		}
		d.decode(join(path, key), table[key], dst.FieldByIndex(index))
	}
	return true
}

func (d *decoder) unknownKey(path, key string, fields map[string][]int) {
	known := make([]string, 0, len(fields))
	for k := range fields {
		known = append(known, k)
	}
	sort.Strings(known)
	fix := "known here: " + strings.Join(known, ", ")
	if near := rules.Nearest(key, known); near != "" {
		fix = `did you mean "` + near + `"?`
		d.meant = append(d.meant, join(path, near))
	}
	d.fail(join(path, key), "unknown-key", fix, "unknown key %q", key)
}

// named fills a list from a table of tables, in the order of the file.
func (d *decoder) named(path string, v any, dst reflect.Value, name []int) bool {
	table, ok := v.(map[string]any)
	if !ok {
		d.fail(path, "wrong-type", "write "+header(path, "NAME"), "%s, want a table of named tables", tomlType(v))
		return false
	}
	for _, key := range d.order(path, table) {
		entry := reflect.New(dst.Type().Elem()).Elem()
		entry.FieldByIndex(name).SetString(key)
		// What is no table still has its name, which others may refer to.
		d.decode(join(path, key), table[key], entry)
		dst.Set(reflect.Append(dst, entry))
	}
	return true
}

func header(path, name string) string { return "[" + path + "." + name + "]" }

func (d *decoder) list(path string, v any, dst reflect.Value) bool {
	// An array of tables comes as a list of maps, any other as a list of any.
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Slice {
		return d.wrongType(path, v, dst.Type())
	}
	list := reflect.MakeSlice(dst.Type(), 0, rv.Len())
	for i := range rv.Len() {
		element := reflect.New(dst.Type().Elem()).Elem()
		if d.decode(path+index(i), rv.Index(i).Interface(), element) {
			list = reflect.Append(list, element)
		}
	}
	dst.Set(list)
	return true
}

func (d *decoder) mapping(path string, v any, dst reflect.Value) bool {
	table, ok := v.(map[string]any)
	if !ok {
		return d.wrongType(path, v, dst.Type())
	}
	dst.Set(reflect.MakeMapWithSize(dst.Type(), len(table)))
	for _, key := range d.order(path, table) {
		element := reflect.New(dst.Type().Elem()).Elem()
		if d.decode(join(path, key), table[key], element) {
			dst.SetMapIndex(reflect.ValueOf(key), element)
		}
	}
	return true
}

// order lists a table's keys as the file has them.
func (d *decoder) order(path string, table map[string]any) []string {
	offset := make(map[string]int, len(table))
	keys := make([]string, 0, len(table))
	for k := range table {
		keys = append(keys, k)
		offset[k] = d.places[join(path, k)].key.offset
	}
	// Two keys never have one offset, unless the two TOML parsers disagree.
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(offset[a], offset[b]), strings.Compare(a, b))
	})
	return keys
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

func tomlType(v any) string {
	switch v.(type) {
	case string:
		return "this is a string"
	case int64:
		return "this is an integer"
	case float64:
		return "this is a float"
	case bool:
		return "this is a boolean"
	case time.Time:
		return "this is a date or a time"
	case map[string]any:
		return "this is a table"
	}
	return "this is an array"
}

// wanted says what a field takes, with an example.
func wanted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[rules.Duration]():
		return `a length of time in quotes, such as "90s", "2.5h" or "1d12h"`
	case reflect.TypeFor[rules.Offset]():
		return `a time on the plan's clock in quotes, such as "T", "T+20m" or "T-24h"`
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
