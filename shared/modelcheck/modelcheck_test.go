package modelcheck

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/metadata"
	"github.com/paragon-serving/paragon/shared/engine/wire"
)

// What a model is, is read from it; what is said of it wins.
func TestWhatModelsAre(t *testing.T) {
	rows := [][]float32{{1, 0, 0}, {0, 1, 0}}
	picture := enginetest.Linear([][]float32{make([]float32, 192), make([]float32, 192)}, 3, 8, 8)
	for _, tc := range []struct {
		name  string
		onnx  []byte
		asked Request
		want  Report // kind, input and labels
		reads string
	}{
		{"a forest", enginetest.Forest(2, 0, [2]string{"no", "yes"}), Request{},
			Report{Kind: profile.Classify, Input: profile.TensorsIn, Labels: []string{"no", "yes"}}, "output_probability"},
		{"a softmax", enginetest.Linear(rows, 3), Request{}, Report{Kind: profile.Classify, Input: profile.TensorsIn, Labels: []string{"0", "1"}}, "probabilities"},
		{"labels of the task", enginetest.Linear(rows, 3), Request{TaskLabels: []string{"a", "b"}}, Report{Kind: profile.Classify, Input: profile.TensorsIn, Labels: []string{"a", "b"}}, "probabilities"},
		{"a picture's classes", picture, Request{Labels: []string{"cat", "dog"}}, Report{Kind: profile.Classify, Input: profile.Picture, Labels: []string{"cat", "dog"}}, "probabilities"},
		{"a picture's numbers", picture, Request{Kind: profile.Tensors}, Report{Kind: profile.Tensors, Input: profile.TensorsIn}, ""},
		{"numbers", enginetest.Affine(1, 0, -1, 4), Request{}, Report{Kind: profile.Tensors, Input: profile.TensorsIn}, ""},
		{"a vector", enginetest.Affine(1, 0, -1, 4), Request{Kind: profile.Embed}, Report{Kind: profile.Embed, Input: profile.TensorsIn}, "y"},
		{"strings", enginetest.Words(), Request{Labels: []string{"no", "yes"}}, Report{Kind: profile.Classify, Input: profile.TextIn, Labels: []string{"no", "yes"}}, "probabilities"},
		{"tokens", attached(t, enginetest.Tokens(-1)), Request{}, Report{Kind: profile.Tensors, Input: profile.TextIn}, ""},
		{"any types", enginetest.Identity([]enginetest.ElementType{enginetest.String, enginetest.Bool, enginetest.Float16}), Request{}, Report{Kind: profile.Tensors, Input: profile.TensorsIn}, ""},
	} {
		tc.asked.Once = true
		got, err := Run(t.Context(), tc.onnx, tc.asked)
		if err != nil || got.Problem != nil {
			t.Errorf("%s: %v, %v", tc.name, got.Problem, err)
			continue
		}
		if got.Kind != tc.want.Kind || got.Input != tc.want.Input || !slices.Equal(got.Labels, tc.want.Labels) || got.Signature.Answer != tc.reads || got.MemoryMB == 0 {
			t.Errorf("%s: %+v, reads %q", tc.name, got, got.Signature.Answer)
		}
	}
}

