package balancer

import (
	"bytes"
	"errors"
	"io"
	"math/bits"
	"net/http"
	"sync"
	"time"
)

// body is a request's body in a pooled buffer.
type body struct {
	b     *Balancer
	bytes []byte
	room  *[]byte // what bytes lies in; nil without a body
	held  int64   // counted in Balancer.held
}

func (d *body) release() {
	if d.room != nil {
		putRoom(d.room)
	}
	d.b.held.Add(-d.held)
	d.room, d.bytes, d.held = nil, nil, 0
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
	d := &body{b: b}
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
		end := int64(len(*d.room))
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
		want = 2 * int64(len(*d.room))
	}
}

// readTo reads until the body has end bytes, or fails.
func (d *body) readTo(from io.Reader, end int) error {
	for len(d.bytes) < end {
		n, err := from.Read((*d.room)[len(d.bytes):end])
		d.bytes = (*d.room)[:len(d.bytes)+n]
		if err != nil {
			return err
		}
	}
	return nil
}

// grow gives the body room for n bytes and keeps what has arrived; false when
// too much is held already.
func (d *body) grow(n int64) bool {
	more := roomSize(n) - d.held
	if d.b.held.Add(more) > d.b.opts.MaxHeld {
		d.b.held.Add(-more)
		return false
	}
	d.held += more
	room := getRoom(n)
	d.bytes = (*room)[:copy(*room, d.bytes)]
	if d.room != nil {
		putRoom(d.room)
	}
	d.room = room
	return true
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
