// Package relgate holds what the binary carries inside it: the release plan of
// config.toml and the SQL that it names, so that `relgate demo` needs no file.
package relgate

import "embed"

// Files is config.toml and everything that it refers to.
//
//go:embed config.toml sql/*.sql
var Files embed.FS
