package tensors

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// ParseData reads the elements of a tensor from a JSON list, flat or nested as
// the shape says, into little-endian bytes. The JSON must be valid and its depth
// bounded. Errors name the element.
func ParseData(data json.RawMessage, d Datatype, shape []int64) ([]byte, error) {
	count, err := Elements(shape)
	if err != nil {
		return nil, err
	}
	p := parser{shape: shape, datatype: d, count: count, data: make([]byte, 0, min(count, len(data))*max(d.Size(), 4))}
	for i := 0; i < len(data); {
		switch data[i] {
		case ' ', '\t', '\r', '\n', ',':
			i++
		case '[':
			if !p.open() {
				return nil, fmt.Errorf("nests deeper than its shape %v", shape)
			}
			i++
		case ']':
			if !p.close() {
				return nil, fmt.Errorf("is not nested as its shape %v requires", shape)
			}
			i++
		default:
			end := wordEnd(data, i)
			if err := p.add(data[i:end]); err != nil {
				return nil, fmt.Errorf("element %d: %w", p.n, err)
			}
			i = end
		}
	}
	if p.n != count {
		return nil, fmt.Errorf("has %d elements, but shape %v needs %d", p.n, shape, count)
	}
	return p.data, nil
}

// wordEnd is where the word ends that begins at i: a number, true, false or a
// string.
func wordEnd(data []byte, i int) int {
	if data[i] == '"' {
		for i++; i < len(data) && data[i] != '"'; i++ {
			if data[i] == '\\' {
				i++
			}
		}
		return min(i+1, len(data))
	}
	for i++; i < len(data) && !slices.Contains([]byte(",][ \t\r\n"), data[i]); i++ {
	}
	return i
}

// parser follows the lists that are open while a tensor is read.
type parser struct {
	shape    []int64
	datatype Datatype
	count    int // of the elements that there may be
	lengths  []int64
	nested   bool
	n        int // elements so far
	data     []byte
}

// open begins a list, which is an element of the one around it.
func (p *parser) open() bool {
	if n := len(p.lengths); n > 0 {
		p.nested = true
		p.lengths[n-1]++
	}
	p.lengths = append(p.lengths, 0)
	return len(p.lengths) <= max(1, len(p.shape)) // a single number lies in a list of one
}

// close ends a list. A nested one must be as long as its dimension.
func (p *parser) close() bool {
	n := len(p.lengths) - 1
	if n < 0 {
		return false
	}
	length := p.lengths[n]
	p.lengths = p.lengths[:n]
	return !p.nested || length == p.shape[n]
}

// add takes an element, which must lie in a list: the one list of flat data, or
// an innermost one.
func (p *parser) add(word []byte) (err error) {
	n := len(p.lengths)
	if n == 0 || p.nested && n != len(p.shape) {
		return errors.New("is not nested as the shape requires")
	}
	if p.n == p.count {
		return fmt.Errorf("is one element more than shape %v has", p.shape)
	}
	if p.datatype == Bytes {
		var s string
		if json.Unmarshal(word, &s) != nil || word[0] != '"' {
			return errors.New("is not a string")
		}
		p.data = AppendString(p.data, s)
	} else if p.data, err = appendNumber(p.data, string(word), p.datatype); err != nil {
		return err
	}
	p.lengths[n-1]++
	p.n++
	return nil
}

// AppendData appends the elements as a flat JSON list; false when JSON has no
// word for one of them, such as NaN, or bytes that are no text.
func (t Tensor) AppendData(out []byte) ([]byte, bool) {
	out = append(out, '[')
	if t.Datatype == Bytes {
		texts, err := t.Strings()
		for i, text := range texts {
			word, wrong := json.Marshal(string(text))
			if wrong != nil || !validText(text) {
				return nil, false
			}
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, word...)
		}
		return append(out, ']'), err == nil
	}
	ok, size := true, t.Datatype.Size()
	for at := 0; size > 0 && at+size <= len(t.Data); at += size {
		if at > 0 {
			out = append(out, ',')
		}
		if out, ok = appendJSON(out, t.Data[at:], t.Datatype); !ok {
			return nil, false
		}
	}
	return append(out, ']'), true
}

// wire is a tensor as JSON has it.
type wire struct {
	Name     string          `json:"name"`
	Datatype Datatype        `json:"datatype"`
	Shape    []int64         `json:"shape"`
	Data     json.RawMessage `json:"data,omitempty"`
	// Raw holds the bytes, where JSON has no words for the elements.
	Raw []byte `json:"raw,omitempty"`
}

// MarshalJSON writes the elements as a list, or in base64 as raw where JSON has
// no words for them.
func (t Tensor) MarshalJSON() ([]byte, error) {
	w := wire{Name: t.Name, Datatype: t.Datatype, Shape: t.Shape}
	if w.Shape == nil {
		w.Shape = []int64{}
	}
	if data, ok := t.AppendData(nil); ok {
		w.Data = data
	} else {
		w.Raw = t.Data
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Tensor) UnmarshalJSON(raw []byte) (err error) {
	var w wire
	if err := json.Unmarshal(raw, &w); err != nil {
		return err
	}
	*t = Tensor{w.Name, w.Datatype, w.Shape, w.Raw}
	if !w.Datatype.Known() {
		return fmt.Errorf("tensor %.64q: %.32q is not a datatype of the Open Inference Protocol", w.Name, w.Datatype)
	}
	if w.Raw == nil && w.Data != nil {
		if t.Data, err = ParseData(w.Data, w.Datatype, w.Shape); err != nil {
			return fmt.Errorf("tensor %.64q: data: %w", w.Name, err)
		}
	}
	return t.Check()
}
