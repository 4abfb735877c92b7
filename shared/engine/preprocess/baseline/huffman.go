package baseline

import "bytes"

// tableBits are so many bits that are looked up at once.
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

// table decodes the codes of one Huffman table, annex C.
type table struct {
	ac    bool
	spec  []byte // what it was made from
	table [1 << tableBits]int32
	limit [17]int32 // the first code of each length that is too large, as 16 bits
	first [17]int32 // what to add to a code of a length for its place in symbols
	codes [256]byte
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
	return true
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

// extend is the value that so many bits stand for, F.2.2.1.
func extend(v uint64, size uint) int32 {
	if size > 0 && v < 1<<(size-1) {
		return int32(v) - 1<<size + 1
	}
	return int32(v)
}

// long finds the entry of a code that is longer than tableBits, in the next 16
// bits; 0 when there is none.
func (t *table) long(next int32) int32 {
	for length := tableBits + 1; length <= 16; length++ {
		if next < t.limit[length] {
			symbol := t.codes[byte(next>>(16-length)+t.first[length])]
			if t.ac && symbol == 0 {
				return toEnd<<entrySkip | entryWhole | int32(length)
			}
			return int32(symbol&15)<<entrySize | int32(symbol>>4)<<entrySkip | int32(length)
		}
	}
	return 0
}

// reader reads bits. The highest n bits of next are not read yet.
type reader struct {
	coded []byte
	at    int // of the first byte that is not in next
	next  uint64
	n     uint
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
			return true
		}
		if marker != markerFirstRestart+byte((len(d.ends)-1)%restarts) {
			return false
		}
	}
}

// padding are zeros after an interval, which a reader may take in.
const padding = 16
