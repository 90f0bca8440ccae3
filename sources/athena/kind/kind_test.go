package kind

import "testing"

func TestQuestionMarks(t *testing.T) {
	for sql, want := range map[string]int{
		"":                      0,
		"SELECT ?, ?":           2,
		"SELECT '?', \"?\", ?":  1,
		"-- ?\nSELECT ? -- ?":   1,
		"/* ? */ ? /* ?":        1,
		"SELECT 'it''s ?' || ?": 1,
		"SELECT 'open ?":        0,
		"/*/ ? */ ?":            1,
	} {
		if got := questionMarks(sql); got != want {
			t.Errorf("%q has %d question marks to fill, want %d", sql, got, want)
		}
	}
}
