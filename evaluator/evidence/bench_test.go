package evidence

import (
	"math"
	"testing"
	"time"
)

// logCost is the time of one logarithm on this machine. The cost of a look is
// reported in logarithms, because that is the same on every machine.
func logCost() float64 {
	const rounds = 1_000_000
	v, begin := 1.5, time.Now()
	for range rounds {
		v = math.Log(v) + 2
	}
	took := time.Since(begin)
	if v == 0 {
		panic("unreachable: keeps the loop")
	}
	return float64(took.Nanoseconds()) / rounds
}

// inLogs reports the cost of an operation as a number of logarithms.
func inLogs(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/logCost(), "logs/op")
}

// BenchmarkLook is one rule and one minute; 2 µs are allowed.
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
	inLogs(b)
}

// BenchmarkVerdict is what is read from the track after a look.
func BenchmarkVerdict(b *testing.B) {
	t := NewTest(.01, .03)
	var tr Track
	t.Look(&tr, 0, Minute{N: 12, Bad: 1}, .5)
	b.ReportAllocs()
	for b.Loop() {
		_ = t.Warn(&tr) + t.Hold(&tr) + t.Midpoint(&tr) + t.Suspect(&tr).LLR
	}
	inLogs(b)
}

// BenchmarkPair is one minute of a canary beside its baseline.
func BenchmarkPair(b *testing.B) {
	for name, delta := range map[string]float64{"closed": 0, "bisected": .01} {
		b.Run(name, func(b *testing.B) {
			p := NewPair(delta)
			var tr PairTrack
			b.ReportAllocs()
			for b.Loop() {
				p.Look(&tr, Minute{N: 12, Bad: 1}, Minute{N: 108, Bad: 1}, .5/1439)
			}
			inLogs(b)
		})
	}
}

// BenchmarkPass is the evidence of health, one look.
func BenchmarkPass(b *testing.B) {
	below := NewBelow(.01)
	b.ReportAllocs()
	for b.Loop() {
		_ = below.LogE(3, 1200, 1.2)
	}
	inLogs(b)
}

// BenchmarkInterval is the interval of a sentence.
func BenchmarkInterval(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = ConfidenceSequence(6, 112, .05, 1, 1)
	}
	inLogs(b)
}

// BenchmarkDeciles is one answer with ten groups.
func BenchmarkDeciles(b *testing.B) {
	x, n := same(100, 10), same(2000, 10)
	b.ReportAllocs()
	for b.Loop() {
		_ = Deciles(x, n, .05, .05)
	}
	inLogs(b)
}
