package config

import (
	"slices"
	"strings"

	"github.com/relgate/relgate/rules"
)

// ownProblems drops what was found wrong with the main file's signals while an
// included plan was compiled (they are reported with the main file), and the
// warnings of signals, or keys of theirs, that another file's plan uses.
func (l *loader) ownProblems(f, main *file, found rules.Problems) rules.Problems {
	return slices.DeleteFunc(found, func(p rules.Problem) bool {
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
	return slices.ContainsFunc(f.doc.Rollback, func(r rules.RollbackSpec) bool { return rules.Path(r.Signal) == signal })
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
		checkSignalSource(top.At("signals", s.Name), s, main.doc.Sources)
	}
	hooks := webhookNames(main.doc.Webhooks)
	notify := func(table, name string, names []string) {
		for i, n := range names {
			top.At(table, name, "notify").Index(i).OneOf("unknown-webhook", "webhook", n, hooks)
		}
	}
	for _, r := range f.doc.Success {
		notify("success", r.Name, r.Notify)
	}
	for _, r := range f.doc.Rollback {
		notify("rollback", r.Name, r.Notify)
	}
	for _, m := range f.doc.Communications {
		notify("communications", m.Name, m.Notify)
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
func checkSignalSource(at rules.Checker, s rules.SignalSpec, sources []SourceSpec) {
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
	queries := map[string]bool{
		"cloudwatch": s.CloudWatch != nil, "sentry": s.Sentry != nil,
		"appstore": s.AppStore != nil, "athena": s.Athena != nil,
	}
	for _, kind := range sourceTypes {
		if queries[kind] && source.Type != kind && slices.Contains(sourceTypes, source.Type) {
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
	for _, t := range main.doc.Daemon.Tokens {
		check(top.At("daemon", "tokens", t.Name), t.Plans)
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
