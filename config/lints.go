package config

// Lint is a kind of problem.
type Lint struct {
	ID      string // stands behind a problem's message in brackets
	Meaning string // what it says of the config, in one sentence
}

// Lints lists every kind of problem that [Load] reports, by ID.
func Lints() []Lint {
	return []Lint{
		{"all-ignored", "Every success rule of a phase ignores missing data or a broken source, so that the phase could pass on nothing."},
		{"always-holds", "The condition holds of every value that the signal can have."},
		{"bad-address", "An address to listen on has no host and port."},
		{"bad-header", "A header of a webhook is one that relgate sets itself."},
		{"bad-name", "A name cannot stand in URLs and metrics, or is taken."},
		{"bad-operator", "A percentile is compared for being equal."},
		{"bad-period", "The source has no buckets of that width."},
		{"bad-url", "An address is not an absolute URL, or holds credentials."},
		{"bad-value", "A value cannot be read as what it should be."},
		{"conflict", "Two settings exclude each other."},
		{"contradiction", "A success rule only holds where a rollback rule of the same phase fires."},
		{"duplicate", "A name is used or listed twice."},
		{"excess-key", "A key means nothing where it stands."},
		{"include-empty", "No file matches a pattern of include."},
		{"inline-secret", "A secret stands in the config itself, where everyone who reads the config reads it."},
		{"key-of-other-source", "A key means nothing to a source of this type."},
		{"looks-back", "A success rule looks back beyond the beginning of its phase, on data of another version."},
		{"main-file-only", "An included file has more than a plan."},
		{"missing", "Something that is required is not there."},
		{"missing-query", "A signal does not say what its source is asked."},
		{"never-holds", "The condition holds of no value that the signal can have."},
		{"no-command", "A rollback rule does not say which command takes the release back."},
		{"no-rollback", "No rollback rule is watched in a phase."},
		{"no-tokens", "The API listens beyond this machine, and anyone may read it."},
		{"not-a-multiple", "A stretch of time is not made of whole periods of its signal."},
		{"order", "Two times are in the wrong order."},
		{"out-of-range", "A number or a length of time is outside its bounds."},
		{"over-budget", "A source's questions cost more a month than its budget."},
		{"overlap", "A success rule holds for some values that a rollback rule of the same phase fires at."},
		{"several-queries", "A signal has more than one query."},
		{"short-extend", "A phase gives up waiting before its data has settled, and could never pass."},
		{"short-for", "A rollback rule's `for` has fewer than two periods: one bad point is no proof."},
		{"short-window", "A window is shorter than the interval between evaluations, or than a period of what it is to judge."},
		{"syntax", "The file is not TOML."},
		{"thin-window", "A window holds a single period of what it is to judge."},
		{"unit-mismatch", "A condition, a signal and its metric are not in the same unit."},
		{"unknown-class", "A webhook's class is neither action nor notify."},
		{"unknown-event", "There is no such kind of event."},
		{"unknown-fact", "App Store Connect is asked for something that relgate does not know."},
		{"unknown-key", "There is no such key here."},
		{"unknown-plan", "There is no such plan."},
		{"unknown-rule", "There is no such rule, or it is of the other kind."},
		{"unknown-scope", "A token's scope is neither read nor command."},
		{"unknown-signal", "There is no such signal."},
		{"unknown-source", "There is no such source."},
		{"unknown-type", "There is no such type of source."},
		{"unknown-unit", "CloudWatch has no such unit."},
		{"unknown-webhook", "There is no such webhook."},
		{"unreadable", "A file cannot be read."},
		{"unused-rule", "No phase names a rule."},
		{"unused-signal", "No rule names a signal."},
		{"unused-source", "No signal names a source."},
		{"wrong-count", "There are more or fewer parameters than the query has question marks."},
		{"wrong-kind", "A rule or a query does not go with the signal's kind."},
		{"wrong-source", "A signal's query is for another type of source than the one it names."},
		{"wrong-type", "A value is of another TOML type than it should be."},
	}
}
