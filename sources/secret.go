package sources

import (
	"errors"
	"log/slog"
	"sync"
)

// Secret is a text that may be replaced where it is kept while relgate runs: the
// file of a token that is rotated. It is safe for concurrent use.
type Secret struct {
	read func() (string, error)
	log  *slog.Logger

	mu       sync.Mutex
	now, was string // what it is, and what it was before
	failed   bool   // the newest look at it failed, and that was said
}

// NewSecret looks at a secret for the first time, by the function that reads it
// where it is kept. log, which may be nil, hears of later looks that fail, with the name
// of the source whose secret it is.
func NewSecret(source string, read func() (string, error), log *slog.Logger) (*Secret, error) {
	text, err := read()
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, errors.New("the secret is empty")
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Secret{read: read, log: log.With("source", source), now: text}, nil
}

// Fixed is a secret that is never replaced.
func Fixed(text string) *Secret {
	return &Secret{read: func() (string, error) { return text, nil }, log: slog.New(slog.DiscardHandler), now: text}
}

// Value reads the secret anew. While it cannot be read, because it is just being
// replaced, it is what it was.
func (s *Secret) Value() string {
	text, err := s.read()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || text == "" {
		if !s.failed {
			s.log.Warn("a secret cannot be read again: the one known before stays in use", "err", err)
		}
		s.failed = true
		return s.now
	}
	s.failed = false
	if text != s.now {
		s.was, s.now = s.now, text
	}
	return s.now
}

// Known are the texts that must not be shown: an answer may quote the secret that
// was sent before it was replaced.
func (s *Secret) Known() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []string{s.now, s.was}
}
