package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/relgate/relgate/sources/simulator"
)

// image is what the Dockerfile makes, in a folder: there is no engine here. Its
// steps are carried out one by one; a step that is not known is an error, so that
// what is tried is always what is shipped.
type image struct {
	root                    string // the file system of the last stage
	user, workdir           string
	env, volumes            []string
	entrypoint, cmd, health []string
	owned                   []string // folders of the user's
}

// stage is one FROM of a Dockerfile.
type stage struct {
	image
	env map[string]string // of ARG
}

// buildImage carries out the Dockerfile of a folder.
func buildImage(source, dir string) (*image, error) {
	lines, err := instructions(filepath.Join(source, "Dockerfile"))
	if err != nil {
		return nil, err
	}
	stages := map[string]*stage{}
	var at *stage
	for _, line := range lines {
		word, rest, _ := strings.Cut(line, " ")
		if rest = strings.TrimSpace(rest); word == "FROM" {
			base, name, _ := strings.Cut(rest, " AS ")
			at = &stage{image: image{root: filepath.Join(dir, fmt.Sprint(len(stages))), workdir: "/"}, env: map[string]string{}}
			stages[name] = at
			if err := at.from(base); err != nil {
				return nil, fmt.Errorf("%s: %w", line, err)
			}
			continue
		}
		if err := at.step(word, rest, source, stages); err != nil {
			return nil, fmt.Errorf("Dockerfile: %s: %w", line, err)
		}
	}
	return &at.image, nil
}

