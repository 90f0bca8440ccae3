package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/relgate/relgate/rules"
)

// Exit codes. They are a contract: pipelines branch on them.
const (
	exitPass        = 0   // the gate is open; the command succeeded
	exitFail        = 1   // fail, or rollback without --rollback-exit-code; a test differed
	exitUsage       = 2   // wrong usage or config
	exitRollback    = 3   // rollback
	exitAuth        = 4   // the daemon refused our token
	exitPending     = 8   // still undecided
	exitUnreachable = 69  // the daemon cannot be reached, or does not know
	exitTimeout     = 124 // gave up waiting
	exitInterrupted = 130 // SIGINT
)

// commandLine is every command with its flags; kong fills it.
type commandLine struct {
	Serve    serveCommand    `cmd:"" help:"Run the daemon."`
	Demo     demoCommand     `cmd:"" help:"Run the release plan against four simulated upstreams, in fast virtual time."`
	Check    checkCommand    `cmd:"" help:"Check a config file and print what is wrong and what it costs."`
	Schema   schemaCommand   `cmd:"" help:"Print the JSON Schema of config files, for editors."`
	Simulate simulateCommand `cmd:"" help:"Serve the four simulated upstreams, for your own tests."`
	Test     testCommand     `cmd:"" help:"Run unit tests for plans."`

	SimulateRule simulateRuleCommand `cmd:"" help:"How often and how soon a rule decides, rightly and wrongly, by simulation."`
	Backtest     backtestCommand     `cmd:"" help:"Try a plan on the past: when would each rule have fired?"`

	Start   startCommand   `cmd:"" help:"Begin the run of a version under a plan."`
	Runs    runsCommand    `cmd:"" help:"List runs, or show one with what happened in it."`
	Gate    gateCommand    `cmd:"" help:"Ask a running daemon whether the rollout may go on."`
	Explain explainCommand `cmd:"" help:"Say why the gate is as it is, with the numbers."`

	Phase        phaseCommand        `cmd:"" help:"Tell the daemon about a phase."`
	Hold         holdCommand         `cmd:"" help:"Close every gate; let no phase start or pass until resume."`
	Resume       resumeCommand       `cmd:"" help:"Go on after a hold."`
	Override     overrideCommand     `cmd:"" help:"Decide a phase, or a rolled-back run, by hand."`
	Abort        abortCommand        `cmd:"" help:"Roll the run back now."`
	RollbackDone rollbackDoneCommand `cmd:"" help:"Report that the rollback has been carried out."`

	Approve    approveCommand    `cmd:"" help:"Sign for a role what the plan asks it to approve."`
	Reject     rejectCommand     `cmd:"" help:"Refuse to sign."`
	BreakGlass breakGlassCommand `cmd:"" help:"Go on without the signatures that are missing."`
	Messages   messagesCommand   `cmd:"" help:"Show, send and skip the messages of a run."`
	Review     reviewCommand     `cmd:"" help:"Write and sign the review of a run."`
	Drill      drillCommand      `cmd:"" help:"Rehearse the way back of a plan, or list its drills."`
	Effects    effectsCommand    `cmd:"" help:"Show the way back of a run, and say what became of its steps."`

	Report     reportCommand     `cmd:"" help:"Write the report of a run: what was decided, measured, approved and sent."`
	Plan       planCommand       `cmd:"" help:"Write a plan as the document that people sign."`
	Audit      auditCommand      `cmd:"" help:"List all runs of a stretch of time for auditors, with what is missing in each."`
	Prove      proveCommand      `cmd:"" help:"Write a signed proof of how a run was decided."`
	Keys       keysCommand       `cmd:"" help:"List and rotate the keys that proofs are signed with."`
	Replay     replayCommand     `cmd:"" help:"Run a journal's ticks again and compare the events."`
	Deliveries deliveriesCommand `cmd:"" help:"List, retry and replay webhook deliveries."`
	Recipe     recipeCommand     `cmd:"" help:"Write the pipeline of a CI system for a plan."`
	Grafana    grafanaCommand    `cmd:"" help:"Bring a dashboard and alert rules to Grafana."`
	Health     healthCommand     `cmd:"" help:"Ask a daemon whether it is healthy (used by the container's health check)."`
	Version    versionCommand    `cmd:"" help:"Print version and build; relgate --version does too."`
	Help       helpCommand       `cmd:"" help:"Say what a command does and takes."`
}

