package e2e_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
)

// exactModel is a model of one's own, and how it is asked.
type exactModel struct {
	name    string
	file    []byte
	library []byte   // what the bare library runs; the file unless set
	outputs []string // the names of what it compares
	flags   []string // of `paragon model add`
	// ask draws an input: as a query has it, and as the library's session takes it.
	ask func(*rand.Rand) (query.Input, []tensors.Tensor)
	// answer are the outputs in a query's result.
	answer func(query.Result) []tensors.Tensor
}

// floats draws numbers between -2 and 2.
func floats(random *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = 4*random.Float32() - 2
	}
	return out
}

// flower draws four lengths in cm that a flower of the iris data could have.
func flower(random *rand.Rand) []float32 {
	return []float32{4 + 4*random.Float32(), 2 + 3*random.Float32(), 1 + 6*random.Float32(), 3 * random.Float32()}
}

// packed is a query's input of tensors.
func packed(in ...tensors.Tensor) (query.Input, []tensors.Tensor) {
	return query.Input{ContentType: tensors.ContentType, Data: tensors.Pack(in)}, in
}

// outputsOf is the answer of a query for tensors.
func outputsOf(r query.Result) []tensors.Tensor { return r.Outputs }

// scoresOf is that of a query for labels, asked with all scores.
func scoresOf(r query.Result) []tensors.Tensor {
	return []tensors.Tensor{tensors.FromFloats("", []int64{1, int64(len(r.Scores))}, r.Scores)}
}

// vectorOf is that of a query for an embedding.
func vectorOf(r query.Result) []tensors.Tensor {
	return []tensors.Tensor{tensors.FromFloats("", []int64{1, int64(len(r.Embedding))}, r.Embedding)}
}

// grove is a random forest of whole trees, as scikit-learn's exporter writes it: the label, and
// the probabilities, as maps or as a tensor.
func grove(maps bool) []byte {
	const trees, depth, features = 60, 5, 8
	random, labels := rand.New(rand.NewPCG(3, 3)), []string{"ham", "news", "spam"} // in the order of a map
	var tree, node, feature, yes, no, leafTree, leafNode, class []int64
	var threshold, share []float32
	var modes []string
	for t := range int64(trees) {
		for n := range int64(1<<depth - 1) {
			leaf := n >= 1<<(depth-1)-1
			tree, node, threshold = append(tree, t), append(node, n), append(threshold, 2*random.Float32()-1)
			feature, yes, no = append(feature, random.Int64N(features)), append(yes, 2*n+1), append(no, 2*n+2)
			modes = append(modes, "BRANCH_LEQ")
			if !leaf {
				continue
			}
			modes[len(modes)-1], yes[len(yes)-1], no[len(no)-1] = "LEAF", 0, 0
			for c := range labels {
				leafTree, leafNode, class = append(leafTree, t), append(leafNode, n), append(class, int64(c))
				share = append(share, random.Float32()/trees)
			}
		}
	}
	g := enginetest.Graph{
		Inputs:  []enginetest.Value{{Name: "X", Type: enginetest.Float32, Shape: []int64{-1, features}}},
		Outputs: []enginetest.Value{{Name: "output_label", Type: enginetest.String, Shape: []int64{-1}}},
		Nodes: []enginetest.Node{{Op: "TreeEnsembleClassifier", Domain: enginetest.ML, Inputs: []string{"X"}, Outputs: []string{"output_label", "probabilities"},
			Attributes: []enginetest.Attribute{
				{Name: "nodes_treeids", Ints: tree}, {Name: "nodes_nodeids", Ints: node}, {Name: "nodes_featureids", Ints: feature}, {Name: "nodes_values", Floats: threshold},
				{Name: "nodes_modes", Strings: modes}, {Name: "nodes_truenodeids", Ints: yes}, {Name: "nodes_falsenodeids", Ints: no},
				{Name: "class_treeids", Ints: leafTree}, {Name: "class_nodeids", Ints: leafNode}, {Name: "class_ids", Ints: class}, {Name: "class_weights", Floats: share},
				{Name: "classlabels_strings", Strings: labels}, {Name: "post_transform", String: "NONE"},
			}}},
	}
	if !maps {
		g.Outputs = append(g.Outputs, enginetest.Value{Name: "probabilities", Type: enginetest.Float32, Shape: []int64{-1, int64(len(labels))}})
		return g.Bytes()
	}
	g.Outputs = append(g.Outputs, enginetest.Value{Name: "output_probability", Maps: true})
	g.Nodes = append(g.Nodes, enginetest.Node{Op: "ZipMap", Domain: enginetest.ML, Inputs: []string{"probabilities"}, Outputs: []string{"output_probability"},
		Attributes: []enginetest.Attribute{{Name: "classlabels_strings", Strings: labels}}})
	return g.Bytes()
}

