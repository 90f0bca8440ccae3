package config

import (
	"maps"
	"slices"

	"github.com/relgate/relgate/rules"
)

// Named is the environment of a name, nil where there is none.
func (c *Config) Named(environment string) *EnvironmentSpec {
	i := slices.IndexFunc(c.Environments, func(e EnvironmentSpec) bool { return e.Name == environment })
	if i < 0 {
		return nil
	}
	return &c.Environments[i]
}

// EnvironmentNames lists the environments, in file order.
func (c *Config) EnvironmentNames() []string {
	return names(c.Environments, func(e EnvironmentSpec) string { return e.Name })
}

// environments checks what stands in for receivers, and makes its file names paths.
func (l *loader) environments(at rules.Checker, main *file) {
	receivers := append(webhookNames(main.doc.Webhooks), sinkList(main.doc.Sinks)...)
	for i := range main.doc.Environments {
		e := &main.doc.Environments[i]
		at := at.At(e.Name)
		at.Name(e.Name)
		if len(e.Webhooks)+len(e.Sinks) == 0 {
			at.Warn("nothing-to-rehearse", "write [environments."+e.Name+".webhooks.NAME] with the name of a webhook or sink of the plan's steps", "nothing stands in for a receiver here")
		}
		for k := range e.Webhooks {
			w, at := &e.Webhooks[k], at.At("webhooks", e.Webhooks[k].Name)
			at.OneOf("unknown-sink", "sink or webhook", w.Name, receivers)
			checkWebhook(at, w, e.Webhooks, l.formats)
			l.settleWebhook(main, w)
			if real := slices.IndexFunc(main.doc.Webhooks, func(o WebhookSpec) bool { return sameWebhook(&o, w) }); real >= 0 {
				at.Fail("not-apart", "name another receiver", "this is where the real steps go, as webhook %q: a drill would be a rollback", main.doc.Webhooks[real].Name)
			}
		}
		for k := range e.Sinks {
			s, at := &e.Sinks[k], at.At("sinks", e.Sinks[k].Name)
			at.OneOf("unknown-sink", "sink or webhook", s.Name, receivers)
			checkSink(at, s, webhookNames(e.Webhooks))
			l.settleSink(main, s)
			if t := sinkNamed(s.Type); t != nil && len(t.does) == 0 {
				at.At("type").Fail("wrong-sink", `name a sink of type "lambda" or "phased-release", or let a webhook stand in`, "a sink of type %q does nothing that could be rehearsed", s.Type)
			}
			if real := slices.IndexFunc(main.doc.Sinks, func(o SinkSpec) bool { return sameSink(&o, s) }); real >= 0 {
				at.Fail("not-apart", "name another function, alias or app", "this is where the real steps go, as sink %q: a drill would be a rollback", main.doc.Sinks[real].Name)
			}
		}
	}
}

// sameWebhook reports whether two webhooks start the same thing: they lead to one place, and
// what tells that apart by keys is the same.
func sameWebhook(a, b *WebhookSpec) bool {
	return a.URL == b.URL && a.URLFrom == b.URLFrom && a.Format == b.Format && maps.Equal(a.Keys.Texts, b.Keys.Texts)
}

// sameSink reports whether two sinks act on the same thing.
func sameSink(a, b *SinkSpec) bool {
	own := maps.Clone(b.Texts)
	for _, key := range []string{"act", "codedeploy"} { // how it acts, and not on what
		delete(own, key)
	}
	other := maps.Clone(a.Texts)
	for _, key := range []string{"act", "codedeploy"} {
		delete(other, key)
	}
	return a.Type == b.Type && maps.Equal(own, other)
}

// rehearsable warns of steps that nothing stands in for, where the plan asks for drills.
func (l *loader) rehearsable(top rules.Checker, f, main *file) {
	if f.doc.Rehearsal.MaxAge == nil {
		return
	}
	var standIns []string
	for _, e := range main.doc.Environments {
		standIns = append(standIns, append(webhookNames(e.Webhooks), sinkList(e.Sinks)...)...)
	}
	for _, r := range f.doc.Rollback {
		for _, e := range r.Effects {
			if name := rules.ParseAddress(e.To).Sink; name != "" && !slices.Contains(standIns, name) {
				top.At("rollback", r.Name, "effects", e.Name, "to").Warn("no-stand-in", "write [environments.staging.sinks."+name+"] or [environments.staging.webhooks."+name+"]",
					"nothing stands in for %q in any environment: this step cannot be rehearsed, and rehearsal.max_age wants that", name)
			}
		}
	}
}
