package main

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relgate/relgate/exporters/report"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/internal/peertest"
)

// proven runs a demo and gives the folders with its journal, and with its bundle.
func proven(t *testing.T, scenario string, want int) (dir, keep string) {
	t.Helper()
	dir, keep = t.TempDir(), t.TempDir()
	code, _, errs := execute(t, "demo", "--exit-when-done", "--speed", "max", "--scenario", scenario, "--dir", dir, "--keep", keep)
	if code != want || !strings.Contains(errs, "verify.py "+filepath.Join(keep, "bundle.json")) {
		t.Fatalf("the demo: exit %d, %s", code, errs)
	}
	return dir, keep
}

// verified runs docs/verify.py, and gives its exit code and what it said.
func verified(t *testing.T, args ...string) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), peertest.Need(t, "python3"), append([]string{filepath.Join(root, "docs", "verify.py")}, args...)...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// TestAProofOfARollback: docs/verify.py takes the bundle of a run that was rolled back, and
// nothing that someone has changed in it: of 10,000 bits none, and no lie about what follows
// from the counts even with the right key. openssl takes its signatures.
func TestAProofOfARollback(t *testing.T) {
	python := peertest.Need(t, "python3")
	dir, keep := proven(t, "api-5xx", exitRollback)
	bundle, keys := filepath.Join(keep, "bundle.json"), filepath.Join(keep, "keys.json")
	code, said := verified(t, bundle, keys)
	for _, want := range []string{"REL-2025-06-04@1.0.0", "rolled_back as of 2025-06-04T03:19:00Z", "signed as passed: nothing", "test result: FAILED", "without a gap", "the numbers of 9 verdicts follow"} {
		if code != 0 || !strings.Contains(said, want) {
			t.Fatalf("exit %d: got %s, want %q", code, said, want)
		}
	}
	flips := "10000"
	if testing.Short() {
		flips = "300"
	}
	journal := filepath.Join(dir, "relgate.db")
	out, err := exec.CommandContext(t.Context(), python, "testdata/proofs.py", filepath.Join(root, "docs", "verify.py"), bundle, keys, journal+".keys", flips).Output()
	if err != nil || len(out) > 0 {
		t.Errorf("%v:\n%s", err, out)
	}
	told := heads(t, journal)
	if code, said := verified(t, append([]string{bundle, keys}, told...)...); code != 0 || strings.Count(said, "told outside: tick") != len(told) {
		t.Errorf("heads %q: exit %d, %s", told, code, said)
	}
	opensslTakes(t, bundle, keys)
	rotates(t, journal, bundle, keys)
}

// heads are those that a report and the events of a replay tell, as docs/verify.py takes them.
func heads(t *testing.T, journal string) (list []string) {
	t.Helper()
	add := func(text string, body any, chain **wire.Chain) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), body); err != nil || *chain == nil {
			t.Fatalf("%v: got no chain in %.300s", err, text)
		}
		list = append(list, fmt.Sprintf("--head=%d:%s", (*chain).Seq, (*chain).Head))
	}
	var r report.Report
	_, out, _ := command(t, "report", "REL-2025-06-04@1.0.0", "--journal", journal, "-o", "json")
	add(out, &r, &r.Chain)
	_, out, _ = command(t, "replay", journal, "-o", "json")
	for line := range strings.Lines(out) {
		var e wire.EventBody
		add(line, &e, &e.Chain)
	}
	if len(list) != 101 {
		t.Errorf("got %d heads, want that of the report and of 100 events", len(list))
	}
	return list
}

