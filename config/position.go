package config

// position is a place in a file.
type position struct {
	line, col int // from 1; columns count bytes
}

// place is where a key and its value are written.
type place struct{ key, value position }

// locator finds the lines and columns of a file, and where its keys are.
type locator struct {
	data   []byte
	root   *node
	lines  []int            // offset at which each line begins; made when it is first needed
	places map[string]place // :: key path → place; likewise
}

func (l *locator) at(offset int) position {
	if l.lines == nil {
		l.lines = append(l.lines, 0)
		for i, b := range l.data {
			if b == '\n' {
				l.lines = append(l.lines, i+1)
			}
		}
	}
	lo, hi := 0, len(l.lines)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; l.lines[mid] <= offset {
			lo = mid
		} else {
			hi = mid
		}
	}
	return position{line: lo + 1, col: offset - l.lines[lo] + 1}
}

// place is where a key path is written, and whether it is.
func (l *locator) place(path string) (place, bool) {
	if l.places == nil {
		l.places = map[string]place{}
		l.note(l.root, "")
	}
	p, ok := l.places[path]
	return p, ok
}

// note notes the places of what is below a node.
func (l *locator) note(n *node, path string) {
	for _, c := range n.children {
		below := path + index(c.element)
		if c.element < 0 {
			below = join(path, c.key)
		}
		l.places[below] = place{l.at(c.keyAt), l.at(c.valueAt)}
		l.note(c, below)
	}
}

// Lines finds the line, from 1, on which every key of a TOML document is written,
// by key path: "bad[1].to". What is not TOML has those that come before the fault.
func Lines(data []byte) map[string]int {
	root, _, _ := plant(data)
	l := &locator{data: data, root: root}
	l.place("")
	lines := make(map[string]int, len(l.places))
	for path, p := range l.places {
		lines[path] = p.key.line
	}
	return lines
}
