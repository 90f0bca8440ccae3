package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/relgate/relgate/rules"
)

// formatKeys are the keys of all formats, each once: as the named format says, where it
// has the key, and else as the first that has it.
func formatKeys(formats []rules.WebhookFormat, named string) []rules.AccountKey {
	var lists [][]rules.AccountKey
	if f := formatNamed(formats, named); f != nil {
		lists = append(lists, f.Keys)
	}
	for i := range formats {
		lists = append(lists, formats[i].Keys)
	}
	return eachOnce(lists...)
}

func formatNamed(formats []rules.WebhookFormat, name string) *rules.WebhookFormat {
	for i := range formats {
		if formats[i].Name == name {
			return &formats[i]
		}
	}
	return nil
}

func formatNames(formats []rules.WebhookFormat) []string {
	var names []string
	for i := range formats {
		names = append(names, formats[i].Name)
	}
	return names
}

// given reports whether a webhook has a key of a format.
func (w *WebhookSpec) given(key string) bool {
	return w.Keys.Texts[key] != "" || w.Keys.Tables[key] != nil || !w.Own[key].IsZero()
}

// checkFormat reports what is wrong with a webhook's format and its keys, and gives the
// format; nil where there is none of that name, or where the reader knows none.
func checkFormat(c rules.Checker, w *WebhookSpec, formats []rules.WebhookFormat) *rules.WebhookFormat {
	if w.Format == "" && len(formats) > 0 {
		w.Format = formats[0].Name
	}
	if w.Format == "" || !c.At("format").OneOf("unknown-format", "format", w.Format, formatNames(formats)) {
		return nil
	}
	f := formatNamed(formats, w.Format)
	keys := formatKeys(formats, w.Format)
	checkValues(c, keys, w.Keys.Texts, w.Own)
	checkWhose(c, keys, f.Keys, w.given, "key-of-other-format", fmt.Sprintf("the format %q", w.Format))
	if f.Check != nil {
		f.Check(c, w.Keys)
	}
	if f.Types != nil {
		for i, t := range w.Types {
			if !slices.Contains(f.Types, t) {
				c.At("types").Index(i).Fail("not-told", "", "the format %q has nothing to say of %q", w.Format, t)
			}
		}
	}
	if f.Starts {
		c.Required("types", len(w.Types) == 0, `["relgate.run.rolled_back"]`)
		c.Excess("events", len(w.Events) > 0, "each event has something done: name their types")
	}
	if !f.Signed {
		c.Excess("secrets", len(w.Secrets) > 0, "the format "+w.Format+" has credentials of its own and is not signed")
		c.Excess("hub_secret", !w.HubSecret.IsZero(), "the format "+w.Format+" has credentials of its own and is not signed")
	}
	return f
}

// checkTold reports an endpoint that is to be told of what does not arrive elsewhere and
// cannot tell it.
func checkTold(c rules.Checker, w *WebhookSpec, all []WebhookSpec, formats []rules.WebhookFormat) {
	i := slices.IndexFunc(all, func(other WebhookSpec) bool { return other.Name == w.EscalateTo })
	if w.EscalateTo == "" || i < 0 {
		return
	}
	f := formatNamed(formats, all[i].Format)
	if f == nil || f.Escalations != nil && f.Escalations(all[i].Keys) {
		return
	}
	var can []string
	for j := range formats {
		if tells := formats[j].Escalations; tells != nil && tells(rules.FormatKeys{}) {
			can = append(can, formats[j].Name)
		}
	}
	fix := "name a webhook of one of the formats " + strings.Join(can, ", ")
	if f.Escalations != nil {
		fix = "have it look at .stuck"
	}
	c.Fail("conflict", fix, "webhook %q has the format %q, which cannot say that an event does not arrive", w.EscalateTo, f.Name)
}
