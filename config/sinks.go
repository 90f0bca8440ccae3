package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// sinkType is one type of sink. Each has a file of its own.
type sinkType struct {
	name string
	doc  string // for the manual
	keys []rules.AccountKey
	// public is true of a sink that customers read: it sends messages of plans only.
	public bool
	// does are the steps of a way back that it does itself, none where it only tells.
	does []string
	// check reports what is wrong with its keys, beside those that are required; nil where
	// nothing else can be.
	check func(c rules.Checker, s *SinkSpec)
}

// sinkTypes lists them by name.
var sinkTypes = []sinkType{bannerSink, confluenceSink, emailSink, folderSink, githubSink, lambdaSink, pagerdutySink, phasedSink, slackSink, statuspageSink, teamsSink}

func sinkNamed(name string) *sinkType {
	for i := range sinkTypes {
		if sinkTypes[i].name == name {
			return &sinkTypes[i]
		}
	}
	return nil
}

func sinkTypeNames() []string {
	var names []string
	for i := range sinkTypes {
		names = append(names, sinkTypes[i].name)
	}
	return names
}

// sinkKeys are the keys of all types, each once: as the named type says, where it has the
// key, and else as the first that has it.
func sinkKeys(named string) []rules.AccountKey {
	var lists [][]rules.AccountKey
	if t := sinkNamed(named); t != nil {
		lists = append(lists, t.keys)
	}
	for i := range sinkTypes {
		lists = append(lists, sinkTypes[i].keys)
	}
	return eachOnce(lists...)
}

// given reports whether a sink has a key of its type.
func (s *SinkSpec) given(key string) bool { return s.Texts[key] != "" || !s.Own[key].IsZero() }

// Secret reads a secret of the sink, now; empty where the config has none.
func (s *SinkSpec) Secret(key string) (string, error) {
	if s.Own[key].IsZero() {
		return "", nil
	}
	return s.Own[key].Value()
}

// checkSink reports what is wrong with a sink. taken are the names of all that is told of
// events beside the sinks.
func checkSink(c rules.Checker, s *SinkSpec, taken []string) {
	s.Timeout = between(c.At("timeout"), s.Timeout, 15*time.Second, time.Second, time.Minute)
	checkProxy(c.At("proxy"), s.Proxy)
	if slices.Contains(taken, s.Name) {
		c.Fail("conflict", "rename one of them", "%q is told of events under that name too: as a webhook, or as [grafana] or [otlp]", s.Name)
	}
	if s.Type == "" && sinkNamed(s.Name) != nil {
		s.Type = s.Name
	}
	if s.Type == "" {
		c.Fail("missing", "write type = "+`"slack"`, "it has no type, and its name is none: %s", strings.Join(sinkTypeNames(), ", "))
		return
	}
	if !c.At("type").OneOf("unknown-type", "type", s.Type, sinkTypeNames()) {
		return
	}
	t, all := sinkNamed(s.Type), sinkKeys(s.Type)
	checkWhose(c, all, t.keys, s.given, "key-of-other-sink", fmt.Sprintf("a sink of type %q", s.Type))
	checkValues(c, all, s.Texts, s.Own)
	if t.check != nil {
		t.check(c, s)
	}
}

// settleSink makes the file names of a sink paths.
func (l *loader) settleSink(f *file, s *SinkSpec) {
	s.CA = f.beside(s.CA)
	if path := s.Texts["path"]; path != "" && s.Type == folderSink.name {
		s.Texts["path"] = f.beside(path)
	}
	l.settleSecret(f, &s.Proxy)
	for key, secret := range s.Own {
		l.settleSecret(f, &secret)
		s.Own[key] = secret
	}
}

// sinkList lists the names of sinks.
func sinkList(all []SinkSpec) []string {
	names := make([]string, 0, len(all))
	for i := range all {
		names = append(names, all[i].Name)
	}
	return names
}

// apiKey is where an API is, for who reaches it elsewhere.
func apiKey(of, otherwise string) rules.AccountKey {
	return rules.AccountKey{Key: "api", URL: true, Doc: "Type " + of + ": base URL of the API. Default: `" + otherwise + "`."}
}
