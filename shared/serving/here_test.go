package serving_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/serving"
)

// stacked notes on which stack the last run was.
type stacked struct {
	*answers
	loadsMS float64
	stack   string
}

func (s *stacked) Answer(ctx context.Context, model string, in []query.Input) ([]answer.Answered, error) {
	s.stack = string(debug.Stack())
	return s.answers.Answer(ctx, model, in)
}

func (s *stacked) Prepare(string) float64 { return s.loadsMS }
func (s *stacked) Loading() bool          { return s.loadsMS > 0 }

// instant is the catalogue with "quick" short enough to run in its request's goroutine.
func instant() *profile.Catalogue {
	c := catalogue()
	c.Models[0].Latency[0].MS = profile.Percentiles{P50: 2, P95: 3, P99: 3}
	return c
}

// A short run takes the goroutine of its request. A longer one, and one whose model is
// still being loaded, do not, as the request could not end before them.
func TestAShortRunTakesItsRequestsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		runs := &stacked{answers: r.answers}
		w := r.start("w", func(o *serving.Options, _ *mortal) { o.Catalogue, o.Answerer = instant(), runs })
		synctest.Wait()
		for _, tc := range []struct {
			model   string
			loadsMS float64
			here    bool
		}{{"quick", 0, true}, {"slow", 0, false}, {"quick", 500, false}} {
			now := time.Now()
			m := query.Message{ID: "q", Owner: "owner", Task: "t", Model: tc.model, Class: query.Strict, AcceptedAt: now,
				DeadlineAt: now.Add(2 * time.Second), Input: query.Input{ContentType: "text/plain", Data: []byte("q")}}
			runs.loadsMS = tc.loadsMS
			if o, err := w.Answer(t.Context(), m, m.DeadlineAt); err != nil || o.State != query.Succeeded {
				t.Fatalf("%+v: %+v, error %v", tc, o, err)
			}
			if here := strings.Contains(runs.stack, "serving.(*Worker).Answer("); here != tc.here {
				t.Errorf("%+v: in the request's goroutine: %v", tc, here)
			}
		}
		r.end(w)
	})
}

// A caller who waits no longer than a long run takes is let go while it runs.
func TestALongRunHoldsNoCallerWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.answers.held, r.answers.heldModel = make(chan struct{}), "slow"
		time.AfterFunc(time.Second, func() { close(r.answers.held) })
		w := r.start("w", nil)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		now := time.Now()
		m := query.Message{ID: "q", Owner: "owner", Task: "t", Model: "slow", Class: query.Strict, AcceptedAt: now,
			DeadlineAt: now.Add(2 * time.Second), Input: query.Input{ContentType: "text/plain", Data: []byte("q")}}
		if _, err := w.Answer(ctx, m, m.DeadlineAt); err != context.DeadlineExceeded || time.Since(now) != 200*time.Millisecond {
			t.Errorf("after %v: error %v", time.Since(now), err)
		}
		r.end(w)
	})
}

// panicking is an Answerer that is broken.
type panicking struct{}

func (panicking) Answer(context.Context, string, []query.Input) ([]answer.Answered, error) {
	panic("the answerer is broken")
}

// A run that panics ends the process also where its request's server recovers: the balancer
// counts that, and sends the query to no third worker.
func TestAPanicOfAShortRunEndsTheProcess(t *testing.T) {
	const child = "PARAGON_TEST_PANICS"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("panic: the answerer is broken")) {
			t.Errorf("error %v: %s", err, out)
		}
		return
	}
	r := newRig(t, nil)
	w := r.start("w", func(o *serving.Options, _ *mortal) { o.Catalogue, o.Answerer = instant(), panicking{} })
	defer func() { _ = recover() }()
	for {
		now := time.Now()
		m := query.Message{ID: "q", Owner: "owner", Task: "t", Model: "quick", Class: query.Strict, AcceptedAt: now,
			DeadlineAt: now.Add(2 * time.Second), Input: query.Input{ContentType: "text/plain", Data: []byte("q")}}
		if _, err := w.Answer(t.Context(), m, m.DeadlineAt); err == nil { // else it does not serve yet
			return
		}
	}
}
