package sqlite

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// notices are what the kernel notes of a file (inotify(7)). They distinguish a file
// that somebody wrote to from one of which only the times or the mode were set, as touch(1)
// does: both change the time at which it was last written. Where only that time was set, and not the
// time of the last read, the kernel notes a write.
type notices struct{ fd int }

// noticesOf begins to note; nil where the kernel does not.
func noticesOf(f *os.File) *notices {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil
	}
	if _, err := unix.InotifyAddWatch(fd, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.IN_MODIFY|unix.IN_ATTRIB); err != nil {
		_ = unix.Close(fd)
		return nil
	}
	return &notices{fd}
}

func (n *notices) close() {
	if n != nil {
		_ = unix.Close(n.fd)
	}
}

// take returns what was noted since it was called last: that somebody, this process
// included, wrote to the file, and that its times or its mode were set; nothing of nil.
func (n *notices) take() (wrote, set bool) {
	var b [64 * unix.SizeofInotifyEvent]byte
	for n != nil {
		got, err := unix.Read(n.fd, b[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || got < unix.SizeofInotifyEvent {
			break
		}
		for at := 0; at+unix.SizeofInotifyEvent <= got; at += unix.SizeofInotifyEvent { // none has a name behind it
			mask := binary.NativeEndian.Uint32(b[at+4:])
			wrote = wrote || mask&(unix.IN_MODIFY|unix.IN_Q_OVERFLOW) != 0
			set = set || mask&unix.IN_ATTRIB != 0
		}
	}
	return wrote, set
}
