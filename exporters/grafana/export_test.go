package grafana

// StatusOf is the status of an error, for tests.
var StatusOf = statusOf
