// Package enginetest writes tiny ONNX files, so that tests of whatever runs
// models need no trained network: each computes something that a test can
// compute again by itself, bit for bit.
package enginetest

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Affine is y = x*factor + offset on every element of a tensor of the shape;
// -1 in it stands for any size.
func Affine(factor, offset float32, shape ...int64) []byte {
	return Graph{
		Inputs:  []Value{{Name: "x", Type: Float32, Shape: shape}},
		Outputs: []Value{{Name: "y", Type: Float32, Shape: shape}},
		Weights: []Weight{{Name: "factor", Shape: []int64{1}, Data: []float32{factor}}, {Name: "offset", Shape: []int64{1}, Data: []float32{offset}}},
		Nodes: []Node{
			{Op: "Mul", Inputs: []string{"x", "factor"}, Outputs: []string{"scaled"}},
			{Op: "Add", Inputs: []string{"scaled", "offset"}, Outputs: []string{"y"}},
		},
	}.Bytes()
}

// CountsRows is y = x + the number of rows of x, so that an answer shows how many shared its
// run. x is [N, M].
func CountsRows() []byte {
	shape := []int64{-1, -1}
	return Graph{
		Inputs:  []Value{{Name: "x", Type: Float32, Shape: shape}},
		Outputs: []Value{{Name: "y", Type: Float32, Shape: shape}},
		Weights: []Weight{{Name: "zero", Shape: []int64{1}, Data: []float32{0}}, {Name: "one", Shape: []int64{1}, Data: []float32{1}}},
		Nodes: []Node{
			{Op: "Mul", Inputs: []string{"x", "zero"}, Outputs: []string{"zeros"}},
			{Op: "Add", Inputs: []string{"zeros", "one"}, Outputs: []string{"ones"}},
			{Op: "ReduceMean", Inputs: []string{"ones"}, Outputs: []string{"rows"}, Attributes: []Attribute{{Name: "axes", Ints: []int64{1}}}},
			{Op: "ReduceSum", Inputs: []string{"rows"}, Outputs: []string{"count"}},
			{Op: "Add", Inputs: []string{"x", "count"}, Outputs: []string{"y"}},
		},
	}.Bytes()
}

// Dense is layers of weights, from the first width of numbers x to the last of numbers y by way of the others, with
// negative numbers cut off between them.
func Dense(random *rand.Rand, widths ...int64) []byte {
	last := len(widths) - 1
	g := Graph{
		Inputs:  []Value{{Name: "x", Type: Float32, Shape: []int64{-1, widths[0]}}},
		Outputs: []Value{{Name: "y", Type: Float32, Shape: []int64{-1, widths[last]}}},
	}
	given := "x"
	for i := range last {
		w := Weight{Name: fmt.Sprint("w", i), Shape: widths[i : i+2]}
		scale := 2 / float32(math.Sqrt(float64(widths[i])))
		for range widths[i] * widths[i+1] {
			w.Data = append(w.Data, scale*(random.Float32()-0.5))
		}
		g.Weights = append(g.Weights, w)
		product := fmt.Sprint("product", i)
		if i == last-1 {
			product = "y"
		}
		g.Nodes = append(g.Nodes, Node{Op: "MatMul", Inputs: []string{given, w.Name}, Outputs: []string{product}})
		if i < last-1 {
			given = fmt.Sprint("positive", i)
			g.Nodes = append(g.Nodes, Node{Op: "Relu", Inputs: []string{product}, Outputs: []string{given}})
		}
	}
	return g.Bytes()
}

// Endless takes minutes to run and little memory: it multiplies large matrices again and
// again. x is [1, 3000].
func Endless() []byte {
	const side, times = 3000, 1000
	g := Graph{
		Inputs:  []Value{{Name: "x", Type: Float32, Shape: []int64{1, side}}},
		Outputs: []Value{{Name: "y", Type: Float32, Shape: []int64{side, side}}},
		Nodes: []Node{
			{Op: "Transpose", Inputs: []string{"x"}, Outputs: []string{"column"}},
			{Op: "MatMul", Inputs: []string{"column", "x"}, Outputs: []string{"m0"}},
		},
	}
	for i := range times {
		next := fmt.Sprint("m", i+1)
		if i == times-1 {
			next = "y"
		}
		before := fmt.Sprint("m", i)
		g.Nodes = append(g.Nodes, Node{Op: "MatMul", Inputs: []string{before, before}, Outputs: []string{next}})
	}
	return g.Bytes()
}

