package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/metadata"
)

// serving is one `paragon serve`.
type serving struct{ *stage }

// serveCommand runs `paragon serve` on a free port and a data folder.
func serveCommand(t *testing.T, data string, args ...string) *serving {
	t.Helper()
	s := &serving{&stage{t: t, log: &lockedBuffer{}, out: &lockedBuffer{}, done: make(chan struct{})}}
	s.cmd = exec.Command(built(t, "paragon"), append([]string{"serve", "--addr", "127.0.0.1:0", "--data", data}, args...)...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() { s.stop() })
	return s
}

var servesAt = regexp.MustCompile(`(?m)^paragon serves \S+ at (http://\S+); Ctrl-C stops it\.$`)

// serve returns once `paragon serve` says that it serves.
func serve(t *testing.T, data string, args ...string) *serving {
	t.Helper()
	s := serveCommand(t, data, args...)
	s.until("the model is served", func() bool {
		if at := servesAt.FindStringSubmatch(s.out.String()); at != nil {
			s.URL = at[1]
		}
		select {
		case <-s.done:
			t.Fatalf("paragon serve ended: %v\n%s%s", s.cmd.ProcessState, s.out, s.log)
		default:
		}
		return s.URL != ""
	})
	return s
}

// ends sends a signal, and wants the process to end with status 0, and its workers with it.
func (s *serving) ends(signal os.Signal) {
	s.t.Helper()
	workers := s.children("worker")
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
	s.wait()
	if s.cmd.ProcessState.ExitCode() != 0 {
		s.t.Errorf("after %v: %v\n%s", signal, s.cmd.ProcessState, s.log)
	}
	if len(workers) == 0 {
		s.t.Error("it had no worker")
	}
	for _, pid := range workers {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			s.t.Errorf("worker %d has not ended with it: %v", pid, err)
		}
	}
}

// example is the first request that `paragon serve` prints.
func (s *serving) example() string {
	s.t.Helper()
	_, after, found := strings.Cut(s.out.String(), "Try:\n  ")
	line, _, ended := strings.Cut(after, "\n")
	if !found || !ended {
		s.t.Fatalf("it prints no example:\n%s", s.out)
	}
	return line
}

var (
	curlCommand = regexp.MustCompile(`^curl -s (http://\S+)(.*) -d '(.*)'$`)
	curlHeader  = regexp.MustCompile(`-H '(\S+): ([^']*)'`)
)

// curls makes the request of the printed example, which is one of curl's, and returns the body.
func (s *serving) curls() string {
	s.t.Helper()
	parts := curlCommand.FindStringSubmatch(s.example())
	if parts == nil {
		s.t.Fatalf("the example is %s", s.example())
	}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, parts[1], strings.NewReader(parts[3]))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range curlHeader.FindAllStringSubmatch(parts[2], -1) {
		req.Header.Set(h[1], h[2])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("the printed example gets %d %s, error %v", resp.StatusCode, body, err)
	}
	return string(body)
}

// answer posts a query, which must succeed.
func (s *serving) answer(body string) (q api.Query) {
	s.t.Helper()
	status, raw := s.postWaiting("/v1/queries", body)
	if err := json.Unmarshal([]byte(raw), &q); err != nil || status != http.StatusOK || q.Result == nil {
		s.t.Fatalf("%s gets %d %s, error %v", body, status, raw, err)
	}
	return q
}

// flowers are rows of the iris data with scikit-learn's own probabilities of the three species.
type flowers struct {
	X             [][]float32
	Probabilities [][]float64
}

