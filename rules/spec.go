package rules

import "time"

// Spec is a plan as it is written: the shape of the TOML. The comments are the
// manual: docs/configuration.md is made from them.
//
// Where a field is a list of tables with a Name, the file has a table of tables:
// `[phases.canary]` is the phase with the name "canary". The order is the file's.
type Spec struct {
	Release        ReleaseSpec         `toml:"release"`        // What is released, and when.
	Parameters     []ParameterSpec     `toml:"parameters"`     // What a run is told when it begins: {name} stands for it in queries, texts and commands. `lambda = 43` is short for a table with that default.
	Phases         []PhaseSpec         `toml:"phases"`         // The steps of the rollout, in order.
	Success        []SuccessSpec       `toml:"success"`        // What must hold for a phase to pass.
	Rollback       []RollbackSpec      `toml:"rollback"`       // What rolls the release back.
	Signals        []SignalSpec        `toml:"signals"`        // The measurements that the rules judge.
	Communications []CommunicationSpec `toml:"communications"` // Messages that fall due on the plan's clock.
	Rehearsal      RehearsalSpec       `toml:"rehearsal"`      // How the way back is known to exist before it is needed.
	People         []PersonSpec        `toml:"people"`         // Who signs and who is told, by role.
	Approvals      []ApprovalSpec      `toml:"approvals"`      // What must be signed: before the release begins (start), before a phase (its name), before a person decides in place of the rules (override).
	Review         ReviewSpec          `toml:"review"`         // What follows the release.

	// Shared are signals that are declared elsewhere and may be named by this
	// plan's rules; those that are named become a part of the plan.
	Shared []SignalSpec `toml:"-"`
	// Bare lets signals have neither source nor query, as in a scenario that
	// gives their readings itself.
	Bare bool `toml:"-"`
}

// ReleaseSpec is the head of a plan. With `version` and `start` the plan begins its
// run by itself. With neither it is a template: its runs begin with
// `relgate start PLAN --version V`, as many as there are releases.
type ReleaseSpec struct {
	Plan       string    `toml:"plan"`                // The plan's id, "REL-2025-06-04": it stands in URLs, metrics and events. Required.
	Title      string    `toml:"title"`               // For people. Required.
	Version    string    `toml:"version"`             // What is released: "1.0.0". At most 128 letters, digits, ".", "_", "+", ":" and "-". Default: the start, as "20250604T020000Z"; none for a template.
	Start      time.Time `toml:"start"`               // T, with its offset from UTC: every "T+…" counts from here. Default: none, for a template.
	Completion Instant   `toml:"expected_completion"` // When the release should be over: a date and time, or a time on the plan's clock, "T+30.5h", the only form for a template. Default: the end of the last phase's window. Where it is written, and the run is late by more than the longest extend of its phases, an event says so once.
	Manager    string    `toml:"manager"`             // Who leads the release. Required.
	Author     string    `toml:"author"`              // Who wrote the release, in the words of whoever signs: they cannot approve it, and neither can whoever begins its run. Default: not known.
	Interval   *Duration `toml:"interval"`            // How often the rules are evaluated, from 1s to 1h. Default: 30s.

	Previous map[string]Literal `toml:"previous"` // The release before the first run, for {previous} and {previous.NAME}: { version = "0.9.0", lambda = 42 }. Later runs know it from the run that passed before. Default: none.

	RideOut *Duration `toml:"ride_out"` // How long a burst of failures the rules that weigh evidence survive, from 0s to 10m: a burst up to it neither holds nor rolls back a release that is otherwise good. A shorter one finds a fault sooner. Default: 3m.

	Evidence      *Method   `toml:"evidence"`       // How rules on counts are judged unless they say otherwise: "threshold" compares the value with the threshold, "sequential" weighs the counts. Default: threshold.
	FalseRollback *Fraction `toml:"false_rollback"` // How likely a release that keeps all its limits may be rolled back by the rules that weigh evidence. It is split over them by their weights. At most 50 %. Default: 1 %.
	FalsePass     *Fraction `toml:"false_pass"`     // How likely a rule that weighs evidence may pass a release that misses what it proves. At most 50 %. Default: 5 %.
}

