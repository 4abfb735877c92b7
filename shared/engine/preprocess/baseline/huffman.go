package baseline

import (
	"bytes"
	"encoding/binary"
)

// tableBits is how many bits are looked up at once.
const tableBits = 10

// A symbol's entry in a table. Where code and value together have no more than
// tableBits, the entry has both.
const (
	entryLength = 0x1f // bits that it takes: the code's, and the value's where it has that
	entryWhole  = 0x20 // it has the value
	entrySkip   = 8    // from this bit on: zeros before the value; toEnd after the last one
	entrySize   = 15   // from this bit on: bits of the value
	entryValue  = 19   // from this bit on, with a sign
	toEnd       = 127
)

// An entry of several symbols that are read over at once, as many whole ones as
// tableBits have, up to the end of the block.
const (
	// entryLength has the bits that they take; an entry is 0 where there is no whole one.
	passEnd  = 0x40 // the last one is the end of the block
	passSkip = 8    // from this bit on: coefficients
)

// table decodes the codes of one Huffman table, annex C.
type table struct {
	ac     bool
	spec   []byte // what it was made from
	table  [1 << tableBits]int32
	passed [1 << tableBits]uint16
	limit  [17]int32 // the first code of each length that is too large, as 16 bits
	first  [17]int32 // what to add to a code of a length for its place in symbols
	codes  [256]byte
}

// huffman reads tables, B.2.4.2.
func (d *decoder) huffman(s []byte) bool {
	for len(s) >= 17 {
		class, number, n := s[0]>>4, s[0]&15, 0
		for _, k := range s[1:17] {
			n += int(k)
		}
		if class > 1 || number > 1 || n == 0 || n > 256 || len(s) < 17+n {
			return false
		}
		t := &d.tables[class][number]
		if spec := s[1 : 17+n]; !bytes.Equal(t.spec, spec) {
			t.spec = t.spec[:0]
			if !t.build(spec, class == 1) {
				return false
			}
			t.spec = append(t.spec, spec...)
		}
		d.defined[class][number] = true
		s = s[17+n:]
	}
	return len(s) == 0
}

// build makes a table of the numbers of codes by length, and their symbols.
func (t *table) build(spec []byte, ac bool) bool {
	clear(t.table[:])
	t.ac = ac
	symbols, code, at := spec[16:], int32(0), int32(0)
	copy(t.codes[:], symbols)
	for length := 1; length <= 16; length++ {
		t.first[length] = at - code
		for range spec[length-1] {
			if code >= 1<<length || !known(symbols[at], ac) {
				return false
			}
			if length <= tableBits {
				t.enter(code<<(tableBits-length), 1<<(tableBits-length), length, symbols[at])
			}
			code, at = code+1, at+1
		}
		t.limit[length] = code << (16 - length)
		code <<= 1
	}
	if ac {
		t.join()
	}
	return true
}

// join makes the entries of several symbols out of those of one.
func (t *table) join() {
	for i := range t.passed {
		length, skip := 0, 0
		end := uint16(0)
		for end == 0 && length < tableBits {
			e := t.table[i<<length&(1<<tableBits-1)]
			if e&entryWhole == 0 || length+int(e&entryLength) > tableBits {
				break
			}
			length += int(e & entryLength)
			if more := int(e>>entrySkip) & 127; more == toEnd {
				end = passEnd
			} else {
				skip += more + 1
			}
		}
		t.passed[i] = uint16(skip)<<passSkip | end | uint16(length)
	}
}

// known reports whether a symbol has a meaning: bits of a difference, or zeros and
// the bits of the value after them. Runs of other zeros are of progressive pictures.
func known(symbol byte, ac bool) bool {
	if !ac {
		return symbol < 16
	}
	return symbol&15 != 0 || symbol == 0 || symbol == 0xf0
}

// enter fills the n entries that begin with a symbol's code.
func (t *table) enter(from, n int32, length int, symbol byte) {
	skip, size := int32(symbol>>4), uint(symbol&15)
	for i := from; i < from+n; i++ {
		e := int32(size)<<entrySize | skip<<entrySkip
		switch rest := tableBits - length - int(size); {
		case t.ac && symbol == 0: // the end of the block
			e = toEnd<<entrySkip | entryWhole | int32(length)
		case rest >= 0:
			e |= extend(uint64(i)>>rest&(1<<size-1), size)<<entryValue | entryWhole | int32(length) + int32(size)
		default:
			e |= int32(length)
		}
		t.table[i] = e
	}
}

// extend is the value that the bits stand for, F.2.2.1.
func extend(v uint64, size uint) int32 {
	if size > 0 && v < 1<<(size-1) {
		return int32(v) - 1<<size + 1
	}
	return int32(v)
}

// long finds the entry of a code that is longer than tableBits, in the next 16
// bits; 0 when there is none.
func (t *table) long(next int32) int64 {
	for length := tableBits + 1; length <= 16; length++ {
		if next < t.limit[length] {
			symbol := t.codes[byte(next>>(16-length)+t.first[length])]
			if t.ac && symbol == 0 {
				return toEnd<<entrySkip | entryWhole | int64(length)
			}
			return int64(symbol&15)<<entrySize | int64(symbol>>4)<<entrySkip | int64(length)
		}
	}
	return 0
}