// A random forest that scikit-learn's exporter wrote is served as it is: the printed example is
// answered, and each flower gets the probabilities that scikit-learn gives it. The next start
// on the same folder has the model, and another file of its name takes its place.
func TestServeAForest(t *testing.T) {
	raw, err := os.ReadFile("testdata/iris.json")
	var known flowers
	if err == nil {
		err = json.Unmarshal(raw, &known)
	}
	if err != nil || len(known.X) < 10 || len(known.X) != len(known.Probabilities) {
		t.Fatalf("%d flowers, error %v", len(known.X), err)
	}
	data := filepath.Join(t.TempDir(), "data")
	for start, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		s := serve(t, data, "testdata/iris.onnx")
		if start == 0 {
			if got := s.curls(); !strings.Contains(got, `"output_label"`) {
				t.Errorf("the printed example gets %s", got)
			}
		} else if !strings.Contains(s.out.String(), "Model iris was added before.") {
			t.Errorf("the second start says:\n%s", s.out)
		}
		for i, x := range known.X {
			in, err := json.Marshal([]tensors.Tensor{tensors.FromFloats("X", []int64{1, int64(len(x))}, x)})
			if err != nil {
				t.Fatal(err)
			}
			q := s.answer(`{"task":"iris","input":{"tensors":` + string(in) + `}}`)
			want := known.Probabilities[i]
			best := slices.Index(want, slices.Max(want))
			if q.Result.Index != best || q.Result.Label != []string{"0", "1", "2"}[best] || q.Model != "iris" {
				t.Errorf("flower %d is %s by %s, want %d of %v", i, q.Result.Label, q.Model, best, want)
			}
			for _, top := range q.Result.Top {
				if math.Abs(float64(top.Score)-want[top.Index]) > 1e-6 {
					t.Errorf("flower %d: class %d has %v, scikit-learn gives it %v", i, top.Index, top.Score, want[top.Index])
				}
			}
		}
		s.ends(signal)
	}
	onnx, err := os.ReadFile("testdata/iris.onnx")
	if err == nil {
		onnx, err = metadata.Put(onnx, "made", []byte("again"))
	}
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, data, file(t, "iris.onnx", onnx))
	s.until("the other file answers", func() bool { // each process reads the catalogue for itself
		q := s.answer(`{"task":"iris","input":{"tensors":[{"name":"X","datatype":"FP32","shape":[1,4],"data":[5.1,3.5,1.4,0.2]}]}}`)
		if q.Result.Label != "0" {
			t.Fatalf("%s answers %s", q.Model, q.Result.Label)
		}
		return q.Model == "iris@2"
	})
	s.ends(syscall.SIGTERM)
}

// colours is a classifier of pictures: the softmax of the means of their channels.
func colours() []byte {
	return enginetest.Graph{
		Inputs:  []enginetest.Value{{Name: "input", Type: enginetest.Float32, Shape: []int64{-1, 3, 8, 8}}},
		Outputs: []enginetest.Value{{Name: "scores", Type: enginetest.Float32, Shape: []int64{-1, 3}}},
		Nodes: []enginetest.Node{
			{Op: "GlobalAveragePool", Inputs: []string{"input"}, Outputs: []string{"means"}},
			{Op: "Flatten", Inputs: []string{"means"}, Outputs: []string{"flat"}},
			{Op: "Softmax", Inputs: []string{"flat"}, Outputs: []string{"scores"}},
		},
	}.Bytes()
}

// colourNames are the labels of colours.
const colourNames = "red\ngreen\nblue\n"

