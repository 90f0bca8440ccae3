//go:build !unix

package main

import "os"

// hangup is empty: there is no such signal; a changed file reloads the config.
var hangup []os.Signal
