// Package overflowtest is what a backend's queues must do for queries that leave a pool
// without workers, as one suite of tests.
package overflowtest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/limits"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/overflow"
	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	pool, instance, arch = "contract", "c5.large", "x86_64"
	// bound is what the queries have; a function takes a second of it when it is cold.
	bound = 10 * time.Second
)

// Catalogue has one model, which takes 40 ms on a worker and on a function.
func Catalogue() *profile.Catalogue {
	return &profile.Catalogue{
		Tasks: []profile.Task{{Name: "digits"}},
		Models: []profile.Model{{Name: "net", Task: "digits", File: "net.onnx", MemoryMB: 100, Latency: []profile.Latency{
			{Resource: instance, Threads: 1, Batch: 1, MS: profile.Percentiles{P50: 40, P95: 44, P99: 48}},
			{Resource: "lambda-" + arch, MemoryMB: 1024, Threads: 1, Batch: 1, MS: profile.Percentiles{P50: 40, P95: 44, P99: 48}}}}},
		Instances: []profile.Instance{{Type: instance, VCPUs: 2, USDPerHour: 0.085}},
		Functions: []profile.FunctionSizes{{Arch: arch, MemoryMB: []int{1024}}},
		Prices:    profile.Prices{LambdaGBSecondX86: 1.66667e-5, LambdaPerRequest: 2e-7, LambdaGrainMS: 1},
	}
}

// Query is one of a class that was accepted some time ago.
func Query(id string, class query.Class, ago time.Duration) query.Message {
	at := time.Now().Add(-ago).UTC().Truncate(time.Millisecond)
	return query.Message{ID: id, Owner: "ann", Task: "digits", Model: "net", Class: class, AcceptedAt: at, DeadlineAt: at.Add(bound),
		ExpiresAt: at.Add(time.Hour), Input: query.Input{ContentType: "text/plain", Data: []byte(id)}}
}

// Run runs the suite. open makes a fresh, empty backend for each case.
func Run(t *testing.T, open func(t *testing.T) platform.Backend) {
	for _, class := range []query.Class{query.Strict, query.Relaxed} {
		other := query.Relaxed
		if class == other {
			other = query.Strict
		}
		for _, tc := range []struct {
			name    string
			pool    placement.Pool
			set     func(*settings.Settings)
			waited  time.Duration
			classes []query.Class
			moves   bool
		}{
			{"no worker is on its way", placement.Pool{RelaxedOverflow: true}, nil, 0, []query.Class{class}, true},
			{"a worker boots, and the bound is near", placement.Pool{RelaxedOverflow: true, Booting: 1}, nil, bound - time.Second, []query.Class{class}, true},
			{"a worker boots, and the bound is far", placement.Pool{RelaxedOverflow: true, Booting: 1}, nil, 0, []query.Class{class}, class == query.Strict},
			{"the scheme lets none overflow", placement.Pool{NoStrictOverflow: true}, nil, bound, []query.Class{class}, false},
			{"overflow is off", placement.Pool{RelaxedOverflow: true}, func(s *settings.Settings) { s.MaxOverflowConcurrency = 0 }, bound, []query.Class{class}, false},
			{"the workers cost all of the budget", placement.Pool{RelaxedOverflow: true, Workers: 2}, func(s *settings.Settings) { s.HourlyBudgetUSD = 0.17 }, bound, []query.Class{class}, false},
			{"nothing of its class waits, by the view", placement.Pool{RelaxedOverflow: true}, nil, bound, []query.Class{other}, false},
		} {
			t.Run(string(class)+", "+tc.name, func(t *testing.T) {
				b, set := open(t), settings.Defaults()
				if tc.set != nil {
					tc.set(&set)
				}
				tc.pool.Name, tc.pool.InstanceType = pool, instance
				from := platform.WorkQueue(pool, class)
				send(t, b, from, Query("q", class, tc.waited))
				handOver(t, b, tc.pool, set, tc.classes...)
				to, stays := platform.Overflow, from
				if !tc.moves {
					to, stays = from, platform.Overflow
				}
				expect(t, b, to, "q")
				expect(t, b, stays)
			})
		}
	}
	t.Run("as many as the limits let", func(t *testing.T) {
		b, set := open(t), settings.Defaults()
		set.HourlyBudgetUSD = 3.5 * costUSD(t)
		for i := range 12 {
			send(t, b, platform.WorkQueue(pool, query.Strict), Query(fmt.Sprint("q", i), query.Strict, 0))
		}
		handOver(t, b, placement.Pool{Name: pool, InstanceType: instance}, set, query.Strict)
		if moved, stayed := len(receive(t, b, platform.Overflow, 3)), len(receive(t, b, platform.WorkQueue(pool, query.Strict), 9)); moved != 3 || stayed != 9 {
			t.Errorf("%d moved and %d stayed, want 3 and 9", moved, stayed)
		}
	})
	t.Run("what is moved keeps its attempts and says why", func(t *testing.T) {
		b, from := open(t), platform.WorkQueue(pool, query.Strict)
		m := Query("q", query.Strict, 0)
		m.Attempts, m.Pinned = 2, true
		send(t, b, from, m)
		handOver(t, b, placement.Pool{Name: pool, InstanceType: instance}, settings.Defaults(), query.Strict)
		got := receive(t, b, platform.Overflow, 1)
		if len(got) != 1 {
			t.Fatalf("%d messages", len(got))
		}
		m = got[0].Message
		if m.Attempts != 2 || m.Pinned || len(m.Trail) != 1 || m.Trail[0].Event != query.StepDeclined || m.Trail[0].Where != string(from) {
			t.Errorf("message %+v", m)
		}
	})
	callsOfTheBill(t, open)
	t.Run("beyond all capacity", func(t *testing.T) { staysBeyondAllCapacity(t, open(t)) })
}

