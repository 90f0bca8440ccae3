// Package stored is the alphabet of stored forms: numbers, strings and lists as bytes, in a
// frame with a name, a version and a checksum. Whoever has a state writes and reads it with
// these. A broken form gives an error, never a panic and never a wrong value.
package stored
