package config

import (
	"reflect"
	"slices"

	"github.com/relgate/relgate/rules"
)

// A kind of source brings keys of its account to a table, and a format keys of its own to
// a webhook's. How such keys are read and checked is here, once for both.

// ownValues is where the values of such keys go, by key.
type ownValues struct {
	texts   *map[string]string
	tables  *map[string]map[string]string
	secrets *map[string]Secret
}

// eachOnce are the keys of all lists, each once: as the first list has it that has it.
func eachOnce(lists ...[]rules.AccountKey) []rules.AccountKey {
	var all []rules.AccountKey
	for _, list := range lists {
		for _, key := range list {
			if !slices.ContainsFunc(all, func(k rules.AccountKey) bool { return k.Key == key.Key }) {
				all = append(all, key)
			}
		}
	}
	return all
}

// chosen is the text beside a node that says whose keys its table has, such as its type;
// empty where there is none.
func chosen(n *node, key string) string {
	name := ""
	if beside := n.parent.child([]byte(key)); beside != nil {
		name, _ = beside.scalar.(string)
	}
	return name
}

// own takes a key that is one of a list. It reports whether it is.
func (d *decoder) own(n *node, keys []rules.AccountKey, to ownValues) bool {
	i := slices.IndexFunc(keys, func(k rules.AccountKey) bool { return k.Key == n.key })
	switch {
	case i < 0:
		return false
	case keys[i].Secret:
		decodeInto(d, n, to.secrets)
	case keys[i].Table:
		decodeInto(d, n, to.tables)
	default:
		decodeInto(d, n, to.texts)
	}
	return true
}

func decodeInto[V any](d *decoder, n *node, m *map[string]V) {
	var v V
	if !d.decode(n, reflect.ValueOf(&v).Elem()) {
		return
	}
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[n.key] = v
}

// checkValues reports what is wrong with the values of keys, whoever's they are.
func checkValues(c rules.Checker, keys []rules.AccountKey, texts map[string]string, secrets map[string]Secret) {
	for _, k := range keys {
		if k.URL {
			checkURL(c.At(k.Key), texts[k.Key])
		}
		checkSecret(c.At(k.Key), secrets[k.Key])
	}
}

// checkWhose reports keys that are needed and not given, and those that are given and are
// another's. The problem of these has an id, and says whose they are not.
func checkWhose(c rules.Checker, all, own []rules.AccountKey, given func(key string) bool, id, whose string) {
	for _, k := range all {
		mine := slices.Contains(own, k)
		if !mine && given(k.Key) {
			c.At(k.Key).Fail(id, "", "not a key of %s", whose)
		}
		c.Required(k.Key, mine && k.Required && !given(k.Key), k.Example)
	}
}
