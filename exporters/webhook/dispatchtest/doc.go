// Package dispatchtest is GitHub, GitLab and Amazon EventBridge in memory for tests and
// demonstrations, as far as webhooks start something there: workflows and repository events,
// pipelines by a trigger token, and events on a bus. They are strict about what they are sent,
// and refuse what the real ones refuse: GitHub by its API description, GitLab by its API of
// triggers, EventBridge by PutEvents, whose signature it verifies.
package dispatchtest
