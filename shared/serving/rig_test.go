package serving_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/platformtest"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/serving"
)

const pool = "main"

// catalogue has a quick and a slow model, and one for which batching pays.
func catalogue() *profile.Catalogue {
	model := func(name string, p50, p99 float64) profile.Model {
		return profile.Model{Name: name, Task: "t", File: name + ".onnx", Latency: []profile.Latency{
			{Resource: "c5.large", Threads: 1, Batch: 1, MS: profile.Percentiles{P50: p50, P95: p99, P99: p99}},
		}}
	}
	batched := model("batched", 100, 110)
	batched.Latency = append(batched.Latency, profile.Latency{Resource: "c5.large", Threads: 1, Batch: 4,
		MS: profile.Percentiles{P50: 200, P95: 220, P99: 220}})
	return &profile.Catalogue{
		Name: "test", Models: []profile.Model{model("quick", 20, 25), model("slow", 100, 110), batched},
		Instances: []profile.Instance{{Type: "c5.large", VCPUs: 2, USDPerHour: 0.072, Speed: 1}},
	}
}

// rig is a backend with one pool, in a synctest bubble.
type rig struct {
	*testing.T
	backend *sqlite.Backend
	platform.Backend
	settings settings.Settings
	answers  *answers
	wins     *wins
	workers  sync.WaitGroup
	stops    []context.CancelFunc
}

func newRig(t *testing.T, chaos *sqlite.Chaos) *rig {
	t.Helper()
	h, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{Chaos: chaos})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, backend: h, Backend: h.Platform(), settings: settings.Defaults(), answers: &answers{runs: map[string]int{}}}
	r.Records = platformtest.NewMemory(time.Now)
	r.wins = &wins{won: map[string]int{}}
	return r
}

// close must be called at the end of the bubble. It stops what a failed test
// left running.
func (r *rig) close() {
	r.Helper()
	for _, stop := range r.stops {
		stop()
	}
	r.workers.Wait()
	if err := r.backend.Close(); err != nil {
		r.Error(err)
	}
}

// answers is an Answerer that knows its inputs by their text.
type answers struct {
	mu      sync.Mutex
	runs    map[string]int // by input
	order   []string
	batches []int
	cold    chan struct{}     // when set, a run waits until it is closed
	started chan string       // when set, gets every input that starts
	broken  bool              // no run is answered
	fault   error             // of every run, when set
	faulty  string            // the model whose every run fails
	code    query.FailureCode // with this
	held    chan struct{}     // when set, a run of heldModel waits until it is closed

	heldModel string
}