// Linear is a classifier: the input [N, shape...] flattened, times weights
// (one row a class, one column an element), and softmax over the classes,
// giving [N, classes].
func Linear(weights [][]float32, shape ...int64) []byte {
	classes, elements := len(weights), len(weights[0])
	columns := make([]float32, 0, classes*elements) // MatMul wants one column a class
	for i := range elements {
		for _, row := range weights {
			columns = append(columns, row[i])
		}
	}
	return Graph{
		Inputs:  []Value{{Name: "input", Type: Float32, Shape: append([]int64{-1}, shape...)}},
		Outputs: []Value{{Name: "probabilities", Type: Float32, Shape: []int64{-1, int64(classes)}}},
		Weights: []Weight{{Name: "w", Shape: []int64{int64(elements), int64(classes)}, Data: columns}},
		Nodes: []Node{
			{Op: "Flatten", Inputs: []string{"input"}, Outputs: []string{"flat"}},
			{Op: "MatMul", Inputs: []string{"flat", "w"}, Outputs: []string{"logits"}},
			{Op: "Softmax", Inputs: []string{"logits"}, Outputs: []string{"probabilities"}},
		},
	}.Bytes()
}

// Forest is a classifier as scikit-learn's exporter writes them: X [N, features]
// to output_label and to output_probability, a map a row from class to
// probability. Its one tree gives the second label where the first feature is
// above the threshold, with probability 0.75, and else the first with 1.
func Forest(features int64, threshold float32, labels [2]string) []byte {
	return forest("X", features, threshold, labels).Bytes()
}

// BrittleForest is a Forest that can be run on zeros alone: it takes the place of each
// other element out of a table of one row.
func BrittleForest(features int64, threshold float32, labels [2]string) []byte {
	g := forest("checked", features, threshold, labels)
	g.Weights = []Weight{{Name: "table", Shape: []int64{1}, Data: []float32{0}}}
	g.Nodes = append([]Node{
		{Op: "NonZero", Inputs: []string{"X"}, Outputs: []string{"places"}},
		{Op: "Gather", Inputs: []string{"table", "places"}, Outputs: []string{"found"}},
		{Op: "ReduceSum", Inputs: []string{"found"}, Outputs: []string{"sum"}},
		{Op: "Add", Inputs: []string{"X", "sum"}, Outputs: []string{"checked"}},
	}, g.Nodes...)
	return g.Bytes()
}

// forest is a Forest whose tree is given a value of the graph.
func forest(given string, features int64, threshold float32, labels [2]string) Graph {
	return Graph{
		Inputs: []Value{{Name: "X", Type: Float32, Shape: []int64{-1, features}}},
		Outputs: []Value{
			{Name: "output_label", Type: String, Shape: []int64{-1}},
			{Name: "output_probability", Maps: true},
		},
		Nodes: []Node{
			{Op: "TreeEnsembleClassifier", Domain: ML, Inputs: []string{given}, Outputs: []string{"output_label", "probabilities"},
				Attributes: []Attribute{
					{Name: "nodes_treeids", Ints: []int64{0, 0, 0}}, {Name: "nodes_nodeids", Ints: []int64{0, 1, 2}},
					{Name: "nodes_featureids", Ints: []int64{0, 0, 0}}, {Name: "nodes_values", Floats: []float32{threshold, 0, 0}},
					{Name: "nodes_modes", Strings: []string{"BRANCH_LEQ", "LEAF", "LEAF"}},
					{Name: "nodes_truenodeids", Ints: []int64{1, 0, 0}}, {Name: "nodes_falsenodeids", Ints: []int64{2, 0, 0}},
					{Name: "class_treeids", Ints: []int64{0, 0, 0, 0}}, {Name: "class_nodeids", Ints: []int64{1, 1, 2, 2}},
					{Name: "class_ids", Ints: []int64{0, 1, 0, 1}}, {Name: "class_weights", Floats: []float32{1, 0, 0.25, 0.75}},
					{Name: "classlabels_strings", Strings: labels[:]}, {Name: "post_transform", String: "NONE"},
				}},
			{Op: "ZipMap", Domain: ML, Inputs: []string{"probabilities"}, Outputs: []string{"output_probability"},
				Attributes: []Attribute{{Name: "classlabels_strings", Strings: labels[:]}}},
		},
	}
}

