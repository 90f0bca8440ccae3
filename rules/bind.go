package rules

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Bind is what makes a run of a plan.
type Bind struct {
	Version    string            // what is released; required
	Start      time.Time         // T; required
	UID        string            // random: makes the ids of events unique across journals
	Try        int               // 1 for the first run of this version
	Parameters map[string]string // declared parameters with values of their own; the others have their defaults
	Previous   Previous          // the release before; Plan.GivenPrevious fills what is missing if the version is the same
}

// Template reports whether the plan's runs begin by a command, because the plan
// names neither what is released nor when.
func (p *Plan) Template() bool { return p.Version == "" && p.Start.IsZero() }

// IsZero reports whether nothing is known of the release before.
func (p Previous) IsZero() bool { return p.Version == "" && len(p.Parameters) == 0 }

// With is the release before with what over says in place of what was known.
func (p Previous) With(over Previous) Previous {
	if over.Version != "" {
		p.Version = over.Version
	}
	if len(over.Parameters) > 0 {
		all := maps.Clone(p.Parameters)
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, over.Parameters)
		p.Parameters = all
	}
	return p
}

// Bound is the plan of one run: a copy with every placeholder replaced and its
// Binding, Version, Start and Completion filled in. Signals keep their names. The
// plan must not be bound already. The error joins everything that is wrong, each
// with the name of the parameter that it is about.
func (p *Plan) Bound(b Bind) (*Plan, error) {
	if given := p.GivenPrevious; given.Version == "" || b.Previous.Version == "" || given.Version == b.Previous.Version {
		b.Previous = given.With(b.Previous)
	}
	values, errs := p.values(b)
	if b.Start.IsZero() {
		errs = append(errs, errors.New("a run needs a start"))
	}
	bound, found := p.filled(values)
	bound.lintBeside(&found)
	said := map[string]bool{} // :: message → whether it has been said of another text
	for _, f := range found {
		if !said[f.Message] {
			errs = append(errs, errors.New(f.line()))
		}
		said[f.Message] = true
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	try := max(b.Try, 1)
	bound.Version = b.Version
	bound.Binding = Binding{Run: RunID(p.Name, b.Version, try), UID: b.UID, Try: try, Template: p.Template(), Previous: b.Previous}
	for _, d := range p.Parameters {
		if bound.Binding.Parameters == nil {
			bound.Binding.Parameters = map[string]string{}
		}
		bound.Binding.Parameters[d.Name] = values[d.Name]
	}
	bound.start(b.Start)
	return bound, nil
}

// Example is the plan for whoever tries it without beginning a run, as a backtest
// or a scenario does: a copy with every placeholder replaced by what the plan
// itself says, and by examples where it says nothing. Its Binding stays zero.
func (p *Plan) Example() *Plan {
	bound, _ := p.filled(p.examples())
	if p.Template() {
		bound.Version = exampleVersion
		bound.start(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC))
	}
	return bound
}

// start moves the plan to another T.
func (p *Plan) start(at time.Time) {
	length := p.Length
	if !p.Start.IsZero() {
		length = p.Completion.Sub(p.Start)
	}
	p.Start, p.Length = at.UTC(), 0
	p.Completion = p.Start.Add(length)
}

// values says what the placeholders of a run stand for. What is not known is not
// in it. What is missing or wrong has an example in its place, so that it is said
// once and not of each text as well.
func (p *Plan) values(b Bind) (values map[string]string, errs []error) {
	values = map[string]string{"plan": p.Name, "version": b.Version}
	if err := CheckVersion(b.Version); err != nil {
		errs, values["version"] = append(errs, err), exampleVersion
	}
	for _, d := range p.Parameters {
		value, given := b.Parameters[d.Name]
		if !given {
			value = d.Default
		}
		if !given && d.Required {
			errs, value = append(errs, fmt.Errorf("parameter %q is required: --set %s=…", d.Name, d.Name)), d.example()
		} else if err := d.takes(value); err != nil {
			errs, value = append(errs, fmt.Errorf("parameter %q: %w", d.Name, err)), d.example()
		}
		values[d.Name] = value
	}
	for _, name := range sortedKeys(b.Parameters) {
		if p.parameter(name) == nil {
			errs = append(errs, p.undeclared(name))
		}
	}
	return values, append(errs, p.previousValues(b.Previous, values)...)
}

// undeclared is the error of a value for a parameter that the plan does not have.
func (p *Plan) undeclared(name string) error {
	fix := "the plan declares no parameters"
	if names := p.parameterNames(); len(names) > 0 {
		fix = "the plan has " + strings.Join(names, ", ")
		if near := DidYouMean(name, names); near != "" {
			fix = near
		}
	}
	return fmt.Errorf("parameter %q is not declared: %s", name, fix)
}

