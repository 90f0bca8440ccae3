package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/exporters/webhook/dispatchtest"
	"github.com/relgate/relgate/rules"
)

// The credentials of AWS in a demo.
const demoKey, demoKeySecret = "AKIDDEMO", "demo"

func demoCredentials() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(demoKey, demoKeySecret, "")
}

// doer is a receiver that starts something for an event.
type doer interface {
	keeper
	Did(id string) bool
	Started() []dispatchtest.Started
	Wrong() []string
}

// hooked reports whether a demo has the receiver of a webhook's format. What it has not goes
// to the recorder, in the standard form.
func hooked(format string) bool {
	return slices.Contains([]string{"github-workflow", "github-dispatch", "gitlab", "eventbridge"}, format)
}

// addHook makes the receiver of a webhook that starts something, and points the webhook at it.
// It has what the config names, and nothing else.
func (r *receivers) addHook(ctx context.Context, w *config.WebhookSpec) error {
	own := map[string]config.Secret{}
	for key, secret := range w.Own {
		if own[key] = secret; !secret.IsZero() {
			own[key] = config.Plain(randomSecret())
		}
	}
	w.Own = own
	w.Headers, w.Proxy, w.CA, w.Secrets, w.HubSecret, w.URLFrom = nil, config.Secret{}, "", nil, config.Secret{}, config.Secret{}
	w.URL = "https://" + strings.ToLower(w.Name) + ".webhooks.example.com"
	token := ""
	if secret := w.Own["token"]; !secret.IsZero() {
		token, _ = secret.Value() // it was put there
	}
	texts := w.Keys.Texts
	s := &config.SinkSpec{Name: w.Name, Type: w.Format}
	switch w.Format {
	case "gitlab":
		g := &dispatchtest.GitLab{Token: token, Project: texts["project"], Refs: []string{texts["ref"]}, Inputs: slices.Collect(maps.Keys(w.Keys.Tables["inputs"]))}
		g.Now = r.stamps
		return r.serve(ctx, s, w.URL, g, startedBy(g))
	case "eventbridge":
		delete(w.Keys.Texts, "role_arn")
		e := &dispatchtest.EventBridge{Key: demoKey, Secret: demoKeySecret, Region: texts["region"], Buses: []string{either(texts["bus"], "default")}}
		e.Now = r.stamps
		return r.serve(ctx, s, w.URL, e, startedBy(e))
	}
	g := &dispatchtest.GitHub{Token: token, Repository: texts["repository"], Refs: []string{texts["ref"]}, Workflows: workflowOf(w.Keys)}
	g.Now = r.stamps
	return r.serve(ctx, s, w.URL, g, startedBy(g))
}

// workflowOf is the workflow that a webhook starts: with the inputs that it gives, and the
// event's id in the name of its runs.
func workflowOf(keys rules.FormatKeys) map[string]dispatchtest.Workflow {
	event := either(keys.Texts["event_input"], "relgate-event")
	inputs := map[string]bool{event: true}
	for name := range keys.Tables["inputs"] {
		inputs[name] = true
	}
	return map[string]dispatchtest.Workflow{keys.Texts["workflow"]: {RunName: "relgate (${{ inputs." + event + " }})", Inputs: inputs}}
}

func startedBy(of doer) func() (int, []string) {
	return func() (int, []string) { return len(of.Started()), of.Wrong() }
}

// did reports whether what a webhook starts was started for an event.
func (r *receivers) did(name, event string) bool {
	for _, one := range r.all {
		if of, ok := one.keeper.(doer); ok && one.sink == name {
			return of.Did(event)
		}
	}
	return false
}
