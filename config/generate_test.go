package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	pathpkg "path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/invopop/jsonschema"
	"github.com/relgate/relgate/rules"
)

// The manual and the schema are made from the comments of the types that a
// config is decoded into. `go test ./config -run Generated -update` rewrites
// them.
func TestGeneratedFilesAreFresh(t *testing.T) {
	paths := []string{"spec.go", "../rules/spec.go", "../rules/signal.go"}
	for _, kind := range reader().Kinds {
		found, err := filepath.Glob(filepath.Join("..", strings.TrimPrefix(queryType(kind).PkgPath(), module), "*.go"))
		if err != nil || len(found) == 0 {
			t.Fatalf("the kind %q has no files: %v", kind.Name(), err)
		}
		paths = append(paths, found...)
	}
	c := readComments(t, paths...)
	for path, want := range map[string][]byte{
		"../docs/configuration.md": manual(t, c),
		"schema.json":              schema(t, c),
	} {
		if *update {
			if err := os.MkdirAll("../docs", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the comments say (%v): run go test ./config -run Generated -update", path, err)
		}
	}
}

const module = "github.com/relgate/relgate"

// queryType is the struct that a kind's queries are decoded into.
func queryType(kind rules.SourceKind) reflect.Type { return reflect.TypeOf(kind.Query()).Elem() }

// comments are the comments of types and fields, by "package.Type" and
// "package.Type.Field".
type comments map[string]string

func (c comments) ofType(t reflect.Type) string { return c[t.PkgPath()+"."+t.Name()] }

func readComments(t *testing.T, paths ...string) comments {
	t.Helper()
	c := comments{}
	for _, path := range paths {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, spec := range g.Specs {
				c.add(pathpkg.Join(module, "config", filepath.ToSlash(filepath.Dir(path))), g, spec.(*ast.TypeSpec))
			}
		}
	}
	return c
}

func (c comments) add(pkg string, g *ast.GenDecl, ts *ast.TypeSpec) {
	c[pkg+"."+ts.Name.Name] = strings.TrimSpace(g.Doc.Text())
	st, ok := ts.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range st.Fields.List {
		for _, n := range f.Names {
			c[pkg+"."+ts.Name.Name+"."+n.Name] = strings.TrimSpace(f.Comment.Text())
		}
	}
}

// of is the comment of a key; a key without one would be a hole in the manual.
func (c comments) of(t *testing.T, owner reflect.Type, f reflect.StructField) string {
	t.Helper()
	// A field of an embedded struct has its comment there.
	for i := 1; i < len(f.Index); i++ {
		owner = owner.FieldByIndex(f.Index[:i]).Type
	}
	text := strings.NewReplacer("{kinds}", kindNames(), "{timeouts}", kindTimeouts(), "{formats}", formatList(), "{sinks}", sinkTypeList()).Replace(c[owner.PkgPath()+"."+owner.Name()+"."+f.Name])
	if !regexp.MustCompile(`^["\x60\pL].*\.$`).MatchString(text) {
		t.Errorf("%s.%s: comment %q is no sentence", owner, f.Name, text)
	}
	return text
}

// kindNames lists the kinds of sources: "a", "b" or "c".
func kindNames() string {
	names := reader().Kinds.Names()
	last := len(names) - 1
	return `"` + strings.Join(names[:last], `", "`) + `" or "` + names[last] + `"`
}

// formatList lists the formats of webhooks with what each is.
func formatList() string {
	var list []string
	for _, f := range reader().Formats {
		list = append(list, "`"+f.Name+"` ("+f.Doc+")")
	}
	return strings.Join(list, "; ")
}

// sinkTypeList lists the types of sinks with what each is.
func sinkTypeList() string {
	var list []string
	for i := range sinkTypes {
		list = append(list, "`"+sinkTypes[i].name+"` ("+sinkTypes[i].doc+")")
	}
	return strings.Join(list, "; ")
}

