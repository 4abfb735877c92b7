package serving_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/serving"
)

// front is a pool of workers behind a balancer that sends each request to the
// one with the fewest outstanding.
type front struct {
	intakes []*intake.Service

	mu          sync.Mutex
	outstanding []int
}

// offered is a catalogue whose model takes pictures and runs on functions too.
func offered() *profile.Catalogue {
	c := catalogue()
	c.Models = c.Models[:1]
	m := &c.Models[0]
	m.MemoryMB, m.Accuracy, m.Input = 100, profile.Accuracy{Top1Percent: 90}, &profile.Input{Width: 1, Height: 1, Channels: 1}
	function := m.Latency[0]
	function.Resource, function.MemoryMB, function.Source = "lambda-x86_64", 1769, profile.Source{Kind: "measured"}
	m.Latency[0].Source = function.Source
	m.Latency = append(m.Latency, function)
	c.Tasks = []profile.Task{{Name: "t", Labels: []string{"0"}}}
	c.Functions = []profile.FunctionSizes{{Arch: "x86_64", MemoryMB: []int{1769}, MBPerVCPU: 1769, Speed: 1}}
	c.Prices = profile.Prices{LambdaGBSecondX86: 0.0000166667, LambdaPerRequest: 0.0000002, LambdaGrainMS: 1}
	return c
}

// newFront starts workers with the given number of runners each, behind one balancer.
func (r *rig) newFront(workers, runners int) *front {
	r.Helper()
	keys, err := signed.NewKeys([]byte("a key of at least sixteen bytes"))
	if err != nil {
		r.Fatal(err)
	}
	f := &front{outstanding: make([]int, workers)}
	for i := range workers {
		w := r.start(fmt.Sprint("w", i), func(o *serving.Options, _ *mortal) { o.Runners, o.Catalogue = runners, offered() })
		s, err := intake.New(intake.Config{
			Records: r.Records, Attempts: r.Attempts, Shared: r.Shared, Fleet: r.Fleet, Queues: r.Queues, Metrics: r.Metrics, Blobs: r.Blobs,
			Catalogue: offered(), Settings: func() settings.Settings { return r.settings }, Arch: "x86_64", Keys: keys, Worker: w.Worker,
			Pools: []intake.Pool{{Name: pool, InstanceType: "c5.large"}}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
		if err != nil {
			r.Fatal(err)
		}
		f.intakes = append(f.intakes, s)
	}
	synctest.Wait()
	return f
}

// take sends a request to the worker with the fewest outstanding.
func (f *front) take(ctx context.Context, req intake.Request, t intake.Terms) (intake.Answer, error) {
	f.mu.Lock()
	least := 0
	for i, n := range f.outstanding {
		if n < f.outstanding[least] {
			least = i
		}
	}
	f.outstanding[least]++
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.outstanding[least]--
		f.mu.Unlock()
	}()
	return f.intakes[least].Take(ctx, "me", req, t)
}

// A burst of twice what the runners can do in time is admitted by twenty workers
// behind a balancer as by one that has all the runners, and what is admitted is
// answered in time.
func TestABurstIsAdmittedByTwentyWorkersAsByOne(t *testing.T) {
	const runners, queries, boundMS = 40, 1600, 500.0
	admitted := map[int]int{}
	for _, workers := range []int{1, 20} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			defer r.close()
			r.settings.MaxOverflowConcurrency = 10_000
			f := r.newFront(workers, runners/workers)
			bound, late := boundMS, 0
			req := intake.Request{Task: "t", Class: query.Strict, Bounds: intake.Bounds{LatencyMS: &bound},
				Input: query.Input{ContentType: preprocess.RawTensor, Data: []byte{0, 0, 0, 0}}}
			var mu sync.Mutex
			var all sync.WaitGroup
			for range queries {
				all.Go(func() {
					a, err := f.take(t.Context(), req, intake.Terms{Wait: 2 * time.Second})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					if o := a.Record.Outcome; o != nil && o.RanOn.Kind == query.OnWorker {
						admitted[workers]++
						if !a.Record.Met() {
							late++
						}
					}
				})
			}
			all.Wait()
			if late > 0 {
				t.Errorf("%d of %d that %d workers admitted were late", late, admitted[workers], workers)
			}
		})
	}
	if one, twenty := admitted[1], admitted[20]; one < queries/3 || one > queries*2/3 || twenty < one*9/10 || twenty > one*11/10 {
		t.Errorf("one worker admits %d of %d queries, twenty %d", one, queries, twenty)
	}
}
