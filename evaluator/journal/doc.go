// Package journal keeps what was decided: every tick with what went in and what
// came out, the plans they ran under, and how far each receiver has been told.
//
// It is one SQLite file in WAL mode. A batch is all there or not there at all,
// and is on disk (synchronous=FULL) when [Journal.Commit] returns; a commit names
// the sequence it follows, so that two writers never interleave. How far an
// endpoint has read is written without waiting for the disk: a power cut may take
// the last marks back, which repeats a delivery and never loses one.
//
// The statements are plain SQL on database/sql; what is SQLite's own stands in
// open.go and schema.go.
package journal
