package control_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// arrived puts n strict queries that came at a time, with what they ask for.
func (s *stage) arrived(at time.Time, n, serviceMS float64) {
	s.Helper()
	check(s.T, s.cloud.Metrics.Put(s.Context(),
		platform.Point{Metric: telemetry.Arrivals.Name, Dimensions: telemetry.TaskClass("digits", "strict"), At: at, Value: n},
		platform.Point{Metric: telemetry.ArrivalWork.Name, At: at, Value: n * serviceMS}))
}

// runAt lets a time pass in which n queries come each second.
func (s *stage) runAt(d time.Duration, n, serviceMS float64) {
	s.Helper()
	for range int(d / (10 * time.Second)) {
		for i := range 10 {
			s.arrived(time.Now().Add(time.Duration(i)*time.Second), n, serviceMS)
		}
		s.pass(10 * time.Second)
	}
}

// last returns the newest tick's case.
func (s *stage) last() decision.Case {
	s.Helper()
	all := s.records()
	return all[len(all)-1].Case
}

// sum adds a history up.
func sum(history []float64) (all float64) {
	for _, v := range history {
		all += v
	}
	return all
}

// Points that come late change the history that earlier ticks saw, up to two
// minutes back, and no query is counted twice, however often its second is read.
func TestLatePointsChangeTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer func() { check(t, s.backend.Close()) }()
		s.begin(1)
		s.pass(10 * time.Second) // the first pulse
		start := time.Now()
		s.runAt(time.Minute, 10, 100)
		s.pass(10 * time.Second)
		history := s.last().Before.Scheme.History
		before := sum(history)
		if before == 0 || len(history) < 30 {
			t.Fatalf("history %v", history)
		}
		late := start.Add(30 * time.Second)
		s.arrived(late, 7, 100) // forty seconds late
		s.pass(10 * time.Second)
		s.pass(10 * time.Second) // whose case has the last tick's state
		c := s.last()
		if got := sum(c.Before.Scheme.History); got != 60*10+7 {
			t.Errorf("%v queries in the history, %v before the late ones; want 607", got, before)
		}
		back := int(c.Before.Scheme.KnownUntil.Sub(late.Truncate(time.Second)) / time.Second)
		if h := c.Before.Scheme.History; h[len(h)-back] != 17 {
			t.Errorf("the second of the late ones has %v, want 17", h[len(h)-back])
		}
		if c.Snapshot.ServiceMS != 100 {
			t.Errorf("mean service time %v, want 100", c.Snapshot.ServiceMS)
		}
	})
}

// The mean of what queries ask for counts each query once, also when its second
// is read at a dozen ticks and what it asked for comes late, and when the sums are
// read at one tick of six.
func TestMeansCountEachQueryOnce(t *testing.T) {
	for _, every := range []time.Duration{0, time.Minute} {
		t.Run(every.String(), func(t *testing.T) { meansCountEachQueryOnce(t, every) })
	}
}

func meansCountEachQueryOnce(t *testing.T, every time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer func() { check(t, s.backend.Close()) }()
		for _, c := range s.cs {
			c.MetricsEvery = every
		}
		s.begin(1)
		s.pass(10 * time.Second) // the first pulse
		s.runAt(time.Minute, 1, 100)
		s.runAt(time.Minute, 1, 200)
		for range 30 { // until all are settled
			s.pass(10 * time.Second)
			if got := s.last().Snapshot.ServiceMS; got > 200 || got < 100 {
				t.Fatalf("mean service time %v", got)
			}
		}
		if got := s.last().Snapshot.ServiceMS; got < 149.9 || got > 150.1 {
			t.Errorf("mean service time %v of as many at 100 as at 200 ms", got)
		}
	})
}
