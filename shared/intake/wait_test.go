package intake

import (
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

func TestOneCallerCannotTakeEveryPlaceToWait(t *testing.T) {
	var w waiters
	for i := range 6 {
		if !w.enter("greedy", 8) {
			t.Fatalf("refused at %d of 8", i)
		}
	}
	if w.enter("greedy", 8) || !w.enter("modest", 8) || !w.enter("modest", 8) || w.enter("modest", 8) {
		t.Error("the places were not shared")
	}
	w.leave("greedy")
	if !w.enter("greedy", 8) || w.enter("nobody", 0) {
		t.Error("a place that was left is not free, or one of none was taken")
	}
	for range 6 {
		w.leave("greedy")
	}
	if w.leave("modest"); len(w.of) != 1 {
		t.Errorf("who left is kept: %v", w.of)
	}
}

func TestWaitEndsWithTheResultOrTheTime(t *testing.T) {
	d := newTestService(t, nil)
	rec := d.submit(t, request(500))
	if r, waited, err := d.Wait(t.Context(), rec, time.Millisecond); err != nil || !waited || r.State != query.Accepted {
		t.Errorf("%+v, %v, %v", r, waited, err)
	}
	done := make(chan query.Record)
	go func() {
		r, _, _ := d.Wait(t.Context(), rec, 20*time.Second)
		done <- r
	}()
	d.ended(t, rec, query.Outcome{State: query.Expired})
	if r := <-done; r.State != query.Expired {
		t.Errorf("waited for %+v", r)
	}
}
