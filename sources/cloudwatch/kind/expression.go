package kind

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Expression is arithmetic over named metrics: numbers, names, + - * / and parentheses, as
// CloudWatch's metric math writes them. relgate calculates it from the metrics themselves:
// of a result of CloudWatch's, which is missing where one of its metrics is, it could not
// tell whether the others counted failures.
type Expression struct {
	text  string
	steps []step
	names []string
}

// step is one step of a calculation on a stack: it puts a number or a metric's value onto
// it, or replaces the two on top by what an operator makes of them.
type step struct {
	does   byte // 'n' a number, 'm' a metric, '~' another sign; else an operator
	number float64
	name   string
}

const (
	mostInExpression = 2048 // characters, as CloudWatch has it
	mostNested       = 50   // parentheses and signs in one another
)

// metricName is what CloudWatch lets an id of metric math be.
var metricName = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,254}$`)

// ParseExpression reads an expression. Its error says what is wrong, and where.
func ParseExpression(text string) (*Expression, error) {
	if len(text) > mostInExpression {
		return nil, fmt.Errorf("%d characters, want at most %d", len(text), mostInExpression)
	}
	p := parser{text: text, of: &Expression{text: strings.Join(strings.Fields(text), " ")}}
	if err := p.sum(); err != nil {
		return nil, err
	}
	if p.space(); p.at < len(p.text) {
		return nil, p.unexpected()
	}
	if len(p.of.names) == 0 {
		return nil, errors.New("it names no metric")
	}
	return p.of, nil
}

// String is the expression as it is written.
func (e *Expression) String() string { return e.text }

// Names are the metrics that it names, each once, in their order.
func (e *Expression) Names() []string { return e.names }

// Grows reports whether the result is more where a metric is more: nothing is subtracted,
// and nothing divided.
func (e *Expression) Grows() bool {
	return !slices.ContainsFunc(e.steps, func(s step) bool { return s.does == '-' || s.does == '/' || s.does == '~' })
}

// Value is the result of values of its metrics. It is false where there is none, as of a
// quotient by 0.
func (e *Expression) Value(of func(name string) float64) (float64, bool) {
	stack := make([]float64, 0, 8)
	for _, s := range e.steps {
		top := len(stack) - 1
		switch s.does {
		case 'n':
			stack = append(stack, s.number)
		case 'm':
			stack = append(stack, of(s.name))
		case '~':
			stack[top] = -stack[top]
		default:
			stack[top-1] = calculate(s.does, stack[top-1], stack[top])
			stack = stack[:top]
		}
	}
	v := stack[0]
	return v, !math.IsNaN(v) && !math.IsInf(v, 0)
}

// calculate is one operation. A quotient by 0 is no number, and stays none.
func calculate(operator byte, a, b float64) float64 {
	switch operator {
	case '+':
		return a + b
	case '-':
		return a - b
	case '*':
		return a * b
	}
	if b == 0 {
		return math.NaN()
	}
	return a / b
}

// parser reads by descent: sums of products of what is in parentheses.
type parser struct {
	text   string
	at     int
	nested int
	of     *Expression
}

func (p *parser) sum() error     { return p.chain("+-", p.product) }
func (p *parser) product() error { return p.chain("*/", p.operand) }

// chain reads operands of one rank, with the operators between them.
func (p *parser) chain(operators string, operand func() error) error {
	if err := operand(); err != nil {
		return err
	}
	for p.space(); p.at < len(p.text) && strings.IndexByte(operators, p.text[p.at]) >= 0; p.space() {
		operator := p.text[p.at]
		p.at++
		if err := operand(); err != nil {
			return err
		}
		p.of.steps = append(p.of.steps, step{does: operator})
	}
	return nil
}

func (p *parser) operand() error {
	p.space()
	if p.at == len(p.text) {
		return errors.New("it ends where a metric or a number should be")
	}
	switch c := p.text[p.at]; {
	case c == '-' || c == '(':
		return p.inner(c)
	case digit(c) || c == '.':
		return p.number()
	case letter(c):
		return p.name()
	}
	return p.unexpected()
}

// inner reads what stands behind a sign or in parentheses.
func (p *parser) inner(c byte) error {
	begin := p.at
	if p.nested++; p.nested > mostNested {
		return fmt.Errorf("parentheses and signs in more than %d others", mostNested)
	}
	defer func() { p.nested-- }()
	p.at++
	if c == '-' {
		if err := p.operand(); err != nil {
			return err
		}
		p.of.steps = append(p.of.steps, step{does: '~'})
		return nil
	}
	if err := p.sum(); err != nil {
		return err
	}
	if p.space(); p.at == len(p.text) {
		return fmt.Errorf("the parenthesis at character %d is not closed", begin+1)
	}
	if p.text[p.at] != ')' {
		return p.unexpected()
	}
	p.at++
	return nil
}

func (p *parser) number() error {
	begin := p.at
	for p.at < len(p.text) && (digit(p.text[p.at]) || letter(p.text[p.at]) || p.text[p.at] == '.') {
		p.at++
	}
	v, err := strconv.ParseFloat(p.text[begin:p.at], 64)
	if err != nil || strings.ContainsAny(p.text[begin:p.at], "_xXpP") {
		return fmt.Errorf("%q at character %d is not a number", p.text[begin:p.at], begin+1)
	}
	p.of.steps = append(p.of.steps, step{does: 'n', number: v})
	return nil
}

func (p *parser) name() error {
	begin := p.at
	for p.at < len(p.text) && (letter(p.text[p.at]) || digit(p.text[p.at])) {
		p.at++
	}
	name := p.text[begin:p.at]
	if p.space(); p.at < len(p.text) && p.text[p.at] == '(' || name == "SELECT" {
		return function(name)
	}
	if !metricName.MatchString(name) {
		return fmt.Errorf("%q at character %d: a metric's name begins with a lower-case letter and has at most 255 characters", name, begin+1)
	}
	if !slices.Contains(p.of.names, name) {
		p.of.names = append(p.of.names, name)
	}
	p.of.steps = append(p.of.steps, step{does: 'm', name: name})
	return nil
}

// function refuses a function of metric math, and says what to write instead.
func function(name string) error {
	instead := "it is a function of CloudWatch's, and relgate calculates the expression itself"
	switch strings.ToUpper(name) {
	case "FILL":
		instead = "what is missing must stay missing; write missing_bad_is_zero = true where a missing count of failures means that there were none"
	case "SUM":
		instead = `write a sum with +`
	case "SEARCH", "METRICS", "ANOMALY_DETECTION_BAND", "SORT", "SELECT", "INSIGHT_RULE_METRIC", "SERVICE_QUOTA", "LAMBDA", "DB_PERF_INSIGHTS":
		instead = "it may give several series, or another's; write each metric by its name"
	}
	return fmt.Errorf("%s is not possible: %s", name, instead)
}

// unexpected says what stands where it cannot.
func (p *parser) unexpected() error {
	r := []rune(p.text[p.at:])[0]
	return fmt.Errorf("%q at character %d is not expected", r, p.at+1)
}

func (p *parser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