// weight is a constant of random numbers.
func weight(random *rand.Rand, name string, shape ...int64) enginetest.Weight {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	return enginetest.Weight{Name: name, Shape: shape, Data: floats(random, int(n))}
}

// vocabulary is how many words the text models know; word 0 stands for all others.
const vocabulary = 200

// word is that of a number, of letters alone.
func word(n int) string {
	return string([]byte{'a' + byte(n/26/26), 'a' + byte(n/26%26), 'a' + byte(n%26)})
}

// wordTokenizer is a tokenizer.json of whole words.
func wordTokenizer(t *testing.T) []byte {
	t.Helper()
	vocab := map[string]int{"[UNK]": 0}
	for n := 1; n < vocabulary; n++ {
		vocab[word(n)] = n
	}
	raw, err := json.Marshal(map[string]any{
		"normalizer": map[string]any{"type": "Lowercase"}, "pre_tokenizer": map[string]any{"type": "BertPreTokenizer"},
		"model": map[string]any{"type": "WordPiece", "unk_token": "[UNK]", "vocab": vocab},
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// ofWords is a net of tokens: the mean of their vectors where the mask is 1, times weights, and
// then the last operator, whose output is y.
func ofWords(last string, width, out int64) []byte {
	random := rand.New(rand.NewPCG(4, 4))
	ones := enginetest.Weight{Name: "mask", Shape: []int64{2, width}, Data: make([]float32, 2*width)}
	for i := range width {
		ones.Data[width+i] = 1
	}
	axis := []enginetest.Attribute{{Name: "axes", Ints: []int64{1}}}
	return enginetest.Graph{
		Inputs: []enginetest.Value{{Name: "input_ids", Type: enginetest.Int64, Shape: []int64{-1, -1}},
			{Name: "attention_mask", Type: enginetest.Int64, Shape: []int64{-1, -1}}},
		Outputs: []enginetest.Value{{Name: "y", Type: enginetest.Float32, Shape: []int64{-1, out}}},
		Weights: []enginetest.Weight{weight(random, "words", vocabulary, width), ones, weight(random, "w", width, out)},
		Nodes: []enginetest.Node{
			{Op: "Gather", Inputs: []string{"words", "input_ids"}, Outputs: []string{"vectors"}},
			{Op: "Gather", Inputs: []string{"mask", "attention_mask"}, Outputs: []string{"known"}},
			{Op: "Mul", Inputs: []string{"vectors", "known"}, Outputs: []string{"masked"}},
			{Op: "ReduceMean", Inputs: []string{"masked"}, Outputs: []string{"mean"}, Attributes: axis},
			{Op: "ReduceMean", Inputs: []string{"known"}, Outputs: []string{"share"}, Attributes: axis},
			{Op: "Div", Inputs: []string{"mean", "share"}, Outputs: []string{"pooled"}},
			{Op: "Flatten", Inputs: []string{"pooled"}, Outputs: []string{"flat"}},
			{Op: "MatMul", Inputs: []string{"flat", "w"}, Outputs: []string{"logits"}},
			{Op: last, Inputs: []string{"logits"}, Outputs: []string{"y"}},
		},
	}.Bytes()
}

// sentence draws a text, some of whose words are not known, and the tokens that it has.
func sentence(random *rand.Rand) (query.Input, []tensors.Tensor) {
	length := 1 + random.IntN(40)
	var ids, mask []byte
	var words []string
	for range length {
		n := random.IntN(vocabulary)
		words, ids = append(words, word(n)), binary.LittleEndian.AppendUint64(ids, uint64(n))
		mask = binary.LittleEndian.AppendUint64(mask, 1)
	}
	shape := []int64{1, int64(length)}
	return query.Input{ContentType: query.TextType, Data: []byte(strings.Join(words, " "))}, []tensors.Tensor{
		{Name: "input_ids", Datatype: tensors.Int64, Shape: shape, Data: ids}, {Name: "attention_mask", Datatype: tensors.Int64, Shape: shape, Data: mask}}
}

// manyTypes is a net with inputs and outputs of many datatypes and ranks, one of which it quantizes
// to integers of eight bits.
func manyTypes() []byte {
	random := rand.New(rand.NewPCG(5, 5))
	row := []int64{-1, 16}
	return enginetest.Graph{
		Inputs: []enginetest.Value{
			{Name: "single", Type: enginetest.Float32, Shape: row}, {Name: "half", Type: enginetest.Float16, Shape: row}, {Name: "double", Type: enginetest.Float64, Shape: row},
			{Name: "places", Type: enginetest.Int64, Shape: []int64{-1, 3}}, {Name: "text", Type: enginetest.String, Shape: []int64{-1}}, {Name: "flag", Type: enginetest.Bool, Shape: []int64{-1}},
		},
		Outputs: []enginetest.Value{
			{Name: "product", Type: enginetest.Float32, Shape: []int64{-1, 8}}, {Name: "square", Type: enginetest.Float16, Shape: row}, {Name: "curve", Type: enginetest.Float64, Shape: row},
			{Name: "whole", Type: enginetest.Int32, Shape: []int64{-1, 8}}, {Name: "found", Type: enginetest.Float32, Shape: []int64{-1, 3, 4}},
			{Name: "next", Type: enginetest.Int64, Shape: []int64{-1, 3}}, {Name: "same", Type: enginetest.String, Shape: []int64{-1}}, {Name: "other", Type: enginetest.Bool, Shape: []int64{-1}},
		},
		Weights: []enginetest.Weight{weight(random, "w", 16, 8), weight(random, "table", 10, 4)},
		Nodes: []enginetest.Node{
			{Op: "MatMul", Inputs: []string{"single", "w"}, Outputs: []string{"sum"}},
			{Op: "Tanh", Inputs: []string{"sum"}, Outputs: []string{"product"}},
			{Op: "Mul", Inputs: []string{"half", "half"}, Outputs: []string{"square"}},
			{Op: "Sigmoid", Inputs: []string{"double"}, Outputs: []string{"curve"}},
			{Op: "DynamicQuantizeLinear", Inputs: []string{"single"}, Outputs: []string{"x8", "x_scale", "x_zero"}},
			{Op: "DynamicQuantizeLinear", Inputs: []string{"w"}, Outputs: []string{"w8", "w_scale", "w_zero"}},
			{Op: "MatMulInteger", Inputs: []string{"x8", "w8", "x_zero", "w_zero"}, Outputs: []string{"whole"}},
			{Op: "Gather", Inputs: []string{"table", "places"}, Outputs: []string{"found"}},
			{Op: "Add", Inputs: []string{"places", "places"}, Outputs: []string{"next"}},
			{Op: "Identity", Inputs: []string{"text"}, Outputs: []string{"same"}},
			{Op: "Not", Inputs: []string{"flag"}, Outputs: []string{"other"}},
		},
	}.Bytes()
}

// manyTypesInput draws what manyTypes takes, of one to three rows.
func manyTypesInput(random *rand.Rand) (query.Input, []tensors.Tensor) {
	rows := 1 + random.IntN(3)
	var half, double, places, text, flag []byte
	for range rows {
		for range 16 {
			half = binary.LittleEndian.AppendUint16(half, uint16(random.IntN(0x4900))) // 0 to 10
			double = binary.LittleEndian.AppendUint64(double, math.Float64bits(random.NormFloat64()))
		}
		for range 3 {
			places = binary.LittleEndian.AppendUint64(places, random.Uint64N(10))
		}
		text, flag = tensors.AppendString(text, fmt.Sprint("née ", random.Int())), append(flag, byte(random.IntN(2)))
	}
	n := int64(rows)
	return packed(tensors.FromFloats("single", []int64{n, 16}, floats(random, rows*16)),
		tensors.Tensor{Name: "half", Datatype: tensors.FP16, Shape: []int64{n, 16}, Data: half}, tensors.Tensor{Name: "double", Datatype: tensors.FP64, Shape: []int64{n, 16}, Data: double},
		tensors.Tensor{Name: "places", Datatype: tensors.Int64, Shape: []int64{n, 3}, Data: places}, tensors.Tensor{Name: "text", Datatype: tensors.Bytes, Shape: []int64{n}, Data: text},
		tensors.Tensor{Name: "flag", Datatype: tensors.Bool, Shape: []int64{n}, Data: flag})
}

// exactModels are a model of each kind of answer and input that is no picture.
func exactModels(t *testing.T) []exactModel {
	tokenizer := []string{"--tokenizer", file(t, "tokenizer.json", wordTokenizer(t))}
	iris, err := os.ReadFile("testdata/iris.onnx")
	tensor, err2 := os.ReadFile("testdata/iris-tensor.onnx")
	if err = errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return []exactModel{
		// The binding has no maps: it runs the same trees with the probabilities as a tensor.
		{name: "iris", file: iris, library: tensor, outputs: []string{"label", "probabilities"},
			ask: func(random *rand.Rand) (query.Input, []tensors.Tensor) {
				return packed(tensors.FromFloats("X", []int64{1, 4}, flower(random)))
			}, answer: outputsOf},
		{name: "forest", file: grove(true), library: grove(false), outputs: []string{"output_label", "probabilities"},
			ask: func(random *rand.Rand) (query.Input, []tensors.Tensor) {
				return packed(tensors.FromFloats("X", []int64{1, 8}, floats(random, 8)))
			}, answer: outputsOf},
		{name: "topics", file: ofWords("Softmax", 48, 5), outputs: []string{"y"}, flags: slices.Concat(tokenizer, []string{"--labels", file(t, "labels.txt", []byte("a\nb\nc\nd\ne\n"))}),
			ask: sentence, answer: scoresOf},
		{name: "sentences", file: ofWords("LpNormalization", 48, 64), outputs: []string{"y"}, flags: slices.Concat(tokenizer, []string{"--kind", "embed"}),
			ask: sentence, answer: vectorOf},
		{name: "layers", file: enginetest.Dense(rand.New(rand.NewPCG(6, 6)), 64, 512, 512, 32), outputs: []string{"y"},
			ask: func(random *rand.Rand) (query.Input, []tensors.Tensor) {
				return packed(tensors.FromFloats("x", []int64{1, 64}, floats(random, 64)))
			}, answer: outputsOf},
		{name: "mixed", file: manyTypes(), outputs: []string{"product", "square", "curve", "whole", "found", "next", "same", "other"}, ask: manyTypesInput, answer: outputsOf},
	}
}

// wireTensor is a tensor as library.mjs reads and writes it.
type wireTensor struct {
	Name     string           `json:"name"`
	Datatype tensors.Datatype `json:"datatype"`
	Shape    []int64          `json:"shape"`
	Data     []byte           `json:"data"`
}

// libraryAnswers runs a model on inputs with ONNX Runtime's binding for Node, which loads the
// library that Paragon loads and shares no code with Paragon. Without names, it gives all outputs.
func libraryAnswers(t *testing.T, onnx []byte, outputs []string, inputs [][]tensors.Tensor) (answers [][]wireTensor) {
	t.Helper()
	runs := make([][]wireTensor, len(inputs))
	for i, in := range inputs {
		for _, x := range in {
			runs[i] = append(runs[i], wireTensor(x))
		}
	}
	request, err := json.Marshal(map[string]any{"model": onnx, "outputs": outputs, "runs": runs})
	if err != nil {
		t.Fatal(err)
	}
	var complaint strings.Builder
	c := exec.CommandContext(t.Context(), "node", "testdata/library.mjs")
	c.Stdin, c.Stderr = bytes.NewReader(request), &complaint
	out, err := c.Output()
	if err == nil {
		err = json.Unmarshal(out, &answers)
	}
	if err != nil || len(answers) != len(inputs) {
		t.Fatalf("%d answers to %d inputs, error %v: %s", len(answers), len(inputs), err, &complaint)
	}
	return answers
}

// 100 inputs of models of one's own get, bit for bit, what the bare library gives: on a
// worker and on inference functions.
func TestAnswersOfOwnModelsAreTheLibrarysBitForBit(t *testing.T) {
	answerAsTheLibrary(t, exactModels(t))
}

// answerAsTheLibrary adds models to a stage and wants the answers to 100 inputs of each to be the
// bare library's, bit for bit, first on a worker, then on inference functions.
func answerAsTheLibrary(t *testing.T, models []exactModel) {
	t.Helper()
	dir := t.TempDir()
	for at, fleet := range []struct {
		kind    query.RunnerKind
		workers string
	}{{query.OnWorker, "--workers=1"}, {query.OnFunction, "--workers=0"}} {
		t.Run(string(fleet.kind), func(t *testing.T) {
			s := up(t, dir, fleet.workers, "--boot-seconds=0", "--unpaced")
			if fleet.kind == query.OnWorker {
				s.workersReady(1)
			}
			for i, m := range models {
				if at == 0 {
					s.mustModel(append([]string{"add", file(t, m.name+".onnx", m.file), "--task", "own-" + m.name}, m.flags...)...)
				}
				random := rand.New(rand.NewPCG(uint64(at), uint64(i)))
				asked, inputs := make([]query.Input, 100), make([][]tensors.Tensor, 100)
				for n := range asked {
					asked[n], inputs[n] = m.ask(random)
				}
				if m.library == nil {
					m.library = m.file
				}
				for n, want := range libraryAnswers(t, m.library, m.outputs, inputs) {
					got, err := s.Submit(t.Context(), client.Submission{Model: m.name, Input: asked[n], Class: query.Strict,
						Constraints: query.Constraints{LatencyMS: 60_000}, AllScores: true}, client.Options{Wait: 30 * time.Second})
					if err != nil || got.State != query.Succeeded || got.ServedBy.Kind != fleet.kind {
						t.Fatalf("%s, input %d: %+v, error %v; want an answer of a %s", m.name, n, got, err, fleet.kind)
					}
					sameTensors(t, fmt.Sprintf("%s, input %d", m.name, n), m.answer(*got.Result), want)
				}
			}
			s.stop()
		})
	}
}

// sameTensors compares outputs in their order; a map of labels has a name of its own.
func sameTensors(t testing.TB, what string, got []tensors.Tensor, want []wireTensor) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d outputs, want %d", what, len(got), len(want))
	}
	for i, w := range want {
		if g := got[i]; g.Datatype != w.Datatype || !slices.Equal(g.Shape, w.Shape) || !bytes.Equal(g.Data, w.Data) {
			t.Fatalf("%s: output %q is %s %v %x, the bare library's %s %v %x", what, g.Name, g.Datatype, g.Shape, g.Data, w.Datatype, w.Shape, w.Data)
		}
	}
}
