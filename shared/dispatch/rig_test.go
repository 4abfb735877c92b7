package dispatch_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/dispatch"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/platformtest"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

const pool = "main"

// catalogue has a model of 50 ms on one vCPU and functions of less and more than one vCPU.
func catalogue() *profile.Catalogue {
	return &profile.Catalogue{
		Name: "test",
		Models: []profile.Model{{Name: "m", Task: "t", File: "m.onnx", Input: &profile.Input{Width: 4, Height: 4, Channels: 1}, MemoryMB: 500, Latency: []profile.Latency{{
			Resource: "reference", Threads: 1, Batch: 1, MS: profile.Percentiles{P50: 50, P95: 60, P99: 70},
			ColdMS: &profile.Percentiles{P50: 300, P95: 400, P99: 500},
		}}}},
		Functions: []profile.FunctionSizes{{Arch: "x86_64", MemoryMB: []int{256, 1000, 2000, 4000}, MBPerVCPU: 1500, Speed: 1}},
		Prices:    profile.Prices{LambdaGBSecondX86: 1e-5, LambdaPerRequest: 2e-7, LambdaGrainMS: 1},
	}
}

// functions answers invocations by a script.
type functions struct {
	mu     sync.Mutex
	script func(name string, nth int) (inference.Response, error) // nth invocation, from 0
	took   time.Duration
	initMS float64 // of each invocation's cold start
	names  []string
	busy   int
	most   int                     // at once
	asked  func(inference.Request) // when set, called with every request
}

func (f *functions) Invoke(ctx context.Context, name string, payload []byte) (platform.Invocation, error) {
	var req inference.Request
	if err := json.Unmarshal(payload, &req); err != nil {
		return platform.Invocation{}, err
	}
	if f.asked != nil {
		f.asked(req)
	}
	f.mu.Lock()
	nth := len(f.names)
	f.names = append(f.names, strings.TrimPrefix(name, "inference-m-"))
	f.busy++
	f.most = max(f.most, f.busy)
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.busy--; f.mu.Unlock() }()
	if f.took > 0 {
		select {
		case <-time.After(f.took):
		case <-ctx.Done():
			return platform.Invocation{}, ctx.Err()
		}
	}
	res := inference.Response{Label: string(req.Input.Data), ComputeMS: 50}
	if f.script != nil {
		var err error
		if res, err = f.script(name, nth); err != nil {
			return platform.Invocation{}, err
		}
	}
	text, err := json.Marshal(res)
	return platform.Invocation{Payload: text, BilledMS: 55, InitMS: f.initMS}, err
}

// paid adds up what invocations cost.
type paid struct {
	mu  sync.Mutex
	usd float64
}

func (p *paid) add(usd float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.usd += usd
}

type rig struct {
	*testing.T
	backend *sqlite.Backend
	platform.Backend
	settings settings.Settings
	paid     paid
	*functions
	*dispatch.Dispatcher
}

func newRig(t *testing.T, chaos *sqlite.Chaos) *rig {
	t.Helper()
	h, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{Chaos: chaos})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, backend: h, Backend: h.Platform(), settings: settings.Defaults(), functions: &functions{}}
	r.Backend.Records = platformtest.NewMemory(time.Now)
	r.Dispatcher, err = dispatch.New(dispatch.Options{
		Catalogue: catalogue(), Arch: "x86_64", Pool: pool, Queues: r.Queues, Records: r.Backend.Records, Invoker: r.functions, Paid: r.paid.add, Blobs: r.Blobs,
		Settings: func() settings.Settings { return r.settings }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) close() {
	if err := r.backend.Close(); err != nil {
		r.Error(err)
	}
}

func (r *rig) submit(id string, boundMS float64, change func(*query.Message)) {
	r.Helper()
	now := time.Now()
	m := query.Message{ID: id, Owner: "owner", Model: "m", Class: query.Strict, AcceptedAt: now, DeadlineAt: now.Add(query.Duration(boundMS)),
		ExpiresAt: query.ExpiresAt(now, boundMS), ForgetAt: now.Add(time.Hour), Input: query.Input{ContentType: "text/plain", Data: []byte("input of " + id)}}
	if change != nil {
		change(&m)
	}
	if err := r.Queues.Send(r.Context(), platform.Overflow, m); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) receive(q platform.QueueName) []platform.Delivery {
	r.Helper()
	ds, err := r.Queues.Receive(r.Context(), q, 10, time.Minute, 0)
	if err != nil {
		r.Fatal(err)
	}
	return ds
}

func (r *rig) handleAll() {
	r.Helper()
	if failed := r.Handle(r.Context(), r.receive(platform.Overflow)); len(failed) != 0 {
		r.Errorf("%d deliveries failed", len(failed))
	}
}

// get returns a query's record, one without a state when it has not ended.
func (r *rig) get(id string) query.Record {
	r.Helper()
	rec, err := r.Records.GetRecord(r.Context(), id)
	if err != nil && !errors.Is(err, platform.ErrNotFound) {
		r.Fatal(err)
	}
	return rec
}

func (r *rig) wantDepth(q platform.QueueName, n int) {
	r.Helper()
	d, err := r.Queues.Depth(r.Context(), q)
	if err != nil || d.Visible+d.InFlight != n {
		r.Errorf("%s holds %+v, want %d; error %v", q, d, n, err)
	}
}
