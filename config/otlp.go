package config

import (
	"slices"
	"time"

	"github.com/relgate/relgate/rules"
)

func checkOTLP(c rules.Checker, o *OTLPSpec, hooks []WebhookSpec) {
	c.Required("endpoint", o.Endpoint == "", `"http://otel-collector.example.com:4318"`)
	checkURL(c.At("endpoint"), o.Endpoint)
	o.Timeout = between(c.At("timeout"), o.Timeout, 10*time.Second, time.Second, time.Minute)
	checkProxy(c.At("proxy"), o.Proxy)
	checkHeaders(c.At("headers"), o.Headers)
	if slices.ContainsFunc(hooks, func(w WebhookSpec) bool { return w.Name == OTLPEndpoint }) {
		c.Fail("conflict", "rename the webhook", "traces are delivered under the name %q, and a webhook has it", OTLPEndpoint)
	}
}

// settleOTLP makes the file names of the receiver of traces paths.
func (l *loader) settleOTLP(f *file, o *OTLPSpec) {
	o.CA = f.beside(o.CA)
	l.settleSecret(f, &o.Proxy)
	for name, s := range o.Headers {
		l.settleSecret(f, &s)
		o.Headers[name] = s
	}
}