// reader reads the bits of coded data.
type reader struct {
	coded []byte
	bits
}

// bits are where a reader is. The highest n bits of next are not read yet. They are
// passed by value, which keeps them in registers.
type bits struct {
	at   int // of the first byte that is not in next
	next uint64
	n    uint
}

// symbolBits has the longest code with the longest value after it.
const symbolBits = 32

// padding are zeros after an interval, which a reader may take in: after the last
// one there are enough for a block of the longest symbols, so that only blocks look
// for the end.
const padding, endPadding = 16, 64*symbolBits/8 + 2*16

// room reports whether a block may be read.
func (r *reader) room() bool { return r.at+endPadding-padding <= len(r.coded) }

// filled has at least symbolBits in next.
func (b bits) filled(coded []byte) bits {
	if b.n >= symbolBits {
		return b
	}
	more := binary.BigEndian.Uint64(coded[b.at:]) >> (b.n & 63)
	return bits{b.at + int((63-b.n)>>3), b.next | more, b.n | 56}
}

// without leaves those out that an entry takes.
func (b bits) without(entry int64) bits {
	n := uint(entry & entryLength)
	return bits{b.at, b.next << n, b.n - n}
}

// entry is that of the symbol, with its value, which the next bits begin with; 0
// when there is none.
func (t *table) entry(next uint64) int64 {
	e := int64(t.table[next>>(64-tableBits)])
	if e&entryWhole == 0 {
		return t.longer(e, next)
	}
	return e
}

// longer is the entry of a symbol that has not its value in the table, where its
// entry is e, or is not there, where e is 0.
func (t *table) longer(e int64, next uint64) int64 {
	if e == 0 {
		e = t.long(int32(next >> 48))
	}
	if e&entryWhole != 0 || e == 0 {
		return e
	}
	code, size := uint(e&entryLength), uint(e>>entrySize)&15
	value := extend(next<<code>>(64-size), size)
	return int64(value)<<entryValue | e&(127<<entrySkip) | entryWhole | int64(code+size)
}

// difference reads by how much a mean differs from the one before.
func (t *table) difference(r *reader) (value int32, ok bool) {
	at := r.filled(r.coded)
	e := t.entry(at.next)
	r.bits = at.without(e)
	return int32(e >> entryValue), e != 0
}

// coefficients decodes those of a block after the first into b, and returns which
// is the last that is not zero.
func (t *table) coefficients(r *reader, b *block, factors *[64]int64) (last int, ok bool) {
	at, coded, k := r.bits, r.coded, 1
	for k < 64 {
		at = at.filled(coded)
		e := int64(t.table[at.next>>(64-tableBits)])
		if e&entryWhole == 0 {
			if e = t.longer(e, at.next); e == 0 {
				return 0, false
			}
		}
		at = at.without(e)
		if k += int(e>>entrySkip) & 127; k > 63 {
			r.bits = at
			return k - toEnd - 1, k > toEnd // or a run leads beyond the block
		}
		b[places[k]&31] += e >> entryValue * factors[k]
		k++
	}
	r.bits = at
	return 63, true
}

// pass reads over the coefficients of a block after the first.
func (t *table) pass(r *reader) (ok bool) {
	at, coded, k := r.bits, r.coded, 1
	for k < 64 {
		at = at.filled(coded)
		e := int64(t.passed[at.next>>(64-tableBits)])
		to := k + int(e>>passSkip)
		if e == 0 || to > 64 || to == 64 && e&passEnd != 0 { // one after the other
			if e = t.entry(at.next); e == 0 {
				return false
			}
			to = k + int(e>>entrySkip)&127 + 1
			if to > toEnd {
				e |= passEnd
			} else if to > 64 {
				return false
			}
		}
		at = at.without(e)
		if e&passEnd != 0 {
			break
		}
		k = to
	}
	r.bits = at
	return true
}

// used is how many bits are read since a place.
func (r *reader) used(since int) int { return 8*(r.at-since) - int(r.n) }

// unstuff copies the coded data of the scan, without what is stuffed into it, and
// remembers where each interval ends. It is false unless the picture ends there
// and all restarts are in order.
func (d *decoder) unstuff() bool {
	coded, data := d.coded[:0], d.data
	d.ends = d.ends[:0]
	for {
		i := bytes.IndexByte(data, 0xff)
		if i < 0 || i+1 >= len(data) {
			return false
		}
		coded = append(coded, data[:i]...)
		marker := data[i+1]
		data = data[i+2:]
		if marker == 0 {
			coded = append(coded, 0xff)
			continue
		}
		d.ends = append(d.ends, len(coded))
		coded = append(coded, make([]byte, padding)...)
		d.coded = coded
		if marker == markerEnd {
			d.coded = append(coded, make([]byte, endPadding-padding)...)
			return true
		}
		if marker != markerFirstRestart+byte((len(d.ends)-1)%restarts) {
			return false
		}
	}
}
