package sources_test

import (
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

// However long an upstream asks to be left alone, a signal is blind for five
// minutes at most, or for its own distance between questions; and one can see why.
func TestPoolBoundsHowLongASourceIsLeftAlone(t *testing.T) {
	tests := []struct {
		every, asked, want time.Duration
		detail             string
	}{
		{time.Minute, 10 * time.Second, 10 * time.Second, "429: slow"},
		{time.Minute, 2 * time.Minute, 2 * time.Minute, "429: slow; left alone until 12:02:00 UTC"},
		{time.Minute, time.Hour, 5 * time.Minute, "429: slow; asked again anyway at 12:05:00 UTC"},
		{20 * time.Minute, time.Hour, 20 * time.Minute, "429: slow; asked again anyway at 12:20:00 UTC"},
		{time.Minute, -time.Hour, 0, "429: slow"},
	}
	for _, tt := range tests {
		p := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"a": each(func(w sources.Want) rules.Reading {
			r := sources.Faulty(w, rules.Throttled, "429: slow")
			r.RetryAt = noon.Add(tt.asked).Unix()
			return r
		})}})
		w := want("a", 0)
		w.Signal.Every = tt.every
		r := p.Fetch(t.Context(), noon, []sources.Want{w})[0]
		got := time.Duration(0)
		if r.RetryAt != 0 {
			got = time.Unix(r.RetryAt, 0).Sub(noon)
		}
		if got != tt.want || r.Detail != tt.detail {
			t.Errorf("every %s, asked for %s: got %s %q, want %s %q", tt.every, tt.asked, got, r.Detail, tt.want, tt.detail)
		}
		if alone := p.Stats()[0].LeftAlone; alone.IsZero() != (tt.want == 0) {
			t.Errorf("asked for %s: left alone until %s", tt.asked, alone)
		}
		closed(t, p)
	}
}

// What a source asked for stands until its next answer.
func TestASourceIsShownAsLeftAloneUntilItsNextAnswer(t *testing.T) {
	next := func(w sources.Want) rules.Reading { return rules.Reading{Signal: w.Index} }
	p := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"a": each(func(w sources.Want) rules.Reading { return next(w) })}})
	defer closed(t, p)
	step := func(name string, alone bool, answer func(sources.Want) rules.Reading) {
		t.Helper()
		next = answer
		p.Fetch(t.Context(), noon, []sources.Want{want("a", 0)})
		if got := p.Stats()[0].LeftAlone; got.IsZero() == alone {
			t.Errorf("%s: left alone until %s", name, got)
		}
	}
	throttled := func(w sources.Want) rules.Reading {
		r := sources.Faulty(w, rules.Throttled, "429: slow")
		r.RetryAt = noon.Add(2 * time.Minute).Unix()
		return r
	}
	step("throttled", true, throttled)
	step("a panic", true, func(sources.Want) rules.Reading { panic("no answer") })
	step("an answer", false, func(w sources.Want) rules.Reading { return rules.Reading{Signal: w.Index} })
	step("throttled again", true, throttled)
	step("another fault", false, func(w sources.Want) rules.Reading { return sources.Faulty(w, rules.Unavailable, "503: busy") })
}

// What was asked for stays readable however long the upstream's words are.
func TestALongDetailStillSaysWhen(t *testing.T) {
	u := serve(t, status(429, strings.Repeat("slow down ", 100), "Retry-After", "99999999999"))
	c := u.client(t, nil)
	_, err := c.Get(t.Context(), noon, "/x", nil)
	if err == nil || !strings.HasSuffix(err.Detail, "…; Retry-After: 99999999999") || len(err.Detail) > 300 {
		t.Fatalf("got %v", err)
	}
	p := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"a": each(err.Reading)}})
	defer closed(t, p)
	r := p.Fetch(t.Context(), noon, []sources.Want{want("a", 0)})[0]
	if !strings.HasSuffix(r.Detail, "asked again anyway at 12:05:00 UTC") || len(r.Detail) > 300 || !strings.HasPrefix(r.Detail, "429: slow down") {
		t.Errorf("got %q", r.Detail)
	}
}
