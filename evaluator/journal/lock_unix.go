//go:build !windows

package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// lockFile takes the file for this process alone, and writes the process's id
// into it. The kernel lets go of the lock when the process ends, however it ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		// The id is for people. Without it the lock is as good.
		if f.Truncate(0) == nil {
			_, _ = f.WriteString(strconv.Itoa(os.Getpid()) + "\n")
		}
		return f, nil
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = heldBy(f)
	}
	_ = f.Close() // nothing was written
	return nil, err
}

// heldBy names the process that wrote its id into a lock file.
func heldBy(f *os.File) error {
	text, err := io.ReadAll(io.LimitReader(f, 32))
	pid, bad := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || bad != nil {
		return ErrLocked
	}
	return fmt.Errorf("%w: it is process %d", ErrLocked, pid)
}