// ParameterSpec declares a value that a run is told when it begins, with
// `relgate start --set NAME=VALUE`.
type ParameterSpec struct {
	Name        string   `toml:"-" key:"name"`
	Default     *Literal `toml:"default"`     // Its value where a run is not told another. Without one the parameter is required.
	Required    bool     `toml:"required"`    // Every run must be told it, as it must any parameter without a default. Default: false.
	Pattern     string   `toml:"pattern"`     // Regular expression (RE2) that the whole value must match: "[0-9]+". Default: any value.
	Description string   `toml:"description"` // For people.
}

// UnmarshalScalar takes a value that stands in place of the table: the default.
func (p *ParameterSpec) UnmarshalScalar(value any) error {
	p.Default = new(Literal)
	return p.Default.UnmarshalTOML(value)
}

// PhaseSpec is one step of the rollout with its monitoring window.
type PhaseSpec struct {
	Name     string    `toml:"-" key:"name"`
	Title    string    `toml:"title"`    // For people. Default: the phase's name.
	Target   string    `toml:"target"`   // What is rolled out: "lambda alias live".
	Traffic  *Fraction `toml:"traffic"`  // How much of the traffic it gets: "10 %". Required.
	Start    *Offset   `toml:"start"`    // When it begins on the plan's clock: "T+20m". Required of a scheduled phase; for others it is a forecast. Default: the end of the window before.
	Window   *Duration `toml:"window"`   // How long it is monitored before it may pass. Required.
	Extend   *Duration `toml:"extend"`   // How long beyond its window it may wait for data to settle before it is unknown. Default: 1h.
	Advance  *Advance  `toml:"advance"`  // What starts it: "scheduled" by the plan's clock, "signalled" by CI or a person, "on_pass" of the phase before, "observed" when the share that it is seen to have reaches `traffic`. Default: scheduled.
	Owner    string    `toml:"owner"`    // Who answers for it. Required.
	Success  []string  `toml:"success"`  // Names of the success rules that must hold over its window. At least one.
	Rollback []string  `toml:"rollback"` // Names of the rollback rules that are watched from its start to the end of the run.

	Observe     string      `toml:"observe"`      // Name of the signal that tells which share of the traffic the release really has: a gauge in "%", or a ratio or percentile with a baseline, whose counts say it. Default: none, and that is not known.
	OnMismatch  *OnMismatch `toml:"on_mismatch"`  // What follows when the observed share is another than `traffic`: "tell" makes an event, "hold" also holds the run, until a person resumes it. Default: tell.
	MismatchFor *Duration   `toml:"mismatch_for"` // How long it must be another, up to 7d: between a command and its effect it always is. Default: three periods of the signal, at least 5m.
}

