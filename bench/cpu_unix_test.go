//go:build unix

package bench

import (
	"os"
	"syscall"
	"time"
)

// cpuTime is what this process has used of the processors so far. On a machine
// that does other things too it says more than the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
