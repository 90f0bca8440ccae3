package scenario

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// series is what a signal did from a time on, one token for each period, or one
// token at that time for a cell of a table.
type series struct {
	line   int
	signal string
	start  *time.Duration // T, down to the period, if nil
	tokens []token
}

// token is one period of a series, or several alike.
type token struct {
	gap      bool
	value    value
	late     time.Duration
	corrects []correction
	fault    rules.Fault
	times    int
}

// correction replaces a period's value some time after its end.
type correction struct {
	value value
	after time.Duration
}

// value is a point as it is written: "30/600", "0.05@1200", "310ms", "ALARM",
// "{1: 100/200, 2: 104/200}", "{5*40, 1*3}". One of two counts may be missing:
// "_/600", "3/_".
type value struct {
	v, n   float64
	ratio  bool // two counts
	groups []rules.Group
	stars  bool   // the groups are stars, and v their sum
	empty  string // a group without samples, so that there is no gap
	none   bool   // the groups are known, and there is no value

	missing missing // which of two counts the source does not have
}

// missing says which of a period's two counts the source does not have.
type missing uint8

const (
	noneMissing  missing = iota
	valueMissing         // the bad ones of a ratio, the sum of a mean: "_/600"
	totalMissing         // of how many: "3/_"
)

// fault is what a source answers when it is asked in a span.
type fault struct {
	line   int
	signal string // empty for all
	span   span
	fault  rules.Fault
	detail string
	retry  *time.Duration
}

// maxTokens bounds what a file may ask for.
const maxTokens = 200_000

// readings reads series, tables and faults.
func (p *parser) readings(s section) {
	var header []string
	total := 0
	p.lines(s, func(n int, line string) {
		fields, err := splitFields(line)
		switch {
		case err != nil:
		case fields[0] == "at":
			header, err = unquoted(fields[1:])
		case strings.HasPrefix(line, "!"):
			err = p.fault(n, line)
		case isSeries(line):
			header = nil
			err = p.seriesLine(n, line, &total)
		case header != nil:
			err = p.row(n, header, fields)
		default:
			err = fmt.Errorf("%q: want \"signal: values\", a table that begins with \"at\", or \"! fault\"", line)
		}
		if err != nil {
			p.failf(n, "%v", err)
		}
	})
}

// isSeries reports whether a line begins with a signal's name and a colon.
func isSeries(line string) bool {
	line, _, _ = strings.Cut(line, "{")
	return strings.HasPrefix(line, `"`) || strings.Contains(line, ": ") || strings.HasSuffix(line, ":")
}

// unquoted gives names as they are meant.
func unquoted(fields []string) ([]string, error) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f
		if strings.HasPrefix(f, `"`) {
			name, err := strconv.Unquote(f)
			if err != nil {
				return nil, fmt.Errorf("%s is not a name", f)
			}
			names[i] = name
		}
	}
	return names, nil
}

// seriesLine reads "api_5xx_rate: 0/600x10 30/600x12", after the name perhaps
// "@T-5m".
func (p *parser) seriesLine(n int, line string, total *int) error {
	s := series{line: n}
	values, err := s.name(line)
	if err != nil {
		return err
	}
	fields, err := splitFields(values)
	if err != nil {
		return err
	}
	for _, text := range fields {
		t, err := parseToken(text)
		if err != nil {
			return err
		}
		if *total += t.times; *total > maxTokens {
			return fmt.Errorf("more than %d periods", maxTokens)
		}
		s.tokens = append(s.tokens, t)
	}
	p.file.series = append(p.file.series, s)
	return nil
}

// name reads the signal's name and the time of the first value, and gives the
// rest. An @ behind a space is a time; one inside the name, as baselines have it,
// is so only if it reads like one.
func (s *series) name(line string) (values string, err error) {
	rest := line
	if strings.HasPrefix(line, `"`) {
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			return "", fmt.Errorf("a quote is not closed in %q", line)
		}
		s.signal, _ = strconv.Unquote(quoted)
		rest = line[len(quoted):]
	}
	head, values, ok := cutColon(rest)
	at := strings.LastIndexByte(head, '@')
	switch {
	case !ok || s.signal != "" && head != "" && at != 0:
		return "", fmt.Errorf("%q: want \"signal: values\" or \"signal @T-5m: values\"", line)
	case s.signal == "" && at < 0:
		s.signal = head
	}
	if at < 0 {
		return values, nil
	}
	name := strings.TrimSpace(head[:at])
	t, err := parseTime(strings.TrimSpace(head[at+1:]))
	switch {
	case err == nil:
		s.start = &t
	case len(name) == at && at > 0:
		name = head
	default:
		return "", err
	}
	if s.signal == "" {
		s.signal = name
	}
	return values, nil
}

// cutColon cuts at the first colon that ends a word: one in a time does not.
func cutColon(text string) (head, rest string, ok bool) {
	for i := range len(text) {
		if text[i] == ':' && (i+1 == len(text) || text[i+1] == ' ' || text[i+1] == '\t') {
			return strings.TrimSpace(text[:i]), text[i+1:], true
		}
	}
	return strings.TrimSpace(text), "", false
}

// row reads one line of a table: a time, and a cell for each signal of the header.
func (p *parser) row(n int, header, fields []string) error {
	if len(fields) != len(header)+1 {
		return fmt.Errorf("%d cells, want %d as in the header", len(fields)-1, len(header))
	}
	at, err := parseTime(fields[0])
	if err != nil {
		return err
	}
	for i, cell := range fields[1:] {
		t, err := parseToken(cell)
		if err != nil {
			return err
		}
		if t.times != 1 {
			return fmt.Errorf("%q: a cell of a table is one period", cell)
		}
		p.file.series = append(p.file.series, series{line: n, signal: header[i], start: &at, tokens: []token{t}})
	}
	return nil
}

