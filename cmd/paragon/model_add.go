package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/metadata"
	"github.com/paragon-serving/paragon/shared/engine/tokenizer"
	"github.com/paragon-serving/paragon/shared/modelcheck"
	"github.com/paragon-serving/paragon/shared/modelstore"
)

const modelAddLong = `Add an ONNX file to a running ` + "`paragon up`" + `, or with --stage to a stage in an account. The workers of
a stage load the model without a new deployment. The command first runs the model once as a check.
Then it measures the model's latency, memory and cold start on this machine. If the file fails a
check, nothing changes.

Kinds of answer (--kind):
  classify  labels with scores
  embed     a vector
  tensor    the outputs by name

Kinds of input (--input):
  picture   PNG and JPEG
  text      needs --tokenizer, unless the model takes strings
  tensor    the inputs by name

If the weights of the model are in separate files in the folder of the ONNX file, the command sends
these files too.

--preprocess states how pictures become numbers. The preset imagenet does the same as torchvision:
it scales the shorter side to 8/7 of the model's input size (to 256 pixels if the input has 224),
crops the center, and normalizes the channels. Instead of the preset, you can pass a JSON object
with the fields of "input" in catalogue.json (docs/profiles.md). The object may change fields of a
preset: '{"preset":"imagenet","channel_order":"bgr"}'.

--test measures the accuracy with labeled items on this machine, before the command sends the model.
A folder for --test has a subfolder for each label, with pictures or text files. A CSV file for
--test has a label and a text on each line, and no header.

If a model of the same name (--name) is already served, the file becomes a new version of this
model. The new version is on trial: it answers a share of the model's queries.
` + "`paragon model canary`" + ` changes this share. ` + "`paragon model promote`" + ` gives the version all queries of
the model. ` + "`paragon model rollback`" + ` withdraws the version.`

// addFlags are what `paragon model add` is given.
type addFlags struct {
	name, task, kind, input, labels, tokenizer, test, sample string
	preprocess                                               preprocessFlag
	maxTokens                                                int
	accuracy, share                                          float64
	yes                                                      bool
}

func (f *addFlags) define(term *cli.Terminal, c *cobra.Command) {
	fs := c.Flags()
	fs.StringVar(&f.task, "task", "", "task of the model; models of one task are interchangeable")
	fs.StringVar(&f.name, "name", "", "name of the model (default the file's name)")
	fs.StringVar(&f.kind, "kind", "", "kind of answer: classify, embed or tensor (default inferred)")
	fs.StringVar(&f.input, "input", "", "kind of input: picture, text or tensor (default inferred)")
	fs.StringVar(&f.labels, "labels", "", "file with the names of the model's classes, one per line")
	fs.Var(&f.preprocess, "preprocess", "how pictures become numbers: the preset imagenet, a JSON object, or @FILE with such an object (default: stretch the picture to the model's input size, and scale pixel values to 0 to 1)")
	fs.StringVar(&f.tokenizer, "tokenizer", "", "tokenizer.json file of a model that takes text")
	fs.IntVar(&f.maxTokens, "max-tokens", 0, "largest number of tokens of a text (default: the limit in the tokenizer's file)")
	fs.StringVar(&f.test, "test", "", "folder or CSV file of labeled items to measure the accuracy with")
	fs.StringVar(&f.sample, "sample", "", "JSON file with a /v2 request (Open Inference Protocol) that a model of tensors is checked and measured with (default: inputs of zeros)")
	fs.Float64Var(&f.share, "share", -1, "share of the queries that a new version of a served model gets, 0 to 1; below 0: the setting canary_share")
	fs.Float64Var(&f.accuracy, "accuracy", 0, "share of correct answers of the model in percent, if known")
	term.CompleteValues(c, "kind", "classify", "embed", "tensor")
	term.CompleteValues(c, "input", "picture", "text", "tensor")
	term.CompleteValues(c, "preprocess", profile.Presets...)
}