// A model that takes long enough is timed on as many threads as this machine has
// processors for, up to four.
func TestThreadsAreTimed(t *testing.T) {
	const side = 3000
	rows := make([][]float32, side)
	for i := range rows {
		rows[i] = make([]float32, side)
		rows[i][i] = 1
	}
	for name, tc := range map[string]struct {
		onnx []byte
		most int
	}{"long": {enginetest.Linear(rows, side), min(4, runtime.NumCPU())}, "short": {enginetest.Affine(1, 0, -1, 4), 1}} {
		got, err := Run(t.Context(), tc.onnx, Request{Kind: profile.Tensors})
		if err != nil || got.Problem != nil {
			t.Fatal(got.Problem, err)
		}
		var want []int
		for n := 2; n <= tc.most; n *= 2 {
			want = append(want, n)
		}
		var timed []int
		for _, r := range got.Threads {
			timed = append(timed, r.Threads)
			if r.Samples == 0 || r.MS.P50 <= 0 || r.MS.P99 < r.MS.P50 {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if !slices.Equal(timed, want) {
			t.Errorf("%s: timed on %v threads besides one, not %v", name, timed, want)
		}
	}
}

// A model of a task that is there has its kind and labels; the kind of input is the
// task's too, unless another was asked for, and that is so wherever it is asked.
func TestAModelIsLikeThoseOfItsTask(t *testing.T) {
	for _, asked := range []profile.InputKind{"", profile.TensorsIn} {
		got := Request{Input: asked, MaxTokens: 7}.Like(profile.Classify, profile.Picture, []string{"a", "b"})
		want := profile.Picture
		if asked != "" {
			want = asked
		}
		if got.Kind != profile.Classify || got.Input != want || len(got.TaskLabels) != 2 || got.MaxTokens != 7 {
			t.Errorf("asked for %q: %+v", asked, got)
		}
	}
}

// external is a model whose weight lies in another file.
func external(location string) []byte {
	return enginetest.Graph{
		Inputs: []enginetest.Value{{Name: "x", Type: enginetest.Float32, Shape: []int64{-1, 2}}}, Outputs: []enginetest.Value{{Name: "y", Type: enginetest.Float32, Shape: []int64{-1, 2}}},
		Weights: []enginetest.Weight{{Name: "w", Shape: []int64{2}, External: location}},
		Nodes:   []enginetest.Node{{Op: "Add", Inputs: []string{"x", "w"}, Outputs: []string{"y"}}},
	}.Bytes()
}

// Weights in files external to a model are put into it, and it then runs as if they had
// always been there.
func TestWeightsWithAModel(t *testing.T) {
	outside := external("w.bin")
	files := fstest.MapFS{"w.bin": {Data: make([]byte, 8)}}
	whole, err := Inline(outside, files, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Run(t.Context(), whole, Request{Once: true}); err != nil || got.Problem != nil {
		t.Errorf("with its weights: %v, %v", got.Problem, err)
	}
	if got, err := Run(t.Context(), outside, Request{Once: true}); err != nil || got.Problem == nil || !strings.Contains(got.Problem.Error(), "w.bin") {
		t.Errorf("without: %v, %v", got.Problem, err)
	}
	for name, limit := range map[string]int64{"exceed": int64(len(outside)) + 7} {
		if _, err := Inline(outside, files, limit); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for location, says := range map[string]string{"./w.bin": "", "sub/../w.bin": "", "sub": "cannot be read", "../w.bin": "outside", "/w.bin": "outside"} {
		files := fstest.MapFS{"w.bin": {Data: make([]byte, 8)}, "sub/other": {}}
		if _, err := Inline(external(location), files, 1<<20); (err == nil) != (says == "") || err != nil && (!strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), `"w"`)) {
			t.Errorf("at %q: %v", location, err)
		}
	}
	if same, err := Inline(enginetest.Affine(1, 0, 1), files, 1); err != nil || !slices.Equal(same, enginetest.Affine(1, 0, 1)) {
		t.Errorf("a model without is changed: %v", err)
	}
}

// Whatever bytes come, they are read to an end and refused as no model, or read.
func TestInspectTakesAnyBytes(t *testing.T) {
	good := enginetest.Forest(2, 0, [2]string{"no", "yes"})
	rapid.Check(t, func(rt *rapid.T) {
		raw := slices.Clone(good)
		for range rapid.IntRange(0, 8).Draw(rt, "changes") {
			raw[rapid.IntRange(0, len(raw)-1).Draw(rt, "at")] = rapid.Byte().Draw(rt, "byte")
		}
		_, err := inspect(raw[:rapid.IntRange(0, len(raw)).Draw(rt, "length")])
		if _, known := errors.AsType[*Problem](err); err != nil && !known && !errors.Is(err, wire.ErrFormat) {
			rt.Fatal(err)
		}
		if _, err := Inline(raw, fstest.MapFS{}, 1<<20); err != nil {
			if _, known := errors.AsType[*Problem](err); !known {
				rt.Fatal(err)
			}
		}
	})
}

// A locale that a machine lacks is no fault of the file's: what to do is said.
func TestAMissingLocaleSaysWhatToDo(t *testing.T) {
	missing, broken := notLoaded("Failed to construct locale with name:en_US.UTF-8"), notLoaded("no graph")
	if !strings.Contains(missing.Reason, `"locale": "C"`) || !strings.Contains(missing.Reason, "en_US.UTF-8") || strings.Contains(missing.Reason, "construct") || strings.Contains(broken.Reason, "locale") || broken.Part != "file" {
		t.Errorf("%v; %v", missing, broken)
	}
}

// message appends a field with a length to a protocol buffer.
func message(to []byte, number int, value ...byte) []byte { return wire.AppendBytes(to, number, value) }

// number appends a field that is a whole number.
func number(to []byte, number int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(to, uint64(number)<<3), v)
}

// A constant that is no number is found however the file writes it, and so is a custom
// operator within a function of the file's own. The sentence names the weight or the node.
func TestWhatNoModelMayHoldIsFoundEverywhere(t *testing.T) {
	nan := binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(math.NaN())))
	weight := func(element uint64, field int, data ...byte) []byte {
		return message(message(number(nil, 2, element), 8, 'w'), field, data...)
	}
	single := func(element, v uint64) []byte { return number(message(number(nil, 2, element), 8, 'w'), 5, v) }
	constant := func(attribute []byte) []byte {
		return message(message(message(nil, 3, 'n'), 4, []byte("Constant")...), 5, attribute...)
	}
	custom := message(message(message(nil, 3, 'n'), 4, []byte("Mine")...), 7, []byte("com.example")...)
	for name, tc := range map[string]struct {
		field int // of the graph; 0 is a node of a function
		value []byte
		says  string // empty: it is let through
	}{
		"float32":                         {5, weight(1, 9, nan...), `weight "w" contains NaN`},
		"half in a list":                  {5, weight(10, 5, binary.AppendUvarint(nil, 0x7e00)...), `weight "w" contains NaN`},
		"half, one by one":                {5, single(10, 0x7e00), `weight "w" contains NaN`},
		"half that is infinite":           {5, single(10, 0x7c00), ""},
		"bfloat16":                        {5, weight(16, 9, 0xc0, 0x7f), `weight "w" contains NaN`},
		"bfloat16 in a list":              {5, weight(16, 5, binary.AppendUvarint(nil, 0x7fc0)...), `weight "w" contains NaN`},
		"bfloat16 that is infinite":       {5, single(16, 0x7f80), ""},
		"sparse":                          {15, message(nil, 1, weight(1, 9, nan...)...), `weight "w" contains NaN`},
		"sparse constant":                 {1, constant(message(nil, 22, message(nil, 1, weight(1, 9, nan...)...)...)), `weight "w" contains NaN`},
		"one number of a constant":        {1, constant(append([]byte{2<<3 | 5}, nan...)), `node "n" is a constant that contains NaN`},
		"numbers of a constant":           {1, constant(message(nil, 7, nan...)), `node "n" is a constant that contains NaN`},
		"a constant number":               {1, constant(message(nil, 7, 0, 0, 0x80, 0x3f)), ""},
		"custom":                          {1, custom, `node "n" is a custom operator, "Mine" of "com.example"`},
		"custom within a function":        {0, custom, `node "n" is a custom operator, "Mine" of "com.example"`},
		"a constant within a function":    {0, constant(message(nil, 5, weight(1, 9, nan...)...)), `weight "w" contains NaN`},
		"external, of a function's nodes": {0, constant(message(nil, 5, number(weight(1, 13, message(message(nil, 1, []byte("location")...), 2, 'f')...), 14, 1)...)), "which was not sent with the model"},
	} {
		onnx, graph := message(nil, 8), []byte(nil)
		if tc.field > 0 {
			graph = message(nil, tc.field, tc.value...)
		} else {
			onnx = message(onnx, 25, message(message(nil, 10, []byte("own")...), 7, tc.value...)...)
		}
		_, err := inspect(message(onnx, 7, graph...))
		if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Of a large file that holds many weights, each byte is read once.
func TestWeightsAreReadWhereTheyLie(t *testing.T) {
	const each, count = 1 << 10, 64
	var graph []byte
	for i := range count {
		entry := func(key, value string) []byte { return message(message(nil, 1, []byte(key)...), 2, []byte(value)...) }
		w := number(number(message(number(nil, 1, each/4), 8, byte('a'+i%26)), 2, 1), 14, 1)
		for key, value := range map[string]string{"location": "w.bin", "offset": strconv.Itoa(each * i), "length": strconv.Itoa(each)} {
			w = message(w, 13, entry(key, value)...)
		}
		graph = message(graph, 5, w...)
	}
	files := &counted{FS: fstest.MapFS{"w.bin": {Data: make([]byte, each*count)}}}
	if _, err := Inline(message(nil, 7, graph...), files, 1<<20); err != nil {
		t.Fatal(err)
	}
	if files.read != each*count {
		t.Errorf("%d bytes were read of %d", files.read, each*count)
	}
}

// counted counts what is read of a folder.
type counted struct {
	fs.FS
	read int
}

func (c *counted) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	return &countedFile{f, c}, err
}

