package balancer

import (
	"bytes"
	"errors"
	"io"
	"math/bits"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/shared/balancer/bodies"
)

// body is a request's body in a pooled buffer.
type body struct {
	b     *Balancer
	bytes []byte
	room  room         // what bytes lies in
	lead  int          // bytes of it before the numbers that are to be aligned
	owner string       // who sent it, as HeaderValue says
	held  int64        // counted in Options.Room for owner
	users atomic.Int32 // the request, and targets that may still read it
}

// release ends one use. After the last the buffer is another body's.
func (d *body) release() {
	if d.users.Add(-1) > 0 {
		return
	}
	d.room.put()
	if d.held > 0 {
		d.b.opts.Room.Leave(d.owner, d.held)
	}
	d.room, d.bytes, d.held = room{}, nil, 0
}

// outlive keeps the body until a target that may still read it has closed its
// connection: its process ended, or it learned that nobody waits.
func (d *body) outlive(l *link) {
	d.users.Add(1)
	go func() {
		defer d.release()
		defer l.Close()
		l.hangUp()
		for err := os.ErrDeadlineExceeded; errors.Is(err, os.ErrDeadlineExceeded); { // hangUp's
			_ = l.SetReadDeadline(time.Time{})
			_, err = io.Copy(io.Discard, l.Conn)
		}
	}()
}

// replay is the request with its body from the beginning.
func (d *body) replay(r *http.Request) *http.Request {
	out := r.WithContext(r.Context())
	out.Body = io.NopCloser(bytes.NewReader(d.bytes))
	return out
}

// copied is replay with a body that outlives release.
func (d *body) copied(r *http.Request) *http.Request {
	out := r.WithContext(r.Context())
	out.Body = io.NopCloser(bytes.NewReader(bytes.Clone(d.bytes)))
	return out
}

// readBody reads the whole body, or returns the status of the refusal. A body
// that says that it is too long is not read.
func (b *Balancer) readBody(w http.ResponseWriter, r *http.Request) (*body, int) {
	d := &body{b: b, lead: b.opts.Lead(r), owner: b.opts.HeaderValue(r)}
	d.users.Store(1)
	limit := b.opts.MaxBody(r)
	switch n := r.ContentLength; {
	case n == 0 || r.Body == nil || r.Body == http.NoBody:
		return d, 0
	case n > limit:
		return nil, http.StatusRequestEntityTooLarge
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(b.opts.BodyTime)) // where there is a connection
	status := d.fill(r, limit)
	if status != 0 {
		arrived := bytes.Clone(d.bytes)
		r.Body = joined{io.MultiReader(bytes.NewReader(arrived), r.Body), r.Body}
		d.release()
		return nil, status
	}
	_ = control.SetReadDeadline(time.Time{}) // a caller that waits sends nothing more
	return d, 0
}

// joined reads what has arrived of a body and then its rest.
type joined struct {
	io.Reader
	io.Closer
}

// fill reads a body of its announced length, or of any up to limit, and returns
// the status of the refusal.
func (d *body) fill(r *http.Request, limit int64) int {
	want := r.ContentLength
	if want < 0 {
		want = smallRoom
	}
	for {
		if !d.grow(want) {
			return http.StatusServiceUnavailable
		}
		end := int64(len(d.room.space))
		if r.ContentLength > 0 {
			end = r.ContentLength
		}
		err := d.readTo(r.Body, int(min(end, limit+1)))
		length := int64(len(d.bytes))
		switch {
		case length > limit:
			return http.StatusRequestEntityTooLarge
		case length == r.ContentLength, errors.Is(err, io.EOF) && r.ContentLength < 0:
			return 0
		case err != nil:
			return http.StatusBadRequest
		}
		want = 2 * int64(len(d.room.space))
	}
}

// readTo reads until the body has end bytes, or fails.
func (d *body) readTo(from io.Reader, end int) error {
	for len(d.bytes) < end {
		n, err := from.Read(d.room.space[len(d.bytes):end])
		d.bytes = d.room.space[:len(d.bytes)+n]
		if err != nil {
			return err
		}
	}
	return nil
}

// grow gives the body room for n bytes and keeps what has arrived; false when
// too much is held already, of its owner or of all.
func (d *body) grow(n int64) bool {
	more := roomSize(n) - d.held
	if !d.b.opts.Room.Enter(d.owner, more) {
		return false
	}
	d.held += more
	larger := d.b.roomFor(n, d.lead)
	d.bytes = larger.space[:copy(larger.space, d.bytes)]
	d.room.put()
	d.room = larger
	return true
}

// room is what a body lies in: memory of this process, or memory that targets
// share.
type room struct {
	space  []byte
	own    *[]byte      // nil for shared memory, or without a body
	pool   *bodies.Pool // of slot
	slot   *bodies.Slot
	before int // bytes of the slot before space
}

const (
	// leastShared is the least bytes of a body that goes into shared memory: the
	// place of a smaller one costs as much as itself.
	leastShared = 16 << 10
	// alignment is that of the numbers in a body in shared memory.
	alignment = 16
)

// roomFor is room for a body of n bytes, of which those behind lead are aligned
// where targets use them in place.
func (b *Balancer) roomFor(n int64, lead int) room {
	if b.opts.Bodies != nil && n >= leastShared {
		before := (alignment - lead%alignment) % alignment
		if s := b.opts.Bodies.Get(before + int(n)); s != nil {
			return room{space: s.Bytes[before:], pool: b.opts.Bodies, slot: s, before: before}
		}
	}
	own := getRoom(n)
	return room{space: *own, own: own}
}

func (r room) put() {
	switch {
	case r.slot != nil:
		r.pool.Put(r.slot)
	case r.own != nil:
		putRoom(r.own)
	}
}

// smallRoom is the smallest buffer, in bytes. Buffers are powers of two.
const smallRoom = 4 << 10

// rooms pools buffers by the logarithm of their size.
var rooms [64]sync.Pool

// roomSize is the length of the buffer for n bytes.
func roomSize(n int64) int64 { return 1 << bits.Len64(uint64(max(n, smallRoom)-1)) }

func getRoom(n int64) *[]byte {
	size := roomSize(n)
	if room, ok := rooms[bits.Len64(uint64(size))].Get().(*[]byte); ok {
		return room
	}
	room := make([]byte, size)
	return &room
}

func putRoom(room *[]byte) { rooms[bits.Len64(uint64(len(*room)))].Put(room) }
