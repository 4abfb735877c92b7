package intake

import (
	"testing"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// With a worker there, a preview is of an answer within the request: it has nothing of
// the time that a queue takes.
func TestPreviewIsOfADirectAnswer(t *testing.T) {
	r := strictly()
	r.Class = query.Relaxed
	predicted := func(p placement.Pool) float64 {
		t.Helper()
		d := newTestService(t, func(*Config) {})
		d.publishPool(t, p)
		c, err := d.Preview(t.Context(), r)
		if err != nil || c.Resource.Kind != query.OnWorker {
			t.Fatalf("%+v, %v", c, err)
		}
		return c.LatencyMS
	}
	ready, booting := predicted(placement.Pool{Workers: 1, Runners: 2}), predicted(placement.Pool{Booting: 1})
	if path := settings.Defaults().PathMS; booting-ready != path-directPathMS {
		t.Errorf("about %g ms with a worker and %g ms without, and the queue's way takes %g ms", ready, booting, path)
	}
}
