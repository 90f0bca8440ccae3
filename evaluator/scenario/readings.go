package scenario

import (
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

// token is one bucket of a series, or several alike.
type token struct {
	gap      bool
	value    value
	late     time.Duration
	corrects []correction
	fault    rules.Fault
	times    int
}

// correction replaces a bucket's value some time after its end.
type correction struct {
	value value
	after time.Duration
}

// value is a point as it is written: "30/600", "0.05@1200", "310ms", "ALARM".
type value struct {
	v, n  float64
	ratio bool // two counts
	count bool // samples are given
}

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
		fields := strings.Fields(line)
		var err error
		switch {
		case fields[0] == "at":
			header = fields[1:]
		case strings.HasPrefix(line, "!"):
			err = p.fault(n, line)
		case strings.Contains(line, ": ") || strings.HasSuffix(line, ":"):
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

// seriesLine reads "api_5xx_rate: 0/600x10 30/600x12", after the name perhaps
// "@T-5m".
func (p *parser) seriesLine(n int, line string, total *int) error {
	name, values, _ := strings.Cut(line, ":")
	if at := strings.LastIndex(name, "@"); at >= 0 { // the time may be written with colons itself
		if i := strings.LastIndex(line, ": "); i >= 0 {
			name, values = line[:i], line[i+1:]
		}
	}
	s := series{line: n, signal: strings.TrimSpace(name)}
	if at := strings.LastIndex(s.signal, "@"); at >= 0 {
		t, err := parseTime(strings.TrimSpace(s.signal[at+1:]))
		if err != nil {
			return err
		}
		s.start, s.signal = &t, strings.TrimSpace(s.signal[:at])
	}
	for _, text := range strings.Fields(values) {
		t, err := parseToken(text)
		if err != nil {
			return err
		}
		if *total += t.times; *total > maxTokens {
			return fmt.Errorf("more than %d buckets", maxTokens)
		}
		s.tokens = append(s.tokens, t)
	}
	p.file.series = append(p.file.series, s)
	return nil
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
			return fmt.Errorf("%q: a cell of a table is one bucket", cell)
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
	rest := text
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
	parts := strings.Split(rest, "^")
	if parts[0] == "_" || parts[0] == "-" {
		t.gap = true
		if len(parts) > 1 {
			return t, fmt.Errorf("%q: a gap cannot be corrected; write the value with ~ for when it arrives", text)
		}
		return t, nil
	}
	var err error
	if t.value, t.late, err = parseTimed(parts[0]); err != nil {
		return t, fmt.Errorf("%q: %w", text, err)
	}
	for _, part := range parts[1:] {
		v, after, err := parseTimed(part)
		if err != nil {
			return t, fmt.Errorf("%q: %w", text, err)
		}
		t.corrects = append(t.corrects, correction{v, after})
	}
	return t, nil
}

func parseTimed(text string) (value, time.Duration, error) {
	text, span, timed := strings.Cut(text, "~")
	v, err := parseValue(text)
	if err != nil || !timed {
		return v, 0, err
	}
	d, err := rules.ParseDuration(span)
	if err == nil && (d.Duration%time.Second != 0 || d.Duration > farthest) {
		err = fmt.Errorf("duration %q: want whole seconds", span)
	}
	return v, d.Duration, err
}

func parseValue(text string) (value, error) {
	switch text {
	case "OK":
		return value{v: 0, n: 1}, nil
	case "ALARM":
		return value{v: 1, n: 1}, nil
	}
	if a, b, ok := strings.Cut(text, "/"); ok {
		v, err := parseNumber(a)
		if err != nil {
			return value{}, err
		}
		n, err := parseNumber(b)
		return value{v: v, n: n, ratio: true}, err
	}
	a, b, counted := strings.Cut(text, "@")
	v, err := parseNumber(a)
	if err != nil || !counted {
		return value{v: v, n: 1}, err
	}
	n, err := parseNumber(b)
	return value{v: v, n: n, count: true}, err
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
