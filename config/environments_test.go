package config

import (
	"testing"

	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/rules"
)

// A stand-in that leads to where the real steps go is none, however that is written.
func TestWhatStandsInLeadsElsewhere(t *testing.T) {
	hook := func(name, url string, texts ...string) WebhookSpec {
		w := WebhookSpec{Format: name, URL: url, Keys: rules.FormatKeys{Texts: map[string]string{}}}
		for i := 0; i < len(texts); i += 2 {
			w.Keys.Texts[texts[i]] = texts[i+1]
		}
		return w
	}
	routed := func(env string) WebhookSpec {
		w := hook("pagerduty", "")
		w.Own = map[string]Secret{"routing_key": {env: env}}
		return w
	}
	const ci = "https://ci.example.com/hooks"
	l := &loader{formats: format.Specs()}
	for name, tt := range map[string]struct {
		real, other WebhookSpec
		same        bool
	}{
		"a slash":               {hook("standard", ci), hook("standard", ci+"/"), true},
		"capitals and a port":   {hook("standard", ci), hook("standard", "https://CI.example.com:443/hooks"), true},
		"another format":        {hook("standard", ci), hook("cdevents", ci, "artifact", "pkg:oci/shop"), true},
		"another path":          {hook("standard", ci), hook("standard", ci+"/staging"), false},
		"a path of a template":  {hook("template", ci, "path", "/live"), hook("template", ci, "path", "/staging"), false},
		"another query":         {hook("standard", ci+"?to=live"), hook("standard", ci+"?to=staging"), false},
		"another workflow":      {hook("github-workflow", "", "workflow", "a"), hook("github-workflow", "", "workflow", "b"), false},
		"the same workflow":     {hook("github-workflow", "", "workflow", "a"), hook("github-workflow", "", "workflow", "a"), true},
		"another routing key":   {routed("LIVE"), routed("STAGING"), false},
		"the same routing key":  {routed("LIVE"), routed("LIVE"), true},
		"a format that is none": {hook("none", ci), hook("none", ci), false},
		"no URL":                {hook("standard", "http://%"), hook("standard", "http://%"), true},
	} {
		if got := l.sameWebhook(&tt.real, &tt.other); got != tt.same {
			t.Errorf("%s: the same is %v, want %v", name, got, tt.same)
		}
	}
	sink := func(kind string, texts ...string) SinkSpec {
		s := SinkSpec{Type: kind, Texts: map[string]string{}}
		for i := 0; i < len(texts); i += 2 {
			s.Texts[texts[i]] = texts[i+1]
		}
		return s
	}
	alias := func(texts ...string) SinkSpec {
		return sink("lambda", append([]string{"function", "shop", "alias", "live", "region", "eu-central-1"}, texts...)...)
	}
	const (
		arn   = "arn:aws:lambda:eu-central-1:111111111111:function:shop"
		mine  = "arn:aws:iam::111111111111:role/relgate"
		other = "arn:aws:iam::222222222222:role/relgate"
	)
	for name, tt := range map[string]struct {
		real, other SinkSpec
		same        bool
	}{
		"another key of the same app":      {sink("phased-release", "app", "1", "key_id", "A"), sink("phased-release", "app", "1", "key_id", "B", "act", "live"), true},
		"another app":                      {sink("phased-release", "app", "1"), sink("phased-release", "app", "2"), false},
		"another API":                      {sink("phased-release", "app", "1"), sink("phased-release", "app", "1", "api", "https://apple.example"), false},
		"another role of the same account": {alias("role_arn", mine), alias("role_arn", mine+"-drill", "codedeploy", "none"), true},
		"another account":                  {alias("role_arn", mine), alias("role_arn", other), false},
		"an account that may be another":   {alias(), alias("role_arn", other), false},
		"by its ARN":                       {alias("role_arn", mine), alias("function", arn), true},
		"the region of the environment":    {alias(), alias("region", ""), true},
		"another region":                   {alias(), alias("region", "us-east-1"), false},
		"another alias":                    {alias(), alias("alias", "staging"), false},
		"another type":                     {alias(), sink("phased-release"), false},
	} {
		if got := sameSink(&tt.real, &tt.other); got != tt.same {
			t.Errorf("%s: the same is %v, want %v", name, got, tt.same)
		}
	}
}