// staysBeyondAllCapacity checks that what functions would answer after it expires stays
// where a worker may come for it: the queries before it take all of them until then.
func staysBeyondAllCapacity(t *testing.T, b platform.Backend) {
	set, from := settings.Defaults(), platform.WorkQueue(pool, query.Strict)
	now := time.Now()
	full := overflow.Line{Shared: patient{b.Shared}}.Join(t.Context(), now, now.Add(3*time.Hour), query.Milliseconds(2*time.Hour), 1)
	send(t, b, from, Query("q", query.Strict, 0)) // which expires in an hour
	handOver(t, b, placement.Pool{Name: pool, InstanceType: instance}, set, query.Strict)
	if n := len(receive(t, b, platform.Overflow, 1)); !full || n != 0 {
		t.Errorf("%d moved, two hours of work joined %v", n, full)
	}
	if n := len(receive(t, b, from, 1)); n != 1 {
		t.Errorf("%d stay", n)
	}
}

// batch is how many messages SQS takes in one call.
const batch = 10

// calls counts the calls to SQS that receives and releases take.
type calls struct {
	platform.Queues
	n int
}

// Receive is one call.
func (c *calls) Receive(ctx context.Context, q platform.QueueName, limit int, lease, wait time.Duration) ([]platform.Delivery, error) {
	c.n++
	return c.Queues.Receive(ctx, q, limit, lease, wait)
}

// Release is a send and a delete for each batch.
func (c *calls) Release(ctx context.Context, ds ...platform.Delivery) error {
	c.n += 2 * ((len(ds) + batch - 1) / batch)
	return c.Queues.Release(ctx, ds...)
}

func callsOfTheBill(t *testing.T, open func(t *testing.T) platform.Backend) {
	for _, waiting := range []int{1, 25, 95, 120} {
		t.Run(fmt.Sprint("the calls of the bill for ", waiting), func(t *testing.T) { takesTheCallsOfTheBill(t, open(t), waiting) })
	}
}

