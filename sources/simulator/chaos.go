package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// Chaos spoils answers at random, for tests of clients. A client that checks its
// answers can tell each spoilt answer from a good one. The same seed and the same
// requests in the same order give the same answers.
type Chaos struct {
	Seed uint64
	Rate float64 // share of the answers that are spoilt, 0 to 1
	// Kinds of spoiling to choose from; all of ChaosKinds if empty.
	Kinds []string
}

// ChaosKinds are the ways in which an answer can be spoilt:
//
//	status     another status code, with an error body or the good one
//	empty      the good status without a body
//	garbage    a page of HTML with status 200
//	truncate   the first half of the body
//	cut        the connection breaks in the body
//	null       some value is null
//	nan        some number is NaN, or a string that is not a number
//	type       some value has another type
//	missing    some member or element is gone
//	order      some list of objects has another order
//	duplicate  some element of a list of objects comes twice
//	page       the answer claims that there is one more page
func ChaosKinds() []string {
	return []string{"status", "empty", "garbage", "truncate", "cut", "null", "nan", "type", "missing", "order", "duplicate", "page"}
}

// recorder keeps an answer so that it can be spoilt.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(s int)   { r.status = s }
func (r *recorder) Write(b []byte) (int, error) {
	return r.body.Write(b)
}

func (r *recorder) send(w http.ResponseWriter) {
	for k, v := range r.header {
		w.Header()[k] = v
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body.Bytes()) // the client may be gone
}

// serveChaos answers, spoiling some of the answers.
func (s *Simulator) serveChaos(w http.ResponseWriter, r *http.Request, up string, answer http.HandlerFunc) {
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	answer(rec, r)
	var nth uint64
	s.count(func(*Stats) { s.answers++; nth = s.answers })
	c := s.cfg.Chaos
	rng := rand.New(rand.NewPCG(c.Seed, nth))
	if rng.Float64() >= c.Rate {
		rec.send(w)
		return
	}
	s.count(func(st *Stats) { st.Spoilt++ })
	kinds := c.Kinds
	if len(kinds) == 0 {
		kinds = ChaosKinds()
	}
	kind := kinds[rng.IntN(len(kinds))]
	s.cfg.Log.Debug("answer spoilt", "upstream", up, "kind", kind)
	rec.spoil(w, r, kind, rng)
}

// spoil sends the answer spoilt in one way.
func (rec *recorder) spoil(w http.ResponseWriter, r *http.Request, kind string, rng *rand.Rand) {
	whole := rec.body.Bytes()
	switch kind {
	case "status":
		codes := []int{301, 400, 401, 403, 404, 408, 409, 418, 429, 500, 502, 503, 504}
		rec.status = codes[rng.IntN(len(codes))]
		if rng.IntN(2) == 0 {
			rec.body.Reset()
		}
	case "empty":
		rec.body.Reset()
	case "garbage":
		rec.header.Set("Content-Type", "text/html")
		rec.body = *bytes.NewBufferString("<!doctype html><title>Welcome</title>")
	case "truncate":
		rec.body.Truncate(len(whole) / 2)
	case "cut":
		w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
		rec.body.Truncate(len(whole) / 2)
		rec.send(w)
		panic(http.ErrAbortHandler) // net/http's way to break the connection
	default:
		body, err := spoilBody(whole, isCBOR(r), kind, rng)
		if err == nil {
			rec.body = *bytes.NewBuffer(body)
		} // an answer that is not an object stays as it is
	}
	rec.send(w)
}

// spoilBody changes one place of a CBOR or JSON body.
func spoilBody(body []byte, inCBOR bool, kind string, rng *rand.Rand) ([]byte, error) {
	tree, err := decodeTree(body, inCBOR)
	if err != nil {
		return nil, err
	}
	if kind == "page" {
		addPage(tree, rng)
		return encodeTree(tree, inCBOR)
	}
	spots := spotsOf(tree, nil)
	spots = slices.DeleteFunc(spots, func(s spot) bool { return !s.allows(kind) })
	if len(spots) == 0 {
		return nil, fmt.Errorf("nothing to spoil by %q", kind)
	}
	spots[rng.IntN(len(spots))].spoil(kind, rng, inCBOR)
	return encodeTree(tree, inCBOR)
}

func decodeTree(body []byte, inCBOR bool) (any, error) {
	var tree any
	if !inCBOR {
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		err := d.Decode(&tree)
		return tree, err
	}
	mode, err := cbor.DecOptions{DefaultMapType: reflect.TypeFor[map[string]any]()}.DecMode()
	if err != nil {
		return nil, err
	}
	err = mode.Unmarshal(body, &tree)
	return tree, err
}

func encodeTree(tree any, inCBOR bool) ([]byte, error) {
	if !inCBOR {
		return json.Marshal(tree)
	}
	mode, err := cbor.EncOptions{Time: cbor.TimeUnixDynamic, TimeTag: cbor.EncTagRequired, Sort: cbor.SortCanonical}.EncMode()
	if err != nil {
		return nil, err
	}
	return mode.Marshal(tree)
}

// spot is one value of a body, where it hangs, and how to change it.
type spot struct {
	path  []string // member names and "#" for list elements, from the root
	value any
	set   func(any)
	drop  func()
}

// spotsOf lists all values below a value, each object's members by name.
func spotsOf(v any, path []string) []spot {
	var out []spot
	switch x := v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(x) {
			p := append(slices.Clone(path), k)
			out = append(out, spot{p, x[k], func(n any) { x[k] = n }, func() { delete(x, k) }})
			if list, ok := x[k].([]any); ok {
				out = append(out, listSpots(list, p, func(n []any) { x[k] = n })...)
				continue
			}
			out = append(out, spotsOf(x[k], p)...)
		}
	case []any: // a list in a list does not occur in any answer
	}
	return out
}

func listSpots(list []any, path []string, set func([]any)) []spot {
	var out []spot
	p := append(slices.Clone(path), "#")
	for i, v := range list {
		s := spot{path: p, value: v, set: func(n any) { list[i] = n }}
		s.drop = func() { set(slices.Delete(slices.Clone(list), i, i+1)) }
		out = append(out, s)
		out = append(out, spotsOf(v, p)...)
	}
	return out
}

// allows says whether a kind of spoiling makes sense at a spot, and whether a
// careful client can tell the result from a good answer.
func (s spot) allows(kind string) bool {
	name := s.path[len(s.path)-1]
	under := strings.Join(s.path, ".")
	list, isList := s.value.([]any)
	_, ofObjects := first(list).(map[string]any)
	switch kind {
	case "nan":
		_, isString := s.value.(string)
		return isNumber(s.value) || (isString && name == "VarCharValue")
	case "missing", "null":
		// A page whose next link is lost looks like the last page, and a review
		// that is lost like one that was never written.
		// So is an alias that loses its weights another valid one.
		return name != "RoutingConfig" && !strings.HasPrefix(under, "RoutingConfig.") && under != "links" && under != "links.next" && under != "NextToken" && (under != "data.#" || kind == "null")
	case "order", "duplicate":
		// A row's cells have no names, so another order is another valid row.
		return isList && ofObjects && len(list) > 1 && name != "Data" && name != "ColumnInfo"
	}
	return true
}

func first(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

func isNumber(v any) bool {
	switch v.(type) {
	case float64, float32, int64, uint64, json.Number:
		return true
	}
	return false
}
