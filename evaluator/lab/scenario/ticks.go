package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// tick is one tick to the letter, as a journal has it.
type tick struct {
	line     int
	at       stamp
	reads    []read
	commands []fact.Command
	results  []fact.Result
	begin    *fact.Begun
	past     *past
}

// read is one reading to the letter.
type read struct {
	line    int
	signal  string
	from    stamp
	to      stamp
	settled *stamp
	retry   *stamp
	points  []point
	parts   []groups
	rest    rules.Reading // what needs no plan
}

type point struct {
	at     stamp
	v, n   float64
	filled bool // the source counts what it has no value of as 0: "_/600", or "_3/600" where other parts of a sum have one
}

// groups is what groups a period consists of.
type groups struct {
	at   stamp
	list []rules.Group
}

// stamp is a time: an offset from T, or Unix seconds, written "@1749002400".
type stamp struct {
	offset time.Duration
	unix   int64
	fixed  bool
}

func parseStamp(text string) (stamp, error) {
	if digits, ok := strings.CutPrefix(text, "@"); ok {
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return stamp{}, fmt.Errorf("time %q: want Unix seconds after @", text)
		}
		return stamp{unix: n, fixed: true}, nil
	}
	d, err := parseTime(text)
	return stamp{offset: d}, err
}

func (s stamp) seconds(start int64) int64 {
	if s.fixed {
		return s.unix
	}
	return start + int64(s.offset/time.Second)
}

// formatStamp writes Unix seconds relative to T where that says something.
func formatStamp(unix, start int64) string {
	const limit = int64(farthest / time.Second)
	if d := unix - start; unix > 0 && d <= limit && d >= -limit {
		return formatTime(time.Duration(d) * time.Second)
	}
	return "@" + strconv.FormatInt(unix, 10)
}

// tick reads a line of the ticks section: "at T+30s", then for that tick
// "read signal=… from=… to=… settled=… T=0/600 …", "command hold by=…",
// "past plan=… at=… totals={…}" and, in the first, "begin by=…".
func (p *parser) tick(n int, line string) {
	word, rest, _ := strings.Cut(line, " ")
	var err error
	var last *tick
	if len(p.file.ticks) > 0 {
		last = &p.file.ticks[len(p.file.ticks)-1]
	}
	switch {
	case word == "at":
		var at stamp
		if at, err = parseStamp(strings.TrimSpace(rest)); err == nil {
			p.file.ticks = append(p.file.ticks, tick{line: n, at: at})
		}
	case last == nil:
		err = fmt.Errorf("%q: want \"at\" and a time first", line)
	case word == "read":
		var r read
		if r, err = parseRead(n, rest); err == nil {
			last.reads = append(last.reads, r)
		}
	case word == "begin":
		last.begin, err = parseBegin(rest)
	case word == "past":
		if last.past == nil {
			last.past = new(past)
		}
		err = last.past.add(rest)
	case word == "command":
		var c fact.Command
		if c, err = parseCommand(rest); err == nil {
			last.commands = append(last.commands, c)
		}
	case word == "result":
		var r fact.Result
		if r, err = parseResult(rest); err == nil {
			last.results = append(last.results, r)
		}
	default:
		err = fmt.Errorf("%q: want at, read, command, result, past or begin", word)
	}
	if err != nil {
		p.failf(n, "%v", err)
	}
}

// parseBegin reads "by=ci why=\"a fix\" principal=deploy supersedes=shop@1.0.0".
func parseBegin(text string) (*fact.Begun, error) {
	pairs, err := parsePairs(text)
	if err != nil {
		return nil, err
	}
	b := new(fact.Begun)
	for _, p := range pairs {
		switch p.key {
		case "by":
			b.By = p.value
		case "why":
			b.Why = p.value
		case "principal":
			b.Principal = p.value
		case "supersedes":
			b.Supersedes = p.value
		default:
			return nil, fmt.Errorf("begin: %q: want by=, why=, principal= or supersedes=", p.key+p.value)
		}
	}
	return b, nil
}

func formatBegin(b *fact.Begun) string {
	if b == nil {
		return ""
	}
	text := "begin"
	for _, p := range []pair{{"by", b.By}, {"why", b.Why}, {"principal", b.Principal}, {"supersedes", b.Supersedes}} {
		if p.value != "" {
			text += " " + p.key + "=" + quote(p.value)
		}
	}
	return text + "\n"
}

func parseRead(n int, text string) (read, error) {
	r := read{line: n}
	pairs, err := parsePairs(text)
	if err != nil {
		return r, err
	}
	for _, x := range pairs {
		if err := r.set(x); err != nil {
			return r, err
		}
	}
	if r.signal == "" {
		return r, fmt.Errorf("read: want signal=")
	}
	return r, nil
}

