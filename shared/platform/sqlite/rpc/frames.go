package rpc

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Calls and answers that carry inputs travel in frames: the value as JSON
// without the data, then the data as it is. Each frame is its length, four bytes
// with the highest first, and that many bytes.

// Carrier is a call or an answer with data that JSON would blow up.
type Carrier interface {
	// Detach returns the value without its data, and the data in order. The
	// receiver is left as it is.
	Detach() (head any, data [][]byte)
	// Places returns where the data goes of a value that was read from its head,
	// in the same order.
	Places() []*[]byte
}

// ErrFrames is a body that is not in frames, or is longer than it may be.
var ErrFrames = errors.New("the frames of a request to the local backend are damaged or too long")

const lengthBytes = 4

// encodeFrames returns a carrier as the buffers of its frames, and their length
// in bytes. The data is not copied.
func encodeFrames(c Carrier) (net.Buffers, int64, error) {
	head, data := c.Detach()
	text, err := json.Marshal(head)
	if err != nil {
		return nil, 0, err
	}
	out, total := net.Buffers{}, int64(0)
	for _, frame := range append([][]byte{text}, data...) {
		if len(frame) > MaxBody {
			return nil, 0, fmt.Errorf("%w: a frame has %d bytes, and the maximum is %d", platform.ErrTooLarge, len(frame), MaxBody)
		}
		out = append(out, binary.BigEndian.AppendUint32(nil, uint32(len(frame))))
		if len(frame) > 0 {
			out = append(out, frame)
		}
		total += lengthBytes + int64(len(frame))
	}
	return out, total, nil
}

// decodeFrames reads a carrier from a body of at most limit bytes. No more is
// allocated for a frame than may still come.
func decodeFrames(from io.Reader, limit int64, c Carrier) error {
	f := frames{from: from, left: limit}
	head, err := f.next()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(head, c); err != nil {
		return err
	}
	for _, place := range c.Places() {
		if *place, err = f.next(); err != nil {
			return err
		}
	}
	return f.end()
}

// frames reads one frame after the other.
type frames struct {
	from io.Reader
	left int64 // bytes that may still come
}

// next returns the next frame; nil for an empty one.
func (f *frames) next() ([]byte, error) {
	var length [lengthBytes]byte
	if _, err := io.ReadFull(f.from, length[:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFrames, err)
	}
	f.left -= lengthBytes
	n := int64(binary.BigEndian.Uint32(length[:]))
	if n > f.left {
		return nil, fmt.Errorf("%w: %w: a frame has %d bytes, and %d are left", ErrFrames, platform.ErrTooLarge, n, max(0, f.left))
	}
	f.left -= n
	if n == 0 {
		return nil, nil
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(f.from, data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFrames, err)
	}
	return data, nil
}

// end fails when there is more.
func (f *frames) end() error {
	var one [1]byte
	if n, err := io.ReadFull(f.from, one[:]); n > 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the body is longer than its head states", ErrFrames)
	}
	return nil
}

// SameData says that a message has the very input that another was delivered
// with: the backend has it still.
func SameData(delivered, m query.Message) bool {
	a, b := delivered.Input.Data, m.Input.Data
	return len(a) > 0 && len(a) == len(b) && &a[0] == &b[0]
}

func (c SendCall) Detach() (any, [][]byte) {
	head := SendCall{c.Queue, make([]query.Message, len(c.Messages))}
	data := make([][]byte, len(c.Messages))
	for i, m := range c.Messages {
		head.Messages[i], data[i] = withoutData(m)
	}
	return head, data
}

func (c *SendCall) Places() []*[]byte {
	out := make([]*[]byte, len(c.Messages))
	for i := range c.Messages {
		out[i] = &c.Messages[i].Input.Data
	}
	return out
}

func (c MoveCall) Detach() (any, [][]byte) {
	var data []byte
	c.Message, data = withoutData(c.Message)
	return c, [][]byte{data}
}

func (c *MoveCall) Places() []*[]byte { return []*[]byte{&c.Message.Input.Data} }

// Deliveries is what a receive answers.
type Deliveries []platform.Delivery

func (ds Deliveries) Detach() (any, [][]byte) {
	head, data := make([]platform.Delivery, len(ds)), make([][]byte, len(ds))
	for i, d := range ds {
		d.Message, data[i] = withoutData(d.Message)
		head[i] = d
	}
	return head, data
}

func (ds *Deliveries) Places() []*[]byte {
	out := make([]*[]byte, len(*ds))
	for i := range *ds {
		out[i] = &(*ds)[i].Message.Input.Data
	}
	return out
}

func (c InvokeCall) Detach() (any, [][]byte) {
	return InvokeCall{Function: c.Function}, [][]byte{c.Payload}
}

func (c *InvokeCall) Places() []*[]byte { return []*[]byte{&c.Payload} }

func (a InvokeAnswer) Detach() (any, [][]byte) {
	data := a.Invocation.Payload
	a.Invocation.Payload = nil
	return a, [][]byte{data}
}

func (a *InvokeAnswer) Places() []*[]byte { return []*[]byte{&a.Invocation.Payload} }

// Blob is the content of an upload.
type Blob struct{ Data []byte }

func (b Blob) Detach() (any, [][]byte) { return Blob{}, [][]byte{b.Data} }
func (b *Blob) Places() []*[]byte      { return []*[]byte{&b.Data} }

func withoutData(m query.Message) (query.Message, []byte) {
	data := m.Input.Data
	m.Input.Data = nil
	return m, data
}

var (
	_ Carrier = (*SendCall)(nil)
	_ Carrier = (*MoveCall)(nil)
	_ Carrier = (*Deliveries)(nil)
	_ Carrier = (*InvokeCall)(nil)
	_ Carrier = (*InvokeAnswer)(nil)
	_ Carrier = (*Blob)(nil)
)
