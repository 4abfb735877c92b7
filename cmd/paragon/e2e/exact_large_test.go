//go:build accuracy

package e2e_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/tokenizer"
)

// miniLM is where `make minilm` puts the encoder and its tokenizer.
const miniLM = "../../../pools/minilm"

// 100 inputs of models of the size that people bring get, bit for bit, what the bare library
// gives, on a worker and on inference functions: all-MiniLM-L6-v2 as an embedding, and a
// classifier of photographs with the layers of ResNet-50.
func TestAnswersOfLargeModelsAreTheLibrarysBitForBit(t *testing.T) {
	answerAsTheLibrary(t, []exactModel{embedding(t), residual(t)})
}

// embedding is all-MiniLM-L6-v2, asked with passages of the README.
func embedding(t *testing.T) exactModel {
	t.Helper()
	read := func(path string) []byte {
		raw, err := os.ReadFile(filepath.FromSlash(path))
		if err != nil {
			t.Fatalf("%v: make minilm", err)
		}
		return raw
	}
	tokens, err := tokenizer.Parse(read(miniLM + "/tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(read(root + "/README.md")))
	return exactModel{name: "minilm", file: read(miniLM + "/minilm.onnx"), outputs: []string{"vector"},
		flags: []string{"--tokenizer", filepath.FromSlash(miniLM + "/tokenizer.json"), "--kind", "embed"},
		ask: func(random *rand.Rand) (query.Input, []tensors.Tensor) {
			length := 1 + random.IntN(60)
			from := random.IntN(len(words) - length)
			text := strings.Join(words[from:from+length], " ")
			e, err := tokens.Encode(text, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			return query.Input{ContentType: query.TextType, Data: []byte(text)}, tokensOf(e)[:2]
		}, answer: vectorOf}
}

// residual is a net with the layers of ResNet-50 and random weights (25.5 million), asked with the
// tensors of photographs that are noise.
func residual(t *testing.T) exactModel {
	t.Helper()
	const classes, side = 1000, 224
	var names strings.Builder
	for i := range classes {
		fmt.Fprintln(&names, "class", i)
	}
	return exactModel{name: "residual", file: layersOfResNet(classes, side), outputs: []string{"scores"},
		flags: []string{"--kind", "classify", "--input", "picture", "--preprocess", "imagenet", "--labels", file(t, "names.txt", []byte(names.String()))},
		ask: func(random *rand.Rand) (query.Input, []tensors.Tensor) {
			in := engine.Tensor{Shape: []int64{1, 3, side, side}, Data: floats(random, 3*side*side)}
			return raw(in), []tensors.Tensor{tensors.FromFloats("input", in.Shape, in.Data)}
		}, answer: scoresOf}
}

// layersOfResNet are the layers of ResNet-50 with random weights, and its normalizations, which
// are constant once it is trained, left out.
func layersOfResNet(classes, side int64) []byte {
	random := rand.New(rand.NewPCG(50, 50))
	g := enginetest.Graph{
		Inputs:  []enginetest.Value{{Name: "input", Type: enginetest.Float32, Shape: []int64{-1, 3, side, side}}},
		Outputs: []enginetest.Value{{Name: "scores", Type: enginetest.Float32, Shape: []int64{-1, classes}}},
	}
	// Each gives the name of its output. Weights are such that numbers stay of one size.
	add := func(op string, attributes []enginetest.Attribute, inputs ...string) string {
		out := fmt.Sprint("v", len(g.Nodes))
		g.Nodes = append(g.Nodes, enginetest.Node{Op: op, Inputs: inputs, Outputs: []string{out}, Attributes: attributes})
		return out
	}
	weigh := func(gain float64, shape ...int64) string {
		w := weight(random, fmt.Sprint("w", len(g.Weights)), shape...)
		into := 1.0
		for _, d := range shape[1:] {
			into *= float64(d)
		}
		for i := range w.Data { // evenly between -2 and 2: its variance is 4/3
			w.Data[i] *= float32(gain * math.Sqrt(2/into*3/4))
		}
		g.Weights = append(g.Weights, w)
		return w.Name
	}
	conv := func(x string, gain float64, in, out, kernel, stride int64) string {
		pad := kernel / 2
		return add("Conv", []enginetest.Attribute{{Name: "kernel_shape", Ints: []int64{kernel, kernel}}, {Name: "strides", Ints: []int64{stride, stride}}, {Name: "pads", Ints: []int64{pad, pad, pad, pad}}},
			x, weigh(gain, out, in, kernel, kernel))
	}
	x := add("Relu", nil, conv("input", 1, 3, 64, 7, 2))
	x = add("MaxPool", []enginetest.Attribute{{Name: "kernel_shape", Ints: []int64{3, 3}}, {Name: "strides", Ints: []int64{2, 2}}, {Name: "pads", Ints: []int64{1, 1, 1, 1}}}, x)
	in := int64(64)
	for stage, blocks := range []int{3, 4, 6, 3} {
		width := int64(64) << stage
		for block := range blocks {
			stride, shortcut := int64(1), x
			if block == 0 {
				if stage > 0 {
					stride = 2
				}
				shortcut = conv(x, 0.7, in, 4*width, 1, stride)
			}
			y := add("Relu", nil, conv(x, 1, in, width, 1, 1))
			y = add("Relu", nil, conv(y, 1, width, width, 3, stride))
			x, in = add("Relu", nil, add("Add", nil, conv(y, 0.3, width, 4*width, 1, 1), shortcut)), 4*width
		}
	}
	flat := add("Flatten", nil, add("GlobalAveragePool", nil, x))
	logits := add("MatMul", nil, flat, weigh(0.3, in, classes))
	g.Nodes = append(g.Nodes, enginetest.Node{Op: "Softmax", Inputs: []string{logits}, Outputs: []string{"scores"}})
	return g.Bytes()
}
