package intake

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/core/workload"
	"github.com/paragon-serving/paragon/shared/overflow"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// failing is metrics that cannot be written.
type failing struct{ platform.Metrics }

func (failing) Put(context.Context, ...platform.Point) error { return platform.ErrUnavailable }

func TestArrivalsAreCountedBySecondAndKeptUntilWritten(t *testing.T) {
	d := newTestService(t, nil)
	for range 3 {
		d.submit(t, request(500))
	}
	d.submit(t, request(0))
	if _, err := d.Take(t.Context(), "me", Request{}, Terms{}); err == nil {
		t.Error("an empty request was taken")
	}
	good := d.Backend.Metrics
	d.Service.Metrics = failing{}
	if err := d.Flush(t.Context()); !errors.Is(err, platform.ErrUnavailable) {
		t.Errorf("flush: %v", err)
	}
	d.Service.Metrics = good
	for range 2 { // the second has nothing to write
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for class, want := range map[query.Class]float64{query.Strict: 3, query.Relaxed: 1} {
		got, err := good.Series(t.Context(), MetricArrivals, ArrivalDimensions("digits", class), start, start.Add(time.Second), time.Second)
		if err != nil || len(got) != 1 || got[0].Sum != want {
			t.Errorf("%s arrivals %+v, %v", class, got, err)
		}
	}
}

// What queries ask for is written once for all seconds of a write, in one of them, so that
// it lengthens one line of the log.
func TestWhatArrivalsAskForIsWrittenOnce(t *testing.T) {
	var a arrivals
	for i := range 7 {
		at := start.Add(time.Duration(i*i) * time.Second) // not in each second
		a.count(at, "digits", query.Strict, workload.Demand{Queries: 1, WorkMS: 10})
		a.count(at, "digits", query.Relaxed, workload.Demand{Queries: 2, WorkMS: 20, DeferMS: 5000})
	}
	counted, asked := map[time.Time]float64{}, map[string][]platform.Point{}
	for _, p := range points(a.take()) {
		if p.Metric == MetricArrivals {
			counted[p.At] += p.Value
		} else {
			asked[p.Metric] = append(asked[p.Metric], p)
		}
	}
	for metric, sum := range map[string]float64{telemetry.ArrivalWork.Name: 7 * 30, telemetry.ArrivalDefer.Name: 7 * 5000} {
		if got := asked[metric]; len(got) != 1 || got[0].Value != sum || counted[got[0].At] != 3 {
			t.Errorf("%s: %+v", metric, got)
		}
	}
	if len(counted) != 7 || len(asked) != 2 {
		t.Errorf("counts %v, asked %v", counted, asked)
	}
}

// A relaxed query may wait longer, by the time of a cold start, if functions of its model
// count as warm in the view of the fleet.
func TestRelaxedArrivalsMayWaitLongerForWarmFunctions(t *testing.T) {
	cold := catalogue()
	for i := range cold.Models {
		for k := range cold.Models[i].Latency {
			if l := &cold.Models[i].Latency[k]; l.MemoryMB > 0 {
				l.ColdMS = &profile.Percentiles{P50: 2000, P95: 2000, P99: 2000}
			}
		}
	}
	mayWaitMS := map[string]float64{}
	for name, warm := range map[string][]string{"none": nil, "its own": {"net"}, "another": {"tree"}} {
		d := newTestService(t, func(c *Config) { c.Catalogue = cold })
		p := placement.Pool{Name: "general", InstanceType: "c5.large", Workers: 2, Runners: 2, At: d.clock.now()}
		if err := d.Backend.Fleet.PublishView(t.Context(), platform.FleetView{Pools: []placement.Pool{p}, At: p.At, WarmFunctions: warm}); err != nil {
			t.Fatal(err)
		}
		d.refreshView(t.Context())
		d.submit(t, request(0))
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := d.Backend.Metrics.Series(t.Context(), telemetry.ArrivalDefer.Name, nil, start, start.Add(time.Second), time.Second)
		if err != nil || len(got) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		mayWaitMS[name] = got[0].Sum
	}
	if longer := mayWaitMS["its own"] - mayWaitMS["none"]; longer != 2000-sizing.HandOverSlackMS || mayWaitMS["another"] != mayWaitMS["none"] {
		t.Errorf("a relaxed query may wait for %v ms by which functions are warm", mayWaitMS)
	}
}

func TestArrivalsThatCannotBeWrittenAreBounded(t *testing.T) {
	var a arrivals
	for i := range 2 * maxCounts {
		a.count(start.Add(time.Duration(i)*time.Second), "digits", query.Strict, workload.Demand{Queries: 1})
	}
	if n := len(a.take()); n != maxCounts {
		t.Errorf("%d counts are kept", n)
	}
}

// collected is metrics that keep what is put.
type collected struct {
	platform.Metrics
	mu     sync.Mutex
	points []platform.Point
}

func (c *collected) Put(_ context.Context, ps ...platform.Point) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.points = append(c.points, ps...)
	return nil
}

func (c *collected) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.points)
}

func TestRunWritesAsOftenAsTicksAskAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &collected{}
		set := settings.Defaults()
		set.MetricSettleSeconds = 7
		s := &Service{Config: Config{Metrics: m, Now: time.Now, Settings: func() settings.Settings { return set }}, limits: overflow.NewStageTaker(nil, time.Now)}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { s.Run(ctx); close(ended) }()
		s.arrivals.count(time.Now(), "digits", query.Strict, workload.Demand{Queries: 1})
		for _, n := range []int{0, 1} {
			<-time.After(5*time.Second - time.Millisecond) // synthetic: the bubble's clock jumps
			synctest.Wait()
			if got := m.count(); got != n {
				t.Errorf("%d points, want %d", got, n)
			}
		}
		s.arrivals.count(time.Now(), "digits", query.Relaxed, workload.Demand{Queries: 1})
		cancel()
		<-ended
		if len(m.points) != 2 {
			t.Errorf("at the end %+v", m.points)
		}
	})
}