// onePicture is a PNG of one color.
func onePicture(t *testing.T, c color.Color) []byte {
	t.Helper()
	picture := image.NewRGBA(image.Rect(0, 0, 40, 30))
	for i := range picture.Rect.Dy() * picture.Rect.Dx() {
		picture.Set(i%picture.Rect.Dx(), i/picture.Rect.Dx(), c)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A classifier of pictures is served with its labels and preprocessing: the printed example
// prints the label of a picture, and the scores are those of the normalized channels.
func TestServeAClassifierOfPictures(t *testing.T) {
	s := serve(t, t.TempDir(), file(t, "colours.onnx", colours()), "--labels", file(t, "names.txt", []byte(colourNames)), "--preprocess", "imagenet")
	mean, deviation := []float64{0.485, 0.456, 0.406}, []float64{0.229, 0.224, 0.225}
	for i, name := range strings.Fields(colourNames) {
		at, pixel := file(t, name+".png", onePicture(t, []color.Color{color.RGBA{255, 0, 0, 255}, color.RGBA{0, 255, 0, 255}, color.RGBA{0, 0, 255, 255}}[i])), []float64{0, 0, 0}
		pixel[i] = 1
		sum := 0.0
		for c := range pixel {
			pixel[c] = math.Exp((pixel[c] - mean[c]) / deviation[c])
			sum += pixel[c]
		}
		words := strings.Fields(strings.Replace(s.example(), "PICTURE.png", at, 1))
		if words[0] != "paragon" {
			t.Fatalf("the example is %s", s.example())
		}
		if out := printed(t, "paragon", words[1:]...); !strings.HasPrefix(out, name+" ") {
			t.Errorf("a picture that is %s: %s", name, out)
		}
		var q api.Query
		if err := json.Unmarshal([]byte(printed(t, "paragon", append(words[1:], "--json")...)), &q); err != nil || q.Result == nil {
			t.Fatalf("%+v, error %v", q, err)
		}
		if top := q.Result.Top[0]; top.Label != name || math.Abs(float64(top.Score)-pixel[i]/sum) > 1e-4 {
			t.Errorf("a picture that is %s: %+v, want a score of %v", name, top, pixel[i]/sum)
		}
	}
	s.ends(syscall.SIGTERM)
}

// An embedding of texts is served with its tokenizer: the printed example gets a vector of
// length 1, as does another text another one.
func TestServeAnEmbedding(t *testing.T) {
	const width = 64
	s := serve(t, t.TempDir(), file(t, "sentences.onnx", ofWords("LpNormalization", 48, width)), "--tokenizer", file(t, "tokenizer.json", wordTokenizer(t)), "--kind", "embed")
	var q api.Query
	if err := json.Unmarshal([]byte(s.curls()), &q); err != nil || q.Result == nil {
		t.Fatalf("%+v, error %v", q, err)
	}
	first := q.Result.Embedding
	second := s.answer(`{"task":"sentences","input":{"text":"` + word(7) + `"}}`).Result.Embedding
	for _, vector := range [][]float32{first, second} {
		squares := 0.0
		for _, v := range vector {
			squares += float64(v) * float64(v)
		}
		if len(vector) != width || math.Abs(squares-1) > 1e-5 {
			t.Errorf("a vector of %d numbers, whose squares sum to %v", len(vector), squares)
		}
	}
	if slices.Equal(first, second) {
		t.Error("two texts have one vector")
	}
	s.ends(syscall.SIGTERM)
}

// A folder with one catalogue is served as the catalogue says; one with more names the command
// that serves it.
func TestServeAFolder(t *testing.T) {
	folder, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(folder, profiles.Embedded()); err != nil {
		t.Fatal(err)
	}
	refused := func(words []string, args ...string) {
		t.Helper()
		s := serveCommand(t, data, append([]string{folder}, args...)...)
		s.wait()
		for _, word := range words {
			if code := s.cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(s.log.String(), word) {
				t.Errorf("%v: status %d, %s, which does not name %q", args, code, s.log, word)
			}
		}
		if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v: the data folder is made, error %v", args, err)
		}
	}
	refused([]string{"fashion", "imagenet", "paragon up --profiles " + folder + " --catalogue "})
	if err := os.RemoveAll(filepath.Join(folder, "imagenet")); err != nil {
		t.Fatal(err)
	}
	refused([]string{"--labels", "folder"}, "--labels", "labels.txt")
	s := serve(t, data, folder)
	if !strings.Contains(s.out.String(), "Model mlp, task fashion, kind of input: picture") {
		t.Errorf("it prints %s", s.out)
	}
	words := strings.Fields(strings.Replace(s.example(), "PICTURE.png", filepath.Join(root, "profiles/fashion/testdata/0000-ankle-boot.png"), 1))
	if out := printed(t, "paragon", words[1:]...); !strings.HasPrefix(out, "ankle-boot ") {
		t.Errorf("%v prints %s", words, out)
	}
	s.ends(syscall.SIGTERM)
}

// Ending the command before it serves prints no complaint: while it opens its data folder,
// while its worker boots, and while a model is checked that does not end its first run.
func TestServeEndsBeforeItServes(t *testing.T) {
	endless := file(t, "endless.onnx", enginetest.Endless())
	for name, under := range map[string]func(s *serving, data string) bool{
		"the data folder": func(_ *serving, data string) bool {
			_, err := os.Stat(filepath.Join(data, "paragon.db"))
			return err == nil
		},
		"the worker": func(s *serving, _ string) bool { return len(s.children("worker")) > 0 },
		"the check":  func(s *serving, _ string) bool { return len(s.checks()) > 0 },
	} {
		data := filepath.Join(t.TempDir(), "data")
		s := serveCommand(t, data, endless)
		s.until(name+" is there", func() bool { return under(s, data) })
		if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		s.wait()
		if s.cmd.ProcessState.ExitCode() != 0 || strings.Contains(s.log.String(), "paragon: ") || strings.Contains(s.log.String(), "level=ERROR") {
			t.Errorf("ended once %s was there: %v\n%s", name, s.cmd.ProcessState, s.log)
		}
	}
}

// What cannot be served ends the command with status 2, or 1 where another state of the machine
// would allow it, and a sentence that names what is wrong. A later start on the same folder works.
func TestServeRefuses(t *testing.T) {
	forest := file(t, "weather.onnx", enginetest.Forest(2, 0.5, labels))
	used := t.TempDir()
	running := serve(t, used, forest)
	data, closed := filepath.Join(t.TempDir(), "data"), t.TempDir()
	if err := os.Mkdir(filepath.Join(closed, "paragon.log"), 0o700); err != nil { // root may write into any folder
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		args   []string
		status int
		says   []string
		starts bool // before it finds out
	}{
		{"no file", nil, 2, []string{"one ONNX file"}, false},
		{"two files", []string{forest, forest}, 2, []string{"one ONNX file"}, false},
		{"a file that is not there", []string{filepath.Join(data, "..", "none.onnx")}, 2, []string{"none.onnx"}, false},
		{"a folder without models", []string{t.TempDir()}, 2, []string{"no folder with a catalogue.json", "make pool-mail"}, false},
		{"a text", []string{file(t, "poem.onnx", []byte("a poem, and no model"))}, 2, []string{"poem.onnx", "not an ONNX model"}, true},
		{"labels that are not there", []string{forest, "--labels", filepath.Join(data, "..", "none.txt")}, 2, []string{"--labels", "none.txt"}, true},
		{"a tokenizer that is none", []string{forest, "--tokenizer", file(t, "tokenizer.json", []byte("{}"))}, 2, []string{"--tokenizer", "tokenizer.json"}, true},
		{"no such preprocessing", []string{file(t, "colours.onnx", colours()), "--preprocess", "sepia"}, 2, []string{"preprocess", "sepia"}, true},
		{"a data folder in use", []string{forest, "--data", used}, 1, []string{used, "choose another folder with --data"}, true},
		{"a data folder that cannot be made", []string{forest, "--data", "/proc/data"}, 1, []string{"/proc/data", "choose another folder with --data"}, true},
		{"a data folder whose log cannot be written", []string{forest, "--data", closed}, 1, []string{closed, "choose another folder with --data"}, true},
		{"a port that is taken", []string{forest, "--addr", strings.TrimPrefix(running.URL, "http://")}, 1, []string{strings.TrimPrefix(running.URL, "http://"), "in use"}, true},
	} {
		s := serveCommand(t, data, tc.args...)
		s.wait()
		if code := s.cmd.ProcessState.ExitCode(); code != tc.status {
			t.Errorf("%s: status %d, want %d", tc.name, code, tc.status)
		}
		for _, word := range tc.says {
			if !strings.Contains(s.log.String(), word) {
				t.Errorf("%s: %q does not name %q", tc.name, s.log, word)
			}
		}
		if strings.Contains(s.out.String(), "paragon serves") {
			t.Errorf("%s: it says %q", tc.name, s.out)
		}
		if _, err := os.Stat(data); !tc.starts && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the data folder is made, error %v", tc.name, err)
		}
	}
	running.ends(syscall.SIGTERM)
	s := serve(t, data, forest)
	s.curls()
	s.ends(syscall.SIGTERM)
}
