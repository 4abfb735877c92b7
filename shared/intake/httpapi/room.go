package httpapi

import (
	"cmp"
	"net/http"
	"sync"
)

const (
	// mostHeld bounds the bytes of the bodies that one process takes in at a time,
	// and so what they take of its memory. One caller has three quarters of it.
	mostHeld = 256 << 20
	// leastHeld is the least that counts: smaller bodies are bounded by the number
	// of connections.
	leastHeld = 16 << 10
)

// Room counts the bytes of bodies that are being taken in.
type Room struct {
	mu    sync.Mutex
	most  int64
	total int64
	of    map[string]int64 // by owner
}

// NewRoom returns a Room for most bytes, three quarters of them one owner's; 0 means
// 256 MiB.
func NewRoom(most int64) *Room { return &Room{most: cmp.Or(most, mostHeld)} }

// Enter takes room for an owner, if there is some.
func (b *Room) Enter(owner string, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.total+n > b.most || b.of[owner]+n > b.most-b.most/4 {
		return false
	}
	if b.of == nil {
		b.of = map[string]int64{}
	}
	b.total += n
	b.of[owner] += n
	return true
}

// Leave gives room back.
func (b *Room) Leave(owner string, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total -= n
	if b.of[owner] -= n; b.of[owner] == 0 {
		delete(b.of, owner)
	}
}

// counted is how many bytes of memory a request's body counts for: what it says
// that it has, or without a word the most that it may. Uploads go to the disk as
// they come, and what is too large is not read.
func (a *server) counted(r *http.Request) int64 {
	if _, there := r.Body.(whole); there || r.Method == http.MethodPut {
		return 0
	}
	most := max(MaxBody(r, a.svc), objectBytes)
	n := r.ContentLength
	switch {
	case n < 0 || len(codingsOf(r.Header)) > 0 && n > 0:
		return most
	case n < leastHeld || n > most:
		return 0
	}
	return n
}
