package serving_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/serving"
)

// pictures is the catalogue with models that take pictures.
func pictures() *profile.Catalogue {
	c := catalogue()
	for i := range c.Models {
		c.Models[i].Input = &profile.Input{Width: 4, Height: 4, Channels: 1}
	}
	return c
}

// A worker plans with what a large picture takes: one that would not end in time has
// no slot, a paced run takes that time, and what comes behind it is late for it.
func TestAWorkerPlansWithDecoding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		w := r.start("w", func(o *serving.Options, _ *mortal) { o.Catalogue = pictures() })
		synctest.Wait()
		ask := func(decodingMS, boundMS float64) (query.Outcome, error) {
			now := time.Now()
			m := query.Message{ID: "q", Owner: "owner", Task: "t", Model: "batched", Class: query.Strict, AcceptedAt: now,
				DeadlineAt: now.Add(query.Duration(boundMS)), Input: query.Input{ContentType: "text/plain", Data: []byte("q"),
					Decoding: profile.Decoding{Pixels: 1 << 24, MS: decodingMS, MemoryMB: 64}}}
			return w.Answer(t.Context(), m, m.DeadlineAt)
		}
		if _, err := ask(0, 200); err != nil {
			t.Errorf("a small picture: %v", err)
		}
		var none *schedule.NoSlot
		if _, err := ask(1000, 1000); !errors.As(err, &none) || none.PredictedMS < 1100 {
			t.Errorf("a picture of a second's decoding within a second: %v", err)
		}
		began := time.Now()
		if o, err := ask(1000, 2000); err != nil || time.Since(began) != 1100*time.Millisecond || o.ComputeMS < 1100 {
			t.Errorf("it took %v, computed %v ms, error %v", time.Since(began), o.ComputeMS, err)
		}
		r.end(w)
	})
}
