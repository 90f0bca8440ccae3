package config

import _ "embed"

//go:embed schema.json
var schemaJSON []byte

// Schema is the JSON Schema of a config file, for completion in editors. It is
// made from the comments that the manual is made from.
func Schema() []byte { return append([]byte(nil), schemaJSON...) }
