package modelcheck

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/engine/wire"
)

// The numbers of the fields of onnx.proto that are read.
const (
	modelGraph, modelOpset, modelFunctions          = 7, 8, 25
	graphNode, graphInitializer, graphSparse        = 1, 5, 15
	nodeOutput, nodeName, nodeOp, nodeAttribute     = 2, 3, 4, 5
	nodeDomain                                      = 7
	attributeFloat, attributeFloats                 = 2, 7
	attributeTensor, attributeGraph                 = 5, 6
	attributeTensors, attributeGraphs               = 10, 11
	attributeSparse, sparseValues                   = 22, 1
	tensorType, tensorFloats, tensorName            = 2, 4, 8
	tensorInts, tensorRaw, tensorDoubles            = 5, 9, 10
	tensorExternal, tensorLocation                  = 13, 14
	entryKey, entryValue                            = 1, 2
	functionDomain, functionNode, maxDepth          = 10, 7, 16
	elementFloat, elementDouble                 int = 1, 11
	elementHalf, elementBrain                   int = 10, 16
)

// libraryDomains are those of the operators that the library has.
var libraryDomains = []string{"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc", "com.microsoft.experimental", "ai.onnx.preview.training"}

// contents is what is found in a file before anything runs it.
type contents struct {
	graphs    int
	nodes     int
	lastOps   map[string]string // the operator that makes a value, by the value's name
	functions []string          // domains that the file itself defines
}

// Readable says why a file cannot be a model, without running it.
func Readable(onnx []byte) error {
	_, err := inspect(onnx)
	return err
}

// inspect reads a file for what the library would only say unclearly, or not at
// all: that it is no ONNX, custom operators, weights in other files, and weights
// that are not numbers. The error names the node or the weight.
func inspect(onnx []byte) (*contents, error) {
	c := &contents{lastOps: map[string]string{}}
	opsets := 0
	err := wire.Each(onnx, func(f wire.Field) error {
		switch f.Number {
		case modelOpset:
			opsets++
		case modelFunctions:
			return wire.Each(f.Bytes, func(g wire.Field) error {
				if g.Number == functionDomain {
					c.functions = append(c.functions, g.Text())
				}
				return nil
			})
		case modelGraph:
			c.graphs++
		}
		return nil
	})
	if err != nil || c.graphs != 1 || opsets == 0 {
		return nil, badf("file", "is not an ONNX model: %d bytes without a graph and an operator set", len(onnx))
	}
	err = wire.Each(onnx, func(f wire.Field) error {
		switch f.Number {
		case modelGraph:
			return c.graph(f.Bytes, 0)
		case modelFunctions:
			return c.function(f.Bytes)
		}
		return nil
	})
	return c, err
}

// function reads the nodes of an operator that the file itself defines.
func (c *contents) function(message []byte) error {
	return wire.Each(message, func(f wire.Field) error {
		if f.Number == functionNode {
			return c.node(f.Bytes, 0)
		}
		return nil
	})
}

// graph reads one graph, and those within its nodes.
func (c *contents) graph(message []byte, depth int) error {
	if depth > maxDepth {
		return badf("file", "has graphs within graphs, more than %d deep", maxDepth)
	}
	return wire.Each(message, func(f wire.Field) error {
		switch f.Number {
		case graphNode:
			return c.node(f.Bytes, depth)
		case graphInitializer:
			return c.weight(f.Bytes)
		case graphSparse:
			return c.sparse(f.Bytes)
		}
		return nil
	})
}

// sparse reads the elements that a sparse tensor holds.
func (c *contents) sparse(message []byte) error {
	return wire.Each(message, func(f wire.Field) error {
		if f.Number == sparseValues {
			return c.weight(f.Bytes)
		}
		return nil
	})
}