// newModelAddCommand is `paragon model add`.
func newModelAddCommand(term *cli.Terminal) *cobra.Command {
	f := &addFlags{}
	c := term.ServerCommand(&cobra.Command{
		Use: "add FILE.onnx --task TASK", Short: "Serve an ONNX file", Long: modelAddLong, Args: cobra.ExactArgs(1),
		Example: `  paragon model add iris.onnx --task flowers
  paragon model add net.onnx --task birds --labels birds.txt --preprocess imagenet --accuracy 81.5
  paragon model add caffe.onnx --task birds --preprocess '{"scale":1,"mean":[104,117,123],"channel_order":"bgr"}'
  paragon model add iris.onnx --task flowers --stage prod
  paragon model add bert.onnx --task mail --tokenizer tokenizer.json --labels labels.txt --test mails.csv`,
		RunE: func(c *cobra.Command, args []string) error {
			if f.task == "" {
				if _, err := readONNX(args[0]); err != nil { // a task would not help
					return err
				}
				return cli.Usagef("name the task with --task: `paragon model add %s --task NAME`", args[0])
			}
			if stage, _ := term.Place(); stage != "" {
				return addToStage(c.Context(), term, f, stage, args[0])
			}
			cl, err := machineOf(term, c, client.Config{HTTP: patientHTTP(), Attempts: 1})
			if err != nil {
				return err
			}
			added, err := addModel(c.Context(), term, cl, f, args[0])
			if err != nil {
				return err
			}
			if term.JSON {
				term.PrintJSON(added)
				return nil
			}
			printAdded(term, added, cl.Endpoint())
			return nil
		},
	})
	f.define(term, c)
	defineYes(c, &f.yes)
	term.CompleteNames(c)
	return c
}

// patientHTTP waits for as long as the check of a large model takes.
func patientHTTP() *http.Client {
	h := client.NewHTTP(1)
	if t, ok := h.Transport.(*http.Transport); ok {
		t.ResponseHeaderTimeout = 10 * time.Minute
	}
	return h
}

// unfit are the characters that a name cannot have.
var unfit = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// modelName makes a name of a file's.
func modelName(file string) string {
	base := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	name := strings.TrimLeft(unfit.ReplaceAllString(base, "-"), "._-")
	return name[:min(len(name), 64)]
}

// addModel sends a file, with the weights that lie next to it and its tokenizer put
// into it, once its accuracy is measured where that is wanted.
func addModel(ctx context.Context, term *cli.Terminal, cl *client.Client, f *addFlags, file string) (api.AddedModel, error) {
	o, onnx, err := prepare(ctx, term, cl, f, file)
	if err != nil {
		return api.AddedModel{}, err
	}
	return cl.AddModel(ctx, o, bytes.NewReader(onnx), int64(len(onnx)))
}

// prepare reads a model's file with what belongs to it.
func prepare(ctx context.Context, term *cli.Terminal, of served, f *addFlags, file string) (o api.ModelOrder, onnx []byte, err error) {
	o = api.ModelOrder{Name: f.name, Task: f.task, Kind: profile.TaskKind(f.kind), Input: profile.InputKind(f.input),
		Preprocess: f.preprocess.asked, MaxTokens: f.maxTokens, Accuracy: f.accuracy, File: filepath.Base(file)}
	if o.Name == "" {
		o.Name = modelName(file)
	}
	if math.IsNaN(f.share) || math.IsNaN(f.accuracy) {
		return o, nil, cli.Usagef("--share and --accuracy must be numbers")
	}
	if f.share >= 0 {
		o.Share = &f.share
	}
	if o.Labels, err = readLabels(f.labels); err != nil {
		return o, nil, err
	}
	if onnx, err = readONNX(file); err != nil {
		return o, nil, err
	}
	if onnx, err = attachTokenizer(onnx, f.tokenizer); err != nil {
		return o, nil, cli.Usagef("%s: %v", file, err)
	}
	if onnx, err = attachSample(onnx, f.sample); err != nil {
		return o, nil, err
	}
	if f.test != "" {
		if f.accuracy != 0 {
			return o, nil, cli.Usagef("give either --test, which measures the accuracy, or --accuracy")
		}
		if o.Test, err = testModel(ctx, term, of, onnx, o, f.test); err != nil {
			return o, nil, err
		}
	}
	sum := sha256.Sum256(onnx)
	o.SHA256 = hex.EncodeToString(sum[:])
	return o, onnx, nil
}

