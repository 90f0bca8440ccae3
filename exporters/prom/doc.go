// Package prom tells Prometheus what stands in the snapshots of the runs.
//
// [Exporter.Update] is given the snapshots of a committed tick and does nothing
// but keep them. The first scrape after it renders the page, in the format and
// with the compression that it asks for; later scrapes are sent the same bytes.
// Only what does not come with a tick (the process, the runner, the sources, the
// webhooks, the gate) is gathered at each scrape and appended.
//
// Every series exists from the first scrape, a state is a one-hot set, units are
// base units and ratios 0..1. Label values come from the plan and from lists of
// the code, never from the world.
package prom