// Picky is y = 1 for each of two elements of x, and cannot be run on zeros: it wants both
// elements to be another number.
func Picky() []byte {
	return Graph{
		Inputs:  []Value{{Name: "x", Type: Float32, Shape: []int64{2}}},
		Outputs: []Value{{Name: "y", Type: Float32, Shape: []int64{-1, -1}}},
		Weights: []Weight{{Name: "table", Shape: []int64{2}, Data: []float32{1, 1}}, {Name: "two", Shape: []int64{2}, Data: []float32{0, 0}}},
		Nodes: []Node{
			{Op: "NonZero", Inputs: []string{"x"}, Outputs: []string{"places"}},
			{Op: "Gather", Inputs: []string{"table", "places"}, Outputs: []string{"found"}},
			{Op: "Add", Inputs: []string{"found", "two"}, Outputs: []string{"y"}},
		},
	}.Bytes()
}

// Identity passes one tensor of each type through: from in_TYPE to out_TYPE, in
// ONNX's numbers of them, all of the shape.
func Identity(types []ElementType, shape ...int64) []byte {
	var g Graph
	for _, e := range types {
		in, out := fmt.Sprint("in_", int(e)), fmt.Sprint("out_", int(e))
		g.Inputs = append(g.Inputs, Value{Name: in, Type: e, Shape: shape})
		g.Outputs = append(g.Outputs, Value{Name: out, Type: e, Shape: shape})
		g.Nodes = append(g.Nodes, Node{Op: "Identity", Inputs: []string{in}, Outputs: []string{out}})
	}
	return g.Bytes()
}

// ElementType is the type of a value's elements, as ONNX numbers them.
type ElementType int

// The element types of ONNX that the protocol has.
const (
	Float32  ElementType = 1
	Uint8    ElementType = 2
	Int8     ElementType = 3
	Uint16   ElementType = 4
	Int16    ElementType = 5
	Int32    ElementType = 6
	Int64    ElementType = 7
	String   ElementType = 8
	Bool     ElementType = 9
	Float16  ElementType = 10
	Float64  ElementType = 11
	Uint32   ElementType = 12
	Uint64   ElementType = 13
	BFloat16 ElementType = 16
)

// ML is the domain of ONNX's operators of classical machine learning.
const ML = "ai.onnx.ml"

// Value is an input or an output of a graph; -1 in Shape is any size.
type Value struct {
	Name  string
	Type  ElementType
	Shape []int64
	Maps  bool // a sequence of maps from strings to float32, instead of a tensor
}

// Weight is a constant float32 tensor of a graph.
type Weight struct {
	Name     string
	Shape    []int64
	Data     []float32
	External string // a file that holds the data instead
}

// Attribute is a constant of a node: one of its values is set.
type Attribute struct {
	Name    string
	Ints    []int64
	Floats  []float32
	Strings []string
	String  string
	Float   float32
}

// Node is an operator, and the names of what goes in and out.
type Node struct {
	Op         string
	Domain     string // empty is ONNX's own
	Inputs     []string
	Outputs    []string
	Attributes []Attribute
}

// Graph is a network; Bytes writes it as an ONNX file.
type Graph struct {
	Inputs, Outputs []Value
	Weights         []Weight
	Nodes           []Node
}

// message is a protocol buffer that is being written.
type message []byte