// TestAWebhookTellsTheHead: what left the house is compared with the bundle of a run that is
// under way, which nothing is signed of as passed.
func TestAWebhookTellsTheHead(t *testing.T) {
	hook := make(bodies, 64)
	d := housed(t, plainConfig+"[webhooks.witness]\nurl = \"https://example.com/\"\n", hook, io.Discard)
	give(t, d, "hold")
	var told []string
	for held := false; !held; {
		var body struct{ Data wire.EventBody }
		if err := json.Unmarshal([]byte(hook.next(t)), &body); err != nil {
			t.Fatal(err)
		}
		if body.Data.Chain == nil {
			t.Fatalf("event %s has no chain", body.Data.ID)
		}
		told = append(told, fmt.Sprintf("--head=%d:%s", body.Data.Chain.Seq, body.Data.Chain.Head))
		held = body.Data.Type == "relgate.run.held"
	}
	journal, dir := d.config.Daemon.Journal, t.TempDir()
	bundle, keys := filepath.Join(dir, "bundle.json"), filepath.Join(dir, "keys.json")
	code, _, errs := command(t, "prove", "P-1@1.0.0", "--journal", journal, "--keys", d.config.Daemon.SigningKeys, "-o", bundle)
	_, list, _ := command(t, "keys", "list", "--keys", d.config.Daemon.SigningKeys)
	if err := os.WriteFile(keys, []byte(list), 0o600); err != nil || code != 0 {
		t.Fatalf("exit %d: %s; %v", code, errs, err)
	}
	code, said := verified(t, append([]string{bundle, keys}, told...)...)
	for _, want := range []string{"the run is held", "signed as passed: nothing", "there is no test result"} {
		if code != 0 || !strings.Contains(said, want) {
			t.Errorf("exit %d: got %s, want %q", code, said, want)
		}
	}
	if code, said := verified(t, bundle, keys, "--head=1:"+strings.Repeat("0", 64)); code != 1 || !strings.Contains(said, "has not the link that was told") {
		t.Errorf("another head: exit %d, %s", code, said)
	}
}

// rotates checks that a bundle is good with the keys after a rotation, that another one is
// signed with the new key, and that the old list does not know that.
func rotates(t *testing.T, journal, bundle, before string) {
	t.Helper()
	if code, out, errs := command(t, "keys", "rotate", "--journal", journal); code != 0 {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	code, list, errs := command(t, "keys", "list", "--journal", journal)
	if code != 0 || strings.Count(list, `"kid"`) != 2 || strings.Contains(list, `"d"`) {
		t.Fatalf("keys list: exit %d: %s%s", code, list, errs)
	}
	after, newer := filepath.Join(t.TempDir(), "keys.json"), filepath.Join(t.TempDir(), "bundle.json")
	if err := os.WriteFile(after, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := command(t, "prove", "REL-2025-06-04@1.0.0", "--journal", journal, "-o", newer); code != 0 || out != "" {
		t.Fatalf("prove: exit %d: %s%s", code, out, errs)
	}
	for _, tt := range []struct {
		bundle, keys string
		want         int
	}{{bundle, before, 0}, {bundle, after, 0}, {newer, after, 0}, {newer, before, 1}} {
		if code, said := verified(t, tt.bundle, tt.keys); code != tt.want {
			t.Errorf("%s with %s: exit %d, want %d: %s", tt.bundle, tt.keys, code, tt.want, said)
		}
	}
}

// opensslTakes verifies the signatures with openssl.
func opensslTakes(t *testing.T, bundle, keys string) {
	t.Helper()
	openssl, dir := peertest.Need(t, "openssl"), t.TempDir()
	var b map[string]json.RawMessage
	readJSON(t, bundle, &b)
	var set struct{ Keys []struct{ X string } }
	readJSON(t, keys, &set)
	x, err := base64.RawURLEncoding.DecodeString(set.Keys[0].X)
	if err != nil {
		t.Fatal(err)
	}
	spki := append([]byte{0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0}, x...) // RFC 8410
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := write("key.der", spki)
	for _, name := range []string{"svr", "testResult"} {
		var e struct {
			Payload     []byte
			PayloadType string
			Signatures  []struct{ Sig []byte }
		}
		if err := json.Unmarshal(b[name], &e); err != nil {
			t.Fatal(err)
		}
		pae := []byte("DSSEv1 28 application/vnd.in-toto+json " + jsonNumber(len(e.Payload)) + " " + string(e.Payload))
		for want, message := range map[bool][]byte{true: pae, false: append(bytes.Clone(pae), ' ')} {
			out, err := exec.CommandContext(t.Context(), openssl, "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", key, "-rawin",
				"-in", write("message", message), "-sigfile", write("sig", e.Signatures[0].Sig)).CombinedOutput()
			if (err == nil) != want {
				t.Errorf("%s: openssl said %s (%v), want that it is right: %v", name, out, err, want)
			}
		}
	}
}

func jsonNumber(n int) string { b, _ := json.Marshal(n); return string(b) }

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestAProofOfAPass: what passed is signed as passed, and a run that is not decided has no
// test result.
func TestAProofOfAPass(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole release")
	}
	_, keep := proven(t, "healthy", exitPass)
	code, said := verified(t, filepath.Join(keep, "bundle.json"), filepath.Join(keep, "keys.json"))
	for _, want := range []string{"RELGATE_PHASE_PASSED:lambda-10, ", "RELGATE_PHASE_PASSED:mobile-100, RELGATE_RUN_PASSED", "test result: PASSED", "the numbers of 19 verdicts follow"} {
		if code != 0 || !strings.Contains(said, want) {
			t.Errorf("exit %d: got %s, want %q", code, said, want)
		}
	}
}

// TestTheDaemonPublishesItsKeys: without a token, and no private part; the file is its
// owner's alone, and one that others may read is refused.
func TestTheDaemonPublishesItsKeys(t *testing.T) {
	dir := t.TempDir()
	public, _ := startDemo(t, "--speed", "1", "--dir", dir)
	status, list := get(t, "http://"+public+"/v1/keys")
	if status != http.StatusOK || strings.Count(list, `"kid"`) != 1 || strings.Contains(list, `"d"`) || !strings.Contains(list, `"alg": "EdDSA"`) {
		t.Errorf("got %d %s", status, list)
	}
	journal := filepath.Join(dir, "relgate.db")
	info, err := os.Stat(journal + ".keys")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the file: got %v, %v", info, err)
	}
	if code, _, errs := command(t, "keys", "rotate", "--journal", journal); code != 0 {
		t.Fatal(errs)
	}
	if _, now := get(t, "http://"+public+"/v1/keys"); strings.Count(now, `"kid"`) != 2 {
		t.Errorf("after a rotation: got %s", now)
	}
	if err := os.Chmod(journal+".keys", 0o644); err != nil {
		t.Fatal(err)
	}
	if status, said := get(t, "http://"+public+"/v1/keys"); status != http.StatusServiceUnavailable || strings.Contains(said, dir) {
		t.Errorf("a file that others may read: got %d %s", status, said)
	}
	if code, _, errs := command(t, "prove", "REL-2025-06-04@1.0.0", "--journal", journal); code != exitUsage || !strings.Contains(errs, "chmod 600") {
		t.Errorf("a file that others may read: exit %d, %s", code, errs)
	}
}

