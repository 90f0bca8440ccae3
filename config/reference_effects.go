package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/relgate/relgate/rules"
)

// effects reports steps of a way back whose receiver the main file does not have, or that it
// cannot do.
func (l *loader) effects(top rules.Checker, f, main *file) {
	l.rehearsable(top, f, main)
	receivers := append(webhookNames(main.doc.Webhooks), sinkList(main.doc.Sinks)...)
	for _, r := range f.doc.Rollback {
		for _, e := range r.Effects {
			name := rules.ParseAddress(e.To).Sink
			at := top.At("rollback", r.Name, "effects", e.Name)
			if name != "" && at.At("to").OneOf("unknown-sink", "sink or webhook", name, receivers) {
				l.effect(at, f, main, &e, name)
			}
		}
	}
}

// effect reports what is wrong with a step that a receiver is sent.
func (l *loader) effect(at rules.Checker, f, main *file, e *rules.EffectSpec, name string) {
	var does, plans []string
	if k := slices.IndexFunc(main.doc.Webhooks, func(w WebhookSpec) bool { return w.Name == name }); k >= 0 {
		plans = main.doc.Webhooks[k].Plans
	}
	if k := slices.IndexFunc(main.doc.Sinks, func(s SinkSpec) bool { return s.Name == name }); k >= 0 {
		s := &main.doc.Sinks[k]
		plans = s.Plans
		if t := sinkNamed(s.Type); t != nil {
			does = t.does
			if t.public || slices.Contains(archives, t.name) {
				at.At("to").Fail("wrong-sink", "name one that reaches who does it", "sink %q, of type %q, does nothing and wakes no one", name, t.name)
				return
			}
		}
	}
	switch {
	case !isFor(at.At("to"), name, plans, f.doc.Release.Plan):
	case len(does) > 0 && !slices.Contains(does, e.Do):
		can := `"` + strings.Join(does, `" or "`) + `"`
		at.At("do").Fail("wrong-sink", "write do = "+can, "sink %q can do %s, and nothing else", name, can)
	case len(does) == 0 && (&rules.Effect{Do: e.Do}).Confirmed():
		at.At("do").Fail("wrong-sink", `name a sink of type "lambda" or "phased-release" in to, or write in words what is to be done`, "%q cannot do %q and read back that it is so", name, e.Do)
	case e.Do == rules.DoRevert || e.Do == rules.DoWeigh:
		published(at, e, &f.doc.Release)
	}
}

// isFor reports whether a receiver is for a plan. Where it is for others only, nothing of this
// plan would ever be sent there.
func isFor(at rules.Checker, receiver string, plans []string, plan string) bool {
	if len(plans) == 0 || slices.Contains(plans, plan) {
		return true
	}
	at.Fail("wrong-sink", fmt.Sprintf("add %q to its plans, or name another", plan), "%q is not for this plan: it would never be sent there", receiver)
	return false
}

// published reports versions of a step that are no numbers, as a Lambda function's are. What
// is known only when a run begins is seen then.
func published(at rules.Checker, e *rules.EffectSpec, r *rules.ReleaseSpec) {
	for _, v := range []struct{ key, text, of, known, write string }{
		{"version", cmp.Or(e.Version, "{version}"), "{version}", r.Version, `version = "{lambda}"`},
		{"previous", cmp.Or(e.Previous, "{previous}"), "{previous}", r.Previous["version"].Text, `previous = "{previous.lambda}"`},
	} {
		text := v.text
		if v.known != "" {
			text = strings.ReplaceAll(text, v.of, v.known)
		}
		if !strings.Contains(text, "{") && !number.MatchString(text) {
			at.At(v.key).Fail("bad-value", "write the number of the published one, such as "+v.write, "%s is %q: a Lambda function has no version of that name", v.text, text)
		}
	}
}

var number = regexp.MustCompile(`^[0-9]+$`)
