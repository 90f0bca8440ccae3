// Package series keeps what is known of one signal over time: its points, how far they have
// settled, and how its source is. Readings are merged into it; judges look at it.
package series
