package tokenizer

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rivo/uniseg"
)

// precompiled is SentencePiece's table of characters and what they become: a double
// array over their UTF-8 (Darts), whose values are places in the texts.
type precompiled struct {
	units []uint32
	texts []byte // each ended by a zero byte
}

func parsePrecompiled(field string, raw json.RawMessage) (normalizer, error) {
	var f struct {
		Map *string `json:"precompiled_charsmap"`
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", field, err)
	}
	if f.Map == nil || *f.Map == "" {
		return nil, fmt.Errorf("%s.precompiled_charsmap is missing", field)
	}
	table, err := base64.StdEncoding.DecodeString(*f.Map)
	if err != nil || len(table) < 4 {
		return nil, fmt.Errorf("%s.precompiled_charsmap is not a table in base64: %v", field, err)
	}
	size := binary.LittleEndian.Uint32(table)
	if table = table[4:]; size%4 != 0 || size == 0 || uint64(size) > uint64(len(table)) {
		return nil, fmt.Errorf("%s.precompiled_charsmap begins with the size of its array, %d bytes, which must be a multiple of 4 above 0 and at most the %d bytes that follow", field, size, len(table))
	}
	p := precompiled{units: make([]uint32, size/4), texts: table[size:]}
	for i := range p.units {
		p.units[i] = binary.LittleEndian.Uint32(table[4*i:])
	}
	return p.normalize, nil
}

// mostGrapheme is the size from which a user-perceived character is not looked up as
// a whole, in bytes.
const mostGrapheme = 6

// normalize replaces user-perceived characters that are in the table and, of what is
// not, single characters. It does as SentencePiece does in Hugging Face's library.
func (p precompiled) normalize(text string) string {
	var b strings.Builder
	state, rest := -1, text
	for rest != "" {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if len(cluster) < mostGrapheme {
			if to, ok := p.lookup(cluster); ok {
				b.Write(to)
				continue
			}
		}
		for _, r := range cluster {
			if to, ok := p.lookup(string(r)); ok {
				b.Write(to)
				continue
			}
			b.WriteRune(r)
		}
	}
	return b.String()
}

// lookup returns what the shortest entry that a text begins with becomes.
func (p precompiled) lookup(text string) ([]byte, bool) {
	at := offset(p.units[0])
	for i := range len(text) {
		c := uint32(text[i])
		if at ^= c; c == 0 || at >= uint32(len(p.units)) {
			return nil, false
		}
		unit := p.units[at]
		if unit&(1<<31|0xFF) != c { // another byte, or a value
			return nil, false
		}
		at ^= offset(unit)
		if unit>>8&1 == 0 {
			continue
		}
		if at >= uint32(len(p.units)) {
			return nil, false
		}
		value := p.units[at] & (1<<31 - 1)
		if value >= uint32(len(p.texts)) {
			return nil, false
		}
		to, _, _ := bytes.Cut(p.texts[value:], []byte{0})
		return to, true
	}
	return nil, false
}

// offset is how far the children of a unit are.
func offset(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }
