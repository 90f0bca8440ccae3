package config

import (
	"slices"
	"strings"

	"github.com/relgate/relgate/rules"
)

// ownProblems drops what was found wrong with the main file's signals while an
// included plan was compiled (they are reported with the main file), the
// warnings of signals, or keys of theirs, that another file's plan uses, and those of
// parameters that a deployment's run is found by.
func (l *loader) ownProblems(f, main *file, found rules.Problems) rules.Problems {
	return slices.DeleteFunc(found, func(p rules.Problem) bool {
		if p.ID == "unused-parameter" && gatesUse(main, f.doc.Release.Plan, p.Path) {
			return true
		}
		if f != main {
			name, ok := under("signals", p.Path)
			return ok && !declares(f, name) && declares(main, name)
		}
		name, ok := under("signals", p.Path)
		if !ok || p.ID != "unused-signal" && p.ID != "no-effect" {
			return false
		}
		return slices.ContainsFunc(l.files, func(f *file) bool { return f != main && uses(f, name) })
	})
}

// under is the name of the table that a path lies in, below a top-level key.
func under(key, path string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(path, key+".")
	for parent(rest) != "" {
		rest = parent(rest)
	}
	return rest, ok
}

func declares(f *file, signal string) bool {
	return slices.ContainsFunc(f.doc.Signals, func(s rules.SignalSpec) bool { return rules.Path(s.Name) == signal })
}

// uses reports whether a rule of the file names a signal, given as a key.
func uses(f *file, signal string) bool {
	for _, r := range f.doc.Success {
		if rules.Path(r.Signal) == signal || rules.Path(r.Alarm) == signal {
			return true
		}
	}
	return slices.ContainsFunc(f.doc.Rollback, func(r rules.RollbackSpec) bool {
		return rules.Path(r.Signal) == signal || rules.Path(r.Alarm) == signal
	})
}

// planName reports a plan that another file has, too.
func (l *loader) planName(f *file, found *rules.Problems) {
	name := f.doc.Release.Plan
	if other, ok := l.plans[name]; ok && name != "" {
		rules.Check("release", found).At("plan").Fail("duplicate", "rename one of them", "plan %q is in %s too", name, other)
		return
	}
	l.plans[name] = f.name
}

// references reports names of sources and webhooks that the main file does not
// have.
func (l *loader) references(f, main *file, found *rules.Problems) {
	top := rules.Check("", found)
	for _, s := range f.doc.Signals {
		l.checkSignalSource(top.At("signals", s.Name), s, main.doc.Sources)
	}
	hooks := append(webhookNames(main.doc.Webhooks), sinkList(main.doc.Sinks)...)
	notify := func(table, name string, names []string) {
		for i, n := range names {
			top.At(table, name, "notify").Index(i).OneOf("unknown-webhook", "webhook", n, hooks)
		}
	}
	// What a rule says is for who runs the release.
	inside := func(table, name string, names []string) {
		notify(table, name, names)
		for _, s := range main.doc.Sinks {
			if t := sinkNamed(s.Type); t != nil && t.public && slices.Contains(names, s.Name) {
				top.At(table, name, "notify").Index(slices.Index(names, s.Name)).Fail("not-told", "write a message of the plan for it", "sink %q is read by customers, and sends messages of plans only", s.Name)
			}
		}
	}
	for _, r := range f.doc.Success {
		inside("success", r.Name, r.Notify)
	}
	for _, r := range f.doc.Rollback {
		inside("rollback", r.Name, r.Notify)
	}
	for _, m := range f.doc.Communications {
		notify("communications", m.Name, m.Notify)
	}
	l.people(top, f, main)
	l.effects(top, f, main)
}

// archives are the types of sinks that keep the review of a run.
var archives = []string{"folder", "github", "confluence"}

// signers reports tokens and CI systems that a role signs by and that the main file does not have.
func (l *loader) signers(at rules.Checker, sign []string, d *DaemonSpec) {
	for i, who := range sign {
		switch kind, name, _ := strings.Cut(who, ":"); {
		case strings.Contains(who, "@") || name == "":
		case kind == "token":
			at.Index(i).OneOf("unknown-token", "token", name, names(d.Tokens, func(t TokenSpec) string { return t.Name }))
		case kind == "oidc":
			at.Index(i).OneOf("unknown-token", "CI system", name, names(d.OIDC, func(o OIDCSpec) string { return o.Name }))
		}
	}
}

func names[T any](list []T, name func(T) string) (all []string) {
	for _, t := range list {
		all = append(all, name(t))
	}
	return all
}

// people reports sinks that a plan's people are told by and that the main file does not have.
func (l *loader) people(top rules.Checker, f, main *file) {
	var tells, keeps []string
	for _, s := range main.doc.Sinks {
		switch t := sinkNamed(s.Type); {
		case slices.Contains(archives, s.Type):
			keeps = append(keeps, s.Name)
		case t != nil && len(t.does) > 0:
		default:
			tells = append(tells, s.Name)
		}
	}
	told := func(at rules.Checker, address string) bool {
		name := rules.ParseAddress(address).Sink
		if name == "" || !at.OneOf("unknown-sink", "sink", name, tells) {
			return name == ""
		}
		k := slices.IndexFunc(main.doc.Sinks, func(s SinkSpec) bool { return s.Name == name })
		return isFor(at, name, main.doc.Sinks[k].Plans, f.doc.Release.Plan)
	}
	for _, m := range f.doc.Communications {
		told(top.At("communications", m.Name, "to"), m.To)
	}
	for _, r := range f.doc.People {
		at := top.At("people", r.Name)
		told(at.At("tell"), r.Tell)
		told(at.At("page"), r.Page)
		if r.Slack != "" {
			told(at.At("slack"), "slack")
		}
		if r.Email != "" {
			told(at.At("email"), "email")
		}
		l.signers(at.At("sign"), r.Sign, &main.doc.Daemon)
		signs := slices.ContainsFunc(r.Sign, func(who string) bool { return strings.Contains(who, "@") })
		if d := &main.doc.Daemon; signs && (!slices.Contains(tells, "email") || len(d.LinkSecrets) == 0 || d.ExternalURL == "") {
			at.At("sign").Warn("no-links", "write [sinks.email], and link_secrets and external_url in [daemon]", "this role cannot sign by e-mail: no link can be sent")
		}
	}
	if name := f.doc.Review.Archive; name != "" {
		top.At("review", "archive").OneOf("unknown-sink", "sink that keeps reviews", name, keeps)
	}
}

func webhookNames(all []WebhookSpec) []string {
	names := make([]string, 0, len(all))
	for _, w := range all {
		names = append(names, w.Name)
	}
	return names
}

// checkSignalSource reports a source that does not exist, or is of another type
// than the signal's query.
func (l *loader) checkSignalSource(at rules.Checker, s rules.SignalSpec, sources []SourceSpec) {
	if s.Source == "" {
		return
	}
	names := make([]string, 0, len(sources))
	for _, source := range sources {
		names = append(names, source.Name)
	}
	if !at.At("source").OneOf("unknown-source", "source", s.Source, names) {
		return
	}
	source := sources[slices.Index(names, s.Source)]
	for _, q := range queriesOf(&s) {
		if kind := q.Source(); kind != source.Type && l.kinds.Named(source.Type) != nil {
			at.At(kind).Fail("wrong-source", "name a source of that type, or write the query as ["+rules.Path("signals", s.Name, source.Type)+"]",
				"a query for %q, but source %q is of type %q", kind, s.Source, source.Type)
		}
	}
}

// scopes reports names of plans that no file has, where webhooks and tokens are
// kept to some plans. It runs when all plans are known.
func (l *loader) scopes(main *file) {
	var found rules.Problems
	names := make([]string, 0, len(l.plans))
	for name := range l.plans {
		names = append(names, name)
	}
	slices.Sort(names)
	check := func(at rules.Checker, plans []string) {
		for i, n := range plans {
			if names == nil {
				return
			}
			at.At("plans").Index(i).OneOf("unknown-plan", "plan", n, names)
		}
	}
	top := rules.Check("", &found)
	if slices.ContainsFunc(l.files, func(f *file) bool { return f.broken || f.bad["release.plan"] }) {
		names = nil // not all of them are known
	}
	for _, w := range main.doc.Webhooks {
		check(top.At("webhooks", w.Name), w.Plans)
	}
	for _, a := range main.doc.Alertmanagers {
		check(top.At("alertmanager", a.Name), a.Plans)
	}
	for _, s := range main.doc.Sinks {
		check(top.At("sinks", s.Name), s.Plans)
	}
	if o := main.doc.OTLP; o != nil {
		check(top.At("otlp"), o.Plans)
	}
	for i := range main.doc.GitHubs {
		l.checkGitHubGates(top.At("github", main.doc.GitHubs[i].Name), &main.doc.GitHubs[i], names)
	}
	for _, t := range main.doc.Daemon.Tokens {
		check(top.At("daemon", "tokens", t.Name), t.Plans)
	}
	check(top.At("daemon").At("public_badges"), main.doc.Daemon.PublicBadges)
	check(top.At("daemon").At("public_banners"), main.doc.Daemon.PublicBanners)
	for _, o := range main.doc.Daemon.OIDC {
		check(top.At("daemon", "oidc", o.Name), o.Plans)
	}
	for _, s := range main.doc.Sources {
		if !slices.ContainsFunc(l.files, func(f *file) bool {
			return f.broken || slices.ContainsFunc(f.doc.Signals, func(sig rules.SignalSpec) bool { return sig.Source == s.Name })
		}) {
			top.At("sources", s.Name).Warn("unused-source", "name it in a signal or leave it out", "no signal uses this source")
		}
	}
	l.judge(main, found)
}
