package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/exporters/email"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/server"
	"github.com/relgate/relgate/exporters/slack"
	"github.com/relgate/relgate/exporters/statuspage"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/rules"
)

// sinkMaker makes the endpoint of a sink. net is where it sends to, without an address and
// format. Secrets are read here.
type sinkMaker func(d *daemon, s *config.SinkSpec, common webhook.Config, net webhook.Endpoint, e outbox.Endpoint) (outbox.Endpoint, error)

// sinkMakers maps each type of sink to what makes it.
var sinkMakers = map[string]sinkMaker{
	"slack": slackEndpoint, "statuspage": statuspageEndpoint, "teams": teamsEndpoint, "pagerduty": pagerdutyEndpoint, "email": emailEndpoint, "banner": bannerEndpoint,
	"folder": folderEndpoint, "github": githubEndpoint, "confluence": confluenceEndpoint,
	"lambda": lambdaEndpoint, "phased-release": phasedEndpoint,
}

// sinks are the endpoints of a config's sinks: each wants what names it.
func (d *daemon) sinks(common webhook.Config, cfg *config.Config) (list []outbox.Endpoint, err error) {
	if _, err := linkKeys(cfg); err != nil {
		return nil, err
	}
	for i := range cfg.Sinks {
		s := &cfg.Sinks[i]
		e := outbox.Endpoint{Name: s.Name, Class: outbox.Notify, Plans: s.Plans, Named: true}
		net, err := sinkNetwork(s)
		if err == nil {
			e, err = sinkMakers[s.Type](d, s, common, net, e)
		}
		if err != nil {
			return nil, fmt.Errorf("sink %q: %w", s.Name, err)
		}
		e.Sink, e.Encode = &reporting{Sink: e.Sink, daemon: d, name: s.Name, does: actors[s.Type]}, d.encoder.encodeFor(s, externalBase(cfg))
		list = append(list, e)
	}
	return list, nil
}

