package config

import (
	"maps"
	"net/url"
	"slices"
	"strings"

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
			if real := slices.IndexFunc(main.doc.Webhooks, func(o WebhookSpec) bool { return l.sameWebhook(&o, w) }); real >= 0 {
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
			} else if real := slices.IndexFunc(main.doc.Sinks, func(o SinkSpec) bool { return sameSink(&o, s) }); real >= 0 {
				at.Fail("not-apart", "name another function, alias or app", "this is where the real steps go, as sink %q: a drill would be a rollback", main.doc.Sinks[real].Name)
			}
		}
	}
}

// sameWebhook reports whether two webhooks start the same thing: they lead to one place, and
// where that is the address of an API, what tells its parts apart is the same.
func (l *loader) sameWebhook(a, b *WebhookSpec) bool {
	if whither(a.URL) != whither(b.URL) || a.URLFrom != b.URLFrom {
		return false
	}
	f, o := formatNamed(l.formats, a.Format), formatNamed(l.formats, b.Format)
	if f == nil || o == nil {
		return false // which is said elsewhere
	}
	if f.URL == "" && o.URL == "" {
		return a.Keys.Texts["path"] == b.Keys.Texts["path"]
	}
	return f == o && maps.Equal(a.Keys.Texts, b.Keys.Texts) && (f.Starts || maps.Equal(a.Own, b.Own))
}

// whither is a URL in the one way in which those that lead to the same place are written.
func whither(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + host + ":" + port + strings.TrimSuffix(u.EscapedPath(), "/") + "?" + u.RawQuery
}

// sameSink reports whether two sinks act on the same thing, whoever they are there: an app by
// its id, an alias by its function, region and account, as far as those are written.
func sameSink(a, b *SinkSpec) bool {
	if a.Type != b.Type || whither(a.Texts["api"]) != whither(b.Texts["api"]) || a.Texts["app"] != b.Texts["app"] || a.Texts["alias"] != b.Texts["alias"] {
		return false
	}
	f, o := functionOf(a), functionOf(b)
	return f.name == o.name && f.account == o.account && (f.region == o.region || f.region == "" || o.region == "")
}

// function is a Lambda function, with what is known of where it is.
type function struct{ name, region, account string }

func functionOf(s *SinkSpec) function {
	f := function{s.Texts["function"], s.Texts["region"], ""}
	if role := strings.Split(s.Texts["role_arn"], ":"); len(role) > 4 {
		f.account = role[4]
	}
	if arn := strings.Split(f.name, ":"); len(arn) > 6 && arn[0] == "arn" {
		f = function{arn[6], arn[3], arn[4]}
	}
	return f
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
