// Package amazon is what relgate's AWS sources have in common: how a client is
// configured, how it retries through a sources.Pause, what it counts, and how
// an error of the SDK becomes a fault of a reading.
package amazon