// documentedSinkKeys are the keys of all types of sinks, each with what every type says of it.
func documentedSinkKeys() []rules.AccountKey {
	all := sinkKeys("")
	for i := range all {
		all[i].Doc = ""
		for _, t := range sinkTypes {
			for _, k := range t.keys {
				if k.Key == all[i].Key {
					all[i].Doc = strings.TrimSpace(all[i].Doc + " " + k.Doc)
				}
			}
		}
	}
	return all
}

// kindTimeouts lists the defaults of a source's timeout.
func kindTimeouts() string {
	text := rules.Duration{Duration: defaultTimeout}.String()
	for _, kind := range reader().Kinds {
		if d := kind.Account().Timeout; d > 0 {
			text += "; " + rules.Duration{Duration: d}.String() + " for " + kind.Title()
		}
	}
	return text
}

// asked says what the key of a kind's queries is for.
func asked(kind rules.SourceKind) string { return "What " + kind.Title() + " is asked." }

// keys lists the fields of a struct that have keys, in order, with those of
// embedded structs.
func keys(t reflect.Type) []reflect.StructField {
	var list []reflect.StructField
	for _, f := range reflect.VisibleFields(t) {
		if key := f.Tag.Get("toml"); key != "" && key != "-" {
			list = append(list, f)
		}
	}
	return list
}

// tableOf is the struct that a key's table is decoded into, and whether there
// are several with names.
func tableOf(t reflect.Type) (table reflect.Type, named bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Slice && nameField(t.Elem()) != nil {
		return t.Elem(), true
	}
	if t.Kind() == reflect.Struct && len(keys(t)) > 0 {
		return t, false
	}
	return nil, false
}

func manual(t *testing.T, c comments) []byte {
	var b bytes.Buffer
	intro, err := os.ReadFile("testdata/configuration.intro.md")
	if err != nil {
		t.Fatal(err)
	}
	b.Write(intro)
	root := reflect.TypeFor[document]()
	manualKeys(t, &b, c, root, "The file")
	manualTables(t, &b, c, root, "")
	b.WriteString("## What `relgate check` reports\n\nThe id stands in brackets behind each message.\n\n| id | |\n|---|---|\n")
	for _, l := range lints() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", l.id, l.meaning)
	}
	return b.Bytes()
}

func manualTables(t *testing.T, b *bytes.Buffer, c comments, owner reflect.Type, path string) {
	for _, f := range keys(owner) {
		table, named := tableOf(f.Type)
		if table == nil {
			continue
		}
		name := strings.TrimPrefix(path+"."+f.Tag.Get("toml"), ".")
		if named {
			name += ".NAME"
		}
		if owner == reflect.TypeFor[EnvironmentSpec]() {
			continue // its tables have the keys of tables that stand elsewhere
		}
		manualKeys(t, b, c, table, "`["+name+"]`")
		manualTables(t, b, c, table, name)
		if table == reflect.TypeFor[rules.SignalSpec]() {
			for _, kind := range reader().Kinds {
				manualKeys(t, b, c, queryType(kind), "`["+name+"."+kind.Name()+"]`")
				manualTables(t, b, c, queryType(kind), name+"."+kind.Name())
			}
		}
	}
}

func manualKeys(t *testing.T, b *bytes.Buffer, c comments, table reflect.Type, heading string) {
	fmt.Fprintf(b, "## %s\n\n%s\n\n| key | value | |\n|---|---|---|\n", heading, paragraph(c.ofType(table), table.Name()))
	for _, f := range keys(table) {
		text := strings.ReplaceAll(c.of(t, table, f), "|", "\\|")
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.Tag.Get("toml"), form(f.Type), text)
	}
	switch table {
	case reflect.TypeFor[rules.SignalSpec]():
		for _, kind := range reader().Kinds {
			fmt.Fprintf(b, "| `%s` | table | %s |\n", kind.Name(), asked(kind))
		}
	case reflect.TypeFor[SourceSpec]():
		manualOwnKeys(b, accountKeys(reader().Kinds, ""))
	case reflect.TypeFor[WebhookSpec]():
		manualOwnKeys(b, formatKeys(reader().Formats, ""))
	case reflect.TypeFor[SinkSpec]():
		manualOwnKeys(b, documentedSinkKeys())
	}
	b.WriteString("\n")
}

