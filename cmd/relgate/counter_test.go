package main

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Who looks on sees now and then how far a run has come, and nothing is left of it.
func TestCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		p := counterTo(&out)
		failed := errors.New("the 3rd fails")
		do := p.count("REL", 5, func(i int) error {
			time.Sleep(150 * time.Millisecond)
			if i == 2 {
				return failed
			}
			return nil
		})
		for i := range 5 {
			if err := do(i); (err != nil) != (i == 2) {
				t.Errorf("run %d gave %v", i, err)
			}
		}
		p.end()
		const want = "\rREL: 2 of 5 releases\rREL: 4 of 5 releases\r                    \r"
		if out.String() != want {
			t.Errorf("it writes %q, want %q", out.String(), want)
		}
	})
}

// Short runs, and runs without a terminal, write nothing.
func TestCounterOfNothing(t *testing.T) {
	var out strings.Builder
	p := counterTo(&out)
	if err := p.count("REL", 1, func(int) error { return nil })(0); err != nil {
		t.Error(err)
	}
	p.end()
	none := newCounter(&out)
	if err := none.count("REL", 1, func(int) error { return nil })(0); err != nil {
		t.Error(err)
	}
	none.end()
	if none != nil || out.Len() > 0 {
		t.Errorf("counter %v, it wrote %q", none, out.String())
	}
}