// previousValues adds what is known of the release before. A parameter of it that
// the plan does not declare any more has no placeholder, and is left out.
func (p *Plan) previousValues(previous Previous, values map[string]string) (errs []error) {
	if previous.Version != "" {
		values["previous"] = previous.Version
		if err := CheckVersion(previous.Version); err != nil {
			errs = append(errs, fmt.Errorf("previous: %w", err))
		}
	}
	for _, d := range p.Parameters {
		value, ok := previous.Parameters[d.Name]
		if !ok {
			continue
		}
		if err := d.takes(value); err != nil {
			errs, value = append(errs, fmt.Errorf("parameter %q of the release before: %w", d.Name, err)), d.example()
		}
		values["previous."+d.Name] = value
	}
	return errs
}

const exampleVersion = "1.0.0"

// examples are values for all placeholders, the plan's own where it has any.
func (p *Plan) examples() map[string]string {
	values := map[string]string{"plan": p.Name, "version": exampleVersion, "previous": "0.9.0"}
	if p.Version != "" {
		values["version"] = p.Version
	}
	for _, d := range p.Parameters {
		values[d.Name] = d.example()
		values["previous."+d.Name] = d.example()
	}
	p.previousValues(p.GivenPrevious, values)
	return values
}

// filled is a copy of the plan with its placeholders replaced, and what is wrong
// with the texts that come of it.
func (p *Plan) filled(values map[string]string) (*Plan, Problems) {
	bound := p.clone()
	var found Problems
	bound.eachText(func(text *string, use textUse, keys ...string) {
		at, before, was := Check(textPath(keys...), &found), len(found), *text
		*text = p.fill(at, was, use, p.withFields(values, keys[0]))
		if keys[0] == "signals" && *text == "" && len(found) == before {
			at.Fail("bad-value", "give it a value", "%s is empty: the query would ask for something else", was)
		}
	})
	for i := range bound.Signals {
		if s := &bound.Signals[i]; s.Of < 0 && s.BaselineOf != "" {
			own := slices.IndexFunc(p.Signals, func(o Signal) bool { return o.Name == s.BaselineOf })
			dimension := besideDimension(p.Signals[own].Query, p.Signals[i].Query)
			lintBaselineValue(Check("", &found).At("signals", s.BaselineOf, "baseline", "value"), s.Query.apart()[dimension])
		}
	}
	for i := range bound.Signals {
		if s := &bound.Signals[i]; s.Of < 0 && s.BaselineOf == "" {
			s.Query.lintForms(Check("", &found).At("signals", s.Name))
		}
	}
	return bound, found
}

// withFields has the fields of a message stand for themselves: what they are is known
// when it falls due.
func (p *Plan) withFields(values map[string]string, table string) map[string]string {
	if table != "communications" {
		return values
	}
	all := maps.Clone(values)
	for _, name := range messageFields {
		if _, ok := p.MessageField(name); ok {
			all[name] = "{" + name + "}"
		}
	}
	for i := range p.Rules {
		name := valueField + p.Rules[i].Name
		all[name] = "{" + name + "}"
	}
	return all
}

// fill replaces the placeholders of one text.
func (p *Plan) fill(at Checker, text string, use textUse, values map[string]string) string {
	return expand(text, func(name, before string) string {
		value, ok := values[name]
		if !ok {
			fix := "--set " + name + "=…"
			if !p.Template() {
				fix = "write it in release.previous"
			}
			at.Fail("unknown-value", fix, "{%s} is not known: no earlier run that passed has it", name)
			return ""
		}
		return use.write(at, name, value, before)
	})
}

// lintBeside reports signals whose baseline has become the release itself.
func (p *Plan) lintBeside(found *Problems) {
	for _, s := range p.Signals {
		if s.Baseline > 0 && s.Of < 0 && reflect.DeepEqual(s.Query, p.Signals[s.Baseline].Query) {
			Check("", found).At("signals", s.Name, "baseline", "value").Fail("bad-baseline", "", "what runs beside the release is the release itself")
		}
	}
}

// clone is a copy of the plan that shares nothing with it that binding changes.
func (p *Plan) clone() *Plan {
	c := *p
	c.Signals, c.Rules, c.Phases = slices.Clone(p.Signals), slices.Clone(p.Rules), slices.Clone(p.Phases)
	c.Communications, c.Parameters = slices.Clone(p.Communications), slices.Clone(p.Parameters)
	for i := range c.Signals {
		c.Signals[i].Query = c.Signals[i].Query.clone()
	}
	for i := range c.Rules {
		c.Rules[i].Effects = slices.Clone(c.Rules[i].Effects)
	}
	return &c
}
