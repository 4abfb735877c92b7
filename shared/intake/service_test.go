package intake

import (
	"encoding/binary"
	"math"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

// clock is a time that tests move.
type clock struct{ ms atomic.Int64 }

var start = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func (c *clock) now() time.Time          { return start.Add(time.Duration(c.ms.Load()) * time.Millisecond) }
func (c *clock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// testService is a Service over a backend on one machine, at a time that tests move.
type testService struct {
	*Service
	platform.Backend
	clock *clock
}

func newTestService(t testing.TB, change func(*Config)) testService {
	t.Helper()
	d := testService{clock: &clock{}}
	backend, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{Now: d.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.Close() })
	d.Backend = backend.Platform()
	c := Config{
		Records: d.Backend.Records, Attempts: d.Backend.Attempts, Shared: d.Backend.Shared, Keys: testKeys(t), Fleet: d.Backend.Fleet, Queues: d.Backend.Queues, Metrics: d.Backend.Metrics, Blobs: d.Backend.Blobs,
		Catalogue: catalogue(), Settings: settings.Defaults, Arch: "x86_64", Now: d.clock.now,
		Pools: []Pool{{Name: "general", Tasks: []string{"digits"}, InstanceType: "c5.large"}},
	}
	if change != nil {
		change(&c)
	}
	if d.Service, err = New(c); err != nil {
		t.Fatal(err)
	}
	d.Service.reserveTime = time.Hour // no test depends on how fast the store is
	t.Cleanup(d.Settle)
	return d
}

// publish makes the fleet look like an idle pool with that many runners.
func (d testService) publish(t testing.TB, runners int) {
	t.Helper()
	p := placement.Pool{Name: "general", InstanceType: "c5.large", Runners: runners, At: d.clock.now()}
	if err := d.Backend.Fleet.PublishView(t.Context(), platform.FleetView{Pools: []placement.Pool{p}, At: p.At}); err != nil {
		t.Fatal(err)
	}
}

func catalogue() *profile.Catalogue {
	ms := profile.Percentiles{P50: 20, P95: 25, P99: 30}
	source := profile.Source{Kind: "measured"}
	return &profile.Catalogue{
		Tasks: []profile.Task{{Name: "digits", Labels: []string{"0", "1"}}},
		Models: []profile.Model{{
			Name: "net", Task: "digits", File: "net.onnx", MemoryMB: 100,
			Input: &profile.Input{Width: 2, Height: 2, Channels: 1}, Accuracy: profile.Accuracy{Top1Percent: 90},
			Latency: []profile.Latency{
				{Resource: "c5.large", Threads: 1, Batch: 1, MS: ms, Source: source},
				{Resource: "lambda-x86_64", MemoryMB: 1769, Threads: 1, Batch: 1, MS: ms, Source: source},
			},
		}},
		Instances: []profile.Instance{{Type: "c5.large", VCPUs: 2, MemoryMB: 4096, Arch: "x86_64", USDPerHour: 0.085, Speed: 1}},
		Functions: []profile.FunctionSizes{{Arch: "x86_64", MemoryMB: []int{1769}, MBPerVCPU: 1769, Speed: 1}},
		Prices:    profile.Prices{LambdaGBSecondX86: 0.0000166667, LambdaPerRequest: 0.0000002, LambdaGrainMS: 1},
	}
}

// request is a query with a latency bound; 0 leaves it out.
func request(latencyMS float64) Request {
	r := Request{Task: "digits", Input: query.Input{ContentType: preprocess.RawTensor}}
	for _, x := range []float32{0, 0.25, 0.5, 1} {
		r.Input.Data = binary.LittleEndian.AppendUint32(r.Input.Data, math.Float32bits(x))
	}
	if latencyMS > 0 {
		r.Bounds.LatencyMS = &latencyMS
	}
	return r
}

// submit takes a query in whose caller does not wait.
func (d testService) submit(t testing.TB, r Request) query.Record {
	t.Helper()
	got, err := d.Take(t.Context(), "me", r, Terms{})
	if err != nil {
		t.Fatal(err)
	}
	return got.Record
}

// ended ends a query that was sent, as the consumer of its queue does.
func (d testService) ended(t testing.TB, rec query.Record, o query.Outcome) query.Record {
	t.Helper()
	for {
		ds, err := d.Backend.Queues.Receive(t.Context(), platform.QueueName(rec.Placement), 1, time.Minute, 0)
		if err != nil || len(ds) == 0 {
			t.Fatalf("query %s is not on queue %s, error %v", rec.ID, rec.Placement, err)
		}
		if ds[0].Message.ID != rec.ID {
			continue // leased: it comes back
		}
		held, _, err := d.Backend.Records.PutRecord(t.Context(), ds[0].Message.Ended(o))
		if err == nil {
			err = d.Backend.Queues.Delete(t.Context(), ds...)
		}
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
}

// sent counts the messages on all queues.
func (d testService) sent(t testing.TB) int {
	t.Helper()
	n := 0
	for _, q := range d.queues() {
		depth, err := d.Backend.Queues.Depth(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		n += depth.Visible + depth.InFlight
	}
	return n
}

// testKeys are the keys of a stage in tests.
func testKeys(t testing.TB) signed.Keys {
	t.Helper()
	k, err := signed.NewKeys([]byte("a key of at least sixteen bytes"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}
