package backtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/relgate/relgate/rules"
)

// format is the version of a stored history. A reader refuses every other.
const format = 1

// header is the first line of a stored history.
type header struct {
	Format  int       `json:"relgate_history"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Fetched time.Time `json:"fetched"`
	Series  int       `json:"series"` // lines that follow
}

// line is one series of a stored history. The points lie in columns.
type line struct {
	Series
	At      []int64       `json:"t"`
	Value   []float64     `json:"v"`
	Samples []float64     `json:"n"`
	Groups  []rules.Parts `json:"parts,omitempty"`
}

// ErrNoHistory is what UnmarshalText says of a text that is no stored history,
// or one of another version.
var ErrNoHistory = errors.New("not a history that this version can read")

// MarshalText gives the stored form: JSON lines, a header and then one series a
// line. It holds no secret, because queries and points hold none.
func (h *History) MarshalText() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(header{format, h.From.UTC(), h.To.UTC(), h.Fetched.UTC(), len(h.Series)}); err != nil {
		return nil, fmt.Errorf("encoding history: %w", err)
	}
	for i := range h.Series {
		s := &h.Series[i]
		l := line{Series: *s, At: []int64{}, Value: []float64{}, Samples: []float64{}, Groups: s.Parts}
		for _, p := range s.Points {
			l.At, l.Value, l.Samples = append(l.At, p.At), append(l.Value, p.Value), append(l.Samples, p.Samples)
		}
		if err := enc.Encode(l); err != nil {
			return nil, fmt.Errorf("encoding history of %q: %w", s.Signal, err)
		}
	}
	return b.Bytes(), nil
}

// UnmarshalText reads what MarshalText gave. The error is or wraps ErrNoHistory
// and names the line.
func (h *History) UnmarshalText(text []byte) error {
	lines := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	var head header
	if err := json.Unmarshal(lines[0], &head); err != nil || head.Format != format {
		return fmt.Errorf("line 1: %w: want \"relgate_history\":%d", ErrNoHistory, format)
	}
	if head.Series != len(lines)-1 {
		return fmt.Errorf("%w: %d series, %d announced: the file is cut short", ErrNoHistory, len(lines)-1, head.Series)
	}
	read := History{From: head.From.UTC(), To: head.To.UTC(), Fetched: head.Fetched.UTC()}
	for i, text := range lines[1:] {
		s, err := readSeries(text)
		if err != nil {
			return fmt.Errorf("line %d: %w: %w", i+2, ErrNoHistory, err)
		}
		read.Series = append(read.Series, s)
	}
	*h = read
	return nil
}

func readSeries(text []byte) (Series, error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return Series{}, err
	}
	if len(l.At) != len(l.Value) || len(l.At) != len(l.Samples) {
		return Series{}, fmt.Errorf("%d times, %d values and %d samples", len(l.At), len(l.Value), len(l.Samples))
	}
	s := l.Series
	s.Parts = l.Groups
	s.Points = make([]rules.Point, len(l.At))
	for i := range l.At {
		if i > 0 && l.At[i] <= l.At[i-1] {
			return Series{}, fmt.Errorf("time %d comes after %d", l.At[i], l.At[i-1])
		}
		s.Points[i] = rules.Point{At: l.At[i], Value: l.Value[i], Samples: l.Samples[i]}
	}
	if s.Width < 0 {
		return Series{}, fmt.Errorf("buckets of %d s", s.Width)
	}
	return s, nil
}
