package github

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// verdict is what GitHub is to be told of a request.
type verdict struct {
	end   End    // Approved, Rejected, or empty: it waits
	about string // what it is about: a comment is made when that changes
	text  string
}

// verdict asks the gate of the run that a request belongs to. A run is found once, and that is
// durable before anything is told of it: what is said of another run is never an answer.
func (a *Answerer) verdict(ctx context.Context, r *Request) (verdict, error) {
	g := a.gate(r)
	if g == nil {
		return waiting("gate", "relgate has no gate for the environment %s of %s.", r.Environment, r.Repository), nil
	}
	if plan, _, _, ok := rules.ParseRunID(r.Run); r.Run != "" && (!ok || plan != g.Plan) {
		return waiting("plan", "this deployment belongs to %s, and its environment belongs to plan %s now: run the job again.", r.Run, g.Plan), nil
	}
	if r.Run == "" {
		run, said, err := a.match(ctx, g, r)
		if err != nil || run == "" {
			return said, err
		}
		pinned := *r
		pinned.Run = run
		if err := a.config.Store.Put(ctx, pinned); err != nil {
			return verdict{}, err
		}
		*r = pinned
	}
	answer, err := a.config.Ask(ctx, g.Plan, r.Run, g.Phase, g.Question)
	if err != nil {
		return verdict{}, err
	}
	said := verdict{about: fmt.Sprintf("%s %s", answer.Outcome.Verdict(), answer.Cause), text: a.text(r.Run, answer)}
	switch answer.Outcome {
	case wire.IsPass:
		said.end = Approved
	case wire.IsFail, wire.IsEnded, wire.IsRollback:
		said.end = Rejected
	}
	return said, nil
}

func waiting(about, format string, args ...any) verdict {
	return verdict{about: about, text: escape(fmt.Sprintf("WAIT: "+format, args...))}
}

// match finds the run that a deployment belongs to, empty where there is none yet.
func (a *Answerer) match(ctx context.Context, g *Gate, r *Request) (run string, said verdict, err error) {
	version := ""
	if g.Ref != "" {
		if version = versionIn(g.Ref, r.Ref); version == "" {
			return "", waiting("ref", "the ref %s of this deployment is not of the form %s, so it belongs to no run.", r.Ref, g.Ref), nil
		}
	}
	if g.Parameter != "" && r.Commit == "" {
		return "", waiting("commit", "this deployment names no commit, so it belongs to no run."), nil
	}
	runs, err := a.config.Runs(ctx, g.Plan, version)
	if err != nil {
		return "", verdict{}, err
	}
	for _, u := range runs {
		if g.Parameter == "" || strings.EqualFold(u.Parameters[g.Parameter], r.Commit) {
			return u.ID, verdict{}, nil
		}
	}
	which := "of plan " + g.Plan
	if version != "" {
		which += " and version " + version
	}
	if g.Parameter != "" {
		which += fmt.Sprintf(" whose %s is %s", g.Parameter, r.Commit)
	}
	return "", waiting("run", "there is no run %s yet.", which), nil
}

const versionMark = "{version}"

// versionIn takes the version out of a ref, by the form that refs have. It is empty where the
// ref has another form, or what stands there cannot be a version.
func versionIn(form, ref string) string {
	ref = strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/")
	before, after, _ := strings.Cut(form, versionMark)
	rest, ok := strings.CutPrefix(ref, before)
	version, also := strings.CutSuffix(rest, after)
	if !ok || !also || rules.CheckVersion(version) != nil {
		return ""
	}
	return version
}

// text is a comment for people: what happened, and where to see more.
func (a *Answerer) text(run string, answer wire.Answer) string {
	text := escape(answer.Headline)
	end := "\n\n" + escape(run)
	if a.config.Link != nil {
		end = "\n\n" + a.config.Link(run)
	}
	if more := "\n\n" + escape(answer.Sentence); answer.Sentence != answer.Headline && len(text)+len(more)+len(end) <= mostText {
		text += more
	}
	return text + end
}

// escape writes text so that GitHub's Markdown shows it as it is.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "<", "&lt;", "&", "&amp;", "#", `\#`, "|", `\|`, "~", `\~`).Replace(text)
}

// clip shortens a comment to what GitHub takes, at the border of a character.
func clip(text string) string {
	if len(text) <= mostText {
		return text
	}
	text = text[:mostText-len("…")]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return strings.TrimRight(text, `\`) + "…"
}
