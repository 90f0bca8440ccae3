package config

import (
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// pattern is an include pattern below the folder of the file that has it. That
// folder's own name is no pattern, whatever it looks like.
func (f *file) pattern(include string) string {
	if include == "" || filepath.IsAbs(include) {
		return include
	}
	return filepath.Join(exactly(filepath.Dir(f.name)), include)
}

// escapes is how a pattern says the characters that mean something in it. On
// Windows the backslash separates names, and names have no star.
func escapes() []string {
	if runtime.GOOS == "windows" {
		return []string{"[", "[[]"}
	}
	return []string{"[", "[[]", "*", "[*]", "?", "[?]", `\`, `\\`}
}

// exactly is the pattern that matches a path and nothing else.
func exactly(path string) string { return strings.NewReplacer(escapes()...).Replace(path) }

// unescaped is the path that a pattern alone matches; ok is false if it is a pattern
// of another kind.
func unescaped(pattern string) (path string, ok bool) {
	pairs := escapes()
	slices.Reverse(pairs)
	path = strings.NewReplacer(pairs...).Replace(pattern)
	return path, exactly(path) == pattern
}

// matches lists the files that match a pattern. As in a shell, a name that begins
// with a dot is matched only by one that does too: editors keep their locks in such
// files, and a mounted volume its links.
func matches(pattern string) ([]string, error) {
	found, err := filepath.Glob(pattern)
	return slices.DeleteFunc(found, func(path string) bool { return hidden(path, pattern) }), err
}

// hidden reports whether a path that matches a pattern has a name with a leading
// dot where the pattern has none.
func hidden(path, pattern string) bool {
	names, want := elements(path), elements(pattern)
	for i, name := range names {
		if strings.HasPrefix(name, ".") && i < len(want) && !strings.HasPrefix(want[i], ".") {
			return true
		}
	}
	return false
}

// elements are the names in a path, the last one first.
func elements(path string) []string {
	list := strings.Split(filepath.ToSlash(filepath.Clean(path)), "/")
	slices.Reverse(list)
	return list
}