// RuleSpec is what success and rollback rules have in common.
type RuleSpec struct {
	Name       string     `toml:"-" key:"name"`
	Title      string     `toml:"title"`       // For people. Default: the rule's name.
	Signal     string     `toml:"signal"`      // Name of the signal that is judged. Required.
	When       Condition  `toml:"when"`        // The condition: "< 1 %", "<= 2.5 s", ">= 4.5", or of an alarm its state, "OK" or "ALARM". A success rule says what must hold, a rollback rule what must not. Required.
	Over       *Duration  `toml:"over"`        // Event time that one judged value covers: "10m". For a gauge it is the stretch that aggregate is taken over. Default: the phase's window for a success rule, one period of the signal for a rollback rule, which has no value before coverage of all of it is there. With evidence "sequential" it has no effect: evidence is weighed for as long as there is any.
	Coverage   *Fraction  `toml:"coverage"`    // Share of the periods that must have data. Default: 80 %; 50 % with evidence "sequential", which asks for samples itself.
	MinSamples *float64   `toml:"min_samples"` // Requests, sessions, reviews … that must lie in the judged stretch; with evidence "sequential", in the suspect one. Default: 0.
	Aggregate  *Aggregate `toml:"aggregate"`   // How a percentile or a gauge is judged. A percentile: "exceedance" counts the samples beyond the threshold, "worst" takes the worst period, "share" counts periods. A gauge, and an Athena gap with evidence "threshold": "worst", "mean", "share", or "last" for the newest period; a rollback rule takes it over `over`. Default: exceedance for a percentile; for a gauge worst in a success rule, where one bad period fails the phase, and mean in a rollback rule with over.
	MinShare   *Fraction  `toml:"min_share"`   // With aggregate "share": the share of periods that must satisfy the condition. Required there.
	OnNoData   *Policy    `toml:"on_no_data"`  // When the source has nothing: "hold" waits and never passes, "fail" fails the phases under way that name the rule (a later one that does not name it waits), "rollback" rolls back, "ignore" judges without the rule where nothing is known of it; what is thin, or was bad before it fell silent, is waited for, and so is an alarm that it names and that is not known. Default: hold.
	OnError    *Policy    `toml:"on_error"`    // When the source fails or rejects the query: as on_no_data. Default: hold.
	Grace      *Duration  `toml:"grace"`       // How long data may be missing before on_no_data and on_error act, and at the end of a window before a success rule cannot pass, nor the phase of a rollback rule. Default: the signal's settle plus three periods.
	Evidence   *Method    `toml:"evidence"`    // "threshold" compares the value with the threshold; "sequential" weighs the counts, is right on few samples and says how sure it is. Default: release.evidence where the signal has counts, else threshold.
	RideOut    *Duration  `toml:"ride_out"`    // With evidence "sequential", how long a burst of failures it survives, from 0s to 10m, in whole periods of the signal. Where `for` is longer, `for` alone counts; where a period is longer, nothing is ridden out. Default: release.ride_out, 3m.
	Mode       *Mode      `toml:"mode"`        // "enforce" acts; "shadow" is judged, shown and counted, and never acts: it takes nothing from release.false_rollback, and no phase waits for it. Default: enforce.
	Owner      string     `toml:"owner"`       // Who answers for it. Required.
	Notify     []string   `toml:"notify"`      // Names of the webhooks that are told. Default: all.
}

// SuccessSpec is a rule that must hold for a phase to pass.
type SuccessSpec struct {
	RuleSpec
	Alarm   string     `toml:"alarm"`   // Name of an alarm signal that must stay OK all through the window as well.
	Gate    *Gate      `toml:"gate"`    // What it may do: "required" must pass, "veto" counts only when it is known to fail, "advisory" is shown and decides nothing. Default: required.
	Proof   *Proof     `toml:"proof"`   // With evidence "sequential", what it takes to pass: "strong" proves the limit, "weak" wants the value to meet the limit and the trigger excluded, "by_traffic" is weak below 50 % of the traffic and strong from there on and in the last phase. Default: by_traffic.
	Trigger *Condition `toml:"trigger"` // With evidence "sequential", what is bad enough to be rolled back: "> 3 %". For a percentile it is the share of samples beyond the rule's threshold. Default: the condition of a rollback rule on this signal, else the limit itself.
}

