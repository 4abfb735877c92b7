// Package enginetest writes tiny ONNX files, so that tests of whatever runs
// models need no trained network: each computes something that a test can
// compute again by itself, bit for bit.
package enginetest

import (
	"encoding/binary"
	"math"
)

// Affine is y = x*factor + offset on every element of a tensor of the shape;
// -1 in it stands for any size.
func Affine(factor, offset float32, shape ...int64) []byte {
	return Graph{
		Inputs:  []Value{{"x", Float32, shape}},
		Outputs: []Value{{"y", Float32, shape}},
		Weights: []Weight{{"factor", []int64{1}, []float32{factor}}, {"offset", []int64{1}, []float32{offset}}},
		Nodes:   []Node{{"Mul", []string{"x", "factor"}, []string{"scaled"}}, {"Add", []string{"scaled", "offset"}, []string{"y"}}},
	}.Bytes()
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
		Inputs:  []Value{{"input", Float32, append([]int64{-1}, shape...)}},
		Outputs: []Value{{"probabilities", Float32, []int64{-1, int64(classes)}}},
		Weights: []Weight{{"w", []int64{int64(elements), int64(classes)}, columns}},
		Nodes: []Node{
			{"Flatten", []string{"input"}, []string{"flat"}},
			{"MatMul", []string{"flat", "w"}, []string{"logits"}},
			{"Softmax", []string{"logits"}, []string{"probabilities"}},
		},
	}.Bytes()
}

// ElementType is the type of a value's elements, as ONNX numbers them.
type ElementType int

// The element types that tests need.
const (
	Float32 ElementType = 1
	Int64   ElementType = 7
)

// Value is an input or an output of a graph; -1 in Shape is any size.
type Value struct {
	Name  string
	Type  ElementType
	Shape []int64
}

// Weight is a constant tensor of a graph.
type Weight struct {
	Name  string
	Shape []int64
	Data  []float32
}

// Node is an operator without attributes, and the names of what goes in and out.
type Node struct {
	Op      string
	Inputs  []string
	Outputs []string
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
	operators := message{}.text(1, "").integer(2, 13)
	return message{}.integer(1, 8).bytes(7, graph).bytes(8, operators)
}

func (n Node) encode() (m message) {
	for _, name := range n.Inputs {
		m = m.text(1, name)
	}
	for _, name := range n.Outputs {
		m = m.text(2, name)
	}
	return m.text(4, n.Op)
}

func (w Weight) encode() (m message) {
	for _, d := range w.Shape {
		m = m.integer(1, d)
	}
	var raw []byte
	for _, v := range w.Data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return m.integer(2, int64(Float32)).text(8, w.Name).bytes(9, raw)
}

func (v Value) encode() message {
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