// takesTheCallsOfTheBill checks that receiving and putting back what waits for a worker
// that boots takes the calls that the bill counts.
func takesTheCallsOfTheBill(t *testing.T, b platform.Backend, waiting int) {
	from := platform.WorkQueue(pool, query.Relaxed)
	for i := range waiting {
		send(t, b, from, Query(fmt.Sprint("q", i), query.Relaxed, 0))
	}
	counted := &calls{Queues: b.Queues}
	b.Queues = counted
	handOver(t, b, placement.Pool{Name: pool, InstanceType: instance, RelaxedOverflow: true, Booting: 1}, settings.Defaults(), query.Relaxed)
	if want := pricing.PutBackCalls(waiting, 1, 64); float64(counted.n) != want {
		t.Errorf("%d calls for %d that wait, and the bill counts %v", counted.n, waiting, want)
	}
}

// handOver does what the controller does, with the stage's limits of the backend.
func handOver(t *testing.T, b platform.Backend, p placement.Pool, set settings.Settings, classes ...query.Class) {
	t.Helper()
	view := platform.FleetView{At: time.Now(), Pools: []placement.Pool{p}}
	charger := overflow.Charger{
		Catalogue: Catalogue(), Arch: arch, Settings: func() settings.Settings { return set }, Taker: overflow.NewStageTaker(b.Shared, time.Now),
		Line: overflow.Line{Shared: patient{b.Shared}}, Now: time.Now,
		Limits: func(s settings.Settings) limits.Limits { return overflow.LimitsOf(s, view, Catalogue(), time.Now()) },
	}
	k := overflow.Keeper{Queues: b.Queues, May: charger.May, Now: time.Now}
	rule := overflow.Rule{Catalogue: Catalogue(), Arch: arch, InstanceType: instance, Settings: set}
	if err := k.HandOver(t.Context(), p, rule, classes...); err != nil {
		t.Fatal(err)
	}
}

// patient waits for the store as long as it takes: no test depends on how fast it is.
type patient struct{ platform.Shared }

func (p patient) Reserve(ctx context.Context, line string, from, latest time.Time, work time.Duration) (end time.Time, ok bool, err error) {
	return p.Shared.Reserve(context.WithoutCancel(ctx), line, from, latest, work)
}

// costUSD is what a query is charged on a function.
func costUSD(t *testing.T) float64 {
	t.Helper()
	c := Catalogue()
	last, ok := sizing.LastResort(c, &c.Models[0], arch, query.Need{}, query.Milliseconds(bound), settings.Defaults().OverflowPathMS)
	if !ok {
		t.Fatal("no function holds the model")
	}
	return last.Size.QueryUSD
}

func send(t *testing.T, b platform.Backend, q platform.QueueName, m query.Message) {
	t.Helper()
	if err := b.Queues.Send(t.Context(), q, m); err != nil {
		t.Fatal(err)
	}
}

// receive returns n messages of a queue, or those that are there within a second.
func receive(t *testing.T, b platform.Backend, q platform.QueueName, n int) (all []platform.Delivery) {
	t.Helper()
	for len(all) < n {
		ds, err := b.Queues.Receive(t.Context(), q, 10, time.Minute, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(ds) == 0 {
			break
		}
		all = append(all, ds...)
	}
	return all
}

// expect holds what can be received from a queue now to ids.
func expect(t *testing.T, b platform.Backend, q platform.QueueName, ids ...string) {
	t.Helper()
	var got []string
	for _, d := range receive(t, b, q, len(ids)) {
		got = append(got, d.Message.ID)
	}
	if d, err := b.Queues.Depth(t.Context(), q); err != nil || d.Visible != 0 || d.InFlight != len(ids) {
		t.Errorf("the queue %s holds %+v, error %v", q, d, err)
	}
	if !slices.Equal(got, ids) {
		t.Errorf("the queue %s holds %v, want %v", q, got, ids)
	}
}
