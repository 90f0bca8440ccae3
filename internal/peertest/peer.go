// Package peertest finds the programs of others that tests run against.
package peertest

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Need finds a program. Where it is missing the test is skipped.
func Need(tb testing.TB, name string) string {
	tb.Helper()
	path := Find(tb, name)
	if path == "" {
		tb.Skipf("%s is not installed", name)
	}
	return path
}

// NeedFile skips the test where the file of a program that is no command is missing,
// such as a module's. test.sh then says the program's name.
func NeedFile(tb testing.TB, name, path string) {
	tb.Helper()
	if _, err := os.Stat(path); err != nil {
		note(tb, name)
		tb.Skipf("%s is not installed: %v", name, err)
	}
}

// NeedRun skips the test where a command does not succeed, such as one that tries
// whether this machine allows what the test does. test.sh then says the name, which
// has no spaces.
func NeedRun(tb testing.TB, name, command string, args ...string) {
	tb.Helper()
	if out, err := exec.Command(Need(tb, command), args...).CombinedOutput(); err != nil {
		note(tb, name)
		tb.Skipf("%s: %v: %s", name, err, out)
	}
}

// Find finds a program, for a test that can do without it. Where it is missing the
// path is empty, and the name is added as a line to the file that
// RELGATE_SKIPPED_PEERS names, so that test.sh can say what did not run.
func Find(tb testing.TB, name string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	tb.Logf("%s is not installed", name)
	note(tb, name)
	return ""
}

// note writes down that a program is missing, where that is asked for.
func note(tb testing.TB, name string) {
	tb.Helper()
	list := os.Getenv("RELGATE_SKIPPED_PEERS")
	if list == "" {
		return
	}
	f, err := os.OpenFile(list, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, name); err != nil {
		tb.Fatal(err)
	}
}
