package control_test

import (
	"crypto/rand"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// waits puts a query that expires after a time on its work queue, as intake does.
func (r *rig) waits(class query.Class, expires time.Duration) query.Message {
	r.Helper()
	keys, err := signed.NewKeys([]byte("the key of this test's stage"))
	if err != nil {
		r.Fatal(err)
	}
	now := time.Now()
	id, err := signed.NewID(rand.Reader, signed.Stored, "ann", now, now.Add(expires), now.Add(expires+time.Hour))
	if err != nil {
		r.Fatal(err)
	}
	m := query.Message{ID: keys.SignID(id), Owner: "ann", Class: class, AcceptedAt: now, ExpiresAt: id.ExpiresAt, ForgetAt: id.ForgetAt}
	if err := r.Queues.Send(r.Context(), platform.WorkQueue(pool, class), m); err != nil {
		r.Fatal(err)
	}
	return m
}

// What waits for nobody ends within a tick; what a worker may still come for, or
// a function may answer, stays where it is.
func TestStrandedQueriesEnd(t *testing.T) {
	reactive := func(s *settings.Settings) { s.Scheme = "reactive" }
	off := func(s *settings.Settings) { s.MaxOverflowConcurrency = 0 }
	none := func(s *settings.Settings) { s.Scheme, s.MaxWorkers = "reactive", 0 }
	for name, tc := range map[string]struct {
		tune    func(*settings.Settings)
		state   platform.WorkerState // of a worker; empty without any
		class   query.Class
		expires time.Duration
		ends    bool
	}{
		"strict, the scheme never overflows":  {reactive, "", query.Strict, time.Minute, true},
		"relaxed, the scheme never overflows": {reactive, "", query.Relaxed, time.Minute, true},
		"strict, overflow is off":             {off, "", query.Strict, time.Minute, true},
		"relaxed, overflow is off":            {off, "", query.Relaxed, time.Minute, true},
		"relaxed, a worker can come in time":  {reactive, "", query.Relaxed, time.Hour, false},
		"relaxed, no worker is allowed":       {none, "", query.Relaxed, time.Hour, true},
		"strict, it may overflow":             {nil, "", query.Strict, time.Minute, false},
		"relaxed, it may overflow":            {nil, "", query.Relaxed, time.Minute, false},
		"strict, a worker boots":              {reactive, platform.Booting, query.Strict, time.Minute, false},
		"strict, a worker serves":             {reactive, platform.Ready, query.Strict, time.Minute, false},
		"strict, the only worker leaves":      {reactive, platform.Draining, query.Strict, time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.close()
				set := settings.Defaults()
				if tc.tune != nil {
					tc.tune(&set)
				}
				r.Tuned = func() tuning.State { return tuning.State{Settings: set} }
				if tc.state != "" {
					if _, err := r.Fleet.Report(t.Context(), platform.WorkerReport{ID: "w", Pool: pool, State: tc.state, At: time.Now().Add(20 * time.Second), Runners: 2}); err != nil {
						t.Fatal(err)
					}
				}
				r.tick()
				err := r.Metrics.Put(t.Context(), platform.Point{Metric: telemetry.Arrivals.Name,
					Dimensions: telemetry.TaskClass("t", string(tc.class)), At: time.Now(), Value: 1})
				if err != nil {
					t.Fatal(err)
				}
				<-time.After(20 * time.Second)
				m := r.waits(tc.class, tc.expires)
				r.tick()
				states, err := r.Records.EndStates(t.Context(), m.ID)
				if err != nil {
					t.Fatal(err)
				}
				left := 1
				if tc.ends {
					left = 0
					rec, err := r.Records.GetRecord(t.Context(), m.ID)
					if err != nil || rec.State != query.Failed || rec.Outcome.Failure.Code != query.NoCapacity || rec.Owner != "ann" {
						t.Errorf("record %+v, error %v", rec, err)
					}
				} else if len(states) > 0 {
					t.Errorf("it ended as %v", states)
				}
				if d, err := r.Queues.Depth(t.Context(), platform.WorkQueue(pool, tc.class)); err != nil || d.Visible != left || d.InFlight != 0 {
					t.Errorf("the queue holds %+v, error %v", d, err)
				}
			})
		})
	}
}
