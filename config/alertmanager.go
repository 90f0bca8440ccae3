package config

import (
	"slices"
	"time"

	"github.com/relgate/relgate/rules"
)

func checkAlertmanager(c rules.Checker, a *AlertmanagerSpec) {
	c.Required("urls", len(a.URLs) == 0, `["https://alertmanager.example.com:9093"]`)
	for i, u := range a.URLs {
		checkURL(c.At("urls").Index(i), u)
		if u == "" {
			c.At("urls").Index(i).Fail("bad-url", "", `want an absolute URL such as "https://alertmanager.example.com:9093"`)
		}
		if slices.Contains(a.URLs[:i], u) {
			c.At("urls").Index(i).Fail("duplicate", "name each instance once", "this instance is listed twice")
		}
	}
	rules.CheckAlertLabels(c.At("labels"), a.Labels)
	a.Resend = between(c.At("resend"), a.Resend, time.Minute, 10*time.Second, 10*time.Minute)
	a.Timeout = between(c.At("timeout"), a.Timeout, 10*time.Second, time.Second, time.Minute)
	checkProxy(c.At("proxy"), a.Proxy)
	checkHeaders(c.At("headers"), a.Headers)
}

// settleAlertmanager makes the file names of an Alertmanager paths.
func (l *loader) settleAlertmanager(f *file, a *AlertmanagerSpec) {
	a.CA = f.beside(a.CA)
	l.settleSecret(f, &a.Proxy)
	for name, s := range a.Headers {
		l.settleSecret(f, &s)
		a.Headers[name] = s
	}
}
