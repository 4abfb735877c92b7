package modelcheck

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/engine/metadata"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
	"github.com/paragon-serving/paragon/shared/engine/wire"
	"github.com/paragon-serving/paragon/shared/measure"
)

// Request is what the caller says of a model; what is empty is inferred.
type Request struct {
	Kind       profile.TaskKind    `json:"kind,omitempty"`
	Input      profile.InputKind   `json:"input,omitempty"`
	TaskInput  bool                `json:"task_input,omitempty"` // Input is the task's, and was not asked for
	Labels     []string            `json:"labels,omitempty"`
	TaskLabels []string            `json:"task_labels,omitempty"` // of a task that is there already
	Preprocess *profile.Preprocess `json:"preprocess,omitempty"`  // of pictures
	MaxTokens  int                 `json:"max_tokens,omitempty"`  // of a text; 0 is the tokenizer's own bound
	// Once ends the check after the first answer, to time a start.
	Once bool `json:"once,omitempty"`
}

// Like returns the request for a model of a task that is there already: the kind of its
// answers and its labels are the task's, and so is the kind of its input unless another
// was asked for.
func (r Request) Like(kind profile.TaskKind, takes profile.InputKind, labels []string) Request {
	r.TaskInput = r.Input == ""
	r.Kind, r.Input, r.TaskLabels = kind, cmp.Or(r.Input, takes), labels
	return r
}

// Report is what was found out of a model.
type Report struct {
	Problem   *Problem            `json:"problem,omitempty"` // and then nothing else
	Kind      profile.TaskKind    `json:"kind,omitempty"`
	Input     profile.InputKind   `json:"input,omitempty"`
	Picture   *profile.Input      `json:"picture,omitempty"`
	Text      *profile.Text       `json:"text,omitempty"`
	Signature *profile.Signature  `json:"signature,omitempty"`
	Labels    []string            `json:"labels,omitempty"`
	Notes     []string            `json:"notes,omitempty"` // what was inferred, a sentence each
	MS        profile.Percentiles `json:"ms,omitzero"`     // from input to answer, one thread
	Samples   int                 `json:"samples,omitempty"`
	Threads   []Threaded          `json:"threads,omitempty"`   // the same on more threads
	Batches   []profile.BatchTime `json:"batches,omitempty"`   // of several queries in one run, on one thread
	MemoryMB  int                 `json:"memory_mb,omitempty"` // of the process at its highest
	Library   string              `json:"library,omitempty"`
}

// Threaded is how long a model's answer takes on several threads.
type Threaded struct {
	Threads int                 `json:"threads"`
	MS      profile.Percentiles `json:"ms"` // from input to answer
	Samples int                 `json:"samples"`
}

// OnThreads are the rows of a profile for times on more threads. source says where those of
// one number of threads are found.
func OnThreads(times []Threaded, source func(t Threaded) profile.Source) (rows []profile.Latency) {
	for _, t := range times {
		rows = append(rows, profile.Latency{Resource: "reference", Threads: t.Threads, Batch: 1, MS: t.MS, Source: source(t)})
	}
	return rows
}

// Run checks a model in this process, which a bad one may take down: it is for a
// process of its own. A *Problem is part of the report; the error is of this
// machine.
func Run(ctx context.Context, onnx []byte, r Request) (Report, error) {
	if _, err := inspect(onnx); err != nil {
		return problem(err)
	}
	e, err := engine.New(engine.Options{Runners: 1})
	if err != nil {
		return Report{}, err
	}
	out, err := check(ctx, e, onnx, r)
	if err = errors.Join(err, e.Close()); err != nil {
		return problem(err)
	}
	out.Library = e.LibraryVersion()
	memory, err := measure.PeakMemoryMB() // before more is loaded
	out.MemoryMB = max(1, memory)         // a profile has some, also where the system does not say
	if err != nil || r.Once {
		return out, err
	}
	if out.Threads, err = threaded(ctx, onnx, out); err != nil {
		return problem(err)
	}
	if err := out.batched(ctx, onnx); err != nil {
		return problem(err)
	}
	return out, nil
}

// threadedFromMS is from which service time on more threads are measured: functions are
// billed by the millisecond.
const threadedFromMS = 1

// threaded times a model that was checked on 2 and 4 threads, as far as this machine has
// processors for them.
func threaded(ctx context.Context, onnx []byte, r Report) (out []Threaded, err error) {
	for n := 2; n <= min(4, runtime.NumCPU()) && r.MS.P50 >= threadedFromMS; n *= 2 {
		times, err := timesOn(ctx, n, onnx, r)
		if err != nil {
			return nil, err
		}
		out = append(out, Threaded{n, measure.Percentiles(times), len(times)})
	}
	return out, nil
}

