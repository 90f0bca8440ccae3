package rules

import (
	"fmt"
	"strconv"
	"strings"
)

const longestVersion = 128 // bytes

// CheckVersion reports a version that cannot stand in a run's id: it has at most
// 128 letters, digits, ".", "_", "+", ":" and "-", the first a letter or digit.
func CheckVersion(version string) error {
	for i := range len(version) {
		c := version[i]
		plain := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !plain && (i == 0 || strings.IndexByte("._+:-", c) < 0) {
			return versionError(version)
		}
	}
	if version == "" || len(version) > longestVersion {
		return versionError(version)
	}
	return nil
}

func versionError(version string) error {
	return fmt.Errorf(`version %q: want at most %d letters, digits, ".", "_", "+", ":" and "-", the first a letter or digit`, version, longestVersion)
}

// RunID is the id of a run: "shop@1.0.0" for the first of a version, and
// "shop@1.0.0~2" for the second.
func RunID(plan, version string, try int) string {
	id := plan + "@" + version
	if try > 1 {
		id += "~" + strconv.Itoa(try)
	}
	return id
}

// ParseRunID takes the id of a run apart. ok is false where [RunID] would not
// write it so.
func ParseRunID(id string) (plan, version string, try int, ok bool) {
	plan, rest, _ := strings.Cut(id, "@")
	version, number, again := strings.Cut(rest, "~")
	try = 1
	if again {
		try, _ = strconv.Atoi(number)
	}
	if !plainName(plan) || CheckVersion(version) != nil || RunID(plan, version, try) != id {
		return "", "", 0, false
	}
	return plan, version, try, true
}
