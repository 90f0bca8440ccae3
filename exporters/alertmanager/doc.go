// Package alertmanager posts the alerts of runs to Prometheus' Alertmanager, by its API
// v2: to each instance of a cluster by itself, again and again, as Prometheus does.
//
// Alertmanager takes an alert that is not repeated for resolved. So what fires is posted
// every minute with an end that lies ahead, also while relgate cannot judge: not knowing
// resolves nothing. What is resolved is posted for 15 minutes more. A repetition that
// fails is no loss: the next one says the same.
package alertmanager
