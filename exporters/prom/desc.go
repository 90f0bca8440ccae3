package prom

import (
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// desc is one metric's name, and how its label values are put in order.
type desc struct {
	name, help string
	kind       dto.MetricType
	labels     []string // in the order in which the code gives the values
	order      []int    // of labels, by name, as the formats want them
	index      int      // in catalog.all
}

// catalog is every metric that there is.
type catalog struct {
	all []*desc
	runDescs
	phaseDescs
	ruleDescs
	evidenceDescs
	signalDescs
	peopleDescs
	effectDescs
	tickDescs
	sourceDescs
	webhookDescs
	alertDescs
	inboxDescs
	githubDescs
	daemonDescs
}

func newCatalog() *catalog {
	c := &catalog{}
	c.addRun()
	c.addPhase()
	c.addRule()
	c.addEvidence()
	c.addSignal()
	c.addPeople()
	c.addEffects()
	c.addTick()
	c.addSource()
	c.addWebhook()
	c.addAlerts()
	c.addInbox()
	c.addGitHub()
	c.addDaemon()
	return c
}

func (c *catalog) add(kind dto.MetricType, name, help string, labels []string) *desc {
	d := &desc{name: name, help: help, kind: kind, labels: labels, index: len(c.all)}
	for i := range labels {
		d.order = append(d.order, i)
	}
	slices.SortFunc(d.order, func(a, b int) int {
		if labels[a] < labels[b] {
			return -1
		}
		return 1
	})
	c.all = append(c.all, d)
	return d
}

func (c *catalog) gauge(name, help string, labels ...string) *desc {
	return c.add(dto.MetricType_GAUGE, name, help, labels)
}

func (c *catalog) counter(name, help string, labels ...string) *desc {
	return c.add(dto.MetricType_COUNTER, name, help, labels)
}

func (c *catalog) summary(name, help string, labels ...string) *desc {
	return c.add(dto.MetricType_SUMMARY, name, help, labels)
}

type runDescs struct {
	runState, runVerdict, runHeld, runGeneration, lastTick, runInfo, fileState               *desc
	planInfo, planInterval, runPlanned, runExpected, runDeadline, runDecided, unacknowledged *desc
}

func (c *catalog) addRun() {
	c.runState = c.gauge("relgate_run_state", "Whether the run of the plan is in the state (1) or not (0).", "plan", "state")
	c.runVerdict = c.gauge("relgate_run_verdict", "Whether the verdict on the whole run is this one (1) or not (0).", "plan", "verdict")
	c.runHeld = c.gauge("relgate_run_held", "Whether a person or a rule holds the run (1) or not (0). All gates of a held run are closed.", "plan")
	c.runGeneration = c.gauge("relgate_run_generation", "Number of events of the run so far: changes exactly when something changed.", "plan")
	c.lastTick = c.gauge("relgate_last_tick_timestamp_seconds", "Unix time of the newest tick that was committed. Absent before the first.", "plan")
	c.runInfo = c.gauge("relgate_run_info", "Always 1; the labels name the run that the plan's other series are of: its newest that is live.", "plan", "run", "version")
	c.planInfo = c.gauge("relgate_plan_info", "Always 1; the labels say what the plan of the run is about, who leads it, and where the API shows it (empty without external_url).", "plan", "title", "version", "manager", "url")
	c.planInterval = c.gauge("relgate_plan_interval_seconds", "Time between two ticks of the run.", "plan")
	c.runPlanned = c.gauge("relgate_run_planned_start_timestamp_seconds", "Unix time T, at which the run is planned to start.", "plan")
	c.runExpected = c.gauge("relgate_run_expected_completion_timestamp_seconds", "Unix time at which the plan expects the run to be complete.", "plan")
	c.runDeadline = c.gauge("relgate_run_deadline_timestamp_seconds", "Unix time at which the last phase that is undecided becomes unknown for good, as far as is known now. Absent once the run is decided.", "plan")
	c.runDecided = c.gauge("relgate_run_decided_timestamp_seconds", "Unix time at which the run was decided. Absent while it is not.", "plan")
	c.unacknowledged = c.gauge("relgate_rollback_unacknowledged", "Whether a rollback is ordered and was not yet reported as carried out (1) or not (0).", "plan")
	c.fileState = c.gauge("relgate_plan_file_state", "Whether the plan's file is in the state (1) or not (0). A run goes on by the plan in the journal while its file is gone, broken, or waiting with another version.", "plan", "state")
}

type phaseDescs struct {
	gateOpen, gateVerdict, phaseState, phaseTraffic, phaseWindow, phaseStarted, phaseEnd     *desc
	phasePlanned, phaseDeadline, phaseDecided, phaseObserved, phaseObservedAt, phaseMismatch *desc
}

func (c *catalog) addPhase() {
	c.gateOpen = c.gauge("relgate_gate_open", "Whether the gate of the phase says pass (1) or anything else (0).", "plan", "phase")
	c.gateVerdict = c.gauge("relgate_gate_verdict", "Whether the verdict of the phase's gate is this one (1) or not (0).", "plan", "phase", "verdict")
	c.phaseState = c.gauge("relgate_phase_state", "Whether the phase is in the state (1) or not (0).", "plan", "phase", "state")
	c.phaseTraffic = c.gauge("relgate_phase_traffic_ratio", "Share of the users that the phase is planned to reach, 0 to 1.", "plan", "phase")
	c.phaseObserved = c.gauge("relgate_phase_observed_ratio", "Share of the traffic that the phase is seen to have, 0 to 1. Absent where no signal of the plan tells it, while it is not known, and once a later phase has begun of which the same signal tells.", "plan", "phase")
	c.phaseObservedAt = c.gauge("relgate_phase_observed_timestamp_seconds", "Unix time of the end of the newest period that the observed share is from. Absent where that is.", "plan", "phase")
	c.phaseMismatch = c.gauge("relgate_phase_mismatch", "Whether the phase has been seen to have another share of the traffic than planned for as long as the plan says (1) or not (0). Absent where no signal of the plan tells its share.", "plan", "phase")
	c.phaseWindow = c.gauge("relgate_phase_monitoring_window_seconds", "Length of the phase's monitoring window.", "plan", "phase")
	c.phasePlanned = c.gauge("relgate_phase_planned_start_timestamp_seconds", "Unix time at which the plan lets the phase begin.", "plan", "phase")
	c.phaseStarted = c.gauge("relgate_phase_started_timestamp_seconds", "Unix time at which the phase began. Absent before.", "plan", "phase")
	c.phaseEnd = c.gauge("relgate_phase_window_end_timestamp_seconds", "Unix time at which the phase's monitoring window ends. Absent before the phase began.", "plan", "phase")
	c.phaseDeadline = c.gauge("relgate_phase_deadline_timestamp_seconds", "Unix time at which the phase becomes unknown if it is not decided: the end of its window and what it may wait for data beyond. Absent before the phase began.", "plan", "phase")
	c.phaseDecided = c.gauge("relgate_phase_decided_timestamp_seconds", "Unix time at which the phase was decided. Absent while it is not.", "plan", "phase")
}

type ruleDescs struct {
	ruleState, ruleKnown, ruleValue, ruleThreshold, ruleSamples, alerts, alertsForState         *desc
	ruleInfo, ruleFor, ruleBreaching, ruleQuantile, ruleQuantileLimit, rulePoints, ruleExpected *desc
	ruleWouldHave                                                                               *desc
}

func (c *catalog) addRule() {
	labels := []string{"plan", "phase", "rule", "kind"}
	c.ruleState = c.gauge("relgate_rule_state", "Whether the rule is in the state (1) or not (0). A success rule is judged once in every phase that names it; a rollback rule is watched over the run and has no phase.", append(labels, "state")...)
	c.ruleInfo = c.gauge("relgate_rule_info", "Always 1; the labels say what the rule judges, by which comparison (op) and in which unit (ratio, seconds, number), what a success rule may do to its phase (gate), and whether it acts (mode: enforce or shadow).", "plan", "rule", "kind", "signal", "op", "unit", "title", "owner", "gate", "mode")
	c.ruleKnown = c.gauge("relgate_rule_known", "Whether the rule has a value (1) or not (0).", labels...)
	c.ruleValue = c.gauge("relgate_rule_value", "Value that the rule judges, in base units: ratios 0 to 1, times in seconds. Absent while it is not known.", labels...)
	c.ruleThreshold = c.gauge("relgate_rule_threshold", "Number that the value is compared with, in base units.", labels...)
	c.ruleQuantile = c.gauge("relgate_rule_quantile_value", "The percentile itself over the stretch that the rule judges, in base units, where the rule judges the share of samples above its threshold. Absent while it is not known.", labels...)
	c.ruleQuantileLimit = c.gauge("relgate_rule_quantile_threshold", "The threshold of the percentile as the plan has it, in base units.", labels...)
	c.ruleSamples = c.gauge("relgate_rule_samples", "Samples behind the value. Absent before the rule was judged.", labels...)
	c.rulePoints = c.gauge("relgate_rule_points", "Periods with data in the stretch that the rule judges. Absent before it was judged.", labels...)
	c.ruleExpected = c.gauge("relgate_rule_points_expected", "Periods that the stretch has. Absent before the rule was judged.", labels...)
	c.ruleFor = c.gauge("relgate_rule_for_seconds", "How long the rollback rule must be breached before it acts. Absent for rules without for.", labels...)
	c.ruleBreaching = c.gauge("relgate_rule_breaching_seconds", "How long it has been breached, of relgate_rule_for_seconds. Absent while the rule has no value.", labels...)
	c.ruleWouldHave = c.gauge("relgate_rule_would_have_rolled_back", "How often a rollback rule in shadow would have rolled the run back. Absent for rules that act.", labels...)
	c.alerts = c.gauge("ALERTS", "Rules that speak against the release, in the shape of Prometheus' own alerts: pending while it has not lasted or only warns, firing when it holds the run or is decided. Absent otherwise.", "alertname", "alertstate", "plan", "phase", "severity")
	c.alertsForState = c.gauge("ALERTS_FOR_STATE", "Unix time since when the alert is pending or firing: the start of the stretch that speaks against the release; for a success rule, of the stretch that it judges.", "alertname", "plan", "phase", "severity")
}

type evidenceDescs struct {
	ruleBad, ruleLow, ruleHigh, against, bound, warning, middle, beside, earlier *desc
	keeps, spared, proof, more, falseRollback, ruleFalseRollback, baseline       *desc
}

func (c *catalog) addEvidence() {
	labels := []string{"plan", "phase", "rule", "kind"}
	c.ruleBad = c.gauge("relgate_rule_bad_samples", "Samples that were bad, of relgate_rule_samples. Absent before anything was weighed. Only of rules that weigh evidence on counts.", labels...)
	c.ruleLow = c.gauge("relgate_rule_value_low", "The value is likely no less than this, 95 %, at any time, in base units. Absent while nothing is known.", labels...)
	c.ruleHigh = c.gauge("relgate_rule_value_high", "The value is likely no more than this, 95 %, at any time, in base units. Absent while nothing is known.", labels...)
	c.against = c.gauge("relgate_rule_evidence_log", "Natural log of e, the evidence against the release: the chance of this in a release that meets its target, at any time, is under 1 in e. Absent for a gap between groups, which is judged by its interval.", labels...)
	c.bound = c.gauge("relgate_rule_evidence_bound_log", "Natural log of the evidence from which the rule holds the run or fails.", labels...)
	c.warning = c.gauge("relgate_rule_evidence_warning_log", "Natural log of the evidence against the release that takes every sample as independent: the rule warns from the bound on.", labels...)
	c.middle = c.gauge("relgate_rule_evidence_middle_log", "Natural log of the evidence against a release that is at most halfway from its target to the trigger: the rule rolls back from ln 5 on.", labels...)
	c.beside = c.gauge("relgate_rule_evidence_baseline_log", "Natural log of the evidence that the release is worse than the baseline over the same minutes: confirms a rollback from ln 20 on. Absent without a baseline.", labels...)
	c.baseline = c.gauge("relgate_rule_baseline_value", "Value of the baseline over the same minutes, in base units. Absent without a baseline, and while it has no samples.", labels...)
	c.earlier = c.gauge("relgate_rule_evidence_earlier_log", "Natural log of the evidence that the release is worse than those that passed before: the rule warns from the bound on. Absent where they were not looked for.", labels...)
	c.keeps = c.gauge("relgate_rule_proof_target_log", "Natural log of the evidence that the release meets its target: the success rule passes from relgate_rule_proof_bound_log on.", labels...)
	c.spared = c.gauge("relgate_rule_proof_trigger_log", "Natural log of the evidence that the trigger is excluded: where that is enough, the success rule passes from relgate_rule_proof_bound_log on.", labels...)
	c.proof = c.gauge("relgate_rule_proof_bound_log", "Natural log of the evidence from which the success rule passes.", labels...)
	c.more = c.gauge("relgate_rule_samples_needed", "Samples without a bad one that would let the success rule pass, at least; 0 when it passes. Absent when none would, or while that is not known.", labels...)
	c.falseRollback = c.gauge("relgate_plan_false_rollback_ratio", "How likely the rules that weigh evidence may roll back a release that meets its targets, 0 to 1: the budget of the release. Absent where no rollback rule weighs evidence.", "plan")
	c.ruleFalseRollback = c.gauge("relgate_rule_false_rollback_ratio", "The rollback rule's share of that budget, 0 to 1.", labels...)
}

type signalDescs struct {
	signalKnown, signalValue, signalSamples, signalNewest, signalSettled, signalAsked, signalFault, signalFailures *desc
	signalInfo, signalOverdue                                                                                      *desc
}

func (c *catalog) addSignal() {
	labels := []string{"plan", "signal"}
	c.signalInfo = c.gauge("relgate_signal_info", "Always 1; the labels say which source is asked for the signal, of what kind it is, and its unit (ratio, seconds, number).", append(labels, "source", "kind", "unit")...)
	c.signalOverdue = c.gauge("relgate_signal_overdue", "Whether the signal has no answer although it is due (1) or not (0): one is due by the signal's every and settle, and late by twice the timeout of its source and two intervals or a minute. An answer without data is one. Absent while the run does not need the signal.", labels...)
	c.signalKnown = c.gauge("relgate_signal_known", "Whether the signal has a value (1) or not (0). A percentile that is judged by the share of samples above a threshold is shown as that share.", labels...)
	c.signalValue = c.gauge("relgate_signal_value", "Newest value of the signal, in base units: ratios 0 to 1, times in seconds. Absent while it is not known.", labels...)
	c.signalSamples = c.gauge("relgate_signal_samples", "Samples behind the newest value. Absent when there is none.", labels...)
	c.signalNewest = c.gauge("relgate_signal_newest_timestamp_seconds", "Unix time at which the signal's newest period ends. Absent when there is none.", labels...)
	c.signalSettled = c.gauge("relgate_signal_settled_timestamp_seconds", "Unix time up to which the signal's data is complete. Absent while that is not known.", labels...)
	c.signalAsked = c.gauge("relgate_signal_asked_timestamp_seconds", "Unix time at which the source was last asked for the signal. Absent before the first time.", labels...)
	c.signalFault = c.gauge("relgate_signal_fault", "Whether the newest reading of the signal has the fault (1) or not (0); ok is none. Absent before it was asked for.", append(labels, "fault")...)
	c.signalFailures = c.gauge("relgate_signal_consecutive_failures", "Readings in a row that had a fault.", labels...)
}

type tickDescs struct {
	ticks, missed, commands, events, evaluation, commit, fetch *desc
	lastEvaluation, lastCommit, lastFetch                      *desc
}

func (c *catalog) addTick() {
	c.ticks = c.counter("relgate_ticks_total", "Ticks that were committed since the daemon began, one for every plan that ticked.")
	c.missed = c.counter("relgate_ticks_missed_total", "Ticks that were left out because the one before took too long.")
	c.commands = c.counter("relgate_commands_total", "Commands that were committed since the daemon began, refused ones included.")
	c.events = c.counter("relgate_events_total", "Events that were committed since the daemon began, by kind.", "plan", "kind")
	c.evaluation = c.summary("relgate_evaluation_duration_seconds", "Time that evaluating a tick took.")
	c.commit = c.summary("relgate_commit_duration_seconds", "Time that it took to make a batch of ticks durable.")
	c.fetch = c.summary("relgate_fetch_duration_seconds", "Time that asking all sources of a tick took.")
	c.lastEvaluation = c.gauge("relgate_evaluation_last_duration_seconds", "Time that the newest evaluation took. Absent before the first.")
	c.lastCommit = c.gauge("relgate_commit_last_duration_seconds", "Time that the newest commit took. Absent before the first.")
	c.lastFetch = c.gauge("relgate_fetch_last_duration_seconds", "Time that the newest fetch from all sources took. Absent before the first.")
}

type sourceDescs struct {
	fetches, readings, points, dropped, timeouts, refused, panics, took, leftAlone, lastSuccess *desc
	requests, retries, throttled, billed, scanned, rateKnown, rate                              *desc
}

func (c *catalog) addSource() {
	s := "source"
	c.fetches = c.counter("relgate_source_fetches_total", "Batches of questions that the source was asked.", s)
	c.readings = c.counter("relgate_source_readings_total", "Readings that the source gave, by fault; ok is none.", s, "fault")
	c.points = c.counter("relgate_source_points_total", "Points that the source gave.", s)
	c.dropped = c.counter("relgate_source_points_dropped_total", "Points that could not be true and were dropped.", s)
	c.timeouts = c.counter("relgate_source_timeouts_total", "Batches that the source did not answer in time.", s)
	c.refused = c.counter("relgate_source_refused_total", "Batches that were not sent because an earlier one had not come back.", s)
	c.panics = c.counter("relgate_source_panics_total", "Batches in which the source panicked.", s)
	c.took = c.counter("relgate_source_fetch_seconds_total", "Time spent in batches that came back.", s)
	c.leftAlone = c.gauge("relgate_source_left_alone_until_timestamp_seconds", "Unix time before which the source asked not to be asked (Retry-After), bounded. Absent when it did not, or has answered since.", s)
	c.lastSuccess = c.gauge("relgate_source_last_success_timestamp_seconds", "Unix time of the newest reading without a fault. Absent when there was none.", s)
	c.requests = c.counter("relgate_source_requests_total", "HTTP requests sent, retries included.", s)
	c.retries = c.counter("relgate_source_retries_total", "HTTP requests that were retries.", s)
	c.throttled = c.counter("relgate_source_throttled_total", "Answers that asked to slow down.", s)
	c.billed = c.counter("relgate_source_billed_units_total", "Units that the upstream charges for: metrics asked for, queries started.", s)
	c.scanned = c.counter("relgate_source_scanned_bytes_total", "Bytes that queries scanned.", s)
	c.rateKnown = c.gauge("relgate_source_rate_known", "Whether the upstream says how many requests it still accepts (1) or not (0).", s)
	c.rate = c.gauge("relgate_source_rate_remaining", "Requests that the upstream still accepts in its own window. Absent while it does not say.", s)
}

type webhookDescs struct {
	attempts, delivered, failures, dead, escalated, pending, lag *desc
	orders, delivery                                             *desc
}

func (c *catalog) addWebhook() {
	labels := []string{"endpoint", "class"}
	c.attempts = c.counter("relgate_webhook_attempts_total", "Requests made to the endpoint.", labels...)
	c.delivered = c.counter("relgate_webhook_delivered_total", "Events that were delivered to the endpoint.", labels...)
	c.failures = c.counter("relgate_webhook_failures_total", "Requests to the endpoint that failed.", labels...)
	c.dead = c.counter("relgate_webhook_dead_letters_total", "Events given up for the endpoint.", labels...)
	c.escalated = c.counter("relgate_webhook_escalated_total", "Events sent to the second endpoint because deliveries to this one fail.", labels...)
	c.pending = c.gauge("relgate_webhook_pending", "Events that are not delivered to the endpoint yet, orders among them.", labels...)
	c.lag = c.gauge("relgate_webhook_lag_seconds", "Age of the oldest event that is not delivered; 0 when there is none.", labels...)
	c.orders = c.gauge("relgate_webhook_orders_pending", "Orders (rollback, hold, resume, abort) that are not delivered to the endpoint yet.", labels...)
	c.delivery = c.gauge("relgate_webhook_last_success_timestamp_seconds", "Unix time of the newest request that the endpoint accepted. Absent when there was none since the daemon began.", labels...)
}

type alertDescs struct{ alertAttempts, alertFailures, alertsRefused, alertLag, alertsTaken *desc }

func (c *catalog) addAlerts() {
	labels := []string{"alertmanager", "address"}
	c.alertAttempts = c.counter("relgate_alertmanager_attempts_total", "Requests made to the instance of an Alertmanager.", labels...)
	c.alertFailures = c.counter("relgate_alertmanager_failures_total", "Requests to the instance that failed, refused ones among them.", labels...)
	c.alertsRefused = c.counter("relgate_alertmanager_refused_total", "Alerts that the instance refused with 400: they are not posted again.", labels...)
	c.alertLag = c.gauge("relgate_alertmanager_lag_seconds", "How long the instance has lacked an alert because it is away or refuses it; 0 when it has all.", labels...)
	c.alertsTaken = c.gauge("relgate_alertmanager_last_success_timestamp_seconds", "Unix time of the newest request that the instance accepted. Absent when there was none since the daemon began. Without an alert nothing is posted.", labels...)
}

type inboxDescs struct{ pushes, pushed *desc }

func (c *catalog) addInbox() {
	c.pushes = c.counter("relgate_inbox_pushes_total", "Pushes to the inbox, by what became of them: accepted, duplicate and control (about the connection only) are answered with 200, the others are refused.", "source", "result")
	c.pushed = c.gauge("relgate_inbox_last_push_timestamp_seconds", "Unix time of the newest push that the inbox accepted. Absent when there was none since the daemon began.", "source")
}

type githubDescs struct{ asked, deployments, untold *desc }

func (c *catalog) addGitHub() {
	c.asked = c.counter("relgate_github_requests_total", "What GitHub sent to the webhook of the App, by what became of it: accepted, duplicate and control are answered with 200, the others are refused.", "app", "result")
	c.deployments = c.gauge("relgate_github_deployments_waiting", "Deployments at GitHub that wait for a gate.", "app")
	c.untold = c.gauge("relgate_github_deployments_untold", "Deployments at GitHub whose answer GitHub did not take at the last attempt; it is tried again.", "app")
}

type daemonDescs struct {
	refusals, connections, connectionLimit, connectionsClosed, handshakes                    *desc
	gateRequests, gateWaiting, reloadOK, reloadTime, build, clockStep, clockAhead, journalOK *desc
}

func (c *catalog) addDaemon() {
	c.gateRequests = c.counter("relgate_gate_requests_total", "Answers of the gate, by view and status code.", "view", "code")
	c.gateWaiting = c.gauge("relgate_gate_long_polls", "Requests to the gate that wait for a change now.")
	c.refusals = c.counter("relgate_gate_refusals_total", "Requests that were refused because of who asked or how, by reason.", "reason")
	c.connections = c.gauge("relgate_http_connections", "Connections that are open on the public port.")
	c.connectionLimit = c.gauge("relgate_http_connections_limit", "Connections that the public port takes at most.")
	c.connectionsClosed = c.counter("relgate_http_connections_closed_total", "Connections without a request that were closed to make room, because the public port had as many as it takes.")
	c.handshakes = c.counter("relgate_http_tls_handshakes_refused_total", "TLS handshakes that were refused on the public port: a client without the right certificate, or plain HTTP.")
	c.reloadOK = c.gauge("relgate_config_last_reload_successful", "Whether the newest reading of the config went well (1) or not (0).")
	c.reloadTime = c.gauge("relgate_config_last_reload_success_timestamp_seconds", "Unix time of the newest reading of the config that went well.")
	c.clockStep = c.counter("relgate_clock_step_seconds_total", "Steps of the wall clock that the daemon has seen, all together, by direction: forward or back. Ticks go on by a clock that does not step.", "direction")
	c.clockAhead = c.gauge("relgate_clock_ahead_seconds", "How far the stamps of ticks are ahead of the wall clock, after it was set back.")
	c.journalOK = c.gauge("relgate_journal_ok", "Whether the journal can be written and is where it was (1) or not (0). While it is not, every gate is unknown but one that orders a rollback.")
	c.build = c.gauge("relgate_build_info", "Always 1; the labels name the binary.", "version", "revision", "goversion")
}
