package config

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// ofKind takes a key that a kind of source, a format or a type of sink brings: a signal's
// query, a key of a source's account, one of a webhook's format, or one of a sink's type. It reports whether there is such a key.
func (d *decoder) ofKind(n *node, dst reflect.Value) bool {
	switch spec := dst.Addr().Interface().(type) {
	case *rules.SignalSpec:
		return d.query(n, spec)
	case *SourceSpec:
		return d.own(n, accountKeys(d.kinds, chosen(n, "type")), ownValues{&spec.Texts, new(map[string]map[string]string), &spec.Secrets})
	case *WebhookSpec:
		return d.own(n, formatKeys(d.formats, chosen(n, "format")), ownValues{&spec.Keys.Texts, &spec.Keys.Tables, &spec.Own})
	case *SinkSpec:
		return d.own(n, sinkKeys(cmp.Or(chosen(n, "type"), n.parent.key)), ownValues{&spec.Texts, new(map[string]map[string]string), &spec.Own})
	}
	return false
}

// query takes a signal's query. Of several, the first in the order of the kinds is the
// signal's, and the others are reported.
func (d *decoder) query(n *node, spec *rules.SignalSpec) bool {
	kind := d.kinds.Named(n.key)
	if kind == nil {
		return false
	}
	q := kind.Query()
	if !d.decode(n, reflect.ValueOf(q).Elem()) {
		return true
	}
	all := append(queriesOf(spec), q)
	rank := func(q rules.SourceQuery) int { return slices.Index(d.kinds.Names(), q.Source()) }
	slices.SortFunc(all, func(a, b rules.SourceQuery) int { return rank(a) - rank(b) })
	spec.Query, spec.More = all[0], all[1:]
	return true
}

// queriesOf lists a signal's queries: one, where nothing is wrong.
func queriesOf(spec *rules.SignalSpec) []rules.SourceQuery {
	if spec.Query == nil {
		return nil
	}
	return append([]rules.SourceQuery{spec.Query}, spec.More...)
}

// keysOfKinds are the keys that kinds and formats bring to a table.
func (d *decoder) keysOfKinds(dst reflect.Value) []string {
	var keys []rules.AccountKey
	switch dst.Addr().Interface().(type) {
	case *rules.SignalSpec:
		return d.kinds.Names()
	case *SourceSpec:
		keys = accountKeys(d.kinds, "")
	case *WebhookSpec:
		keys = formatKeys(d.formats, "")
	case *SinkSpec:
		keys = sinkKeys("")
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.Key)
	}
	return names
}

// accountKeys are the keys of all kinds' accounts, each once: as the first kind says,
// where there is one, and else as the others do.
func accountKeys(kinds rules.Kinds, first string) []rules.AccountKey {
	var lists [][]rules.AccountKey
	if kind := kinds.Named(first); kind != nil {
		lists = append(lists, kind.Account().Keys)
	}
	for _, kind := range kinds {
		lists = append(lists, kind.Account().Keys)
	}
	return eachOnce(lists...)
}

const defaultTimeout = 20 * time.Second

func checkSource(c rules.Checker, s *SourceSpec, kinds rules.Kinds) {
	timeout, kind := defaultTimeout, kinds.Named(s.Type)
	if kind != nil && kind.Account().Timeout > 0 {
		timeout = kind.Account().Timeout
	}
	s.Timeout = between(c.At("timeout"), s.Timeout, timeout, time.Second, time.Hour)
	s.MaxAttempts = within(c.At("max_attempts"), s.MaxAttempts, 3, 1, 10)
	checkURL(c.At("url"), s.URL)
	keys := accountKeys(kinds, s.Type)
	checkValues(c, keys, s.Texts, s.Secrets)
	if s.Budget != nil && *s.Budget < 0 {
		c.At("budget").Fail("out-of-range", "", "want US dollars a month, not less than 0")
	}
	if s.Type == "" {
		c.Required("type", true, `"`+strings.Join(kinds.Names()[:min(1, len(kinds))], "")+`"`)
		return
	}
	if c.At("type").OneOf("unknown-type", "type", s.Type, kinds.Names()) {
		given := func(key string) bool { return s.Text(key) != "" || !s.Secrets[key].IsZero() }
		checkWhose(c, keys, kind.Account().Keys, given, "key-of-other-source", fmt.Sprintf("a source of type %q", s.Type))
		if check := kind.Account().Check; check != nil {
			check(c, s.Text, given)
		}
	}
}
