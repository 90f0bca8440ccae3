package rules

import (
	"strings"
	"testing"
)

func TestAVersionCanStandInARunsID(t *testing.T) {
	for version, good := range map[string]bool{
		"1.0.0": true, "1.0.0+100": true, "v2-rc.1_x:3": true, "20250604T020000Z": true, strings.Repeat("1", 128): true,
		"": false, ".1": false, "+1": false, "1.0 0": false, "1@2": false, "1~2": false, "1/2": false, "é": false, "1\n": false, strings.Repeat("1", 129): false,
	} {
		if err := CheckVersion(version); (err == nil) != good {
			t.Errorf("CheckVersion(%q) = %v, want it good: %v", version, err, good)
		}
	}
}

func TestARunsIDReadsBack(t *testing.T) {
	for _, tt := range []struct {
		plan, version string
		try           int
		want          string
	}{
		{"shop", "1.0.0", 1, "shop@1.0.0"},
		{"REL-2025-06-04", "1.0.0+100", 2, "REL-2025-06-04@1.0.0+100~2"},
		{"a.b", "20250604T020000Z", 10, "a.b@20250604T020000Z~10"},
	} {
		id := RunID(tt.plan, tt.version, tt.try)
		plan, version, try, ok := ParseRunID(id)
		if id != tt.want || !ok || plan != tt.plan || version != tt.version || try != tt.try {
			t.Errorf("%+v has id %q, which reads back as %q, %q, %d (%v)", tt, id, plan, version, try, ok)
		}
	}
}

func TestWhatIsNoRunsID(t *testing.T) {
	for _, id := range []string{"", "shop", "shop@", "@1", "shop@1~", "shop@1~1", "shop@1~02", "shop@1~-2", "shop@1~x", "shop@1@2", "a b@1", "shop@1~2~3"} {
		if plan, version, try, ok := ParseRunID(id); ok {
			t.Errorf("%q reads as %q, %q, %d, want no run", id, plan, version, try)
		}
	}
}
