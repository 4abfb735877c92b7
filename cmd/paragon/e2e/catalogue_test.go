package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"image/color"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/tokenizer"
	"github.com/paragon-serving/paragon/shared/simulate/rivals"
)

// shippedProfiles are what ships besides catalogues, as files of a folder of profiles; the head of
// the shipped catalogue; and makers of models whose runs and accuracy are known: each has a
// network of the files, and takes the share of the time of the shipped cnn.
func shippedProfiles(t *testing.T) (files map[string][]byte, head profile.File, model func(name, network string, accuracy, share float64) profile.Model) {
	t.Helper()
	files = map[string][]byte{}
	names, err := fs.Glob(profiles.Embedded(), "*.json")
	for _, name := range names {
		if err == nil {
			files[name], err = fs.ReadFile(profiles.Embedded(), name)
		}
	}
	var raw []byte
	if err == nil {
		raw, err = fs.ReadFile(profiles.Embedded(), "fashion/catalogue.json")
	}
	if err == nil {
		err = json.Unmarshal(raw, &head)
	}
	if err != nil {
		t.Fatal(err)
	}
	like := head.Models[slices.IndexFunc(head.Models, func(m profile.Model) bool { return m.Name == "cnn" })]
	head.Tasks, head.Models = nil, nil
	return files, head, func(name, network string, accuracy, share float64) profile.Model {
		sum := sha256.Sum256(files[network])
		m := like
		m.Name, m.File, m.SHA256, m.Input = name, path.Base(network), hex.EncodeToString(sum[:]), nil
		m.Accuracy = profile.Accuracy{Top1Percent: accuracy, Source: like.Accuracy.Source}
		m.Latency = slices.Clone(like.Latency)
		for i := range m.Latency {
			l := &m.Latency[i]
			l.MS = profile.Percentiles{P50: share * l.MS.P50, P95: share * l.MS.P95, P99: share * l.MS.P99}
			l.Confidence = nil
		}
		return m
	}
}

// writeFiles writes files into a folder, by their paths in it.
func writeFiles(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for name, content := range files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// encoded is a catalogue's file.
func encoded(t *testing.T, c profile.File) []byte {
	t.Helper()
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// ownProfiles writes profiles of one's own: the catalogue own, with two models that classify
// texts, one that embeds them and one that takes tensors; and the catalogue numbers, with the last
// alone. It returns the folder.
func ownProfiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files, c, shipped := shippedProfiles(t)
	sentences, err := tokenizer.Attach(ofWords("LpNormalization", 48, 64), wordTokenizer(t))
	if err != nil {
		t.Fatal(err)
	}
	files["own/words.onnx"], files["own/sentences.onnx"], files["own/numbers.onnx"] = enginetest.Words(), sentences, enginetest.Affine(2, 1, -1, 4)
	files["numbers/numbers.onnx"] = files["own/numbers.onnx"]
	model := func(name, task string, accuracy, share float64, text *profile.Text, s profile.Signature) profile.Model {
		m := shipped(name, "own/"+task+".onnx", accuracy, share)
		m.Task, m.Text, m.Signature = task, text, &s
		return m
	}
	row := func(name string, n int64) []tensors.Spec {
		return []tensors.Spec{{Name: name, Datatype: tensors.FP32, Shape: []int64{-1, n}}}
	}
	texts := []tensors.Spec{profile.TextSpec()}
	classified := profile.Signature{Inputs: texts, Outputs: row("probabilities", 2), Answer: "probabilities"}
	c.Name, c.Tasks = "own", []profile.Task{{Name: "words", Labels: labels[:]}, {Name: "sentences", Kind: profile.Embed}, {Name: "numbers", Kind: profile.Tensors}}
	c.Models = []profile.Model{
		model("plain", "words", 81, 0.25, &profile.Text{}, classified), model("careful", "words", 93, 1, &profile.Text{}, classified),
		model("vectors", "sentences", 90, 1, &profile.Text{}, profile.Signature{Inputs: texts, Outputs: row("y", 64), Answer: "y"}),
		model("affine", "numbers", 90, 1, nil, profile.Signature{Inputs: row("x", 4), Outputs: row("y", 4)}),
	}
	files["own/catalogue.json"] = encoded(t, c)
	c.Name, c.Tasks, c.Models = "numbers", c.Tasks[2:], c.Models[3:]
	files["numbers/catalogue.json"] = encoded(t, c)
	writeFiles(t, dir, files)
	return dir
}

// shadeProfiles writes the catalogue shades, with two models that distinguish dark pictures from light
// ones, the one in gray and the other in color and twice as large, and two pictures. It returns
// the folder.
func shadeProfiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files, c, shipped := shippedProfiles(t)
	model := func(name string, accuracy, share float64, in profile.Input) profile.Model {
		weights := [][]float32{make([]float32, in.Channels*in.Height*in.Width), make([]float32, in.Channels*in.Height*in.Width)}
		for i := range weights[0] {
			weights[0][i], weights[1][i] = -1/float32(len(weights[0])), 1/float32(len(weights[0]))
		}
		network := "shades/" + name + ".onnx"
		files[network] = enginetest.Linear(weights, int64(in.Channels), int64(in.Height), int64(in.Width))
		m := shipped(name, network, accuracy, share)
		m.Task, m.Input = "shade", &in
		return m
	}
	c.Name, c.Tasks = "shades", []profile.Task{{Name: "shade", Labels: []string{"dark", "light"}}}
	c.Models = []profile.Model{
		model("coarse", 82, 0.25, profile.Input{Width: 12, Height: 10, Channels: 1, Mean: []float32{0.5}, Std: []float32{1}}),
		model("fine", 96, 1, profile.Input{Width: 24, Height: 20, Channels: 3, Mean: []float32{0.5, 0.5, 0.5}, Std: []float32{1, 1, 1}}),
	}
	files["shades/catalogue.json"] = encoded(t, c)
	files["shades/testdata/black.png"], files["shades/testdata/white.png"] = onePicture(t, color.Black), onePicture(t, color.White)
	writeFiles(t, dir, files)
	return dir
}