func (m message) integer(field int, v int64) message {
	return binary.AppendUvarint(binary.AppendUvarint(m, uint64(field)<<3), uint64(v))
}

func (m message) bytes(field int, b []byte) message {
	m = binary.AppendUvarint(m, uint64(field)<<3|2)
	return append(binary.AppendUvarint(m, uint64(len(b))), b...)
}

func (m message) text(field int, s string) message { return m.bytes(field, []byte(s)) }

// Bytes is the graph as an ONNX file of operator set 13, with the field
// numbers of onnx.proto.
func (g Graph) Bytes() []byte {
	var graph message
	for _, n := range g.Nodes {
		graph = graph.bytes(1, n.encode())
	}
	graph = graph.text(2, "test")
	for _, w := range g.Weights {
		graph = graph.bytes(5, w.encode())
	}
	for _, v := range g.Inputs {
		graph = graph.bytes(11, v.encode())
	}
	for _, v := range g.Outputs {
		graph = graph.bytes(12, v.encode())
	}
	m := message{}.integer(1, 8).bytes(7, graph)
	m = m.bytes(8, message{}.text(1, "").integer(2, 13))
	for _, domain := range g.domains() {
		m = m.bytes(8, message{}.text(1, domain).integer(2, 2)) // of ai.onnx.ml, with which LabelEncoder takes any types
	}
	return m
}

// domains are those of the operators that are not ONNX's own.
func (g Graph) domains() []string {
	var out []string
	for _, n := range g.Nodes {
		if n.Domain != "" && !slices.Contains(out, n.Domain) {
			out = append(out, n.Domain)
		}
	}
	return out
}

func (n Node) encode() (m message) {
	for _, name := range n.Inputs {
		m = m.text(1, name)
	}
	for _, name := range n.Outputs {
		m = m.text(2, name)
	}
	m = m.text(3, n.Op+" "+n.Outputs[0]).text(4, n.Op)
	for _, a := range n.Attributes {
		m = m.bytes(5, a.encode())
	}
	return m.text(7, n.Domain)
}

// encode writes an attribute with the number of its type.
func (a Attribute) encode() message {
	m := message{}.text(1, a.Name)
	switch {
	case a.Ints != nil:
		for _, n := range a.Ints {
			m = m.integer(8, n)
		}
		return m.integer(20, 7)
	case a.Floats != nil:
		var raw []byte
		for _, v := range a.Floats {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		return m.bytes(7, raw).integer(20, 6)
	case a.Strings != nil:
		for _, text := range a.Strings {
			m = m.text(9, text)
		}
		return m.integer(20, 8)
	}
	if a.Float != 0 {
		return append(m, binary.LittleEndian.AppendUint32([]byte{2<<3 | 5}, math.Float32bits(a.Float))...).integer(20, 1)
	}
	return m.text(4, a.String).integer(20, 3)
}

func (w Weight) encode() (m message) {
	for _, d := range w.Shape {
		m = m.integer(1, d)
	}
	if w.External != "" {
		return m.integer(2, int64(Float32)).text(8, w.Name).
			bytes(13, message{}.text(1, "location").text(2, w.External)).integer(14, 1)
	}
	var raw []byte
	for _, v := range w.Data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return m.integer(2, int64(Float32)).text(8, w.Name).bytes(9, raw)
}

func (v Value) encode() message {
	if v.Maps {
		number := message{}.bytes(1, message{}.integer(1, int64(Float32)))
		element := message{}.bytes(5, message{}.integer(1, int64(String)).bytes(2, number))
		return message{}.text(1, v.Name).bytes(2, message{}.bytes(4, message{}.bytes(1, element)))
	}
	var shape message
	for _, d := range v.Shape {
		if d < 0 {
			shape = shape.bytes(1, message{}.text(2, "N"))
			continue
		}
		shape = shape.bytes(1, message{}.integer(1, d))
	}
	tensor := message{}.integer(1, int64(v.Type)).bytes(2, shape)
	return message{}.text(1, v.Name).bytes(2, message{}.bytes(1, tensor))
}
