package rules

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

// Parameter is a value that a run is told when it begins: {name} stands for it in
// the plan's queries, texts and commands.
type Parameter struct {
	Name        string `json:"name"`
	Default     string `json:"default,omitempty"`
	Required    bool   `json:"required,omitempty"` // it has no default
	Pattern     string `json:"pattern,omitempty"`  // regular expression (RE2) that the whole value matches
	Description string `json:"description,omitempty"`
}

// parameter is a declared parameter, nil if there is none of that name.
func (p *Plan) parameter(name string) *Parameter {
	if i := slices.IndexFunc(p.Parameters, func(d Parameter) bool { return d.Name == name }); i >= 0 {
		return &p.Parameters[i]
	}
	return nil
}

func (p *Plan) parameterNames() []string {
	names := make([]string, 0, len(p.Parameters))
	for _, d := range p.Parameters {
		names = append(names, d.Name)
	}
	return names
}

// takes reports what is wrong with a value of the parameter.
func (d *Parameter) takes(value string) error {
	if class := UnsafeIn(value); class != "" {
		return errors.New("it holds " + class + ": want plain text")
	}
	if d.Pattern == "" {
		return nil
	}
	if re, err := wholePattern(d.Pattern); err == nil && !re.MatchString(value) { // a bad pattern is reported for itself
		return errors.New(strconv.Quote(value) + ": want a value that matches the pattern " + d.Pattern)
	}
	return nil
}

func wholePattern(pattern string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(pattern); err != nil {
		return nil, err
	}
	return regexp.Compile(`^(?:` + pattern + `)$`)
}

// example is a value that the parameter takes: its default, or else a short text
// that matches its pattern.
func (d *Parameter) example() string {
	if !d.Required {
		return d.Default
	}
	if re, err := syntax.Parse(d.Pattern, syntax.Perl); err == nil && d.Pattern != "" {
		return matching(re.Simplify())
	}
	return "1"
}

// matching is a short text that an expression matches, but for what it asks of
// the text around it.
func matching(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		return string(readable(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "1"
	case syntax.OpPlus, syntax.OpCapture, syntax.OpAlternate:
		return matching(re.Sub[0])
	case syntax.OpConcat:
		var b strings.Builder
		for _, sub := range re.Sub {
			b.WriteString(matching(sub))
		}
		return b.String()
	}
	return "" // what may stay away: x*, x?, and places such as ^
}

// readable is a character of a class, given as pairs of first and last: a digit or
// a letter if it has one of the usual ones.
func readable(class []rune) rune {
	for _, r := range "1a0A-" {
		for i := 0; i+1 < len(class); i += 2 {
			if class[i] <= r && r <= class[i+1] {
				return r
			}
		}
	}
	if len(class) == 0 {
		return '1' // unreachable unless the expression matches nothing
	}
	return class[0]
}

// Settings splits what a run is told, as `--set` and the HTTP API have it, into
// parameters and the release before: "previous" or "previous.version" is its
// version, "previous.lambda" its parameter.
func Settings(set map[string]string) (parameters map[string]string, previous Previous) {
	parameters = map[string]string{}
	for key, value := range set {
		name, of := strings.CutPrefix(key, "previous.")
		switch {
		case key == "previous" || of && name == "version":
			previous.Version = value
		case of:
			previous = previous.With(Previous{Parameters: map[string]string{name: value}})
		default:
			parameters[key] = value
		}
	}
	return parameters, previous
}
