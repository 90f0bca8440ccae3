package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// farthest bounds offsets, so that sums of them mean something.
const farthest = 10 * 365 * 24 * time.Hour

// parseTime reads a time on the plan's clock: "T+20m", or "00:20" and "00:20:30"
// since T.
func parseTime(text string) (time.Duration, error) {
	d, ok := parseClock(text)
	if !ok {
		o, err := rules.ParseOffset(text)
		if err != nil {
			return 0, err
		}
		d = o.Duration
	}
	if d%time.Second != 0 || d.Abs() > farthest {
		return 0, fmt.Errorf("time %q: want whole seconds, within ten years of T", text)
	}
	return d, nil
}

func parseClock(text string) (time.Duration, bool) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, false
	}
	var d time.Duration
	units := [...]time.Duration{time.Hour, time.Minute, time.Second}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil || len(part) < 2 || i > 0 && n > 59 {
			return 0, false
		}
		d += time.Duration(n) * units[i]
	}
	return d, true
}

func formatTime(d time.Duration) string {
	switch {
	case d == 0:
		return "T"
	case d < 0:
		return "T-" + rules.Duration{Duration: -d}.String()
	}
	return "T+" + rules.Duration{Duration: d}.String()
}

// parseSpan reads "T+5m..T+9m".
func parseSpan(text string) (span, error) {
	a, b, ok := strings.Cut(text, "..")
	if !ok {
		return span{}, fmt.Errorf("%q: want two times such as T+5m..T+9m", text)
	}
	from, err := parseTime(strings.TrimSpace(a))
	if err != nil {
		return span{}, err
	}
	to, err := parseTime(strings.TrimSpace(b))
	if err == nil && to < from {
		err = fmt.Errorf("%q ends before it begins", text)
	}
	return span{from, to}, err
}

// pair is one key=value of a line.
type pair struct{ key, value string }

// parsePairs reads words, key="quoted values" and key={values in braces}: a word
// without "=" is a pair with an empty key.
func parsePairs(text string) ([]pair, error) {
	var pairs []pair
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		end := strings.IndexAny(text, " \t=")
		if end < 0 || text[end] != '=' {
			word := text
			if end >= 0 {
				word = text[:end]
			}
			pairs, text = append(pairs, pair{"", word}), text[len(word):]
			continue
		}
		key, rest := text[:end], text[end+1:]
		value, rest, err := cutValue(rest)
		if err != nil {
			return nil, fmt.Errorf("%s=: %w", key, err)
		}
		pairs, text = append(pairs, pair{key, value}), rest
	}
	return pairs, nil
}

func cutValue(text string) (value, rest string, err error) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, " \t")
		if end < 0 {
			end = len(text)
		}
		if strings.HasPrefix(text, "{") {
			if end, err = endOf(text, func(c byte) bool { return c == ' ' || c == '\t' }); err != nil {
				return "", "", err
			}
		}
		return text[:end], text[end:], nil
	}
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return "", "", fmt.Errorf("a quote is not closed in %q", text)
	}
	value, err = strconv.Unquote(quoted)
	return value, text[len(quoted):], err
}

// quote writes a value as cutValue reads it.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@+") == "" {
		return s
	}
	return strconv.Quote(s)
}

// parseCommand reads "override phase=lambda-10 verdict=pass by=ops why=\"checked by hand\" id=7".
// field is a text of a command or a result, by the key that it is written under.
type field struct {
	key   string
	value *string
}

// commandFields are the texts of a command, in the order in which they are written.
func commandFields(c *fact.Command) []field {
	return []field{
		{"phase", &c.Phase}, {"subject", &c.Subject}, {"role", &c.Role}, {"meaning", &c.Meaning}, {"by", &c.By}, {"why", &c.Why}, {"id", &c.ID},
		{"principal", &c.Principal}, {"next", &c.Next}, {"blocked", &c.Blocked}, {"digest", &c.Digest}, {"read", &c.Read},
	}
}

// resultFields are those of a result.
func resultFields(r *fact.Result) []field {
	return []field{{"event", &r.Event}, {"sink", &r.Sink}, {"kept", &r.Kept}, {"reason", &r.Reason}}
}

// set sets the text of a key, and reports whether there is one.
func set(fields []field, p pair) bool {
	for _, f := range fields {
		if f.key == p.key {
			*f.value = p.value
			return true
		}
	}
	return false
}

func write(b *strings.Builder, fields []field) {
	for _, f := range fields {
		if *f.value != "" {
			fmt.Fprintf(b, " %s=%s", f.key, quote(*f.value))
		}
	}
}

func keysOf(fields []field) string {
	var keys []string
	for _, f := range fields {
		keys = append(keys, f.key+"=")
	}
	return strings.Join(keys, ", ")
}

func parseCommand(text string) (fact.Command, error) {
	var c fact.Command
	pairs, err := parsePairs(text)
	if err != nil {
		return c, err
	}
	fields := commandFields(&c)
	for i, p := range pairs {
		switch {
		case i == 0 && p.key == "":
			c.Kind = fact.CommandKind(p.value)
		case p.key == "verdict":
			err = c.Verdict.UnmarshalText([]byte(p.value))
		case p.key == "persons_hold":
			c.PersonsHold, err = strconv.ParseBool(p.value)
		case p.key == "evidence_hold":
			c.EvidenceHold, err = strconv.ParseBool(p.value)
		case !set(fields, p):
			err = fmt.Errorf("command: %q: want %s, verdict=, persons_hold= or evidence_hold=", p.key+p.value, keysOf(fields))
		}
		if err != nil {
			return c, err
		}
	}
	if c.Kind == "" {
		return c, fmt.Errorf("command %q: want its kind first: start, hold, resume, override, abort, rollback_done, supersede, approve, reject or another", text)
	}
	return c, nil
}

func formatCommand(c fact.Command) string {
	var b strings.Builder
	b.WriteString(string(c.Kind))
	write(&b, []field{{"verdict", new(verdictText(c.Verdict))}})
	write(&b, commandFields(&c))
	if c.PersonsHold {
		b.WriteString(" persons_hold=true")
	}
	if c.EvidenceHold {
		b.WriteString(" evidence_hold=true")
	}
	return b.String()
}

func parseResult(text string) (fact.Result, error) {
	var r fact.Result
	pairs, err := parsePairs(text)
	fields := resultFields(&r)
	for _, p := range pairs {
		switch {
		case err != nil:
		case p.key == "ok":
			r.OK, err = strconv.ParseBool(p.value)
		case p.key == "done":
			r.Done, err = strconv.ParseBool(p.value)
		case p.key == "drill": // a whole one, as the journal keeps it
			r.Drill = new(fact.Drill)
			if json.Unmarshal([]byte(p.value), r.Drill) != nil {
				err = errors.New("result: drill: want a drill as JSON")
			}
		case !set(fields, p):
			err = fmt.Errorf("result: %q: want %s, ok, done or drill=", p.key+p.value, keysOf(fields))
		}
	}
	return r, err
}

func formatResult(r fact.Result) string {
	var b strings.Builder
	b.WriteString("result")
	write(&b, resultFields(&r))
	if r.OK {
		b.WriteString(" ok=true")
	}
	if r.Done {
		b.WriteString(" done=true")
	}
	if r.Drill != nil {
		said, _ := json.Marshal(r.Drill) // texts, numbers and times have a JSON form
		b.WriteString(" drill=" + quote(string(said)))
	}
	return b.String()
}

func verdictText(v rules.Verdict) string {
	if v == rules.Unknown {
		return ""
	}
	return v.String()
}
