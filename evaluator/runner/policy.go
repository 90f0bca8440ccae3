package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// FileState is what the config says of a plan.
type FileState string

const (
	FileOK      FileState = "ok"      // it is in force for the run under way, or there is none
	FileGone    FileState = "gone"    // no file has the plan any more
	FileBroken  FileState = "broken"  // its file cannot be used, or not for the run under way
	FileWaiting FileState = "waiting" // it names another version than the run under way
)

// policy is a plan as the config has it, with its live runs: the newest, and
// those before it that are not over.
type policy struct {
	name    string
	plan    *rules.Plan // nil when its file is gone or cannot be used
	last    *rules.Plan // as its file had it when it was last read; nil when it was not since the start
	file    FileState
	note    string // why it is not ok, in words
	about   *run   // the run under way of which that was said; nil when there was none
	runs    []*run // the newest begun first
	pending bool   // plan's own version has no run yet
}

// names says whether the plan's runs begin by a command, and else which version
// its file names. Where the file was not read since the start its newest run tells.
func (p *policy) names() (template bool, version string) {
	switch {
	case p.last != nil:
		return p.last.Template(), p.last.Version
	case len(p.runs) > 0 && !p.runs[0].Plan.Binding.Template:
		return false, p.runs[0].record.Version
	}
	return true, ""
}

// underWay is the run that may still change by itself, nil when there is none.
func (p *policy) underWay() *run {
	for _, u := range p.runs {
		if u.underWay() {
			return u
		}
	}
	return nil
}

// say sets what is known of the file, and logs what changed.
func (r *Runner) say(p *policy, file FileState, note string) {
	if p.file == file && p.note == note {
		return
	}
	p.file, p.note = file, note
	if file != FileOK {
		r.Log.Warn("plan file", "plan", p.name, "state", file, "why", note)
	} else {
		r.Log.Info("plan file", "plan", p.name, "state", file)
	}
}

// byName finds a plan, nil when it is not known.
func (r *Runner) byName(plan string) *policy {
	for _, p := range r.policies {
		if p.name == plan {
			return p
		}
	}
	return nil
}

// take brings the plans of a config together with the runs that there are. It
// changes nothing in the journal, and nothing at all where the journal cannot be
// read.
func (r *Runner) take(ctx context.Context, config Policies, had []*policy) ([]*policy, error) {
	var list []*policy
	known := make(map[string]*policy, len(had))
	for _, p := range had {
		known[p.name] = p
	}
	add := func(name string, plan *rules.Plan) error {
		p := &policy{name: name, plan: plan, last: plan}
		if before := r.byName(name); plan == nil && before != nil {
			p.last = before.last
		}
		if was := known[name]; was != nil {
			p.runs, p.file, p.note = was.runs, was.file, was.note
			delete(known, name)
		} else if err := r.revive(ctx, p); err != nil {
			return fmt.Errorf("plan %q: %w", name, err)
		}
		list = append(list, p)
		return nil
	}
	for _, plan := range config.Plans {
		if err := add(plan.Name, plan); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(config.Broken)) {
		if err := add(name, nil); err != nil {
			return nil, err
		}
	}
	for _, p := range had {
		if known[p.name] != nil && len(p.runs) > 0 {
			if err := add(p.name, nil); err != nil {
				return nil, err // unreachable: it was known
			}
		}
	}
	for _, p := range list {
		if err := r.seek(ctx, p); err != nil {
			return nil, fmt.Errorf("plan %q: %w", p.name, err)
		}
	}
	// From here on edits are kept for their runs: nothing asks the journal any more.
	for _, p := range list {
		if err := r.compare(p, config.Broken); err != nil {
			return nil, fmt.Errorf("plan %q: %w", p.name, err)
		}
	}
	return list, nil
}

// seek finds out whether the version that a plan's file names has a run.
func (r *Runner) seek(ctx context.Context, p *policy) error {
	if p.plan == nil || p.plan.Template() {
		return nil
	}
	prior, err := r.newest(ctx, p.name, p.plan.Version)
	p.pending = err == nil && prior == nil
	return err
}

// compare says what a plan's file means for its runs. Its error is that of
// encoding a plan.
func (r *Runner) compare(p *policy, broken map[string]string) error {
	u := p.underWay()
	p.about = u
	switch why, bad := broken[p.name]; {
	case bad && u != nil:
		r.say(p, FileBroken, fmt.Sprintf("%s; run %s goes on by the plan in the journal", why, u.record.ID))
		return nil
	case bad:
		r.say(p, FileBroken, why)
		return nil
	case p.plan == nil && u != nil:
		r.say(p, FileGone, fmt.Sprintf("no file has this plan any more; run %s goes on by the plan in the journal; abort or supersede it to end it", u.record.ID))
		return nil
	case p.plan == nil:
		r.say(p, FileGone, "no file has this plan any more")
		return nil
	}
	switch {
	case p.pending && u != nil:
		r.say(p, FileWaiting, fmt.Sprintf("version %s waits: run %s is under way; its run begins when that one has ended or is superseded", p.plan.Version, u.record.ID))
		return nil
	case u != nil && !p.plan.Template() && u.record.Version != p.plan.Version:
		r.say(p, FileWaiting, fmt.Sprintf("the file is of version %s, whose run is decided; run %s is under way and goes on by the plan in the journal", p.plan.Version, u.record.ID))
		return nil
	}
	r.say(p, FileOK, "")
	if u != nil {
		return r.amend(p, u)
	}
	return nil
}

