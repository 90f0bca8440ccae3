package rules

import (
	"fmt"
	"strconv"
	"strings"
)

// mostRate is more samples a second than any service has; one in mostRate
// seconds is fewer.
const mostRate = 1e9

// ParseRate reads how many samples there are in a time: "2/s", "120/min",
// "5000/h", "90000/d". It gives samples a second. The error says what was
// expected.
func ParseRate(text string) (float64, error) {
	number, unit, _ := strings.Cut(text, "/")
	number, unit = strings.TrimSpace(number), strings.TrimSpace(unit)
	seconds, ok := map[string]float64{"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}[unit]
	v, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !plainNumber(number) {
		return 0, fmt.Errorf(`rate %q: want a number in a time such as "2/s", "120/min", "5000/h" or "90000/d"`, text)
	}
	if v /= seconds; !(v >= 1/mostRate && v <= mostRate) {
		return 0, fmt.Errorf("rate %q: want more than 0 and at most %.0f a second", text, mostRate)
	}
	return v, nil
}