// RollbackSpec is a rule that rolls the release back. relgate never runs the
// command: it sends the event to those who do.
type RollbackSpec struct {
	RuleSpec
	For         *Duration  `toml:"for"`             // How long the condition must hold without a break, at least two periods; with evidence "sequential", how long the suspect stretch must last at least before it rolls the release back. Default: one judged value is enough.
	KeepFiring  *Duration  `toml:"keep_firing_for"` // How long a breach still counts as one after its last breaching value, so that nothing passes in a lull; up to 7d, and not with evidence "sequential", which forgets nothing. Default: 0s.
	Datapoints  string     `toml:"datapoints"`      // CloudWatch's form, in place of for, over and evidence: "3 of 5" of the newest periods breach. They may reach back a day; 7 days where a period is 1h or longer.
	Missing     string     `toml:"missing"`         // With datapoints, what a missing period counts as, in Amazon's words: "missing" skips it, "ignore" leaves the rule as it was, "breaching" and "notBreaching" say it. Default: missing.
	Limit       *Condition `toml:"limit"`           // With evidence "sequential", what a good release keeps: "<= 1 %". For a percentile it is the share of samples beyond the rule's threshold. Default: the condition of a success rule on this signal, else the rule's own threshold.
	Weight      *float64   `toml:"weight"`          // With evidence "sequential", its part of release.false_rollback beside the other rules' weights, at most 1000. Default: 1.
	Resume      *Resume    `toml:"resume"`          // What ends a hold of the run that this rule caused because the baseline was as bad: "manual" waits for a person, "auto" goes on when the data has been good for resume_after. A hold by evidence against the release always waits for a person. Missing data and a failing source hold no run: its phases wait, and go on by themselves when the data is back. Default: manual.
	ResumeAfter *Duration  `toml:"resume_after"`    // With resume "auto", how long release and baseline must have kept the limit, from one period of the signal to 7d. Default: the signal's settle plus three periods, at least 5m.
	Alarm       string     `toml:"alarm"`           // Name of an alarm signal that rolls back, too: the rule fires when its own numbers say so or when the alarm is on. An alarm that was on before the watch began counts once it has been OK. While its state is not known the rule goes by its own numbers. An alarm is no evidence: it takes nothing from release.false_rollback. Default: none.
	Action      string     `toml:"action"`          // What is to be done, for people. Required.
	Command     string     `toml:"command"`         // The command that was rehearsed.

	Effects []EffectSpec `toml:"effects"` // The way back, step by step: `[rollback.NAME.effects]`. What stands before `do = "roll back"` only slows the fault down, and the run is held meanwhile. Default: the run is rolled back at once, and the event's receivers do the rest.
}

// EffectSpec is one step of the way back.
type EffectSpec struct {
	Name    string    `toml:"-" key:"name"`
	Do      string    `toml:"do"`      // What is to be done: "hold" holds the run and "roll back" rolls it back, both by relgate; "revert" and "weigh" at a sink of type "lambda", "pause" at one of type "phased-release"; else words for whoever does it: "remove the build". Required.
	To      string    `toml:"to"`      // The sink or the webhook that it is sent to, and whom it reaches there: "alias", "slack #ops". Required, unless by is given or relgate does it itself.
	By      string    `toml:"by"`      // The role of the person who does it, and says so with `relgate effects ack` and `done`.
	After   *Duration `toml:"after"`   // How long after the effect before it, if the rule still stands then: up to 7d. Default: 0s.
	Ack     *Duration `toml:"ack"`     // Within what it must be acknowledged: else the owner of the rule and the manager are told, again and again, from 1m to 24h. Default: 5m.
	Command string    `toml:"command"` // The command that was rehearsed.
	Link    string    `toml:"link"`    // Where it is described: a runbook.

	Share    *Fraction `toml:"share"`    // With "weigh", the most that the released version keeps of the requests: "5 %". Where it has less, nothing is changed.
	Version  string    `toml:"version"`  // With "revert", "weigh" and "pause", the version that is released, as the sink's receiver calls it: "{lambda}". Default: "{version}".
	Previous string    `toml:"previous"` // With "revert" and "weigh", the version before, as the receiver calls it: "{previous.lambda}". Default: "{previous}".
}