// node reads one node.
func (c *contents) node(message []byte, depth int) error {
	var name, op, domain string
	var outputs []string
	var inner []wire.Field
	err := wire.Each(message, func(f wire.Field) error {
		switch f.Number {
		case nodeName:
			name = f.Text()
		case nodeOp:
			op = f.Text()
		case nodeDomain:
			domain = f.Text()
		case nodeOutput:
			outputs = append(outputs, f.Text())
		case nodeAttribute:
			inner = append(inner, f)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.nodes++
	for _, out := range outputs {
		c.lastOps[out] = op
	}
	if name == "" {
		name = strings.Join(outputs, ", ")
	}
	if !slices.Contains(libraryDomains, domain) && !slices.Contains(c.functions, domain) {
		return badf("node "+quote(name), "is a custom operator, %s of %s: ONNX Runtime has only the operators of ONNX and of com.microsoft", quote(op), quote(domain))
	}
	for _, f := range inner {
		if op == "Constant" && holdsNaN(f.Bytes) {
			return badf("node "+quote(name), "is a constant that contains NaN: every result that is computed from it would be NaN")
		}
		if err := c.attribute(f.Bytes, domain, depth); err != nil {
			return err
		}
	}
	return nil
}

// holdsNaN says whether an attribute is a number, or a list of them, with NaN in it.
func holdsNaN(attribute []byte) bool {
	var numbers []byte
	err := wire.Each(attribute, func(f wire.Field) error {
		if f.Number == attributeFloat || f.Number == attributeFloats {
			numbers = append(numbers, f.Bytes...)
		}
		return nil
	})
	return err == nil && first(numbers, 4, nanFloat) >= 0
}

// treeDomain is that of trees, in whose tables NaN ends a set.
const treeDomain = "ai.onnx.ml"

// attribute reads what a node of a domain holds: tensors and graphs.
func (c *contents) attribute(message []byte, domain string, depth int) error {
	return wire.Each(message, func(f wire.Field) error {
		switch f.Number {
		case attributeTensor, attributeTensors:
			if domain == treeDomain {
				return nil
			}
			return c.weight(f.Bytes)
		case attributeSparse:
			return c.sparse(f.Bytes)
		case attributeGraph, attributeGraphs:
			return c.graph(f.Bytes, depth+1)
		}
		return nil
	})
}

// weight reads one constant tensor.
func (c *contents) weight(message []byte) error {
	w, err := readWeight(message)
	if err != nil {
		return err
	}
	if w.external {
		return badf("weight "+quote(w.name), "is stored in another file, %s, which was not sent with the model", quote(w.location))
	}
	if i := w.firstNaN(); i >= 0 {
		return badf("weight "+quote(w.name), "contains NaN as element %d: every result that is computed from it would be NaN", i)
	}
	return nil
}

// weight is a constant tensor, as far as it is read.
type weight struct {
	name            string
	element         int
	raw             []byte
	floats, doubles []byte
	shorts          []byte // of types of two bytes, which are listed as whole numbers
	external        bool
	location        string
	offset, length  string
}

func readWeight(message []byte) (w weight, err error) {
	err = wire.Each(message, func(f wire.Field) error {
		switch f.Number {
		case tensorName:
			w.name = f.Text()
		case tensorType:
			w.element = int(f.Value)
		case tensorRaw:
			w.raw = f.Bytes
		case tensorInts:
			w.shorts = appendShorts(w.shorts, f)
		case tensorFloats:
			w.floats = append(w.floats, f.Bytes...)
		case tensorDoubles:
			w.doubles = append(w.doubles, f.Bytes...)
		case tensorLocation:
			w.external = f.Value == 1
		case tensorExternal:
			return w.entry(f.Bytes)
		}
		return nil
	})
	return w, err
}

// appendShorts appends whole numbers as two bytes each.
func appendShorts(out []byte, f wire.Field) []byte {
	if f.Bytes == nil {
		return binary.LittleEndian.AppendUint16(out, uint16(f.Value))
	}
	for rest := f.Bytes; len(rest) > 0; {
		v, size := binary.Uvarint(rest)
		if size <= 0 {
			return out
		}
		out, rest = binary.LittleEndian.AppendUint16(out, uint16(v)), rest[size:]
	}
	return out
}

// entry reads where external data lies.
func (w *weight) entry(message []byte) error {
	var key, value string
	err := wire.Each(message, func(f wire.Field) error {
		switch f.Number {
		case entryKey:
			key = f.Text()
		case entryValue:
			value = f.Text()
		}
		return nil
	})
	switch key {
	case "location":
		w.location = value
	case "offset":
		w.offset = value
	case "length":
		w.length = value
	}
	return err
}

// firstNaN is the first element that is not a number, -1 without one.
func (w weight) firstNaN() int {
	switch w.element {
	case elementFloat:
		return first(append(w.raw[:len(w.raw):len(w.raw)], w.floats...), 4, nanFloat)
	case elementHalf:
		return first(append(w.raw[:len(w.raw):len(w.raw)], w.shorts...), 2, func(b []byte) bool { return binary.LittleEndian.Uint16(b)&0x7fff > 0x7c00 })
	case elementBrain:
		return first(append(w.raw[:len(w.raw):len(w.raw)], w.shorts...), 2, func(b []byte) bool { return binary.LittleEndian.Uint16(b)&0x7fff > 0x7f80 })
	case elementDouble:
		return first(append(w.raw[:len(w.raw):len(w.raw)], w.doubles...), 8, func(b []byte) bool {
			return math.IsNaN(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		})
	}
	return -1
}

// nanFloat says whether four bytes are a float32 that is not a number.
func nanFloat(b []byte) bool { return binary.LittleEndian.Uint32(b)&0x7fffffff > 0x7f800000 }

func first(data []byte, size int, is func([]byte) bool) int {
	for i := 0; (i+1)*size <= len(data); i++ {
		if is(data[i*size:]) {
			return i
		}
	}
	return -1
}

// quote bounds and quotes a word of a file.
func quote(text string) string { return fmt.Sprintf("%.80q", text) }