// TestWhatCannotBeProvenIsSaid: no keys, no run, and a journal that someone has changed.
func TestWhatCannotBeProvenIsSaid(t *testing.T) {
	dir, _ := proven(t, "api-5xx", exitRollback)
	journal := filepath.Join(dir, "relgate.db")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--keys", filepath.Join(dir, "none")}, "`relgate keys rotate`"},
		{[]string{"--keys", filepath.Join(dir, "starts")}, "not a JWK set"},
		{nil, ""},
	} {
		code, out, errs := command(t, append([]string{"prove", "REL-2025-06-04@1.0.0", "--journal", journal}, tt.args...)...)
		if (code == 0) != (tt.want == "") || !strings.Contains(errs, tt.want) || (out == "") != (tt.want != "") {
			t.Errorf("%q: exit %d, %d bytes, %s", tt.args, code, len(out), errs)
		}
	}
	if code, _, errs := command(t, "prove", "no@1", "--journal", journal); code != exitUsage || !strings.Contains(errs, "has no run") {
		t.Errorf("no such run: exit %d, %s", code, errs)
	}
	changeJournal(t, journal, `UPDATE ticks SET tick = replace(tick, '"v":', '"v":1') WHERE seq = 100`)
	for _, args := range [][]string{{"prove", "REL-2025-06-04@1.0.0", "--journal", journal}, {"replay", journal}} {
		code, out, errs := command(t, args...)
		if code == 0 || out != "" || !strings.Contains(errs, "the chain of run \"REL-2025-06-04@1.0.0\" breaks at tick 100") {
			t.Errorf("%s: exit %d, %s", args[0], code, errs)
		}
	}
	changeJournal(t, journal, `UPDATE ticks SET tick = replace(tick, '"v":1', '"v":') WHERE seq = 100; UPDATE plans SET document = document || ' '`)
	if code, _, errs := command(t, "prove", "REL-2025-06-04@1.0.0", "--journal", journal); code == 0 || !strings.Contains(errs, "was changed after it was written") {
		t.Errorf("another plan: exit %d, %s", code, errs)
	}
}

func changeJournal(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err == nil {
		_, err = db.Exec(statement)
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
