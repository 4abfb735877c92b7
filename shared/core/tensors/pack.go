package tensors

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// ContentType is of tensors that Pack has packed: how they travel as a query's
// input.
const ContentType = "application/vnd.paragon.tensors"

// magic begins packed tensors and names the form's version.
const magic = "PGT1"

// maxPacked bounds the tensors of one input.
const maxPacked = 256

// alignment is that of each tensor's data in the whole, for numbers of 8 bytes.
const alignment = 8

var errPacked = errors.New("is not in the format " + ContentType)

func validText(text []byte) bool { return utf8.Valid(text) }

// Pack puts tensors one behind the other: a mark, their number, and of each its
// name, datatype, shape and data, with lengths before what has no fixed one.
func Pack(ts []Tensor) []byte {
	size := 0
	for _, t := range ts {
		size += len(t.Name) + len(t.Datatype) + 8*len(t.Shape) + len(t.Data) + 32
	}
	out := append(make([]byte, 0, size+8), magic...)
	out = little.AppendUint32(out, uint32(len(ts)))
	for _, t := range ts {
		out = AppendString(out, t.Name)
		out = AppendString(out, string(t.Datatype))
		out = little.AppendUint32(out, uint32(len(t.Shape)))
		for _, d := range t.Shape {
			out = little.AppendUint64(out, uint64(d))
		}
		out = little.AppendUint64(out, uint64(len(t.Data)))
		for len(out)%alignment != 0 {
			out = append(out, 0)
		}
		out = append(out, t.Data...)
	}
	return out
}

// Unpack reads what Pack wrote. The tensors share the bytes. Each is as its
// Check wants it.
func Unpack(packed []byte) ([]Tensor, error) {
	r := reader{all: packed}
	if string(r.take(len(magic))) != magic {
		return nil, errPacked
	}
	count := r.length(4)
	if r.bad || count > maxPacked {
		return nil, fmt.Errorf("%w: at most %d tensors are allowed", errPacked, maxPacked)
	}
	out := make([]Tensor, 0, count)
	for range count {
		t := r.tensor()
		if r.bad {
			return nil, errPacked
		}
		if err := t.Check(); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", clip(t.Name), err)
		}
		out = append(out, t)
	}
	if r.at != len(packed) {
		return nil, fmt.Errorf("%w: %d bytes follow the last tensor", errPacked, len(packed)-r.at)
	}
	return out, nil
}

// reader takes packed tensors apart; once bad it gives nothing more.
type reader struct {
	all []byte
	at  int
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.all)-r.at {
		r.bad = true
		return nil
	}
	out := r.all[r.at : r.at+n : r.at+n]
	r.at += n
	return out
}

// length reads a length that is stored in size bytes. One beyond the whole input makes the input bad.
func (r *reader) length(size int) int {
	raw := r.take(size)
	n := uint64(0)
	for i, b := range raw {
		n |= uint64(b) << (8 * i)
	}
	if n > uint64(len(r.all)) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *reader) tensor() (t Tensor) {
	t.Name = string(r.take(r.length(4)))
	t.Datatype = Datatype(r.take(r.length(4)))
	rank := r.length(4)
	if rank > MaxRank {
		r.bad = true
		return t
	}
	t.Shape = make([]int64, rank)
	for i := range t.Shape {
		if raw := r.take(8); raw != nil {
			t.Shape[i] = int64(little.Uint64(raw))
		}
	}
	size := r.length(8)
	r.take((alignment - r.at%alignment) % alignment)
	t.Data = r.take(size)
	return t
}
