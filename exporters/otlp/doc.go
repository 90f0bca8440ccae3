// Package otlp writes a run as a trace, for whatever takes OpenTelemetry's protocol over HTTP:
// a span for the run, one below it for each phase, and events on them for verdicts, rules,
// holds and rollbacks.
//
// A trace is sent when its run ends. A run whose end a command or a rule undoes, such as a
// rollback that was a false alarm, ends again: then only what came since is sent, below the
// same root. Ids follow from the run and from the events, so that an attempt that is repeated
// sends the same spans, and no span is ever sent in two forms.
package otlp
