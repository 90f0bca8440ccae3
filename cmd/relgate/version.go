package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set at link time for releases: -X main.version=1.2.3.
var version = "dev"

type versionCommand struct{}

func (versionCommand) Run(con console) error {
	revision, dirty := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = "+changes"
			}
		}
	}
	fmt.Fprintf(con.out, "relgate %s\nrevision %s%s\n%s %s/%s\n", version, revision, dirty, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