// SignalSpec declares a measurement: where it comes from and what it counts.
type SignalSpec struct {
	Name   string    `toml:"-" key:"name"`
	Source string    `toml:"source"`   // Name of the source that is asked. Required.
	Kind   *Kind     `toml:"kind"`     // "ratio" of two counts, "mean" of a sum and a count, "gauge", "percentile" or "alarm". Required.
	Unit   *Unit     `toml:"unit"`     // What conditions on it are written in: "%", "s" or "" for plain numbers. Default: "%" for a ratio, plain numbers for others.
	Good   bool      `toml:"good"`     // A ratio's value is the good share, one minus bad of total. Default: false.
	Quant  *Fraction `toml:"quantile"` // A percentile's quantile: 0.95. Required of a percentile.
	Period *Duration `toml:"period"`   // Length of one period of event time. A percentile with the window's own length and aggregate "worst" is asked as one period over the window. Default: 1m for CloudWatch and Sentry, `every` for Athena and the App Store.
	Every  *Duration `toml:"every"`    // How often the source is asked. Default: the period; 1h for Athena, 15m for the App Store.
	Settle *Duration `toml:"settle"`   // How long after its end a period may still change; nothing passes on data that has not settled. Default: 3m for CloudWatch, 10m for Sentry, 0s for others.

	Baseline   *BaselineSpec `toml:"baseline"`      // What runs beside the release and is measured alike, for rules that weigh evidence on ratios and percentiles: { dimension = "ExecutedVersion", value = "42" }. Where it is as bad, the release is held and not rolled back. Default: none.
	Maturity   *Duration     `toml:"maturity"`      // How old a period must be before it helps a rule that weighs evidence to pass, because crashes are told late; against the release it counts at once. Up to 7d. Default: 2h for Sentry, 0s for others.
	Cluster    *float64      `toml:"cluster"`       // How many samples carry the information of one, because they come from the same user or fail together, as retries and crash loops do: at least 1. Declare it where failures come in groups: from few failures their clustering cannot be measured, and then `false_pass` does not hold. Default: 1.
	AssumeSeen bool          `toml:"assume_seen"`   // A ratio whose missing bad count is taken as 0 proves nothing until its name was seen once with a value: it may be misspelled. This lets it count unseen, for a service that never failed; `relgate check` warns, and verdict and review say it. Default: false.
	Rate       string        `toml:"expected_rate"` // How many samples the whole service is expected to have, "2/s", "120/min", "5000/h": with it `relgate check` says whether a rule can decide in its window, of which the release gets the phase's traffic. Default: unknown.

	Query SourceQuery   `toml:"-"` // what the source is asked: `[signals.NAME.KIND]`
	More  []SourceQuery `toml:"-"` // what else the file says there, for a signal has one query
}

// BaselineSpec names what runs beside the release.
type BaselineSpec struct {
	Dimension string `toml:"dimension"` // What tells the two apart: a dimension of the CloudWatch metric ("ExecutedVersion"), or "release" for Sentry. Required.
	Value     string `toml:"value"`     // Its value for what runs beside the release: the version before, "{previous.lambda}". Required.
}

// PersonSpec is a role that people have in the release. Owners, approvals, messages and
// the review name it.
type PersonSpec struct {
	Name  string  `toml:"-" key:"name"`
	Sign  Several `toml:"sign"`  // Who signs for the role: e-mail addresses, which get a link to sign by, "token:NAME" of a token or "oidc:NAME" of a CI system. Default: whoever has the scope "approve:ROLE".
	Slack string  `toml:"slack"` // Where the role is told in Slack: short for `tell = "slack #ops"`.
	Email string  `toml:"email"` // The same by e-mail: short for `tell = "email ops@example.com"`.
	Tell  string  `toml:"tell"`  // Where it is told what it has to do, and of holds of what it owns: the name of a sink, and whom there: "slack #ops".
	Page  string  `toml:"page"`  // Where it is woken by a rollback or a failure of what it owns. Default: where it is told.
}

