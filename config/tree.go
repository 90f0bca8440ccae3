package config

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/relgate/relgate/rules"
)

// node is a key of a TOML document, or an element of an array, with its value and
// where both are written.
type node struct {
	parent   *node
	key      string           // of an element: empty
	element  int              // its index in an array; -1 for a key
	children []*node          // of a table its keys, of an array its elements, in the file's order
	index    map[string]*node // :: key → child; nil where a table is small
	scalar   any              // string, int64, float64, bool or time.Time
	kind     nodeKind
	tables   bool // an array that [[headers]] make
	defined  bool // a table that has a header or is a value, so that another header is a duplicate
	dotted   bool // a table that the dotted key of a value made, so that a header is a duplicate
	inline   bool // a table in braces, to which nothing can be added

	keyAt, valueAt int // offsets
}

type nodeKind uint8

const (
	scalarNode nodeKind = iota
	tableNode
	arrayNode
)

// path is the key path of the node.
func (n *node) path() string {
	switch {
	case n.parent == nil:
		return ""
	case n.element >= 0:
		return n.parent.path() + index(n.element)
	}
	return join(n.parent.path(), n.key)
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

// fewKeys is how many keys a table has before they are looked up by an index.
const fewKeys = 8

// child is a key of a table, nil if it has none of that name.
func (n *node) child(key []byte) *node {
	if n.index != nil {
		return n.index[string(key)]
	}
	for _, c := range n.children {
		if c.key == string(key) {
			return c
		}
	}
	return nil
}

func (n *node) add(c *node) {
	c.parent = n
	n.children = append(n.children, c)
	if n.kind != tableNode || len(n.children) < fewKeys {
		return
	}
	if n.index == nil {
		n.index = make(map[string]*node, 4*fewKeys)
		for _, c := range n.children {
			n.index[c.key] = c
		}
	}
	n.index[c.key] = c
}

// value is what a type that reads TOML by itself is given.
func (n *node) value() any {
	switch n.kind {
	case tableNode:
		table := make(map[string]any, len(n.children))
		for _, c := range n.children {
			table[c.key] = c.value()
		}
		return table
	case arrayNode:
		list := make([]any, 0, len(n.children))
		for _, c := range n.children {
			list = append(list, c.value())
		}
		return list
	}
	return n.scalar
}

// duplicate is a key, or a whole table, that has been written before.
type duplicate struct {
	path       string
	at         int // offset of the key
	first      int // offset of what was written before
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

// plant reads a TOML document in one pass into a tree with values and places. Keys
// that are written a second time are left out of the tree and listed in twice. If the
// document is not TOML, the tree has what stands before the fault, and err is not nil.
//
// go-toml's parser splits the text, because it knows where everything stands; the
// values that have rules of their own, and the words for a fault, are
// BurntSushi's.
func plant(data []byte) (root *node, twice []duplicate, err error) {
	if rest, ok := bytes.CutPrefix(data, []byte("\ufeff")); ok {
		data = append([]byte("   "), rest...) // a byte order mark
	}
	p := &planter{data: data, root: &node{kind: tableNode, element: -1}}
	p.table = p.root
	p.parser.Reset(data)
	for p.parser.NextExpression() {
		p.expression(p.parser.Expression())
	}
	p.endDuplicate(len(data))
	if p.err == nil {
		p.err = p.parser.Error()
	}
	return p.root, p.twice, p.err
}

type planter struct {
	data   []byte
	parser unstable.Parser
	root   *node
	table  *node // that we are in; nil in one that has been written before
	twice  []duplicate
	err    error  // the first fault
	stock  []node // to take nodes from: they are made many at once
}

func (p *planter) node(key string, element, at int, kind nodeKind) *node {
	if len(p.stock) == 0 {
		p.stock = make([]node, 256)
	}
	n := &p.stock[0]
	p.stock = p.stock[1:]
	n.key, n.element, n.keyAt, n.valueAt, n.kind = key, element, at, at, kind
	return n
}

func (p *planter) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// aside notes a fault and gives a table of its own to what cannot be planted.
func (p *planter) aside(format string, args ...any) *node {
	p.fail(format, args...)
	return p.node("", -1, 0, tableNode)
}

func (p *planter) expression(n *unstable.Node) {
	switch n.Kind {
	case unstable.Table, unstable.ArrayTable:
		p.header(n)
	case unstable.KeyValue:
		if p.table != nil {
			p.keyValue(p.table, n, true)
		}
	}
}

// header goes to the table that a header names, and makes what is not there.
func (p *planter) header(n *unstable.Node) {
	cur, parts := p.root, n.Key()
	for first := true; parts.Next(); first = false {
		part := parts.Node()
		at := int(part.Raw.Offset)
		line := bytes.LastIndexByte(p.data[:at], '\n') + 1
		if first {
			p.endDuplicate(line)
		}
		if c := cur.child(part.Data); c != nil && c.inline && !parts.IsLast() {
			p.table = p.again(c, at, line, len(p.data))
			return
		}
		if !parts.IsLast() {
			cur = p.descend(cur, part.Data, at, true)
			continue
		}
		if n.Kind == unstable.ArrayTable {
			p.table = p.appendTable(cur, part.Data, at)
			return
		}
		p.table = p.openTable(cur, part.Data, at, line)
	}
}

// openTable is the table that a header names, nil if it has been opened before.
func (p *planter) openTable(in *node, key []byte, at, line int) *node {
	c := in.child(key)
	if c == nil {
		c = p.node(string(key), -1, at, tableNode)
		in.add(c)
	}
	switch {
	case c.defined || c.dotted:
		return p.again(c, at, line, len(p.data))
	case c.kind != tableNode:
		return p.aside("key %q is no table", key)
	}
	c.defined = true
	return c
}

// again notes that what is there is written once more, from start to end. It gives
// the table that this makes: none.
func (p *planter) again(there *node, at, start, end int) *node {
	p.twice = append(p.twice, duplicate{path: there.path(), at: at, first: there.keyAt, start: start, end: end})
	return nil
}

// appendTable is a new table in the array that a [[header]] names.
func (p *planter) appendTable(in *node, key []byte, at int) *node {
	array := in.child(key)
	if array == nil {
		array = p.node(string(key), -1, at, arrayNode)
		array.tables = true
		in.add(array)
	}
	if !array.tables {
		return p.aside("key %q is no array of tables", key)
	}
	table := p.node("", len(array.children), at, tableNode)
	array.add(table)
	return table
}

// descend goes to a table below, and makes it if it is not there. A header below
// [[array]] means the newest table of the array.
func (p *planter) descend(in *node, key []byte, at int, header bool) *node {
	c := in.child(key)
	switch {
	case c == nil:
		c = p.node(string(key), -1, at, tableNode)
		c.dotted = !header
		in.add(c)
	case header && c.tables:
		return c.children[len(c.children)-1]
	case c.kind != tableNode:
		return p.aside("key %q is no table", key)
	}
	return c
}

// endDuplicate ends the table that we are in, if it was a duplicate.
func (p *planter) endDuplicate(at int) {
	if p.table == nil && len(p.twice) > 0 {
		p.twice[len(p.twice)-1].end = at
	}
}

// keyValue plants a key with its value in a table. What an inline table has twice
// is a fault, elsewhere it is a duplicate.
func (p *planter) keyValue(in *node, n *unstable.Node, apart bool) {
	parts, behind := n.Key(), 0
	for parts.Next() {
		part := parts.Node()
		at := int(part.Raw.Offset)
		behind = at + int(part.Raw.Length)
		old := in.child(part.Data)
		closed := old != nil && (parts.IsLast() || old.inline || old.kind == tableNode && old.defined)
		if closed && apart {
			p.again(old, at, int(n.Raw.Offset), int(n.Raw.Offset+n.Raw.Length))
			return
		}
		if closed {
			p.fail("key %q has been written already", part.Data)
			return
		}
		if !parts.IsLast() {
			in = p.descend(in, part.Data, at, false)
			continue
		}
		c := p.node(string(part.Data), -1, at, scalarNode)
		c.defined = true
		in.add(c)
		c.valueAt = p.behindEquals(behind)
		p.plantValue(c, n.Value())
	}
}

// behindEquals is where the value of a key begins: behind the equals sign, which
// is the first one behind the last part of the key.
func (p *planter) behindEquals(at int) int {
	if eq := bytes.IndexByte(p.data[at:], '='); eq >= 0 {
		at += eq + 1
	}
	for at < len(p.data) && (p.data[at] == ' ' || p.data[at] == '\t') {
		at++
	}
	return at
}

func (p *planter) plantValue(n *node, v *unstable.Node) {
	switch v.Kind {
	case unstable.InlineTable:
		n.kind = tableNode
		for it := v.Children(); it.Next(); {
			p.keyValue(n, it.Node(), false)
		}
		n.inline = true
	case unstable.Array:
		n.kind = arrayNode
		at := n.valueAt
		for it := v.Children(); it.Next(); {
			if r := it.Node().Raw; r.Length > 0 {
				at = int(r.Offset)
			}
			e := p.node("", len(n.children), at, scalarNode)
			n.add(e)
			p.plantValue(e, it.Node())
		}
	case unstable.String:
		n.scalar = string(v.Data)
	case unstable.Bool:
		n.scalar = v.Data[0] == 't'
	default:
		n.scalar = p.number(string(v.Data))
	}
}

// number reads a number, a date or a time.
func (p *planter) number(text string) any {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil && !strings.ContainsAny(text, "+_") {
		return i
	}
	var read struct{ V any }
	if _, err := toml.Decode("V = "+text, &read); err != nil {
		p.fail("%q: %v", text, err)
	}
	return read.V
}
