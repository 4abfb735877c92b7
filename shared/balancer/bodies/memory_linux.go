package bodies

import (
	"os"

	"golang.org/x/sys/unix"
)

// anonymousFile makes a file that is nothing but memory.
func anonymousFile(bytes int) (*os.File, error) {
	fd, err := unix.MemfdCreate("paragon-bodies", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "paragon-bodies")
	if err := file.Truncate(int64(bytes)); err != nil {
		_ = file.Close() // the error that counts is the first
		return nil, err
	}
	return file, nil
}

func mapFile(file *os.File, bytes int, writable bool) ([]byte, error) {
	allowed := unix.PROT_READ
	if writable {
		allowed |= unix.PROT_WRITE
	}
	return unix.Mmap(int(file.Fd()), 0, bytes, allowed, unix.MAP_SHARED)
}

func unmap(memory []byte) error { return unix.Munmap(memory) }

// discard gives the pages back to the system. Should that fail they are kept.
func discard(memory []byte) { _ = unix.Madvise(memory, unix.MADV_REMOVE) }
