// Package chart draws a signal over time as the parts of an SVG: a line, its limits,
// bands, labels. It is pure, and makes places and texts only; whoever shows them escapes
// them and gives each class its colour.
package chart
