package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/relgate/relgate/exporters/wire"
)

// show prints a gate's answer on stdout in the form that was asked for. The code is
// the one that the command will exit with.
func show(con console, format string, v *verdict, code int) error {
	switch format {
	case "json":
		_, err := fmt.Fprintf(con.out, "%s\n", plainJSON(v.raw))
		return err
	case "github":
		return showGitHub(con.out, v, code)
	case "gitlab":
		return writeVariables(con.out, v, code)
	}
	return showText(con.out, v)
}

// showText writes the verdict, what to do and who does it, then why.
func showText(w io.Writer, v *verdict) error {
	b := &strings.Builder{}
	verb, said := headline(&v.Body)
	line := strings.TrimSpace(fmt.Sprintf("%s %s/%s %s", verb, plain(v.Plan), plain(v.Phase), plain(v.Version)))
	if said != "" {
		line += ": " + said
	}
	fmt.Fprintln(b, line)
	columnOf(b, "do now", join(v.Do.Action, bracketed(v.Do.Owner)), v.Do.Command)
	why := []string{v.Sentence}
	if strings.TrimSuffix(plain(v.Sentence), ".") == said {
		why = nil
	}
	if h := v.held(); h != "" && !strings.Contains(v.Sentence, v.Run.Hold.Reason) {
		why = append(why, h)
	}
	columnOf(b, "why", append(why, v.Detail...)...)
	if h := v.Run.Hold; h != nil {
		columnOf(b, "token", h.Principal)
	} else if o := v.Override; o != nil {
		columnOf(b, "token", o.Principal)
	}
	if v.Summary != v.Sentence && v.Summary != v.Headline {
		columnOf(b, "so far", v.Summary)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// headline is the answer's headline in two: the word that it begins with, WAIT or
// ROLLBACK, and the rest.
func headline(b *wire.Body) (verb, said string) {
	if verb, said, _ := strings.Cut(b.Headline, ": "); verb != "" && verb == strings.ToUpper(verb) {
		return plain(verb), plain(said)
	}
	return strings.ToUpper(b.Verdict), plain(b.Headline)
}

// columnOf writes lines beside a name; nothing where there are none.
func columnOf(w io.Writer, name string, lines ...string) {
	for _, line := range lines {
		if line == "" {
			continue
		}
		fmt.Fprintf(w, "%-8s %s\n", name, plain(line))
		name = ""
	}
}

func bracketed(who string) string {
	if who == "" {
		return ""
	}
	return "(" + who + ")"
}

// join puts a text and its owner on one line; nothing for no text.
func join(what, owner string) string {
	if what == "" {
		return ""
	}
	return strings.TrimSpace(what + "  " + owner)
}

// writeVariables writes name=value lines: GitLab's dotenv reports and GitHub's
// output file both read them.
func writeVariables(w io.Writer, v *verdict, code int) error {
	b := &strings.Builder{}
	for _, of := range []struct {
		name  string
		value any
	}{
		{"verdict", v.Verdict}, {"pass", v.Pass}, {"final", v.Final}, {"held", v.held() != ""},
		{"plan", v.Plan}, {"phase", v.Phase}, {"run", v.Run.ID}, {"version", v.Version}, {"generation", v.Generation},
		{"headline", v.Headline}, {"reason", v.Sentence}, {"summary", v.Summary},
		{"action", v.Do.Action}, {"command", v.Do.Command}, {"owner", v.Do.Owner}, {"exit_code", code},
	} {
		fmt.Fprintf(b, "relgate_%s=%s\n", of.name, oneLine(fmt.Sprint(of.value)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// oneLine is text for a variable: in one line and no longer than a dotenv file may be
// with all of them.
func oneLine(text string) string {
	const most = 600
	r := []rune(plain(text))
	if len(r) > most {
		r = append(r[:most-1], '…')
	}
	return string(r)
}

// showGitHub writes an annotation, and the outputs and the summary where the
// runner has given files for them.
func showGitHub(w io.Writer, v *verdict, code int) error {
	level := map[string]string{"pass": "notice", "pending": "warning", "unknown": "warning"}[v.Verdict]
	if level == "" {
		level = "error"
	}
	where := fmt.Sprintf("%s/%s %s", v.Plan, v.Phase, v.Version)
	if _, err := fmt.Fprintf(w, "::%s title=relgate %s::%s\n", level, v.Verdict, annotation(where+": "+v.Sentence)); err != nil {
		return err
	}
	if err := appendTo(os.Getenv("GITHUB_OUTPUT"), func(f io.Writer) error { return writeVariables(f, v, code) }); err != nil {
		return err
	}
	return appendTo(os.Getenv("GITHUB_STEP_SUMMARY"), func(f io.Writer) error {
		_, err := fmt.Fprintf(f, "### relgate: %s\n\n%s: %s\n\n%s\n", v.Verdict, markdown(where), markdown(v.Summary), markdown(v.Sentence))
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
