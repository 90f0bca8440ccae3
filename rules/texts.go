package rules

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// textUse is what reads a text: it decides which values may stand in it.
type textUse uint8

const (
	plainText textUse = iota // people, or an API that takes it as it is
	shellText                // a shell: people copy commands from the page
	sqlText                  // SQL: a parameter of a query, strings in single quotes
)

// write is how a value stands in the text, behind what is before it.
func (u textUse) write(at Checker, name, value, before string) string {
	switch {
	case u == shellText && value == "":
		at.Fail("bad-value", "give it a value", "{%s} is empty: a command would take the next word in its place", name)
	case u == shellText && value[0] == '-':
		at.Fail("bad-value", `let it begin with anything but "-"`, "{%s} is %q, which a command would take as an option", name, value)
	case u == shellText && !shellSafe(value):
		at.Fail("bad-value", `give it letters, digits and "._+:@%/=,-" only`, "{%s} is %q, which a shell would not take as one word", name, value)
	case u == sqlText && strings.Count(before, "'")%2 == 1:
		return strings.ReplaceAll(value, "'", "''")
	case u == sqlText && !isNumber(value):
		at.Fail("bad-value", "put the placeholder between single quotes", "{%s} is %q, and only numbers may stand outside of quotes", name, value)
	}
	return value
}

func isNumber(value string) bool {
	_, err := strconv.ParseFloat(value, 64)
	return err == nil && plainNumber(value)
}

func shellSafe(value string) bool {
	for i := range len(value) {
		c := value[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._+:@%/=,-", c) >= 0) {
			return false
		}
	}
	return true
}

// eachText calls visit with every text in which placeholders may stand and which
// has a brace, with its key path and what reads it. visit may change the text. A
// derived signal's texts have the path of the declared one, a baseline's that of
// the value which tells it apart.
func (p *Plan) eachText(visit func(text *string, use textUse, keys ...string)) {
	see := func(text *string, use textUse, keys ...string) {
		if braced(*text) {
			visit(text, use, keys...)
		}
	}
	see(&p.Title, plainText, "release", "title")
	for i := range p.Phases {
		ph := &p.Phases[i]
		see(&ph.Title, plainText, "phases", ph.Name, "title")
		see(&ph.Target, plainText, "phases", ph.Name, "target")
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		kind := r.Kind.String()
		see(&r.Title, plainText, kind, r.Name, "title")
		see(&r.Action, plainText, kind, r.Name, "action")
		see(&r.Command, shellText, kind, r.Name, "command")
		for k := range r.Effects {
			e := &r.Effects[k]
			see(&e.Command, shellText, kind, r.Name, "effects", e.Name, "command")
			see(&e.Link, plainText, kind, r.Name, "effects", e.Name, "link")
			see(&e.Version, plainText, kind, r.Name, "effects", e.Name, "version")
			see(&e.Previous, plainText, kind, r.Name, "effects", e.Name, "previous")
		}
	}
	for i := range p.Signals {
		declared := p.Signals[i]
		for declared.Of >= 0 {
			declared = p.Signals[declared.Of]
		}
		eachQueryText(&p.Signals[i].Query, func(text *string, use textUse, keys ...string) {
			if declared.BaselineOf != "" {
				visit(text, use, "signals", declared.BaselineOf, "baseline", "value")
				return
			}
			visit(text, use, append([]string{"signals", declared.Name}, keys...)...)
		})
	}
	for i := range p.Communications {
		m := &p.Communications[i]
		see(&m.Channel, plainText, "communications", m.Name, "channel")
		see(&m.Subject, plainText, "communications", m.Name, "subject")
		see(&m.Text, plainText, "communications", m.Name, "text")
	}
}

// Placeholders lists the names that the plan's texts have in braces, each once, in
// order: "lambda", "previous.lambda", "version".
func (p *Plan) Placeholders() []string {
	names := map[string]bool{}
	p.eachText(func(text *string, _ textUse, _ ...string) {
		for _, name := range placeholderNames(*text) {
			names[name] = true
		}
	})
	return sortedKeys(names)
}

func braced(text string) bool { return strings.Contains(text, "{") }

// textPath is the key path of a text that eachText visits.
func textPath(keys ...string) string {
	path := ""
	for _, k := range keys {
		switch {
		case strings.HasPrefix(k, "["):
			path += k
		case path == "":
			path = Path(k)
		default:
			path += "." + Path(k)
		}
	}
	return path
}

// eachQueryText calls visit with the texts of a query that the plan file writes
// and that have a brace: strings, elements of lists and values of tables. SQL
// is left out: it takes its values by question marks.
func eachQueryText(q *Query, visit func(text *string, use textUse, keys ...string)) {
	if q.Ask != nil {
		eachFieldText(reflect.ValueOf(q.Ask).Elem(), visit, q.Ask.Source())
	}
}

func eachFieldText(query reflect.Value, visit func(text *string, use textUse, keys ...string), path ...string) {
	t := query.Type()
	for i := range t.NumField() {
		key := t.Field(i).Tag.Get("toml")
		if key == "-" || key == "file" {
			continue
		}
		use, at := plainText, beneath(path, key)
		if t.Field(i).Tag.Get("text") == "sql" {
			use = sqlText
		}
		switch field := query.Field(i).Addr().Interface().(type) {
		case *string:
			if braced(*field) {
				visit(field, use, at...)
			}
		case *[]string:
			eachElement(*field, visit, use, at)
		case *Several:
			if len(*field) == 1 && braced((*field)[0]) {
				visit(&(*field)[0], use, at...)
			} else if len(*field) > 1 {
				eachElement(*field, visit, use, at)
			}
		case *map[string]string:
			for name, text := range *field {
				if !braced(text) {
					continue
				}
				was := text
				if visit(&text, use, beneath(at, name)...); text != was { // those who only read may share the map
					(*field)[name] = text
				}
			}
		default:
			if list := query.Field(i); namedTables(list.Type()) {
				for k := range list.Len() {
					eachFieldText(list.Index(k), visit, beneath(at, list.Index(k).FieldByName("Name").String())...)
				}
			}
		}
	}
}

func eachElement(texts []string, visit func(text *string, use textUse, keys ...string), use textUse, path []string) {
	for i := range texts {
		if braced(texts[i]) {
			visit(&texts[i], use, beneath(path, "["+strconv.Itoa(i)+"]")...)
		}
	}
}

// beneath is the path of a key; those who go on from the same path do not meet.
func beneath(path []string, key string) []string { return append(slices.Clip(path), key) }
