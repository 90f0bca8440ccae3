// Package connect is what relgate's clients of App Store Connect share: the tokens that a key
// signs, what the answers' errors and limits say, versions, and phased releases.
package connect