func (a *answers) Answer(ctx context.Context, model string, in []query.Input) ([]answer.Answered, error) {
	a.mu.Lock()
	a.batches = append(a.batches, len(in))
	for _, i := range in {
		a.runs[string(i.Data)]++
		a.order = append(a.order, string(i.Data))
	}
	a.mu.Unlock()
	if a.started != nil {
		a.started <- string(in[0].Data)
	}
	if a.cold != nil {
		select {
		case <-a.cold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if a.held != nil && model == a.heldModel {
		<-a.held
	}
	if a.fault != nil {
		return nil, a.fault
	}
	if model == a.faulty {
		return nil, &answer.Fault{Code: a.code, Err: errors.New("the version is broken")}
	}
	if a.broken {
		return nil, &answer.Fault{Code: query.ModelFault, Err: errors.New("the model is broken")}
	}
	out := make([]answer.Answered, len(in))
	for i := range in {
		switch text := string(in[i].Data); text {
		case "poison":
			out[i].Err = &answer.Fault{Code: query.BadInput, Err: errors.New("not a picture")}
		case "faulty":
			return nil, &answer.Fault{Code: query.ModelFault, Err: errors.New("the model is broken")}
		case "cut off":
			return nil, errors.New("the run was cut off")
		default:
			out[i].Result = query.Result{Label: text, Top: []query.Score{{Label: text, Score: 1}}, Scores: []float32{1}}
		}
	}
	return out, nil
}

func (a *answers) ran(text string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.runs[text]
}

// worker is a running worker.
type worker struct {
	*serving.Worker
	way  *mortal
	stop context.CancelFunc
	done chan error
}

// start starts a worker; change may set its options and its way to the backend.
func (r *rig) start(id string, change func(*serving.Options, *mortal)) *worker {
	r.Helper()
	c := r.backend.As(id)
	way := &mortal{Queues: c.Queues, Records: r.Records, Fleet: c.Fleet, wins: r.wins}
	o := serving.Options{
		ID: id, Pool: pool, InstanceType: "c5.large", Runners: 1, Paced: true, Catalogue: catalogue(),
		Answerer: r.answers, Queues: way, Records: way, Fleet: way, Blobs: c.Blobs, PollWait: 20 * time.Second,
		Settings: func() settings.Settings { return r.settings }, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if change != nil {
		change(&o, way)
	}
	w, err := serving.New(o)
	if err != nil {
		r.Fatal(err)
	}
	ctx, stop := context.WithCancel(r.Context())
	r.stops = append(r.stops, stop)
	out := &worker{Worker: w, way: way, stop: stop, done: make(chan error, 1)}
	r.workers.Go(func() { out.done <- w.Run(ctx) })
	return out
}

// end drains a worker and expects it to leave in peace.
func (r *rig) end(ws ...*worker) {
	r.Helper()
	for _, w := range ws {
		w.stop()
		if err := <-w.done; err != nil {
			r.Errorf("worker %s: %v", w.ID, err)
		}
	}
}

// ask is a query to submit.
type ask struct {
	id, model, input string
	class            query.Class
	boundMS          float64
	message          func(*query.Message)
}

func (r *rig) submit(as ...ask) {
	r.Helper()
	for _, a := range as {
		if a.input == "" {
			a.input = "input of " + a.id
		}
		now := time.Now()
		m := query.Message{ID: a.id, Owner: "owner", Task: "t", Model: a.model, Class: a.class, AcceptedAt: now,
			DeadlineAt: now.Add(query.Duration(a.boundMS)), ExpiresAt: query.ExpiresAt(now, a.boundMS), ForgetAt: now.Add(24 * time.Hour),
			Input: query.Input{ContentType: "text/plain", Data: []byte(a.input)}}
		if a.message != nil {
			a.message(&m)
		}
		if err := r.Queues.Send(r.Context(), platform.WorkQueue(pool, a.class), m); err != nil {
			r.Fatal(err)
		}
	}
}

// result waits for a query's end, two minutes at most.
func (r *rig) result(id string) query.Record {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Minute)
	defer cancel()
	rec, err := r.Records.AwaitRecord(ctx, id)
	if err != nil {
		r.Fatal(err)
	}
	return rec
}

func (r *rig) want(id string, state query.State) query.Record {
	r.Helper()
	rec := r.result(id)
	if rec.State != state {
		r.Errorf("query %s: %s (%+v), want %s", id, rec.State, rec.Outcome.Failure, state)
	}
	return rec
}

// depth counts a queue's messages, leased ones included.
func (r *rig) depth(q platform.QueueName) int {
	r.Helper()
	d, err := r.Queues.Depth(r.Context(), q)
	if err != nil {
		r.Fatal(err)
	}
	return d.Visible + d.InFlight
}

func (r *rig) wantDepth(q platform.QueueName, n int) {
	r.Helper()
	if got := r.depth(q); got != n {
		r.Errorf("%d messages on %s, want %d", got, q, n)
	}
}

// overflow takes one message off the overflow queue.
func (r *rig) overflow() query.Message {
	r.Helper()
	ds, err := r.Queues.Receive(r.Context(), platform.Overflow, 1, time.Minute, time.Minute)
	if err != nil || len(ds) != 1 {
		r.Fatalf("nothing on the overflow queue: %v", err)
	}
	if err := r.Queues.Delete(r.Context(), ds...); err != nil {
		r.Fatal(err)
	}
	return ds[0].Message
}

func events(t query.Trail) []query.Event {
	var out []query.Event
	for _, s := range t {
		out = append(out, s.Event)
	}
	return slices.Clip(out)
}
