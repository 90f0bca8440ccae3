package rules

import "testing"

func TestAndIsTheWorseVerdict(t *testing.T) {
	for _, tt := range []struct{ v, w, want Verdict }{
		{Unknown, Unknown, Unknown},
		{Unknown, Pending, Unknown}, // missing data is worse than waiting
		{Unknown, Pass, Unknown},    // what is not known is never a pass
		{Unknown, Fail, Fail},       // a known failure outranks missing data
		{Unknown, Rollback, Rollback},
		{Pending, Pending, Pending},
		{Pending, Pass, Pending},
		{Pending, Fail, Fail},
		{Pending, Rollback, Rollback},
		{Pass, Pass, Pass},
		{Pass, Fail, Fail},
		{Pass, Rollback, Rollback},
		{Fail, Fail, Fail},
		{Fail, Rollback, Rollback},
		{Rollback, Rollback, Rollback},
		{Verdict(9), Pass, Unknown}, // a number that is no verdict is unknown
		{Verdict(9), Pending, Unknown},
		{Verdict(9), Fail, Fail},
	} {
		if got := tt.v.And(tt.w); got != tt.want {
			t.Errorf("%v.And(%v) = %v, want %v", tt.v, tt.w, got, tt.want)
		}
		if got := tt.w.And(tt.v); got != tt.want {
			t.Errorf("%v.And(%v) = %v, want %v", tt.w, tt.v, got, tt.want)
		}
	}
}

func TestAndIsAssociative(t *testing.T) {
	for _, a := range Verdicts() {
		for _, b := range Verdicts() {
			for _, c := range Verdicts() {
				if l, r := a.And(b).And(c), a.And(b.And(c)); l != r {
					t.Errorf("(%v, %v), %v is %v, %v, (%v, %v) is %v", a, b, c, l, a, b, c, r)
				}
			}
		}
	}
}
