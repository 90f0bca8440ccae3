package evidence

import "testing"

func BenchmarkLook(b *testing.B) {
	t := NewTest(.01, .03)
	var tr Track
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		bad := 0.0
		if i%8 == 0 {
			bad = 1
		}
		t.Look(&tr, int64(i), Minute{N: 12, Bad: bad}, .5/1439)
		if i%1440 == 1439 {
			tr = Track{}
		}
	}
}

func BenchmarkVerdict(b *testing.B) {
	t := NewTest(.01, .03)
	var tr Track
	t.Look(&tr, 0, Minute{N: 12, Bad: 1}, .5)
	b.ReportAllocs()
	for b.Loop() {
		_ = t.Warn(&tr) + t.Hold(&tr) + t.Midpoint(&tr) + t.Suspect(&tr).LLR
	}
}