func (r *read) set(x pair) (err error) {
	switch x.key {
	case "signal":
		r.signal = x.value
	case "from":
		r.from, err = parseStamp(x.value)
	case "to":
		r.to, err = parseStamp(x.value)
	case "settled", "retry":
		var s stamp
		s, err = parseStamp(x.value)
		if x.key == "settled" {
			r.settled = &s
		} else {
			r.retry = &s
		}
	case "fault":
		err = r.rest.Fault.UnmarshalText([]byte(x.value))
	case "detail":
		r.rest.Detail = x.value
	case "note":
		r.rest.Note = x.value
	case "ref":
		r.rest.Ref = x.value
	case "seen":
		r.rest.Seen, err = strconv.ParseBool(x.value)
	case "looked":
		r.rest.Looked, err = strconv.ParseBool(x.value)
	case "width":
		r.rest.Width, err = strconv.ParseInt(x.value, 10, 64)
	default:
		err = r.point(x)
	}
	return err
}

func (r *read) point(x pair) error {
	at, err := parseStamp(x.key)
	if err != nil {
		return fmt.Errorf("read: %q: want signal=, from=, to=, settled=, fault=, retry=, detail=, note=, ref=, width=, seen=, looked=, a point such as T+1m=0/600 or groups such as T+1m={1: 2/30, 2: 3/30}", x.key+x.value)
	}
	if inside, ok := inBraces(x.value); ok {
		list, err := parseGroups(inside)
		r.parts = append(r.parts, groups{at, list})
		return err
	}
	a, b, ok := strings.Cut(x.value, "/")
	a, filled := strings.CutPrefix(a, "_")
	if a == "" && filled {
		a = "0"
	}
	v, errV := strconv.ParseFloat(a, 64)
	n, errN := strconv.ParseFloat(b, 64)
	if !ok || errV != nil || errN != nil {
		return fmt.Errorf("point %s=%s: want value/samples", x.key, x.value)
	}
	r.points = append(r.points, point{at, v, n, filled})
	return nil
}

// inBraces is what stands in the braces that a text consists of.
func inBraces(text string) (inside string, ok bool) {
	if inside, ok = strings.CutPrefix(text, "{"); ok {
		inside, ok = strings.CutSuffix(inside, "}")
	}
	return inside, ok
}

// reading is the read as the evaluator gets it.
func (r *read) reading(signal int, start int64) rules.Reading {
	rd := r.rest
	rd.Signal, rd.From, rd.To = signal, r.from.seconds(start), r.to.seconds(start)
	if r.settled != nil {
		rd.SettledUntil = r.settled.seconds(start)
	}
	if r.retry != nil {
		rd.RetryAt = r.retry.seconds(start)
	}
	for _, p := range r.points {
		at := p.at.seconds(start)
		rd.Points = append(rd.Points, rules.Point{At: at, Value: p.v, Samples: p.n})
		if p.filled {
			rd.Filled = append(rd.Filled, at)
		}
	}
	slices.Sort(rd.Filled)
	for _, p := range r.parts {
		rd.Parts = append(rd.Parts, rules.Parts{At: p.at.seconds(start), Groups: p.list})
	}
	return rd
}

func formatRead(rd *rules.Reading, signal string, start int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "read signal=%s from=%s to=%s", quote(signal), formatStamp(rd.From, start), formatStamp(rd.To, start))
	if rd.SettledUntil != 0 {
		b.WriteString(" settled=" + formatStamp(rd.SettledUntil, start))
	}
	if rd.RetryAt != 0 {
		b.WriteString(" retry=" + formatStamp(rd.RetryAt, start))
	}
	if rd.Width != 0 {
		b.WriteString(" width=" + strconv.FormatInt(rd.Width, 10))
	}
	for _, x := range []pair{{"fault", rd.Fault.String()}, {"detail", rd.Detail}, {"note", rd.Note}, {"ref", rd.Ref}} {
		if x.value != "" {
			fmt.Fprintf(&b, " %s=%s", x.key, quote(x.value))
		}
	}
	if rd.Seen {
		b.WriteString(" seen=true")
	}
	if rd.Looked {
		b.WriteString(" looked=true")
	}
	for _, p := range rd.Points {
		value := number(p.Value)
		if rd.Fills(p.At) {
			if value = "_" + value; p.Value == 0 {
				value = "_"
			}
		}
		fmt.Fprintf(&b, " %s=%s/%s", formatStamp(p.At, start), value, number(p.Samples))
	}
	for _, p := range rd.Parts {
		fmt.Fprintf(&b, " %s=%s", formatStamp(p.At, start), formatGroups(p.Groups))
	}
	return b.String()
}

// number writes a float so that it is read back as it is.
func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
