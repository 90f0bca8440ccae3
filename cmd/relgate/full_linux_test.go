package main

import (
	"math"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"
)

// limitFiles lets no file of a process grow beyond a size, which is what a full
// disk is to it.
func limitFiles(t *testing.T, pid int, size uint64) {
	t.Helper()
	const fileSize = 1 // RLIMIT_FSIZE
	limit := syscall.Rlimit{Cur: size, Max: math.MaxUint64}
	if _, _, err := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), fileSize, uintptr(unsafe.Pointer(&limit)), 0, 0, 0); err != 0 {
		t.Skipf("limiting the files of process %d: %v", pid, err)
	}
}

// TestNoRoomForTheJournal: a full disk ends nothing. Gates do not know until there
// is room, and then the runs go on; nothing that was decided is lost.
func TestNoRoomForTheJournal(t *testing.T) {
	t.Parallel()
	s, dir := openLaunch(t)
	limitFiles(t, s.cmd.Process.Pid, 1)
	s.lost()
	limitFiles(t, s.cmd.Process.Pid, math.MaxUint64)
	s.found()
	if code := s.end(t); code != 0 {
		t.Errorf("exit %d after SIGTERM\n%s", code, s.log)
	}
	if info, err := os.Stat(filepath.Join(dir, "relgate.db")); err != nil || info.Size() == 0 {
		t.Errorf("the journal after it: %v, %v", info, err)
	}
}
