package serving_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// A worker that was busy takes the strict queries first, the earliest deadline
// first, and relaxed ones only when no strict one waits.
func TestStrictFirstByDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.settings.LookAheadMS = 1000
		r.submit(
			ask{id: "r1", model: "slow", class: query.Relaxed, boundMS: 3000},
			ask{id: "r2", model: "slow", class: query.Relaxed, boundMS: 2500},
			ask{id: "s1", model: "slow", class: query.Strict, boundMS: 1500},
			ask{id: "s2", model: "slow", class: query.Strict, boundMS: 900},
			ask{id: "s3", model: "slow", class: query.Strict, boundMS: 1200},
		)
		w := r.start("w1", nil)
		for _, id := range []string{"r1", "r2", "s1", "s2", "s3"} {
			r.want(id, query.Succeeded)
		}
		r.end(w)
		want := []string{"input of s2", "input of s3", "input of s1", "input of r2", "input of r1"}
		if !slices.Equal(r.answers.order, want) {
			t.Errorf("order %v, want %v", r.answers.order, want)
		}
	})
}

// A busy worker hands over at once what it could not finish in time, says why,
// and keeps what it can.
func TestBouncesOnlyWhatIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.submit(ask{id: "runs", model: "slow", class: query.Strict, boundMS: 1000})
		r.answers.started = make(chan string, 9)
		w := r.start("w1", nil)
		<-r.answers.started
		r.submit(
			ask{id: "late", model: "slow", class: query.Strict, boundMS: 150},
			ask{id: "pinned", model: "slow", class: query.Strict, boundMS: 150, message: func(m *query.Message) { m.Pinned = true }},
			ask{id: "in time", model: "slow", class: query.Strict, boundMS: 1000},
		)
		began := time.Now()
		m := r.overflow()
		last := m.Trail[len(m.Trail)-1]
		if m.ID != "late" || last.Event != query.StepDeclined || last.Where != "w1" || !strings.Contains(last.Why, "too late") {
			t.Errorf("bounced %s: %+v", m.ID, last)
		}
		if took := time.Since(began); took > 50*time.Millisecond {
			t.Errorf("handed over after %v, later than bounce_poll_ms", took)
		}
		for _, id := range []string{"runs", "pinned", "in time"} {
			r.want(id, query.Succeeded)
		}
		r.end(w)
		r.wantDepth(platform.Overflow, 0)
	})
}

// At half load nothing is bounced.
func TestNoBounceAtHalfLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		ws := []*worker{r.start("w1", nil), r.start("w2", nil)}
		for i := range 100 {
			r.submit(ask{id: fmt.Sprint(i), model: "slow", class: query.Strict, boundMS: 300})
			<-time.After(100 * time.Millisecond) // of two runners with 100 ms
		}
		for i := range 100 {
			if rec := r.want(fmt.Sprint(i), query.Succeeded); !rec.Met() {
				t.Errorf("query %d was late", i)
			}
		}
		r.end(ws...)
		r.wantDepth(platform.Overflow, 0)
	})
}

func TestOverflowOffNeverBounces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.settings.MaxOverflowConcurrency = 0
		for i := range 5 {
			r.submit(ask{id: fmt.Sprint(i), model: "slow", class: query.Strict, boundMS: 150})
		}
		w := r.start("w1", nil)
		for i := range 5 {
			r.want(fmt.Sprint(i), query.Succeeded)
		}
		r.end(w)
		r.wantDepth(platform.Overflow, 0)
	})
}

// A worker takes no more than it can start within the look-ahead.
func TestHoldsOnlyTheLookAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		for i := range 10 {
			r.submit(ask{id: fmt.Sprint(i), model: "slow", class: query.Relaxed, boundMS: 60_000})
		}
		r.answers.started = make(chan string, 20)
		w := r.start("w1", nil)
		for range 5 {
			<-r.answers.started
			<-time.After(20 * time.Millisecond) // within a run of 100 ms, 80 before the next
			d, err := r.Queues.Depth(t.Context(), platform.WorkQueue(pool, query.Relaxed))
			if err != nil || d.InFlight != 1 {
				t.Fatalf("holds %d messages while one runs, error %v", d.InFlight, err)
			}
		}
		r.end(w)
		d, err := r.Queues.Depth(t.Context(), platform.WorkQueue(pool, query.Relaxed))
		if err != nil || d.InFlight != 0 || d.Visible != 5 {
			t.Errorf("after the drain: %+v, error %v", d, err)
		}
	})
}

func TestBatchesWhereItPays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.settings.LookAheadMS = 1000
		for i := range 8 {
			r.submit(ask{id: fmt.Sprint(i), model: "batched", class: query.Relaxed, boundMS: 60_000})
		}
		w := r.start("w1", nil)
		for i := range 8 {
			o := r.want(fmt.Sprint(i), query.Succeeded).Outcome
			if o.Result.Label != "input of "+fmt.Sprint(i) || o.ComputeMS != 200 || o.Batch != 4 {
				t.Errorf("query %d: %+v in %v ms", i, o.Result, o.ComputeMS)
			}
		}
		r.end(w)
		if !slices.Equal(r.answers.batches, []int{4, 4}) {
			t.Errorf("batches %v", r.answers.batches)
		}
	})
}
