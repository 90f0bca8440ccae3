package config

import (
	"bytes"
	"strconv"

	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/relgate/relgate/rules"
)

// position is a place in a file; the zero value is its beginning.
type position struct {
	offset    int
	line, col int // from 1; columns count bytes
}

// place is where a key and its value are written.
type place struct {
	key, value position
}

// positions finds where every key of a TOML document is written, by key path.
// It keeps what it has found when the document is not TOML: the decoder says so.
// A key or table that is written twice has its first place there; the others are
// told apart.
//
// This is the only use of go-toml, whose parser is the one that tells; the
// decoder keeps no positions.
func positions(data []byte) (found map[string]place, twice []duplicate) {
	l := &locator{data: data, found: map[string]place{}, arrays: map[string]int{}, defined: map[string]int{}}
	l.lines = append(l.lines, 0)
	for i, b := range data {
		if b == '\n' {
			l.lines = append(l.lines, i+1)
		}
	}
	l.parser.Reset(data)
	for l.parser.NextExpression() {
		l.expression(l.parser.Expression())
	}
	l.endDuplicate(len(data))
	return l.found, l.twice
}

// Lines finds the line, from 1, on which every key of a TOML document is written,
// by key path: "bad[1].to". What is not TOML has those that come before the fault.
func Lines(data []byte) map[string]int {
	found, _ := positions(data)
	lines := make(map[string]int, len(found))
	for path, p := range found {
		lines[path] = p.key.line
	}
	return lines
}

type locator struct {
	data   []byte
	parser unstable.Parser
	lines  []int            // offset at which each line begins
	found  map[string]place // :: key path → place
	arrays map[string]int   // :: key path of an array of tables → tables so far
	table  string           // key path of the table that we are in

	defined map[string]int // :: key path of a table's header or a key → line
	twice   []duplicate
	within  bool // we are in a table that has been written before
}

func (l *locator) at(offset int) position {
	lo, hi := 0, len(l.lines)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; l.lines[mid] <= offset {
			lo = mid
		} else {
			hi = mid
		}
	}
	return position{offset: offset, line: lo + 1, col: offset - l.lines[lo] + 1}
}

func (l *locator) expression(n *unstable.Node) {
	switch n.Kind {
	case unstable.Table:
		path, at := l.keys("", n.Key())
		l.table = path
		l.endDuplicate(l.lines[at.line-1])
		l.within = l.define(path, at, l.lines[at.line-1], len(l.data))
	case unstable.ArrayTable:
		path, at := l.keys("", n.Key())
		l.endDuplicate(l.lines[at.line-1])
		l.table = path + index(l.arrays[path])
		l.arrays[path]++
		l.note(l.table, place{at, at})
	case unstable.KeyValue:
		if path, at := l.keyValue(l.table, n); !l.within {
			l.define(path, at, int(n.Raw.Offset), int(n.Raw.Offset+n.Raw.Length))
		}
	}
}

// define notes that a table or a key is written from start to end, and reports
// whether it has been before.
func (l *locator) define(path string, at position, start, end int) bool {
	first, ok := l.defined[path]
	if ok {
		l.twice = append(l.twice, duplicate{path: path, at: at, first: first, start: start, end: end})
	} else {
		l.defined[path] = at.line
	}
	return ok
}

// endDuplicate ends the table that we are in, if it was a duplicate.
func (l *locator) endDuplicate(at int) {
	if l.within {
		l.twice[len(l.twice)-1].end = at
	}
	l.within = false
}

// duplicate is a key, or a whole table, that has been written before.
type duplicate struct {
	path       string
	at         position
	first      int // line in which it was written before
	start, end int // offsets of what is written again
}

// blank puts spaces where the duplicate stands, so that every other place stays
// what it is.
func (d duplicate) blank(data []byte) {
	for i := d.start; i < d.end; i++ {
		if data[i] != '\n' && data[i] != '\r' {
			data[i] = ' '
		}
	}
}

// keys records the parts of a dotted key and gives its whole path.
func (l *locator) keys(under string, parts unstable.Iterator) (path string, at position) {
	path = under
	for parts.Next() {
		n := parts.Node()
		at = l.at(int(n.Raw.Offset))
		path = join(path, string(n.Data))
		l.note(path, place{at, at})
		if count := l.arrays[path]; count > 0 && !parts.IsLast() {
			path += index(count - 1) // a header below [[array]] means its newest table
		}
	}
	return path, at
}

// join is the path of a key in a table.
func join(path, key string) string {
	if path == "" {
		return rules.Path(key)
	}
	return path + "." + rules.Path(key)
}

// index is the path of an element behind the path of its array.
func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

func (l *locator) note(path string, p place) {
	if _, ok := l.found[path]; !ok {
		l.found[path] = p
	}
}

func (l *locator) keyValue(under string, n *unstable.Node) (path string, key position) {
	path, key = l.keys(under, n.Key())
	p := place{key, l.value(n)}
	if l.found[path].key == key {
		l.found[path] = p
	}
	l.inside(path, n.Value(), p.value)
	return path, key
}

// value is where the value of a key begins: behind the equals sign, which is the
// first one behind the last part of the key.
func (l *locator) value(n *unstable.Node) position {
	end := int(n.Raw.Offset)
	for parts := n.Key(); parts.Next(); {
		r := parts.Node().Raw
		end = int(r.Offset + r.Length)
	}
	if eq := bytes.IndexByte(l.data[end:], '='); eq >= 0 {
		end += eq + 1
	}
	for end < len(l.data) && (l.data[end] == ' ' || l.data[end] == '\t') {
		end++
	}
	return l.at(end)
}

// inside records the elements of an array and the keys of an inline table.
func (l *locator) inside(path string, v *unstable.Node, at position) {
	switch v.Kind {
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); i++ {
			if r := it.Node().Raw; r.Length > 0 {
				at = l.at(int(r.Offset))
			}
			element := path + index(i)
			l.note(element, place{at, at})
			l.inside(element, it.Node(), at)
		}
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			l.keyValue(path, it.Node())
		}
	}
}
