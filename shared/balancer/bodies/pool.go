// Package bodies is memory that a balancer shares with the processes behind it
// on one machine. The balancer reads a request's body from its caller into that
// memory and forwards the place of it; the target uses the very same pages. So a
// body of hundreds of kilobytes is copied once, not three times, and nobody is
// woken to move it on.
package bodies

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"sync"
)

const (
	// Header says where the body of a forwarded request lies: its offset and its
	// length in bytes. A balancer never forwards a caller's.
	Header = "X-Paragon-Body"
	// Env names the file of the memory to a target.
	Env = "PARAGON_BODIES"

	// minSlot is the smallest slot, in bytes: a page.
	minSlot = 4 << 10
	// keptFree is how many bytes of free slots keep their pages. Those beyond it
	// are given back to the system, after a burst of large bodies.
	keptFree = 32 << 20
)

// Pool is the memory as its owner sees it: slots of a power of two bytes.
type Pool struct {
	file   *os.File
	memory []byte

	mu    sync.Mutex
	next  int         // the first byte that no slot has had
	free  [64][]*Slot // by the logarithm of their size; the last used at the end
	spare int         // bytes of free slots
}

// Slot is a part of the memory.
type Slot struct {
	Bytes  []byte
	offset int
}

// New makes shared memory for at most that many bytes of bodies. Only what is
// used takes memory. It fails where the system has no such memory.
func New(bytes int) (*Pool, error) {
	file, err := anonymousFile(bytes)
	if err != nil {
		return nil, fmt.Errorf("create the shared memory for request bodies: %w", err)
	}
	memory, err := mapFile(file, bytes, true)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map the shared memory for request bodies: %w", err), file.Close())
	}
	p := &Pool{file: file, memory: memory}
	again, err := Open(p.Path()) // as a target will
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, again.Close()
}

// Path is the file by which other processes of this user open the memory, for as
// long as this process lives.
func (p *Pool) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), p.file.Fd()) }

// Close lets nobody open the memory any more. It stays mapped until the process
// ends, as requests may still be under way in it.
func (p *Pool) Close() error { return p.file.Close() }

// Get returns a slot of at least n bytes, or nil when there is none left.
func (p *Pool) Get(n int) *Slot {
	class := bits.Len(uint(max(n, minSlot) - 1))
	size := 1 << class
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.free[class]) - 1; last >= 0 {
		s := p.free[class][last]
		p.free[class] = p.free[class][:last]
		p.spare -= size
		return s
	}
	if size > len(p.memory)-p.next {
		return nil
	}
	s := &Slot{p.memory[p.next : p.next+size : p.next+size], p.next}
	p.next += size
	return s
}

// Put takes a slot back that nobody reads any more, in no process.
func (p *Pool) Put(s *Slot) {
	class := bits.Len(uint(len(s.Bytes) - 1))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free[class] = append(p.free[class], s)
	if p.spare += len(s.Bytes); p.spare > keptFree {
		discard(s.Bytes)
	}
}

// Place is what Header says of a part of a slot.
func (s *Slot) Place(from, length int) string { return fmt.Sprintf("%d %d", s.offset+from, length) }
