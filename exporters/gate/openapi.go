package gate

import (
	_ "embed"
	"net/http"
)

// openAPI is the description of the HTTP API, in OpenAPI 3.0.
//
//go:embed openapi.json
var openAPI []byte

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", jsonType)
	h.Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(openAPI) // a client that is gone misses nothing
}
