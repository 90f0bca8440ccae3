package proof

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// canonical writes a value as RFC 8785 does: keys sorted, no white space, one way to write
// a text. The value is made of maps, lists, texts and whole numbers.
func canonical(b []byte, v any) []byte {
	switch v := v.(type) {
	case map[string]any:
		b = append(b, '{')
		for i, key := range slices.Sorted(maps.Keys(v)) { // all keys are ASCII: the order is that of UTF-16 too
			if i > 0 {
				b = append(b, ',')
			}
			b = append(canonical(b, key), ':')
			b = canonical(b, v[key])
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, one := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = canonical(b, one)
		}
		return append(b, ']')
	case string:
		return text(b, v)
	case uint64:
		return strconv.AppendUint(b, v, 10)
	}
	panic(fmt.Sprintf("proof: no canonical form of a %T", v)) // unreachable: this package makes all values
}

// text writes a text: what must be escaped, the short way where there is one, and nothing else.
func text(b []byte, s string) []byte {
	const short = "\b\t\n\f\r\"\\"
	b = append(b, '"')
	for _, r := range s {
		switch i := bytes.IndexByte([]byte(short), byte(r)); {
		case r < utf8.RuneSelf && i >= 0:
			b = append(b, '\\', `btnfr"\`[i])
		case r < ' ':
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// list is texts as a value of JSON.
func list(texts []string) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}

// raw is JSON texts as texts.
func raw(texts [][]byte) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = string(t)
	}
	return out
}
