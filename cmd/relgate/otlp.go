package main

import (
	"crypto/tls"
	"fmt"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/exporters/otlp"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/server"
	"github.com/relgate/relgate/exporters/webhook"
)

// traces is the endpoint that is sent the trace of each run that ends. A rule that names its
// webhooks says nothing of it: it hears of everything. Secrets are read here.
func (d *daemon) traces(common webhook.Config, o *config.OTLPSpec) (outbox.Endpoint, error) {
	to := webhook.Endpoint{
		Name: config.OTLPEndpoint, URL: otlp.Address(o.Endpoint), Timeout: o.Timeout.Duration, Headers: map[string]string{},
		Format: otlp.Format(version), Earlier: d.encoder.earlier,
	}
	var err error
	if !o.Proxy.IsZero() {
		if to.Proxy, err = o.Proxy.Value(); err != nil {
			return outbox.Endpoint{}, fmt.Errorf("otlp: proxy: %w", err)
		}
	}
	for name, s := range o.Headers {
		if to.Headers[name], err = s.Value(); err != nil {
			return outbox.Endpoint{}, fmt.Errorf("otlp: header %q: %w", name, err)
		}
	}
	for _, n := range o.Allow {
		to.Allow = append(to.Allow, n.String())
	}
	if o.CA != "" {
		pool, err := server.Authorities(o.CA)
		if err != nil {
			return outbox.Endpoint{}, fmt.Errorf("otlp: ca: %w", err)
		}
		to.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	sink, err := webhook.New(common, to)
	if err != nil {
		return outbox.Endpoint{}, err
	}
	return outbox.Endpoint{Name: to.Name, Class: outbox.Notify, Types: otlp.Types(), Plans: o.Plans, Overhears: true, Sink: sink}, nil
}
