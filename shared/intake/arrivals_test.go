package intake

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/workload"
	"github.com/paragon-serving/paragon/shared/overflow"
	"github.com/paragon-serving/paragon/shared/platform"
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
