//go:build unix

package server

import "syscall"

// openFiles is how many files this process may have open.
func openFiles() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 1024 // unreachable: every unix has this limit; 1024 is its usual value
	}
	return int(min(r.Cur, 1<<20))
}
