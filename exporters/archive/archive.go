package archive

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// Report is the review of a run as it is archived.
type Report struct {
	Run      string // id of the run; required
	UID      string // of the run: another journal may have a run of the same id
	Event    uint64 // number of the event that asks for it
	Plan     string
	Version  string
	Title    string // one line; required
	Markdown []byte // required
	HTML     []byte // a whole page; may be nil
	JSON     []byte // may be nil
}

// Archive keeps reports.
type Archive interface {
	// Archive brings the report there, in the place of an earlier one of the same run, and
	// gives a link to it. Archiving the same report again changes nothing. What is wrong,
	// or not done yet, comes as an *Error.
	Archive(ctx context.Context, r Report) (link string, err error)
}

// Error is why a report is not archived, or not known to be.
type Error struct {
	Reason     string        // for people, without secrets
	Refused    bool          // it would be refused again: a person must change something
	Waits      bool          // it is there, and not archived before a person has done what Reason says
	RetryAfter time.Duration // for how long the other side wants to be left alone; 0 where it did not say

	status int // of the answer that says so; 0 where there was none
}

func (e *Error) Error() string { return e.Reason }

// statusOf is the status of the answer behind an error, 0 where there was none.
func statusOf(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.status
	}
	return 0
}

// failure is an error of words.
func failure(refused bool, format string, args ...any) error {
	return &Error{Reason: fmt.Sprintf(format, args...), Refused: refused}
}

// mostBytes bounds the Markdown: GitHub shows no file that is larger.
const mostBytes = 1 << 20

// check reports what is wrong with a report.
func (r Report) check() error {
	switch {
	case r.Run == "" || strings.TrimSpace(r.Title) == "" || len(r.Markdown) == 0:
		return failure(true, "the report has no run, title or text")
	case rules.UnsafeIn(r.Run) != "" || rules.UnsafeIn(r.Title) != "":
		return failure(true, "the report's title has characters that cannot be shown")
	case len(r.Markdown) > mostBytes:
		return failure(true, "the report is longer than %d MiB", mostBytes>>20)
	}
	return nil
}

// name is what the report of a run is called: of characters that every file system, URL
// and Git take. Two runs never share one, also where case makes no difference, and where the
// journal of the one was lost and the other has its id.
func name(run, uid string) string {
	plain := strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", r) {
			return r
		}
		return '-'
	}, run)
	for strings.Contains(plain, "..") {
		plain = strings.ReplaceAll(plain, "..", ".")
	}
	if plain = strings.Trim(plain, ".-"); len(plain) > 60 {
		plain = strings.TrimRight(plain[:60], ".-")
	}
	if plain == "" {
		plain = "run"
	}
	return fmt.Sprintf("%s-%x", plain, sha256.Sum256([]byte(run+"/"+uid)))[:len(plain)+1+12]
}

// name is what the report is called.
func (r Report) name() string { return name(r.Run, r.UID) }

// mark is the line by which an archive knows the file of the run, and what asked for it.
func (r Report) mark() string {
	return fmt.Sprintf("<!-- relgate review %s event %d -->", r.name(), r.Event)
}

// marked is the Markdown with its mark.
func (r Report) marked() []byte {
	return append([]byte(r.mark()+"\n\n"), r.Markdown...)
}

// marks reports whether a file is a report of the run, and whether it is the one that the
// same event asked for.
func (r Report) marks(file []byte) (ours, kept bool) {
	line, _, _ := strings.Cut(string(file), "\n")
	line = strings.TrimRight(line, "\r")
	return strings.HasPrefix(line, "<!-- relgate review "+r.name()+" ") && strings.HasSuffix(line, " -->"), line == r.mark()
}

// within bounds an attempt, which makes about ten requests.
const within = 2 * time.Minute

// Sink archives the report of a run when an event of its review asks for it.
type Sink struct {
	Archive Archive
	// Report makes the report of the run of an event, as it is at the event.
	Report func(ctx context.Context, e *wire.EventBody) (Report, error)
}

// Send archives the report of the event's run.
func (s *Sink) Send(ctx context.Context, m outbox.Message) outbox.Outcome {
	var e wire.EventBody
	if err := json.Unmarshal(m.Data, &e); err != nil || e.Kind != "review" {
		return outbox.Outcome{OK: true, Skipped: true} // an archive is no place for alarms
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	r, err := s.Report(ctx, &e)
	if err != nil {
		return outbox.Outcome{Reason: "writing the report: " + err.Error()}
	}
	link, err := s.Archive.Archive(ctx, r)
	if err != nil {
		o := outbox.Outcome{Reason: err.Error()}
		if e, ok := errors.AsType[*Error](err); ok {
			o.Refused, o.Waits, o.RetryAfter = e.Refused, e.Waits, e.RetryAfter
		}
		return o
	}
	return outbox.Outcome{OK: true, Kept: link}
}

// CloseIdleConnections frees the connections of the archive.
func (s *Sink) CloseIdleConnections() {
	if a, ok := s.Archive.(interface{ CloseIdleConnections() }); ok {
		a.CloseIdleConnections()
	}
}
