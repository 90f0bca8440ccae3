//go:build unix

package bench

import (
	"os"
	"syscall"
	"time"
)

// cpuTime is the CPU time that this process has used so far. On a busy machine it
// says more than the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