type countedFile struct {
	fs.File
	of *counted
}

func (f *countedFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	f.of.read += n
	return n, err
}

func (f *countedFile) Seek(offset int64, whence int) (int64, error) {
	return f.File.(io.Seeker).Seek(offset, whence)
}

// What cannot go together is refused by the name of the option.
func TestLabelsAreForClassify(t *testing.T) {
	for _, kind := range []profile.TaskKind{profile.Embed, profile.Tensors} {
		got, err := Run(t.Context(), enginetest.Affine(1, 0, -1, 4), Request{Kind: kind, Labels: []string{"a", "b", "c", "d"}, Once: true})
		if err != nil || got.Problem == nil || got.Problem.Part != "option labels" || !strings.Contains(got.Problem.Reason, string(kind)) {
			t.Errorf("%s: %+v, error %v", kind, got.Problem, err)
		}
	}
}

// A model that cannot be run on zeros is run on the sample in its file, wherever it is run
// to see whether it can be offered.
func TestTheSampleInAFileIsRun(t *testing.T) {
	picky := enginetest.Picky()
	if got, err := Run(t.Context(), picky, Request{Once: true}); err != nil || got.Problem == nil || !strings.Contains(got.Problem.Reason, "--sample") {
		t.Fatalf("without a sample: %+v, error %v", got.Problem, err)
	}
	with, err := metadata.PutSample(picky, []tensors.Tensor{tensors.FromFloats("x", []int64{2}, []float32{1, 2})})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Run(t.Context(), with, Request{Once: true})
	if err != nil || got.Problem != nil {
		t.Fatalf("with a sample: %+v, error %v", got.Problem, err)
	}
	for name, onnx := range map[string][]byte{"with a sample": with, "without": picky} {
		sum := sha256.Sum256(onnx)
		c := &profile.Catalogue{Tasks: []profile.Task{{Name: "t", Kind: profile.Tensors}},
			Models: []profile.Model{{Name: "picky", Task: "t", File: "picky.onnx", SHA256: hex.EncodeToString(sum[:]), Signature: got.Signature}}}
		r, err := Once(t.Context(), c, onlyFile(onnx), "picky", func(string) bool { return true })
		if (err == nil) != (name == "with a sample") || err == nil && r.Samples == 0 {
			t.Errorf("%s: %+v, error %v", name, r, err)
		}
	}
}

