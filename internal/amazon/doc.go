// Package amazon is shared by relgate's clients of AWS: how a client is configured,
// how it retries through a sources.Pause, what it counts, and how an error of
// the SDK becomes a fault of a reading.
package amazon