// console is where a command reads and speaks, so that tests can too.
type console struct {
	in  io.Reader // what is piped in
	out io.Writer // results only
	err io.Writer // everything else
}

// exitError ends the program with a code; its message, if any, goes to stderr.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func exit(code int, err error) error { return &exitError{code: code, err: err} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], console{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// run is main without the process: it gives the exit code.
func run(ctx context.Context, args []string, con console) int {
	var helped *int
	parser, err := newParser(&commandLine{}, con, kong.Exit(func(code int) { helped = &code }),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(con))
	if err != nil {
		fmt.Fprintln(con.err, "relgate:", err) // unreachable unless a command's tags are wrong
		return exitUsage
	}
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "--version": // no flag: commands have one of that name
		args[0] = "version"
	}
	parsed, err := parser.Parse(attached(args))
	if helped != nil {
		return *helped
	}
	if err != nil {
		fmt.Fprintf(con.err, "relgate: %s\nRun `relgate --help` or `relgate COMMAND --help`.\n", valueless.ReplaceAllString(err.Error(), "$1: wants a value"))
		return exitUsage
	}
	return exitCode(ctx, con, parsed.Run())
}

// valueless is how kong says that a flag has no value.
var valueless = regexp.MustCompile(`^(--\S+): expected \S+ value but got .*$`)

// attached puts a value that begins like a negative number behind its flag's equals
// sign: of "--every -1h" kong says that there is no value, and no flag has such a
// name. What the value is worth the command says.
func attached(args []string) []string {
	var list []string
	for i, arg := range args {
		if arg == "--" {
			return append(list, args[i:]...)
		}
		n := len(list) - 1
		if n >= 0 && strings.HasPrefix(list[n], "--") && !strings.Contains(list[n], "=") && negative(arg) {
			list[n] += "=" + arg
			continue
		}
		list = append(list, arg)
	}
	return list
}

// negative reports whether text begins like a number below zero.
func negative(text string) bool {
	return len(text) > 1 && text[0] == '-' && strings.IndexByte(".0123456789", text[1]) >= 0
}

func newParser(cli *commandLine, con console, more ...kong.Option) (*kong.Kong, error) {
	return kong.New(cli, append([]kong.Option{
		kong.Name("relgate"),
		kong.Description("A release gate: it watches a staged rollout and decides whether it may go on.\n\n" +
			"First: relgate demo --exit-when-done"),
		kong.NamedMapper("given", given(func(string) error { return nil })),
		kong.NamedMapper("version", given(rules.CheckVersion)),
		kong.Writers(con.out, con.err),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{"scenarios": scenarioNames()},
	}, more...)...)
}

type helpCommand struct {
	Command []string `arg:"" optional:"" help:"A command, such as \"gate wait\"."`
}

// Run prints what --help does.
func (c helpCommand) Run(ctx context.Context, con console) error {
	if code := run(ctx, append(slices.Clone(c.Command), "--help"), con); code != exitPass {
		return exit(code, nil)
	}
	return nil
}

// given reads a value that must not be empty: a variable that is not set would ask
// about another run than the one that is meant.
func given(check func(string) error) kong.Mapper {
	return kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		var text string
		if err := ctx.Scan.PopValueInto("string", &text); err != nil {
			return err
		}
		if text == "" {
			return errors.New("it is empty: is a variable not set?")
		}
		target.SetString(text)
		return check(text)
	})
}

func exitCode(ctx context.Context, con console, err error) int {
	var coded *exitError
	switch {
	case err == nil:
		return exitPass
	case errors.As(err, &coded):
		if coded.err != nil {
			fmt.Fprintln(plainLines{con.err}, "relgate:", coded.err)
		}
		return coded.code
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return exitInterrupted
	}
	fmt.Fprintln(plainLines{con.err}, "relgate:", err)
	return exitFail
}
