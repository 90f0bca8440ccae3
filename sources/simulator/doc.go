// Package simulator is the upstreams of a release plan on loopback: CloudWatch,
// Athena, Lambda aliases, Sentry, App Store Connect and the iTunes lookup,
// speaking the wire formats that the real clients receive.
package simulator