// amend keeps an edited plan for the next tick of the run under way, which puts it
// in force. An edit that cannot be used for it is refused whole, and the run goes
// on by the plan it has.
func (r *Runner) amend(p *policy, u *run) error {
	bind := rules.Bind{
		Version: u.record.Version, Start: u.record.Start, UID: u.Plan.Binding.UID, Try: u.record.Try, Previous: u.record.Previous,
	}
	refuse := func(why string) error {
		r.say(p, FileBroken, fmt.Sprintf("the edit is refused: %s; run %s goes on by the plan in the journal", why, u.record.ID))
		return nil
	}
	if p.plan.Template() {
		bind.Parameters = declared(p.plan, u.record.Parameters)
	} else if !p.plan.Start.Equal(u.record.Start) && u.record.Try == 1 {
		if !u.record.At.Before(u.record.Start) || u.record.State != rules.Waiting && u.record.State != rules.Held {
			return refuse(fmt.Sprintf("start was moved to %s after the run began at %s", p.plan.Start.Format(time.RFC3339), u.record.Start.Format(time.RFC3339)))
		}
		bind.Start = p.plan.Start
	}
	bound, err := p.plan.Bound(bind)
	if err != nil {
		return refuse(err.Error())
	}
	document, digest, err := encode(bound)
	if err != nil || digest == u.Digest {
		return err
	}
	u.amended = &amendment{plan: bound, digest: digest, document: document}
	if changes := rules.Diff(u.Plan, bound); len(changes) > 0 {
		u.amended.edit = &fact.Edit{From: u.Digest, To: digest, Changes: changes}
	}
	return nil
}

// declared keeps the parameters that a plan declares.
func declared(p *rules.Plan, values map[string]string) map[string]string {
	kept := make(map[string]string, len(values))
	for _, d := range p.Parameters {
		if v, ok := values[d.Name]; ok {
			kept[d.Name] = v
		}
	}
	return kept
}

// catchUp makes durable what the plans' files have changed: an edit of a run
// under way, and the run of a plan whose file names its version.
func (r *Runner) catchUp(ctx context.Context) {
	var batch []staged
	said := false // of a file, and no tick shows it
	for _, p := range r.policies {
		u := p.underWay()
		if p.about != u {
			if r.broken = r.seek(ctx, p); r.broken == nil {
				r.broken = r.compare(p, r.Policies.Broken)
			}
			if r.broken != nil {
				return
			}
			said = true
		}
		switch {
		case u != nil && u.amended != nil:
			batch = append(batch, r.stage(u, fact.Tick{At: r.now(u)}))
		case u == nil && p.pending && p.plan != nil:
			s, err := r.begin(ctx, p, rules.Bind{Version: p.plan.Version, Start: p.plan.Start, Try: 1}, fact.Begun{})
			var refusal *Refusal
			switch {
			case errors.As(err, &refusal):
				p.pending = false // until the file changes
				r.say(p, FileBroken, fmt.Sprintf("the run of version %s cannot begin: %s", p.plan.Version, refusal.Text))
				said = true
				continue
			case err != nil:
				r.broken = err
				return
			}
			p.pending = false
			r.say(p, FileOK, "")
			batch = append(batch, s)
		}
	}
	if r.commit(ctx, batch); said {
		r.publish()
	}
}

// Reload puts another set of plans in force between two ticks. A run under way
// goes on whatever becomes of its plan's file: an edit is taken up, a changed
// version waits, and a file that is gone or broken leaves it as it is. When
// Reload returns nil, the new plans are in force and what changed is durable, or
// will be as soon as the journal can be written. An error leaves the old plans in
// force.
func (r *Runner) Reload(ctx context.Context, config Policies) error {
	err := sound(config.Plans)
	if err == nil {
		err = r.ask(ctx, r.reloads, func(ctx context.Context) error { return r.reload(ctx, config) })
	}
	if err != nil {
		return fmt.Errorf("changing the plans: %w", err)
	}
	return nil
}

func (r *Runner) reload(ctx context.Context, config Policies) error {
	if r.broken != nil {
		r.Policies = config // taken up when the journal can be written again
		return nil
	}
	policies, err := r.take(ctx, config, r.policies)
	if err != nil {
		return err
	}
	r.Policies, r.policies = config, policies
	r.eachRun(func(u *run) { u.again = true })
	r.catchUp(ctx) // where that cannot be written, mend takes up the new plans
	r.publish()
	return nil
}