// instructions are the lines of a Dockerfile, continued ones joined.
func instructions(name string) (lines []string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	whole := ""
	for s := bufio.NewScanner(f); s.Scan(); {
		text := strings.TrimSpace(s.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		more := strings.HasSuffix(text, `\`)
		if whole += strings.TrimSuffix(text, `\`); !more {
			lines, whole = append(lines, whole), ""
		}
	}
	return lines, nil
}

// from begins a stage. Of the Go image the certificates matter, which are Debian's.
func (s *stage) from(base string) error {
	if err := os.MkdirAll(s.root, 0o755); err != nil || base == "scratch" {
		return err
	}
	if !strings.HasPrefix(base, "golang:") {
		return fmt.Errorf("this test knows no image %q", base)
	}
	certificates := filepath.Join(s.root, "etc/ssl/certs/ca-certificates.crt")
	if err := os.MkdirAll(filepath.Dir(certificates), 0o755); err != nil {
		return err
	}
	return os.WriteFile(certificates, []byte("certificates\n"), 0o644)
}

// absolute is a path that stands in a shell command.
var absolute = regexp.MustCompile(`(^|\s)/`)

func (s *stage) step(word, rest, source string, stages map[string]*stage) (err error) {
	switch word {
	case "WORKDIR":
		s.workdir = rest
		return os.MkdirAll(filepath.Join(s.root, rest), 0o755)
	case "COPY":
		return s.copy(strings.Fields(rest), source, stages)
	case "RUN":
		if rest == "go mod download" {
			return nil // the build does it
		}
		cmd := exec.Command("sh", "-ec", absolute.ReplaceAllString(rest, "${1}"+s.root+"/"))
		cmd.Dir, cmd.Env = filepath.Join(s.root, s.workdir), os.Environ()
		for name, value := range s.env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
	case "ARG":
		name, value, _ := strings.Cut(rest, "=")
		s.env[name] = value
	case "ENV":
		s.image.env = append(s.image.env, rest)
	case "USER":
		s.user = rest
	case "VOLUME":
		s.volumes = append(s.volumes, rest)
	case "EXPOSE":
	case "HEALTHCHECK":
		_, rest, _ = strings.Cut(rest, " CMD ")
		return json.Unmarshal([]byte(rest), &s.health)
	case "ENTRYPOINT":
		return json.Unmarshal([]byte(rest), &s.entrypoint)
	case "CMD":
		return json.Unmarshal([]byte(rest), &s.cmd)
	default:
		return fmt.Errorf("this test does not know %s: teach it", word)
	}
	return nil
}

// copy is COPY [--from=STAGE] [--chown=USER] SOURCE… TARGET.
func (s *stage) copy(words []string, source string, stages map[string]*stage) error {
	from, owner, ignored := source, "", ignoring(source)
	for strings.HasPrefix(words[0], "--") {
		flag, value, _ := strings.Cut(words[0], "=")
		switch words = words[1:]; {
		case flag == "--from" && stages[value] != nil:
			from, ignored = stages[value].root, func(string) bool { return false }
		case flag == "--chown":
			owner = value
		default:
			return fmt.Errorf("this test does not know %s=%s: teach it", flag, value)
		}
	}
	last := len(words) - 1
	target := words[last]
	if !path.IsAbs(target) {
		target = path.Join(s.workdir, target) + "/"
	}
	for _, name := range words[:last] {
		to := filepath.Join(s.root, target)
		info, err := os.Stat(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if strings.HasSuffix(target, "/") && !info.IsDir() {
			to = filepath.Join(to, filepath.Base(name))
		}
		if err := copyTree(filepath.Join(from, name), to, ignored); err != nil {
			return err
		}
		if owner != "" {
			s.owned = append(s.owned, owner+" "+to)
		}
	}
	return nil
}

// copyTree copies a file, or what is in a folder.
func copyTree(from, to string, ignored func(string) bool) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		switch target := filepath.Join(to, rel); {
		case ignored(rel) && d.IsDir():
			return fs.SkipDir
		case ignored(rel):
			return nil
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		default:
			info, err := d.Info()
			if err != nil {
				return err
			}
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				return err
			}
			return os.WriteFile(target, data, info.Mode().Perm())
		}
	})
}

// ignoring reports what .dockerignore keeps out of a build.
func ignoring(source string) func(string) bool {
	var patterns []string
	text, _ := os.ReadFile(filepath.Join(source, ".dockerignore")) // without it nothing is
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			patterns = append(patterns, strings.TrimPrefix(line, "/"))
		}
	}
	return func(rel string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			name := rel
			if rest, anywhere := strings.CutPrefix(pattern, "**/"); anywhere {
				pattern, name = rest, path.Base(rel)
			}
			matches, err := path.Match(pattern, name)
			return err == nil && matches
		})
	}
}

// seal takes the right to write from all that is not the user's.
func (i *image) seal(t *testing.T) {
	t.Helper()
	var sealed []string
	err := filepath.WalkDir(i.root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || slices.Contains(i.owned, i.user+" "+name) {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() {
			sealed = append(sealed, name)
		}
		return os.Chmod(name, info.Mode().Perm()&^0o222)
	})
	t.Cleanup(func() {
		for _, name := range sealed {
			_ = os.Chmod(name, 0o755) // so that it can be removed
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// mount puts files into the image that its user can only read, as a volume does.
func (i *image) mount(t *testing.T, files map[string][]byte) {
	t.Helper()
	for name, data := range files {
		name = filepath.Join(i.root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o444); err != nil {
			t.Fatal(err)
		}
	}
}

// run prepares a command in the image, as its user, who has no rights but what the
// files give.
func (i *image) run(t *testing.T, env []string, words ...string) *exec.Cmd {
	t.Helper()
	var uid, gid int
	if _, err := fmt.Sscanf(i.user, "%d:%d", &uid, &gid); err != nil || uid == 0 {
		t.Fatalf("USER %q: want numbers that are not root's", i.user)
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir, cmd.Env = i.workdir, append(slices.Clone(i.env), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: i.root, Cloneflags: syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: os.Getgid(), Size: 1}},
	}
	return cmd
}

// TestTheImageStartsAsItIs: with the project's own config, on an empty volume, the
// image's command serves, keeps its journal on the volume, and is healthy by the
// image's own check.
func TestTheImageStartsAsItIs(t *testing.T) {
	t.Parallel()
	needNamespaces(t)
	source := repository(t)
	i, err := buildImage(source, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := simulator.DemoKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(source, "config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	query, err := os.ReadFile(filepath.Join(source, "sql", "bias_by_age_decile.sql"))
	if err != nil {
		t.Fatal(err)
	}
	private := freePort(t)
	// Only addresses are others: what is asked and told is on this machine, where
	// nothing listens.
	dead := "http://127.0.0.1:1"
	config := strings.NewReplacer(
		`type   = "cloudwatch"`, `type   = "cloudwatch"`+"\nurl = "+`"`+dead+`"`, `type   = "athena"`, `type   = "athena"`+"\nurl = "+`"`+dead+`"`,
		`"https://sentry.io"`, `"`+dead+`"`, `type   = "appstore"`, `type   = "appstore"`+"\nurl = "+`"`+dead+`"`+"\nlookup_url = "+`"`+dead+`"`,
		"https://ci.example.com", dead, "https://ops.example.com", dead,
		`"127.0.0.1:8080"`, `"127.0.0.1:0"`, `"127.0.0.1:9091"`, fmt.Sprintf("%q", private),
	).Replace(string(text))
	i.mount(t, map[string][]byte{
		"etc/relgate/config.toml": []byte(config), "etc/relgate/AuthKey.p8": []byte(key), "etc/relgate/AuthKey_release.p8": []byte(key), "etc/relgate/sql/bias_by_age_decile.sql": query,
	})
	i.seal(t)
	state := filepath.Join(i.root, "var/lib/relgate")
	if !slices.Contains(i.volumes, "/var/lib/relgate") {
		t.Errorf("the volumes are %q, want /var/lib/relgate among them", i.volumes)
	}

	secrets := []string{"SENTRY_TOKEN=s", "SENTRY_CLIENT_SECRET=s", "GRAFANA_HMAC_SECRET=s", "RELGATE_WEBHOOK_SECRET=s", "SLACK_TOKEN=s", "STATUSPAGE_TOKEN=s", "SMTP_PASSWORD=s", "CONFLUENCE_TOKEN=s", "GITHUB_TOKEN=s", "RELGATE_TOKEN=s",
		"RELGATE_LINK_SECRET=a secret of the test that is long enough", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x"}
	log := &syncBuffer{}
	daemon := i.run(t, secrets, append(slices.Clone(i.entrypoint), i.cmd...)...)
	daemon.Stderr = log
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log)
		}
	})
	if err := daemon.Start(); err != nil {
		t.Fatalf("starting the image: %v", err)
	}
	defer daemon.Process.Kill()
	s := &served{cmd: daemon, log: log}
	health := func() (int, string) {
		cmd := i.run(t, nil, i.health...)
		out, _ := cmd.CombinedOutput()
		return cmd.ProcessState.ExitCode(), string(out)
	}
	if got := s.private(t); got != private {
		t.Errorf("serves at %s, want %s", got, private)
	}
	eventually(t, "health", func() bool { code, _ := health(); return code == 0 })
	if info, err := os.Stat(filepath.Join(state, "relgate.db")); err != nil || info.Size() == 0 {
		t.Errorf("the journal on the volume: %v, %v", info, err)
	}
	if code := s.end(t); code != 0 {
		t.Errorf("exit %d after SIGTERM", code)
	}
	if code, said := health(); code != exitFail || !strings.Contains(said, private) {
		t.Errorf("health after the end: exit %d, %s; want %d", code, said, exitFail)
	}

	// Where the image may not write, it says what to do.
	cmd := i.run(t, append(secrets, "STATE_DIRECTORY="), append(slices.Clone(i.entrypoint), i.cmd...)...)
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != exitUsage {
		t.Errorf("a journal beside the config: exit %d, want %d", code, exitUsage)
	}
	wants(t, string(out), `opening journal "/etc/relgate/relgate.db": it cannot be written there`, "give the folder and its files to the user that relgate runs as, or name another file with daemon.journal")
}

// The build gets the code, and no journal, key or built binary that lies about.
func TestTheBuildGetsNoKeys(t *testing.T) {
	ignored := ignoring(repository(t))
	for name, want := range map[string]bool{
		".git": true, "relgate.db": true, "sub/relgate.db-wal": true, "x/relgate.db.lock": true, "AuthKey.p8": true, "keys/tls.pem": true, "relgate": true,
		"go.mod": false, "cmd/relgate": false, "cmd/relgate/main.go": false, "config/schema.json": false,
	} {
		if got := ignored(name); got != want {
			t.Errorf("%s: ignored %t, want %t", name, got, want)
		}
	}
}
