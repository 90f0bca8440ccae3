package archive

// Storage is the text as Confluence takes it.
func Storage(text []byte) (string, error) { return storage(text) }

// Name is what the report of a run is called.
func Name(run, uid string) string { return name(run, uid) }