// printed runs a command, which must succeed, and returns what it printed.
func printed(t testing.TB, binary string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), built(t, binary), args...)
	var complaint strings.Builder
	c.Stderr = &complaint
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s%s", binary, args, err, out, &complaint)
	}
	return string(out)
}

// Everything around a stage works with another catalogue, whose models take texts and tensors: the
// measurement of its models, the load generator, the demonstration of an hour and the calibration.
func TestEverythingWorksWithAnotherCatalogue(t *testing.T) {
	dir := ownProfiles(t)
	own := []string{"--profiles", dir, "--catalogue", "own"}
	with := func(args ...string) []string { return append(args, own...) }

	var measured struct {
		Models []struct {
			Name    string
			Latency []profile.Latency
		}
	}
	if err := json.Unmarshal([]byte(printed(t, "paragon", with("profile", "--json", "--samples", "200", "--budget", "1ms", "--cold", "1")...)), &measured); err != nil || len(measured.Models) != 4 {
		t.Errorf("measured %+v, error %v", measured, err)
	}
	for _, m := range measured.Models {
		if len(m.Latency) == 0 || m.Latency[0].MS.P50 <= 0 {
			t.Errorf("%s is measured as %+v", m.Name, m.Latency)
		}
	}

	data := t.TempDir()
	s := up(t, data, with("--workers=1", "--boot-seconds=0")...)
	s.until("a worker is ready", func() bool { return s.pool().Ready == 1 })
	for _, task := range []string{"words", "sentences", "numbers"} {
		var load struct {
			All struct{ Sent, Answered, Failed int }
		}
		if err := json.Unmarshal([]byte(printed(t, "paragon-lab", "load", "--task", task, "--rate", "20", "--for", "2s", "--strict-share", "0", "--json", "--endpoint", s.URL)), &load); err != nil || load.All.Answered < 10 || load.All.Answered != load.All.Sent {
			t.Errorf("a load of task %s: %+v, error %v", task, load, err)
		}
	}
	models, err := s.Models(t.Context())
	if err != nil || len(models) != 4 || models[0].Takes != profile.TextIn {
		t.Errorf("models %+v, error %v", models, err)
	}
	s.stop()

	short := []string{"--time-scale", "60", "--for", "3m", "--rate", "2", "--json"}
	var played struct {
		Queries, Failed int
		Others          []struct{ Scheme string }
	}
	if err := json.Unmarshal([]byte(printed(t, "paragon-lab", with(append([]string{"demo", "--service-ms", "20"}, short...)...)...)), &played); err != nil || played.Queries == 0 || played.Failed != 0 || len(played.Others) == 0 {
		t.Errorf("played %+v, error %v", played, err)
	}
	calibrates(t, data, with(append([]string{"calibrate", "--data", data}, short...)...))
}