// timesOn times a model that was checked, on the given number of threads.
func timesOn(ctx context.Context, threads int, onnx []byte, r Report) (times []time.Duration, err error) {
	o, err := r.open(ctx, threads, onnx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	return threadTimes.of(ctx, answers(o.model, o.inputs))
}

// answers makes inputs and runs them.
func answers(m *engine.Model, inputs func() ([]tensors.Tensor, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		given, err := inputs()
		if err == nil {
			_, err = m.RunNamed(ctx, given)
		}
		return err
	}
}

// problem makes what is wrong with the model the report.
func problem(err error) (Report, error) {
	if errors.Is(err, wire.ErrFormat) {
		err = badf("file", "is not an ONNX model: %v", err)
	}
	if p, ok := errors.AsType[*Problem](err); ok {
		return Report{Problem: p}, nil
	}
	return Report{}, err
}

func check(ctx context.Context, e *engine.Engine, onnx []byte, r Request) (Report, error) {
	m, err := e.Load(ctx, "checked", onnx, 1)
	if err != nil {
		return Report{}, notLoaded(cause(err))
	}
	out := Report{Signature: &profile.Signature{Inputs: m.Takes()}}
	text, err := out.takes(m, onnx, r)
	if err != nil {
		return out, err
	}
	inputs, err := out.inputs(m, text, onnx)
	if err != nil {
		return out, err
	}
	given, err := inputs()
	if err != nil {
		return out, err
	}
	values, err := m.RunNamed(ctx, given)
	if err != nil {
		return out, cannotRun(out.Input, given, err)
	}
	c, err := inspect(onnx)
	if err != nil {
		return out, err
	}
	out.gives(m, values)
	if err := out.answers(r, values, c); err != nil || r.Once {
		return out, err
	}
	return out, out.measure(ctx, answers(m, inputs))
}

// cannotRun says that the check's first run failed, and what would help.
func cannotRun(input profile.InputKind, given []tensors.Tensor, err error) error {
	if bad, ok := errors.AsType[*engine.InputError](err); ok {
		return badf("option sample", "%v", bad)
	}
	on := "the inputs of --sample, by default zeros"
	switch input {
	case profile.TextIn:
		on = "a sample text"
	case profile.Picture:
		on = "a blank picture"
	}
	return badf("file", "cannot be run on %s (%s): %s", on, shapes(given), cause(err))
}

// cause is the library's own message, without who passed it on.
func cause(err error) string {
	for next := err; next != nil; next = errors.Unwrap(next) {
		err = next
	}
	return withoutPlaces(strings.TrimSpace(err.Error()))
}

// sourceRoot begins the places in the library's own source that its messages have.
const sourceRoot = "/onnxruntime_src/"

// withoutPlaces takes such places out of a message: a file with a line, and the function
// there with the types of its arguments.
func withoutPlaces(message string) string {
	for {
		before, place, found := strings.Cut(message, sourceRoot)
		if !found {
			return message
		}
		end, depth := strings.IndexByte(place, ' '), 0 // of the file and line
		for i, c := range []byte(place) {
			if c == '(' {
				depth++
			} else if c == ')' {
				if depth--; depth == 0 && !strings.HasPrefix(place[i+1:], "(") {
					end = i + 1
					break
				}
			}
		}
		if end < 0 {
			return strings.TrimSpace(before)
		}
		rest := strings.TrimPrefix(strings.TrimSpace(place[end:]), "const ")
		if strings.HasPrefix(rest, "[with ") {
			if _, after, ok := strings.Cut(rest, "] "); ok {
				rest = after
			}
		}
		message = before + strings.TrimSpace(rest)
	}
}

// missingLocale is how ONNX Runtime names a locale that a machine lacks.
var missingLocale = regexp.MustCompile(`Failed to construct locale with name: ?([^\s:]*)`)

// newOpset is how ONNX Runtime says that a model's opset is newer than those it knows.
var newOpset = regexp.MustCompile(`Opset (\d+) is under development.* for domain ai\.onnx is till opset (\d+)`)

// notLoaded says why a file cannot be loaded, and what to do where that is known.
func notLoaded(why string) *Problem {
	if found := missingLocale.FindStringSubmatch(why); found != nil {
		return badf("file", `needs the locale %q, which this machine lacks: export the model with the locale "C" (skl2onnx: options={TfidfVectorizer: {"locale": "C"}}, or of CountVectorizer), or install the locale on every machine that serves it`, found[1])
	}
	if found := newOpset.FindStringSubmatch(why); found != nil {
		return badf("file", "needs opset %s, and ONNX Runtime runs at most opset %s: export the model again with opset_version=%[2]s", found[1], found[2])
	}
	return badf("file", "cannot be loaded: %s", why)
}

func shapes(ts []tensors.Tensor) string {
	words := make([]string, len(ts))
	for i, t := range ts {
		words[i] = fmt.Sprintf("%s %s %v", t.Name, t.Datatype, t.Shape)
	}
	return strings.Join(words, "; ")
}

// sampleText is what a model that takes text is measured with: some 200 words, which
// fill most bounds on tokens.
var sampleText = strings.Repeat("the quick brown fox jumps over a lazy dog near the river bank. ", 16)

// inputs returns what makes the model's inputs, as a query's are made: of the sample in
// its file, of zeros without one, or of a sample text.
func (r *Report) inputs(m *engine.Model, text *answer.Text, onnx []byte) (func() ([]tensors.Tensor, error), error) {
	sample, err := metadata.Sample(onnx)
	switch {
	case err != nil:
		return nil, badf("option sample", "%v", err)
	case sample != nil && r.Input != profile.TensorsIn:
		return nil, badf("option sample", "is for tensors, and the model takes %s", r.Input)
	case sample == nil && r.Input == profile.TensorsIn:
		if err := small(m.Takes()); err != nil {
			return nil, err
		}
		sample = answer.Blank(m.Takes())
	}
	if text != nil {
		return func() ([]tensors.Tensor, error) { return text.Inputs([]byte(sampleText)) }, nil
	}
	if r.Picture == nil {
		packed := tensors.Pack(sample)
		return func() ([]tensors.Tensor, error) { return tensors.Unpack(packed) }, nil
	}
	spec := preprocess.Spec(*r.Picture)
	var encoded bytes.Buffer
	if err := png.Encode(&encoded, image.NewRGBA(image.Rect(0, 0, spec.Width, spec.Height))); err != nil {
		return nil, fmt.Errorf("generate a sample picture: %w", err)
	}
	return func() ([]tensors.Tensor, error) {
		t, err := preprocess.Decode(preprocess.PNG, encoded.Bytes(), spec, preprocess.Limits{})
		if err != nil {
			return nil, err
		}
		x, err := tensors.Convert(tensors.FromFloats(m.InputName(), t.Shape, t.Data), m.Inputs()[0].Datatype)
		return []tensors.Tensor{x}, err
	}, nil
}

// mostInputBytes bounds an input of zeros: no request holds so much.
const mostInputBytes = 1 << 30

// small wants inputs that a request can hold.
func small(specs []tensors.Spec) error {
	for _, s := range specs {
		bytes := float64(max(1, s.Datatype.Size()))
		for _, d := range s.Shape {
			bytes *= math.Abs(float64(d))
		}
		if bytes > mostInputBytes {
			return badf("input "+quote(s.Name), "is %s, which takes %.1f GB or more: a request holds at most %.1f GB", s, bytes/1e9, mostInputBytes/1e9)
		}
	}
	return nil
}

// timing says how long a model is timed, and by which clock.
type timing struct {
	warm, least, most int // runs: left out first, kept whatever usual says, kept at most
	// usual is how long it takes where least runs are kept by then, and longest how long
	// at most, where one is.
	usual, longest time.Duration
	clock          func() time.Duration // of a run
}

// checkTimes is enough for a first figure.
var checkTimes = timing{warm: 5, least: 20, most: 500, usual: 1500 * time.Millisecond, longest: time.Minute, clock: measure.Wall}

// threadTimes is enough to see whether more threads pay, and leaves time for the whole check
// of a slow model.
var threadTimes = timing{warm: 5, least: 20, most: 500, usual: time.Second, longest: 15 * time.Second, clock: measure.Wall}

// of times runs one after another, on one thread.
func (t timing) of(ctx context.Context, once func(context.Context) error) (times []time.Duration, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := time.Now()
	for i := -t.warm; t.goesOn(len(times), time.Since(began)); i++ {
		start := t.clock()
		if err := once(ctx); err != nil {
			return nil, badf("file", "ran and then could not be run again: %s", cause(err))
		}
		if i >= 0 {
			times = append(times, t.clock()-start)
		}
	}
	return times, nil
}

func (t timing) goesOn(kept int, took time.Duration) bool {
	return kept == 0 || kept < t.most && took < t.longest && (kept < t.least || took < t.usual)
}

// measure times queries one after another.
func (r *Report) measure(ctx context.Context, once func(context.Context) error) error {
	times, err := checkTimes.of(ctx, once)
	if err != nil {
		return err
	}
	r.MS, r.Samples = measure.Percentiles(times), len(times)
	return nil
}