// fault reads "! unavailable api_5xx_rate T+5m..T+12m detail=\"502\" retry=T+13m";
// without a signal it is every one.
func (p *parser) fault(n int, line string) error {
	pairs, err := parsePairs(strings.TrimPrefix(line, "!"))
	if err != nil {
		return err
	}
	f := fault{line: n, fault: rules.OK}
	var words []string
	for _, x := range pairs {
		switch x.key {
		case "":
			words = append(words, x.value)
		case "detail":
			f.detail = x.value
		case "retry":
			t, err := parseTime(x.value)
			if err != nil {
				return err
			}
			f.retry = &t
		default:
			return fmt.Errorf("%s=: want detail= or retry=", x.key)
		}
	}
	if len(words) < 2 {
		return fmt.Errorf("%q: want \"! fault signal T+5m..T+9m\"", line)
	}
	if err := f.fault.UnmarshalText([]byte(words[0])); err != nil {
		return err
	}
	if f.span, err = parseSpan(words[len(words)-1]); err != nil {
		return err
	}
	f.signal = strings.Join(words[1:len(words)-1], " ")
	p.file.faults = append(p.file.faults, f)
	return nil
}

// parseToken reads value[~late][^correction~after…][!fault][xTimes].
func parseToken(text string) (token, error) {
	t := token{times: 1}
	rest, inside, err := cutBraces(text)
	if err != nil {
		return t, err
	}
	if i := strings.LastIndexByte(rest, 'x'); i >= 0 {
		n, err := strconv.ParseUint(rest[i+1:], 10, 31)
		if err != nil || n == 0 || n > maxTokens {
			return t, fmt.Errorf("%q: want how many times after x", text)
		}
		t.times, rest = int(n), rest[:i]
	}
	if before, name, ok := strings.Cut(rest, "!"); ok {
		if err := t.fault.UnmarshalText([]byte(name)); err != nil || t.fault == rules.OK {
			return t, fmt.Errorf("%q: unknown fault %q: want one of %v", text, name, rules.Faults()[1:])
		}
		if rest = before; rest == "" {
			t.gap = true
			return t, nil
		}
	}
	if err := t.values(strings.Split(rest, "^"), inside); err != nil {
		return t, fmt.Errorf("%q: %w", text, err)
	}
	return t, nil
}

// values reads a value and its corrections. What stood in braces is inside.
func (t *token) values(parts, inside []string) (err error) {
	if parts[0] == "_" || parts[0] == "-" {
		t.gap = true
		if len(parts) > 1 {
			return errors.New("a gap cannot be corrected; write the value with ~ for when it arrives")
		}
		return nil
	}
	if t.value, t.late, err = parseTimed(parts[0], &inside); err != nil {
		return err
	}
	for _, part := range parts[1:] {
		v, after, err := parseTimed(part, &inside)
		if err != nil {
			return err
		}
		t.corrects = append(t.corrects, correction{v, after})
	}
	return nil
}

func parseTimed(text string, inside *[]string) (value, time.Duration, error) {
	text, span, timed := strings.Cut(text, "~")
	v, err := parseValue(text, inside)
	if err != nil || !timed {
		return v, 0, err
	}
	d, err := rules.ParseDuration(span)
	if err == nil && (d.Duration%time.Second != 0 || d.Duration > farthest) {
		err = fmt.Errorf("duration %q: want whole seconds", span)
	}
	return v, d.Duration, err
}

func parseValue(text string, inside *[]string) (value, error) {
	switch text {
	case "OK":
		return value{v: 0, n: 1}, nil
	case "ALARM":
		return value{v: 1, n: 1}, nil
	case "{}", "_{}", "-{}":
		v, err := grouped((*inside)[0])
		*inside = (*inside)[1:]
		v.none = text != "{}"
		return v, err
	}
	if a, b, ok := strings.Cut(text, "/"); ok {
		return parseCounts(a, b)
	}
	a, b, counted := strings.Cut(text, "@")
	v, err := parseNumber(a)
	if err != nil || !counted {
		return value{v: v, n: 1}, err
	}
	n, err := parseNumber(b)
	return value{v: v, n: n}, err
}

// parseCounts reads two counts, one of which may be missing.
func parseCounts(a, b string) (value, error) {
	v := value{ratio: true}
	var err error
	switch {
	case a == "_" && b == "_":
		return v, errors.New("a period that has neither count is a gap: write _")
	case a == "_":
		v.missing = valueMissing
	case b == "_":
		v.missing = totalMissing
	}
	if v.missing != valueMissing {
		if v.v, err = parseNumber(a); err != nil {
			return v, err
		}
	}
	if v.missing != totalMissing {
		v.n, err = parseNumber(b)
	}
	return v, err
}

// parseNumber reads a number in a unit: "3%" is 0.03, "310ms" is 0.31.
func parseNumber(text string) (float64, error) {
	for _, u := range []struct {
		suffix string
		exp    string
		times  float64
	}{{"%", "e-2", 1}, {"ms", "e-3", 1}, {"min", "", 60}, {"s", "", 1}, {"", "", 1}} {
		number, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		if u.exp != "" && strings.ContainsAny(number, "eE") {
			break
		}
		v, err := strconv.ParseFloat(number+u.exp, 64)
		if err != nil || math.IsInf(v, 0) || math.IsNaN(v) || strings.ContainsAny(number, "xXpP_") {
			break
		}
		return v * u.times, nil
	}
	return 0, fmt.Errorf("%q is not a number", text)
}