// The demonstration of `make run` plays to its end with catalogues of one's own, one of texts and
// tensors and one of pictures: every query is answered, strict ones by the accurate model and
// others by the cheap one, and the bill names what other schemes and rivals would have cost.
func TestTheDemonstrationOfAnotherCatalogue(t *testing.T) {
	t.Parallel() // it waits for most of a minute
	cases := []struct{ catalogue, dir, first, accurate, cheap string }{
		{"own", ownProfiles(t), "task words, made up, was answered in [^:]+: no", "careful", "plain"},
		{"shades", shadeProfiles(t), "task shade, a sample picture, was answered in [^:]+: dark", "fine", "coarse"},
	}
	var stages []*stage // at the same time
	for _, tc := range cases {
		stages = append(stages, up(t, t.TempDir(), "--demo", "--profiles", tc.dir, "--catalogue", tc.catalogue))
	}
	for i, tc := range cases {
		s := stages[i]
		s.until("the end of the demonstration of "+tc.catalogue, func() bool { return strings.Contains(s.log.String(), "Ctrl-C stops the server") })
		log := s.log.String()
		if !regexp.MustCompile("A first input of "+tc.first).MatchString(log) || strings.Contains(log, "got no answer") {
			t.Errorf("the demonstration of %s says:\n%s", tc.catalogue, log)
		}
		all, models := chosen(t, log)
		if strict := models[tc.accurate]; 10*strict < 7*all || models[tc.cheap] == 0 || strict+models[tc.cheap] != all {
			t.Errorf("of %d queries of %s, the models answered %v", all, tc.catalogue, models)
		}
		s.printsBill()
	}
}

// The first minute of `make run`, with the catalogue that ships: a worker is ready before the
// stage says so, and the load has queries on functions, decisions to start workers, answers by
// several models, and a bill next to other schemes, rivals and a plain function.
func TestTheFirstMinute(t *testing.T) {
	t.Parallel() // it waits for most of a minute
	s := up(t, t.TempDir(), "--demo")
	if p := s.pool(); p.Ready == 0 {
		t.Errorf("the stage says that it is ready, with the pool %+v", p)
	}
	s.until("the end of the demonstration", func() bool { return strings.Contains(s.log.String(), "Ctrl-C stops the server") })
	log := s.log.String()
	if !strings.Contains(log, "A first input of task fashion, a sample picture, was answered in") || strings.Contains(log, "got no answer") {
		t.Errorf("the demonstration says:\n%s", log)
	}
	if all, models := chosen(t, log); len(models) < 2 || models["cnn"] == 0 {
		t.Errorf("of %d queries, the models answered %v", all, models)
	}
	st, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if of := st.Classes["strict"].Hour; of.Answered == 0 || of.Overflowed == 0 || of.Overflowed == of.Answered {
		t.Errorf("strict queries of the last hour: %+v", of)
	}
	moves, err := s.Decisions(t.Context(), api.DecisionQuery{Moves: true, Limit: 100})
	if err != nil || !slices.ContainsFunc(moves, func(m api.Decision) bool { return strings.Contains(m.Line, "grow from ") }) {
		t.Errorf("the decisions are %+v, error %v", moves, err)
	}
	s.printsBill()
}

// chosen are the queries that a demonstration says were answered, in all and by model.
func chosen(t *testing.T, log string) (all int, models map[string]int) {
	t.Helper()
	said := regexp.MustCompile(`(\d+) queries were answered, by the models (.+)\.`).FindStringSubmatch(log)
	if said == nil {
		t.Fatalf("the demonstration does not say what was answered:\n%s", log)
	}
	number := func(digits string) int {
		n, err := strconv.Atoi(digits)
		if err != nil || n == 0 {
			t.Fatalf("%q: %v", said[0], err)
		}
		return n
	}
	models = map[string]int{}
	for entry := range strings.SplitSeq(said[2], ", ") {
		name, digits, _ := strings.Cut(entry, " ")
		models[name] = number(digits)
	}
	return number(said[1]), models
}

// wouldHaveCost is a scheme, a rival or the plain function, with what it would have cost at least.
var wouldHaveCost = regexp.MustCompile(`(?m)^ +(\S.*) would have cost \$([0-9.]+)`)