// readONNX reads a model's file, with the weights that lie next to it put into it.
func readONNX(file string) ([]byte, error) {
	onnx, err := readModel(file, modelstore.MaxONNXBytes)
	if err != nil {
		return nil, cli.Mistake(err)
	}
	folder, err := os.OpenRoot(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	if onnx, err = modelcheck.Inline(onnx, folder.FS(), modelstore.MaxONNXBytes); err == nil {
		err = modelcheck.Readable(onnx)
	}
	if err != nil {
		if p, ok := errors.AsType[*modelcheck.Problem](err); ok {
			return nil, cli.Usagef("%s", p.Of(file))
		}
		return nil, cli.Usagef("%s: %v", file, err)
	}
	return onnx, nil
}

// attachTokenizer puts a tokenizer.json into a model's file; without one it changes
// nothing.
func attachTokenizer(onnx []byte, file string) ([]byte, error) {
	if file == "" {
		return onnx, nil
	}
	raw, err := readModel(file, tokenizer.MaxFileBytes)
	if err != nil {
		return nil, cli.Usagef("--tokenizer: %v", err)
	}
	if _, err := tokenizer.Parse(raw); err != nil {
		return nil, cli.Usagef("--tokenizer: %s: %v", file, err)
	}
	out, err := tokenizer.Attach(onnx, raw)
	if err != nil {
		return onnx, nil // it is no ONNX model: who checks it says so
	}
	return out, nil
}

// maxLabelBytes bounds a file of labels.
const maxLabelBytes = 4 << 20

// readLabels reads the names of classes, a line each; nil without a file.
func readLabels(file string) ([]string, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := readModel(file, maxLabelBytes)
	if err != nil {
		return nil, cli.Usagef("--labels: %v", err)
	}
	var out []string
	for line := range strings.Lines(string(raw)) {
		out = append(out, strings.TrimSpace(line))
	}
	if len(out) == 0 {
		return nil, cli.Usagef("--labels: %s has no line", file)
	}
	return out, nil
}

// maxSampleBytes bounds a file of sample inputs.
const maxSampleBytes = 16 << 20

// attachSample puts inputs, which a file has as a request of /v2 has them, into a
// model's file; without one it changes nothing.
func attachSample(onnx []byte, file string) ([]byte, error) {
	if file == "" {
		return onnx, nil
	}
	raw, err := readModel(file, maxSampleBytes)
	if err != nil {
		return nil, cli.Usagef("--sample: %v", err)
	}
	var request struct {
		Inputs []tensors.Tensor `json:"inputs"`
	}
	if err := json.Unmarshal(raw, &request); err != nil {
		return nil, cli.Usagef("--sample: %s: %v", file, err)
	}
	if len(request.Inputs) == 0 {
		return nil, cli.Usagef("--sample: %s has no inputs: it must be a /v2 request, {\"inputs\": [...]}", file)
	}
	out, err := metadata.PutSample(onnx, request.Inputs)
	if err != nil {
		return onnx, nil // it is no ONNX model: who checks it says so
	}
	return out, nil
}

// printAdded prints what became of a model at a server, and a first request to its task.
func printAdded(term *cli.Terminal, added api.AddedModel, url string) {
	printModel(term, added.Model)
	for _, n := range added.Notes {
		term.Printf("  %s\n", cli.OneLine(n))
	}
	if added.Rollout != nil {
		printRollout(term, *added.Rollout)
	}
	term.Printf("For a query of task %s, Paragon would now choose (with the present workers and load):\n", added.Task.Name)
	printChoices(term, added.Choices)
	term.Printf("Send queries of the task to /v2/models/%s/infer.\n", added.Task.Name)
	printExample(term, url, added.Task.Name, added.Model.Takes(), added.Model.Signature)
}
