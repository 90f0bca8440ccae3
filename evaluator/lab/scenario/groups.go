package scenario

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/relgate/relgate/rules"
)

// splitFields splits at spaces that are neither in quotes nor in braces.
func splitFields(text string) ([]string, error) {
	var fields []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		end, err := endOf(text, func(c byte) bool { return c == ' ' || c == '\t' })
		if err != nil {
			return nil, err
		}
		fields, text = append(fields, text[:end]), text[end:]
	}
	return fields, nil
}

// endOf is where the first byte stands that ends a word, outside quotes and
// braces, or the end of the text.
func endOf(text string, ends func(byte) bool) (int, error) {
	open := -1
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted, err := strconv.QuotedPrefix(text[i:])
			if err != nil {
				return 0, fmt.Errorf("a quote is not closed in %q", text)
			}
			i += len(quoted) - 1
		case c == '{' && open < 0:
			open = i
		case c == '}' && open >= 0:
			open = -1
		case open < 0 && ends(c):
			return i, nil
		}
	}
	if open >= 0 {
		return 0, fmt.Errorf("a brace is not closed in %q", text[open:])
	}
	return len(text), nil
}

// cutBraces takes what stands in braces out of a word: "_{1: 2/4}x3" is "_{}x3"
// and "1: 2/4".
func cutBraces(text string) (rest string, inside []string, err error) {
	var b strings.Builder
	for {
		i := strings.IndexByte(text, '{')
		if i < 0 {
			b.WriteString(text)
			return b.String(), inside, nil
		}
		end, err := endOf(text[i+1:], func(c byte) bool { return c == '}' })
		if err != nil {
			return "", nil, err
		}
		if end == len(text)-i-1 {
			return "", nil, fmt.Errorf("a brace is not closed in %q", text[i:])
		}
		inside = append(inside, text[i+1:i+1+end])
		b.WriteString(text[:i] + "{}")
		text = text[i+1+end+1:]
	}
}

// grouped makes a value of what stands in braces: groups, whose gap is the value,
// or stars, whose sum it is.
func grouped(inside string) (value, error) {
	if !strings.Contains(inside, ":") {
		return parseStars(inside)
	}
	groups, err := parseGroups(inside)
	if err != nil {
		return value{}, err
	}
	v := value{groups: groups}
	named := map[string]bool{}
	high, low := math.Inf(-1), math.Inf(1)
	for _, g := range groups {
		switch {
		case named[g.Name]:
			return value{}, fmt.Errorf("group %q is there twice", g.Name)
		case !(g.Value >= 0 && g.Value <= g.Samples) || math.IsInf(g.Samples, 0):
			return value{}, fmt.Errorf("group %q has %v of %v: want positives/samples", g.Name, g.Value, g.Samples)
		}
		named[g.Name] = true
		if g.Samples == 0 {
			v.empty = g.Name
			continue
		}
		v.n += g.Samples
		high, low = max(high, g.Value/g.Samples), min(low, g.Value/g.Samples)
	}
	if len(groups) < 2 {
		return value{}, errors.New("a gap needs two groups at least")
	}
	if v.empty == "" {
		v.v = high - low
	}
	return v, nil
}

// parseGroups reads `1: 100/200, "18 to 29": 4/10`.
func parseGroups(text string) ([]rules.Group, error) {
	var groups []rules.Group
	for text = strings.TrimSpace(text); text != ""; {
		name, rest, err := cutGroupName(text)
		if err != nil {
			return nil, err
		}
		count, after, more := strings.Cut(rest, ",")
		a, b, ok := strings.Cut(count, "/")
		v, errV := strconv.ParseFloat(strings.TrimSpace(a), 64)
		n, errN := strconv.ParseFloat(strings.TrimSpace(b), 64)
		switch text = strings.TrimSpace(after); {
		case !ok || errV != nil || errN != nil:
			return nil, fmt.Errorf("group %q: %q: want positives/samples", name, strings.TrimSpace(count))
		case more && text == "":
			return nil, fmt.Errorf("there is nothing behind the comma after group %q", name)
		}
		groups = append(groups, rules.Group{Name: name, Value: v, Samples: n})
	}
	return groups, nil
}

func cutGroupName(text string) (name, rest string, err error) {
	name, rest, ok := strings.Cut(text, ":")
	name = strings.TrimSpace(name)
	if strings.HasPrefix(text, `"`) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return "", "", fmt.Errorf("a quote is not closed in %q", text)
		}
		name, _ = strconv.Unquote(quoted)
		rest, ok = strings.CutPrefix(strings.TrimSpace(text[len(quoted):]), ":")
	} else if name == "" || strings.ContainsAny(name, `",{}`) {
		ok = false
	}
	if !ok {
		return "", "", fmt.Errorf("%q: want groups such as {1: 100/200, 2: 104/200}, a name in quotes if it is not a plain word", text)
	}
	return name, rest, nil
}

// parseStars reads "5*40, 4*10, 1*3": forty gave five stars.
func parseStars(text string) (value, error) {
	v := value{ratio: true, stars: true}
	for i := range 5 {
		v.groups = append(v.groups, rules.Group{Name: strconv.Itoa(i + 1)})
	}
	given := [5]bool{}
	for _, part := range strings.Split(text, ",") {
		a, b, ok := strings.Cut(part, "*")
		star, errStar := strconv.ParseUint(strings.TrimSpace(a), 10, 8)
		n, errN := strconv.ParseUint(strings.TrimSpace(b), 10, 40)
		switch {
		case !ok || errStar != nil || errN != nil || star < 1 || star > 5:
			return value{}, fmt.Errorf("{%s}: want groups such as {1: 100/200, 2: 104/200}, or how many gave how many stars: {5*40, 4*10, 1*3}", text)
		case given[star-1]:
			return value{}, fmt.Errorf("{%s}: %d stars are there twice", text, star)
		}
		given[star-1] = true
		g := &v.groups[star-1]
		g.Value, g.Samples = float64(n), float64(n)
		v.v, v.n = v.v+float64(star)*float64(n), v.n+float64(n)
	}
	return v, nil
}

// formatGroups writes groups as parseGroups reads them, in braces.
func formatGroups(groups []rules.Group) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, g := range groups {
		if i > 0 {
			b.WriteString(", ")
		}
		name := g.Name
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-") != "" {
			name = strconv.Quote(name)
		}
		b.WriteString(name + ": " + number(g.Value) + "/" + number(g.Samples))
	}
	b.WriteByte('}')
	return b.String()
}