// ApprovalSpec is what must be signed before something may happen: `start = ["CTO"]` is
// short for a table with those roles.
type ApprovalSpec struct {
	Name      string    `toml:"-" key:"name"`
	Roles     []string  `toml:"roles"`      // Whose signatures: names of [people], or any others. Required.
	Need      *int      `toml:"need"`       // How many of them must sign. Default: all.
	NotAuthor *bool     `toml:"not_author"` // Whether it must be signed by others than who began the run and whom the plan names as its author. Default: true.
	Expires   *Duration `toml:"expires"`    // How long a signature counts, from 1m to 366d. Default: until the plan changes.
	Meaning   string    `toml:"meaning"`    // What a signature means: "review", "approval" or "responsibility". Default: approval.
}

// UnmarshalScalar takes a list that stands in place of the table: the roles.
func (a *ApprovalSpec) UnmarshalScalar(value any) error {
	var roles Several
	if err := roles.UnmarshalTOML(value); err != nil {
		return err
	}
	a.Roles = roles
	return nil
}

// CommunicationSpec is a message that falls due on the plan's clock, or when something
// happens.
type CommunicationSpec struct {
	Name    string    `toml:"-" key:"name"`
	At      *Moment   `toml:"at"`          // When it falls due: "T-24h", or "mobile-10+30m" after the start of that phase. Required, unless on is given.
	On      *Wanted   `toml:"on"`          // It falls due whenever this comes to be so: "run rolled_back", "mobile-10 passed".
	OnlyIf  *Wanted   `toml:"only_if"`     // It waits until this is so, as long as grace allows, and is not sent otherwise: "mobile-10 monitoring", "run not failed". Default: it is not sent once the run has failed or is rolled back.
	Grace   *Duration `toml:"grace"`       // How late it may be sent, up to 366d. Default: 1h.
	Quiet   *Quiet    `toml:"quiet_hours"` // It waits for the end of these hours: "22:00-07:00", in UTC, or "22:00-07:00 +02:00". Default: none.
	To      string    `toml:"to"`          // The sink that sends it, and whom it reaches there: "slack #ops". Default: webhooks tell of it, and whoever they tell sends it.
	Channel string    `toml:"channel"`     // Where it goes, for people: "Slack #ops". Required, unless to is given.
	Subject string    `toml:"subject"`     // One line, for what has a title. Default: the release's title.
	Text    string    `toml:"text"`        // What it says. {phase}, {traffic}, {observed}, {state}, {verdict}, {headline}, {sentence}, {link}, {chain} and {value.RULE} are filled in when it falls due. Required.
	Notify  []string  `toml:"notify"`      // Names of the webhooks that are told. Default: all.
}

// RehearsalSpec says how the way back is known to exist before it is needed.
type RehearsalSpec struct {
	MaxAge      *Duration `toml:"max_age"`     // How old the newest drill of the way back may be when a phase begins, from 1h to 366d. Drills are made with `relgate drill`. Default: no drill is asked for.
	Unproven    string    `toml:"unproven"`    // What follows where it is not known that the way back exists: "obstacle" keeps phases from beginning, "warning" tells the owner and the manager. Default: obstacle with max_age, else warning.
	Date        Date      `toml:"date"`        // The day on which the commands were tried: 2025-05-30. It is shown, and proves nothing.
	Environment string    `toml:"environment"` // Where: "staging".
	Note        string    `toml:"note"`        // What was tried.
}

// ReviewSpec is what follows the release.
type ReviewSpec struct {
	PassCriteria []string  `toml:"pass_criteria"` // When the release counts as done: "phases_passed", "no_rollback", "approvals_signed", "messages_sent" and "review_archived" are judged by relgate; any other text is for those who sign the review. Default: what of these the plan asks for.
	Sign         Several   `toml:"sign"`          // The roles that sign the review, each of them. Default: the manager.
	Archive      string    `toml:"archive"`       // Name of the sink that keeps the review once it is signed. Default: none.
	Remind       *Duration `toml:"remind"`        // How often those who have not signed are reminded, from 1h to 366d. Default: 24h.
}
