package simulator

import (
	"math"
	"math/rand/v2"
	"slices"
)

// spoil changes the value at a spot.
func (s spot) spoil(kind string, rng *rand.Rand, inCBOR bool) {
	switch kind {
	case "null":
		s.set(nil)
	case "nan":
		s.set("NaN")
		if inCBOR && isNumber(s.value) {
			s.set(math.NaN())
		}
	case "type":
		s.set(otherType(s.value))
	case "missing":
		s.drop()
	case "order":
		s.set(shuffled(s.value, rng))
	case "duplicate":
		list, _ := s.value.([]any)
		i := rng.IntN(len(list))
		s.set(slices.Insert(slices.Clone(list), rng.IntN(len(list)+1), list[i]))
	}
}

// otherType is a value of another type in the place of v.
func otherType(v any) any {
	switch v.(type) {
	case map[string]any:
		return []any{}
	case []any:
		return "list"
	case string:
		return 7
	}
	return map[string]any{"value": "x"}
}

// shuffled is a list in another order than before.
func shuffled(v any, rng *rand.Rand) []any {
	list, _ := v.([]any)
	list = slices.Clone(list)
	by := 1 + rng.IntN(len(list)-1)
	return append(list[by:], list[:by]...)
}

// addPage says in an answer that there is one more page: by a token that was
// never given, or by a link to the same page or to another host. It does
// nothing to answers that have no pages.
func addPage(tree any, rng *rand.Rand) {
	root, ok := tree.(map[string]any)
	if !ok {
		return
	}
	if links, ok := root["links"].(map[string]any); ok {
		links["next"] = "http://elsewhere.invalid/v1/customerReviews?cursor=1"
		if rng.IntN(2) == 0 {
			links["next"] = links["self"]
		}
		return
	}
	for _, name := range []string{"MetricDataResults", "MetricAlarms", "ResultSet"} {
		if _, ok := root[name]; ok {
			root["NextToken"] = "bm90IGEgdG9rZW4"
		}
	}
}
