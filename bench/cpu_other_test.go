//go:build !unix

package bench

import (
	"os"
	"time"
)

// cpuTime is the wall clock: this system has no getrusage.
func cpuTime() time.Duration { return time.Duration(time.Now().UnixNano()) }

func terminate(p *os.Process) error { return p.Kill() }