// printsBill wants the stage to have printed its cost, next to that of the cheapest schemes and
// rivals and of a plain function, and `paragon savings` to print all of them.
func (s *stage) printsBill() {
	s.t.Helper()
	positive := func(amount string) bool {
		usd, err := strconv.ParseFloat(amount, 64)
		return err == nil && usd > 0
	}
	var known api.Savings
	if err := json.Unmarshal([]byte(printed(s.t, "paragon", "savings", "--json", "--endpoint", s.URL)), &known); err != nil || !known.Quoted {
		s.t.Fatalf("savings %+v, error %v", known, err)
	}
	const plain = "a plain function (Lambda without Paragon)"
	compared, ofOthers := []string{plain}, false
	for _, o := range known.Others {
		if !o.Simulated {
			continue
		}
		name := "scheme " + o.Scheme
		if origin := rivals.Origin(o.Scheme); origin != "" {
			name, ofOthers = origin+" ("+o.Scheme+")", true
		}
		compared = append(compared, name)
	}
	bill, whole := s.out.String(), printed(s.t, "paragon", "savings", "--endpoint", s.URL)
	for _, text := range []string{bill, whole} {
		cost := regexp.MustCompile(`this stage cost \$([0-9.]+) `).FindStringSubmatch(text)
		if cost == nil || !positive(cost[1]) {
			s.t.Errorf("no cost of the stage in\n%s", text)
		}
		var named []string
		for _, line := range wouldHaveCost.FindAllStringSubmatch(text, -1) {
			named = append(named, line[1])
			if !slices.Contains(compared, line[1]) || !positive(line[2]) {
				s.t.Errorf("the bill says %q; compared are %q", line[0], compared)
			}
		}
		if !slices.Contains(named, plain) || text == bill && len(named) < 4 || text == whole && len(named) != len(compared) {
			s.t.Errorf("the bill names %q of %q:\n%s", named, compared, text)
		}
	}
	if !ofOthers || !slices.Contains(compared, "scheme hedged") {
		s.t.Errorf("compared are %q, without a rival or the default scheme", compared)
	}
}

// calibrates wants a calibration of three runs on the catalogue own, printed and stored. The
// command fails only where the simulation is too far off to be quoted, as after so short a load it
// may be, and says so.
func calibrates(t *testing.T, data string, args []string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), built(t, "paragon-lab"), args...)
	var complaint strings.Builder
	c.Stderr = &complaint
	out, failure := c.Output()
	exit, failed := errors.AsType[*exec.ExitError](failure)
	if failed != (failure != nil) || failed && (exit.ExitCode() != 1 || !strings.Contains(complaint.String(), "no savings are quoted: on 3 traces")) {
		t.Fatalf("%v: %s%s", failure, out, &complaint)
	}
	var runs []struct {
		Trace  string
		Report struct{ Queries, Failed int }
	}
	if err := json.Unmarshal(out, &runs); err != nil || len(runs) != 3 {
		t.Fatalf("%d runs, error %v: %s", len(runs), err, out)
	}
	kept, err := filepath.Glob(filepath.Join(data, "*calibration*"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("calibrations stored: %v, error %v", kept, err)
	}
	var stored calibration.Report
	raw, err := os.ReadFile(kept[0])
	if err == nil {
		err = json.Unmarshal(raw, &stored)
	}
	if err != nil || stored.Catalogue != "own" || len(stored.Runs) != len(runs) {
		t.Fatalf("stored is %+v, error %v", stored, err)
	}
	for i, r := range runs {
		if r.Report.Queries == 0 || r.Report.Failed != 0 || stored.Runs[i].Trace != r.Trace || stored.Runs[i].CostUSD <= 0 || stored.Runs[i].WorkersMean <= 0 {
			t.Errorf("run %d: printed %+v, stored %+v", i, r, stored.Runs[i])
		}
	}
}

// The page of a stage whose tasks take texts and tensors works in a browser, without an error in
// its console: texts are classified and embedded, and tasks of tensors, which the form cannot
// ask, are not offered in it. With no other task there is no form.
func TestThePageShowsEveryKindOfTask(t *testing.T) {
	dir := ownProfiles(t)
	for catalogue, offered := range map[string][]string{"own": {"words", "sentences"}, "numbers": nil} {
		s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=0", "--unpaced", "--profiles", dir, "--catalogue", catalogue)
		s.until("a worker is ready", func() bool { return s.pool().Ready == 1 })
		inputs := map[string]string{"numbers": `"tensors":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}]`}
		if offered != nil {
			inputs["words"], inputs["sentences"] = `"text":"no"`, `"text":"no"`
		}
		for task, input := range inputs {
			if status, body := s.postQuery(`{"task":"` + task + `","input":{` + input + `}}`); status != http.StatusAccepted {
				t.Errorf("a query of task %s: %d %s", task, status, body)
			}
		}
		c := exec.CommandContext(t.Context(), "node", append([]string{"testdata/page.mjs", s.URL}, offered...)...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("the page with the catalogue %s: %v:\n%s", catalogue, err, out)
		}
		s.stop()
	}
}
