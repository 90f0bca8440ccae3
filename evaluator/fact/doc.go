// Package fact has what goes into the core and what comes out of it, in facts: ticks and
// commands, events and snapshots, the grounds and the evidence of what was decided. Package
// words says them to people.
package fact