// sinkNetwork is how a sink is reached.
func sinkNetwork(s *config.SinkSpec) (webhook.Endpoint, error) {
	to := webhook.Endpoint{Name: s.Name, Timeout: s.Timeout.Duration, Format: format.None()}
	var err error
	if !s.Proxy.IsZero() {
		if to.Proxy, err = s.Proxy.Value(); err != nil {
			return to, fmt.Errorf("proxy: %w", err)
		}
	}
	for _, n := range s.Allow {
		to.Allow = append(to.Allow, n.String())
	}
	if s.CA != "" {
		pool, err := server.Authorities(s.CA)
		if err != nil {
			return to, fmt.Errorf("ca: %w", err)
		}
		to.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return to, nil
}

func slackEndpoint(d *daemon, s *config.SinkSpec, common webhook.Config, net webhook.Endpoint, e outbox.Endpoint) (outbox.Endpoint, error) {
	url, err := s.Secret("url")
	if err != nil {
		return e, fmt.Errorf("url: %w", err)
	}
	if url != "" {
		net.URL = url
		to, err := webhook.New(common, net)
		e.Sink = slack.NewIncoming(slack.IncomingConfig{Endpoint: s.Name, Net: to, URL: url, Channel: s.Texts["channel"], External: common.External, Memory: d.journal})
		return e, err
	}
	token, err := s.Secret("token")
	if err != nil {
		return e, fmt.Errorf("token: %w", err)
	}
	if net.URL = s.Texts["api"]; net.URL == "" {
		net.URL = slack.API
	}
	to, err := webhook.New(common, net)
	e.Sink = slack.NewBot(slack.BotConfig{
		Endpoint: s.Name, Net: to, URL: net.URL, Token: token, Channel: s.Texts["channel"], Live: s.Texts["live"], External: common.External, Memory: d.journal, Now: d.arrivals,
	})
	if s.Texts["live"] != "" {
		e.Overhears = true
		e.Events, e.Types = slack.LiveEvents()
	}
	return e, err
}

func statuspageEndpoint(d *daemon, s *config.SinkSpec, common webhook.Config, net webhook.Endpoint, e outbox.Endpoint) (outbox.Endpoint, error) {
	token, err := s.Secret("token")
	if err != nil {
		return e, fmt.Errorf("token: %w", err)
	}
	if net.URL = s.Texts["api"]; net.URL == "" {
		net.URL = statuspage.API
	}
	to, err := webhook.New(common, net)
	if err != nil {
		return e, err
	}
	c := statuspage.Config{
		Endpoint: s.Name, Net: to, URL: net.URL, Token: token, Page: s.Texts["page"], Components: s.Texts["components"], Maintenance: s.Texts["kind"] == "maintenance",
		External: common.External, Memory: d.journal, Start: d.startOf, Now: d.arrivals,
	}
	if text := s.Texts["window"]; text != "" {
		var window rules.Duration
		if err := window.UnmarshalText([]byte(text)); err != nil {
			return e, fmt.Errorf("window: %w", err) // unreachable: the config was checked
		}
		c.Window = window.Duration
	}
	e.Sink, err = statuspage.New(c)
	return e, err
}

// startOf is T of a run; zero where there is none of it any more.
func (d *daemon) startOf(ctx context.Context, run string) (time.Time, error) {
	r, err := d.journal.Run(ctx, run)
	if errors.Is(err, journal.ErrNotFound) {
		return time.Time{}, nil
	}
	return r.Start, err
}

func emailEndpoint(d *daemon, s *config.SinkSpec, common webhook.Config, net webhook.Endpoint, e outbox.Endpoint) (outbox.Endpoint, error) {
	host, port, err := config.MailServer(s.Texts["server"])
	if err != nil {
		return e, fmt.Errorf("server: %w", err) // unreachable: the config was checked
	}
	password, err := s.Secret("password")
	if err != nil {
		return e, fmt.Errorf("password: %w", err)
	}
	var to []string
	for one := range strings.SplitSeq(s.Texts["to"], ",") {
		if one = strings.TrimSpace(one); one != "" {
			to = append(to, one)
		}
	}
	e.Sink, err = email.New(email.Config{
		Name: s.Name, Host: host, Port: port, Encryption: email.Encryption(s.Texts["encryption"]), Username: s.Texts["username"], Password: password,
		From: s.Texts["from"], ReplyTo: s.Texts["reply_to"], To: to, Hello: s.Texts["hello"], Timeout: 2 * net.Timeout,
		Allow: append(net.Allow, common.Allow...), TLS: net.TLS, External: common.External, Memory: d.journal, Whom: d.whom(s.Name),
	})
	return e, err
}

func teamsEndpoint(d *daemon, s *config.SinkSpec, common webhook.Config, net webhook.Endpoint, e outbox.Endpoint) (outbox.Endpoint, error) {
	var err error
	if net.URL, err = s.Secret("url"); err != nil {
		return e, fmt.Errorf("url: %w", err)
	}
	net.Format, _ = format.Named("teams")
	to, err := webhook.New(common, net)
	e.Sink = outbox.Once{Sink: to, Memory: d.journal, Endpoint: s.Name, Again: outbox.Alarm}
	return e, err
}

func pagerdutyEndpoint(_ *daemon, s *config.SinkSpec, common webhook.Config, net webhook.Endpoint, e outbox.Endpoint) (outbox.Endpoint, error) {
	key, err := s.Secret("routing_key")
	if err != nil {
		return e, fmt.Errorf("routing_key: %w", err)
	}
	net.Format, _ = format.Named("pagerduty")
	net.Own = map[string]string{"routing_key": key}
	if net.URL = s.Texts["api"]; net.URL == "" {
		net.URL = net.Format.URL
	}
	e.Sink, err = webhook.New(common, net)
	return e, err
}