// manualOwnKeys lists keys that kinds and formats bring.
func manualOwnKeys(b *bytes.Buffer, keys []rules.AccountKey) {
	for _, k := range keys {
		form := "string"
		switch {
		case k.Secret:
			form = "secret"
		case k.Table:
			form = "table of strings"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", k.Key, form, strings.ReplaceAll(k.Doc, "|", "\\|"))
	}
}

// paragraph is a type's comment as the manual has it: without the Go name in
// front.
func paragraph(text, name string) string {
	if name == "document" {
		return "These tables may stand in a file."
	}
	parsed := new(comment.Parser).Parse(text)
	text = string(new(comment.Printer).Text(parsed))
	text = strings.Join(strings.Fields(text), " ")
	for _, verb := range []string{" is ", " names ", " asks ", " runs ", " declares "} {
		if rest, ok := strings.CutPrefix(text, name+verb); ok {
			if verb == " is " {
				return strings.ToUpper(rest[:1]) + rest[1:]
			}
			return strings.ToUpper(verb[1:2]) + verb[2:] + rest
		}
	}
	return text
}

// form says how a value is written.
func form(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if table, _ := tableOf(t); table != nil {
		return "table"
	}
	switch t {
	case reflect.TypeFor[rules.Duration]():
		return "duration"
	case reflect.TypeFor[rules.Offset]():
		return "offset"
	case reflect.TypeFor[rules.Moment]():
		return "offset, or after a phase"
	case reflect.TypeFor[rules.Wanted]():
		return "state"
	case reflect.TypeFor[rules.Quiet]():
		return "hours"
	case reflect.TypeFor[rules.Fraction]():
		return "share"
	case reflect.TypeFor[rules.Condition]():
		return "condition"
	case reflect.TypeFor[rules.Date]():
		return "date"
	case reflect.TypeFor[time.Time]():
		return "date and time"
	case reflect.TypeFor[rules.Instant]():
		return "date and time, or offset"
	case reflect.TypeFor[rules.Literal]():
		return "value"
	case reflect.TypeFor[rules.Several]():
		return "string, or strings"
	case reflect.TypeFor[Secret]():
		return "secret"
	}
	switch t.Kind() {
	case reflect.Slice:
		return form(t.Elem()) + "s"
	case reflect.Map:
		return "table of " + form(t.Elem()) + "s"
	case reflect.Bool:
		return "true or false"
	case reflect.Float64:
		return "number"
	case reflect.Int:
		return "whole number"
	}
	return "string"
}

func schema(t *testing.T, c comments) []byte {
	r := &jsonschema.Reflector{Anonymous: true, DoNotReference: true, FieldNameTag: "toml", RequiredFromJSONSchemaTags: true}
	r.Mapper = func(typ reflect.Type) *jsonschema.Schema { return special(r, typ) }
	r.LookupComment = func(typ reflect.Type, field string) string {
		if field == "" {
			return ""
		}
		f, _ := typ.FieldByName(field)
		return c.of(t, typ, f)
	}
	s := r.Reflect(document{})
	s.Title = "relgate's config"
	schemaOfKinds(r, s)
	require(s)
	spell(s)
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// schemaOfKinds adds what kinds of sources and formats of webhooks bring.
func schemaOfKinds(r *jsonschema.Reflector, s *jsonschema.Schema) {
	table := func(key string) *jsonschema.Schema {
		named, _ := s.Properties.Get(key)
		return named.AdditionalProperties
	}
	for _, kind := range reader().Kinds {
		q := r.ReflectFromType(queryType(kind))
		q.Version, q.Description = "", asked(kind)
		table("signals").Properties.Set(kind.Name(), q)
	}
	for _, k := range accountKeys(reader().Kinds, "") {
		table("sources").Properties.Set(k.Key, ownKeySchema(k))
	}
	within := func(name string) *jsonschema.Schema { // of an environment, which has tables as those of the file
		named, _ := table("environments").Properties.Get(name)
		return named.AdditionalProperties
	}
	for _, k := range documentedSinkKeys() {
		table("sinks").Properties.Set(k.Key, ownKeySchema(k))
		within("sinks").Properties.Set(k.Key, ownKeySchema(k))
	}
	for _, k := range formatKeys(reader().Formats, "") {
		table("webhooks").Properties.Set(k.Key, ownKeySchema(k))
		within("webhooks").Properties.Set(k.Key, ownKeySchema(k))
	}
}

// ownKeySchema is the schema of a key that a kind or a format brings.
func ownKeySchema(k rules.AccountKey) *jsonschema.Schema {
	entry := &jsonschema.Schema{Type: "string"}
	switch {
	case k.Secret:
		entry = secretSchema()
	case k.Table:
		entry = &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{Type: "string"}}
	}
	entry.Description = k.Doc
	return entry
}

// special gives the schema of types that are not written as Go has them.
func special(r *jsonschema.Reflector, typ reflect.Type) *jsonschema.Schema {
	text := func(pattern string, examples ...any) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "string", Pattern: pattern, Examples: examples}
	}
	switch typ {
	case reflect.TypeFor[rules.Duration]():
		return text(`^\s*([0-9.]+d)?([0-9.]+(h|m|s|ms|us|µs|ns))*\s*$`, "90s", "2.5h", "1d12h")
	case reflect.TypeFor[rules.Offset]():
		return text(`^\s*T\s*([+-].+)?$`, "T", "T+20m", "T-24h")
	case reflect.TypeFor[rules.Moment]():
		return text("", "T-24h", "T+2h", "mobile-10+30m")
	case reflect.TypeFor[rules.Wanted]():
		return text(`^\s*\S+\s+\S+`, "mobile-10 monitoring", "run not failed")
	case reflect.TypeFor[rules.Quiet]():
		return text("", "22:00-07:00", "22:00-07:00 +02:00")
	case reflect.TypeFor[rules.Condition]():
		return text(`^\s*(<=|>=|==|!=|<|>)\s*[-+.0-9eE]+\s*(%|s|ms|m|min)?\s*$`, "> 3 %", "<= 2.5 s", ">= 4.5")
	case reflect.TypeFor[rules.Fraction]():
		return anyOf(text(`^\s*[0-9.]+\s*%?\s*$`, "10 %"), &jsonschema.Schema{Type: "number", Minimum: "0", Maximum: "1"})
	case reflect.TypeFor[rules.Date]():
		return text(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$|^$`, "2025-05-30")
	case reflect.TypeFor[time.Time]():
		return &jsonschema.Schema{Type: "string", Format: "date-time"}
	case reflect.TypeFor[rules.Instant]():
		return anyOf(&jsonschema.Schema{Type: "string", Format: "date-time"}, special(r, reflect.TypeFor[rules.Offset]()))
	case reflect.TypeFor[rules.Literal]():
		return literal()
	case reflect.TypeFor[rules.Several]():
		return anyOf(&jsonschema.Schema{Type: "string"}, &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{Type: "string"}})
	case reflect.TypeFor[Network]():
		return text("", "10.0.0.0/8")
	case reflect.TypeFor[Secret]():
		return secretSchema()
	}
	if enum := spellings(typ); enum != nil {
		return &jsonschema.Schema{Type: "string", Enum: enum}
	}
	if typ.Kind() == reflect.Slice && nameField(typ.Elem()) != nil {
		entry := r.ReflectFromType(typ.Elem())
		entry.Version = ""
		if reflect.PointerTo(typ.Elem()).Implements(reflect.TypeFor[scalarDecoder]()) {
			short := literal()
			if typ.Elem() == reflect.TypeFor[rules.ApprovalSpec]() {
				short = special(r, reflect.TypeFor[rules.Several]())
			}
			entry = anyOf(entry, short)
		}
		return &jsonschema.Schema{Type: "object", AdditionalProperties: entry}
	}
	return nil
}

// literal is the schema of a value that becomes text.
func literal() *jsonschema.Schema {
	return anyOf(&jsonschema.Schema{Type: "string"}, &jsonschema.Schema{Type: "number"}, &jsonschema.Schema{Type: "boolean"})
}

func anyOf(schemas ...*jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: schemas}
}

func secretSchema() *jsonschema.Schema {
	one := uint64(1)
	place := &jsonschema.Schema{Type: "object", MinProperties: &one, MaxProperties: &one, Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema}
	place.Properties.Set("env", &jsonschema.Schema{Type: "string", Description: "Name of an environment variable."})
	place.Properties.Set("file", &jsonschema.Schema{Type: "string", Description: "File that holds the secret, beside the config file."})
	place.Properties.Set("credential", &jsonschema.Schema{Type: "string", Description: "Name of a credential that the systemd unit loads."})
	return anyOf(place, &jsonschema.Schema{Type: "string", Description: "The secret itself: better kept elsewhere."})
}

// spellings lists the values of an enumeration of package rules, which reads its
// own spellings and no others.
func spellings(typ reflect.Type) []any {
	if typ.Kind() != reflect.Uint8 {
		return nil
	}
	var list []any
	for i := range uint64(32) {
		v := reflect.New(typ).Elem()
		v.SetUint(i)
		if s := fmt.Sprint(v.Interface()); !strings.HasPrefix(s, "invalid(") {
			list = append(list, s)
		}
	}
	return list
}

// require marks the keys whose comment says so. The top is left alone: a main
// file may go without a plan of its own.
func require(s *jsonschema.Schema) {
	if s.AdditionalProperties != nil {
		require(s.AdditionalProperties)
	}
	if s.Properties == nil {
		return
	}
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		require(p.Value)
		if strings.HasSuffix(p.Value.Description, " Required.") {
			s.Required = append(s.Required, p.Key)
		}
	}
}

// spell says how strings are written that have a form of their own.
func spell(s *jsonschema.Schema) {
	if s.AdditionalProperties != nil {
		spell(s.AdditionalProperties)
	}
	if s.Properties == nil {
		return
	}
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		spell(p.Value)
		switch p.Key {
		case "datapoints":
			p.Value.Pattern, p.Value.Examples = `^\s*[0-9]+\s+of\s+[0-9]+\s*$`, []any{"3 of 5"}
		case "missing":
			p.Value.Enum = []any{rules.MissingIsMissing, rules.MissingIsIgnored, rules.MissingIsBreaching, rules.MissingIsNotBreaching}
		case "expected_rate":
			p.Value.Pattern, p.Value.Examples = `^\s*[0-9.]+\s*/\s*(s|m|min|h|d)\s*$`, []any{"2/s", "120/min", "5000/h"}
		}
	}
}

// The schema knows every table.
func TestSchemaIsJSON(t *testing.T) {
	var s jsonschema.Schema
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"release", "phases", "success", "rollback", "signals", "sources", "webhooks", "grafana", "daemon", "include"} {
		if _, ok := s.Properties.Get(key); !ok {
			t.Errorf("the schema lacks %q", key)
		}
	}
}

// Every kind of problem that the broken configs show is in the manual, and every
// kind in the manual is shown.
func TestLintsAreThoseThatAreReported(t *testing.T) {
	var known []string
	for _, l := range lints() {
		known = append(known, l.id)
		if !strings.HasSuffix(l.meaning, ".") {
			t.Errorf("%s: %q is no sentence", l.id, l.meaning)
		}
	}
	if !slices.IsSorted(known) {
		t.Error("the lints are not sorted")
	}
	shown := map[string]bool{"bad-certificate": true, "certificate-time": true, "old-start": true} // by relgate check, in cmd/relgate
	id := regexp.MustCompile(`(?m) \[([a-z-]+)\]$`)
	for _, path := range brokenConfigs(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, want, _ := bytes.Cut(text, []byte("-- want --\n"))
		for _, m := range id.FindAllSubmatch(want, -1) {
			shown[string(m[1])] = true
		}
	}
	for id := range shown {
		if !slices.Contains(known, id) {
			t.Errorf("%s is reported and not in lints", id)
		}
	}
	for _, id := range known {
		if !shown[id] {
			t.Errorf("%s is in lints, and no broken config shows it", id)
		}
	}
}