// Of a process nothing is kept beyond the bound, however its output is copied, and of a crash
// one line.
func TestWhatAProcessPrintsIsBounded(t *testing.T) {
	out := Limited{Left: 40}
	n, err := io.Copy(&out, strings.NewReader("\nSIGFPE: floating-point exception\nPC=0x7f58f1f2f345 m=3 sigcode=1\ngoroutine 1"))
	if err != nil || n < 40 || len(out.Bytes()) != 40 || out.FirstLine() != "SIGFPE: floating-point exception" {
		t.Errorf("%d copied, kept %q, first line %q, error %v", n, out.Bytes(), out.FirstLine(), err)
	}
}

// The library's messages are passed on without the places in its source.
func TestPlacesInTheLibrarysSourceAreLeftOut(t *testing.T) {
	for message, want := range map[string]string{
		"Node (plus) Op (Add) [ShapeInferenceError] Incompatible dimensions":                                                                                       "Node (plus) Op (Add) [ShapeInferenceError] Incompatible dimensions",
		"/onnxruntime_src/onnxruntime/core/graph/model.cc:181 onnxruntime::Model::Model(onnx::ModelProto&&, const Map<std::string, int>&) Unsupported version: 99": "Unsupported version: 99",
		"Name:'rs' Status: /onnxruntime_src/a/reshape_helper.h:45 o::ReshapeHelper::ReshapeHelper(const Shape&, (anonymous)) gsl (4) was false.":                   "Name:'rs' Status: gsl (4) was false.",
		"during: /onnxruntime_src/a.cc:1 o::f::operator()(int) const [with T = float] it (x) failed":                                                               "during: it (x) failed",
		"at /onnxruntime_src/a.cc:1": "at",
	} {
		if got := cause(errors.New(message)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// An input that no request can hold is named before it is made up.
func TestAnInputOfZerosIsBounded(t *testing.T) {
	got, err := Run(t.Context(), enginetest.Affine(1, 0, 100_000, 100_000), Request{Once: true})
	if err != nil || got.Problem == nil || got.Problem.Part != `input "x"` || !strings.Contains(got.Problem.Reason, "40.0 GB") {
		t.Errorf("%+v, error %v", got.Problem, err)
	}
}

// A problem is a sentence about the file: of the file as a whole, or of a part of it.
func TestAProblemIsASentenceAboutTheFile(t *testing.T) {
	for want, p := range map[string]Problem{
		"net.onnx cannot be loaded: opset 99":      {Part: "file", Reason: "cannot be loaded: opset 99"},
		`net.onnx: node "x" is a custom operator`:  {Part: `node "x"`, Reason: "is a custom operator"},
		"net.onnx: option labels are for classify": {Part: "option labels", Reason: "are for classify"},
	} {
		if got := p.Of("net.onnx"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A model of an opset that the library does not know yet is refused with the one to export.
func TestANewerOpsetSaysWhatToDo(t *testing.T) {
	got := notLoaded("Opset 99 is under development and support for this is limited. Current official support for domain ai.onnx is till opset 25.")
	if !strings.Contains(got.Reason, "opset 99") || !strings.Contains(got.Reason, "opset_version=25") {
		t.Error(got)
	}
}
