package serving

import (
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
)

// A query that is admitted says when the worker expects to have answered it.
func TestAdmittedQueriesSayWhenTheyEnd(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l := &lease{}
	l.expect(schedule.Prediction{StartsAt: now.Add(time.Second), EndsAt: now.Add(1040 * time.Millisecond), LatestAt: now.Add(time.Minute)}, now, "w-1")
	trail := l.d.Message.Trail
	if l.predictedMS != 1040 || len(trail) != 1 || trail[0] != (query.Step{At: now, Event: query.StepPlaced, Where: "w-1", Why: "a worker answers in about 1040 ms"}) {
		t.Errorf("%v ms, trail %+v", l.predictedMS, trail)
	}
}
