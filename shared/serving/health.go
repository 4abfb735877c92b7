package serving

import (
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/engine/answer"
)

// inference is a run that is in the engine. What it waits for before, such as an
// input from the store, says nothing of this process.
type inference struct {
	hungAt time.Time
}

// Health says what is wrong with this process alone, for a load balancer, a
// watchdog and whatever else ends what hangs: nil while a runner is idle, no run of
// one counts as hung, or a model loads. Neither load nor draining nor what the worker
// depends on changes it.
func (w *Worker) Health() error {
	if p, ok := w.Answerer.(preparer); ok && p.Loading() {
		return nil
	}
	now := w.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.inferences) < w.Runners {
		return nil
	}
	for _, i := range w.inferences {
		if now.Before(i.hungAt) {
			return nil
		}
	}
	return fmt.Errorf("none of the %d runners finished within %v after its predicted end", w.Runners, query.Duration(sizing.HangMS))
}

// infers notes that a run enters the engine, and returns what notes its end.
func (w *Worker) infers(r schedule.Run[*lease]) (ended func()) {
	ms := r.Works[0].P99MS
	if n := len(r.Works); n > 1 {
		ms = max(ms, float64(n)*r.Works[0].BatchEachMS)
	}
	hungAt := w.Now().Add(query.Duration(sizing.HangsAfterMS(ms)))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inferences[r.Ticket] = inference{hungAt}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.inferences, r.Ticket)
	}
}

// preparer is an Answerer that loads models when they are first needed.
type preparer interface {
	// Prepare begins to load a model that is not loaded, and returns for how many
	// milliseconds its queries are expected to wait for that.
	Prepare(model string) (leftMS float64)
	// Loading reports whether a model is being loaded.
	Loading() bool
}

var _ preparer = (*answer.Answerer)(nil)

// loads returns for how long a model is still being loaded; a load begins if need be.
func (w *Worker) loads(model string) time.Duration {
	if p, ok := w.Answerer.(preparer); ok {
		return query.Duration(p.Prepare(model))
	}
	return 0
}
