// Command relgate is a release gate: it watches a staged rollout through the
// monitors that a team already has, decides phase by phase whether it may go
// on, and tells pipelines, people and alert receivers.
//
// This package only puts the parts together and speaks to the user: every file
// is one command, and daemon.go is the one place where sources, evaluator and
// exporters meet.
package main
