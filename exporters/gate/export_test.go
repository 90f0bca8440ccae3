package gate

// OpenAPI is the description that is served.
var OpenAPI = openAPI
