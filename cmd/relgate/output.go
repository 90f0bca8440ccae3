package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

// show prints a gate's answer on stdout in the form that was asked for.
func show(con console, format string, b *gateBody) error {
	switch format {
	case "json":
		_, err := fmt.Fprintf(con.out, "%s\n", bytes.TrimSpace(b.raw))
		return err
	case "github":
		return showGitHub(con.out, b)
	case "gitlab":
		return writeVariables(con.out, b)
	}
	_, err := fmt.Fprintf(con.out, "%s %s/%s: %s\n%s\n", strings.ToUpper(b.Verdict), b.Plan, b.Phase, b.Summary, b.Reason)
	return err
}

// writeVariables writes name=value lines: GitLab's dotenv reports and GitHub's
// output file both read them.
func writeVariables(w io.Writer, b *gateBody) error {
	_, err := fmt.Fprintf(w, "verdict=%s\npass=%t\nplan=%s\nphase=%s\ngeneration=%d\nsummary=%s\nreason=%s\nheld=%t\n",
		b.Verdict, b.Verdict == "pass", oneLine(b.Plan), oneLine(b.Phase), b.Generation, oneLine(b.Summary), oneLine(b.Reason), b.held() != "")
	return err
}

// showGitHub writes an annotation, and the outputs and the summary where the
// runner has given files for them.
func showGitHub(w io.Writer, b *gateBody) error {
	level := map[string]string{"pass": "notice", "pending": "warning", "unknown": "warning"}[b.Verdict]
	if level == "" {
		level = "error"
	}
	if _, err := fmt.Fprintf(w, "::%s title=relgate %s::%s\n", level, b.Verdict, annotation(b.Summary+" "+b.Reason)); err != nil {
		return err
	}
	if err := appendTo(os.Getenv("GITHUB_OUTPUT"), func(f io.Writer) error { return writeVariables(f, b) }); err != nil {
		return err
	}
	return appendTo(os.Getenv("GITHUB_STEP_SUMMARY"), func(f io.Writer) error {
		_, err := fmt.Fprintf(f, "### relgate: %s\n\n%s / %s: %s\n\n%s\n", b.Verdict, b.Plan, b.Phase, b.Summary, b.Reason)
		return err
	})
}

func appendTo(path string, write func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("writing the job's outputs: %w", err)
	}
	if err := write(f); err != nil {
		f.Close()
		return fmt.Errorf("writing %q: %w", path, err)
	}
	return f.Close()
}

// annotation escapes what GitHub's workflow commands would read as theirs.
func annotation(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(s), " ")
}
