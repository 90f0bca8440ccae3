package config

import (
	"fmt"
	"strings"
	"testing"
)

// manyRules is a config with n rollback rules, each on a signal of its own.
func manyRules(text string, n int) []byte {
	head, tail, _ := strings.Cut(text, "[success.errors]")
	var names, b strings.Builder
	for i := range n {
		fmt.Fprintf(&names, ", \"rule-%d\"", i)
		fmt.Fprintf(&b, `
[rollback.rule-%d]
signal  = "signal-%d"
when    = "> 3 %%"
for     = "10m"
action  = "revert"
command = "revert --now"
owner   = "Ops"

[signals.signal-%d]
source = "cw"
kind   = "ratio"
[signals.signal-%d.cloudwatch]
namespace  = "AWS/ApiGateway"
dimensions = { ApiName = "a%d" }
bad        = "5XXError"
total      = "Count"
missing_bad_is_zero = true
`, i, i, i, i, i)
	}
	head = strings.Replace(head, `["errors-high"]`, `["errors-high"`+names.String()+"]", 1)
	return []byte(head + "[success.errors]" + tail + b.String())
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		text := manyRules(minimalText, n)
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if c, problems := Decode("config.toml", text, nil); c == nil {
					b.Fatal(problems)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/rule")
		})
	}
}
