package aws

import (
	"context"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// motoGaps are the clauses of the contract that moto cannot keep though AWS
// does. Each has a probe which reports whether moto still gets it wrong, so that
// a fix of it is noticed and the clause comes back into the contract's run.
var motoGaps = []struct {
	clause, why string
	wrong       func(t *testing.T, h *Backend) bool
}{
	{"an upload keeps its bound", "moto checks no signature, so that a presigned PUT takes any length", takesAnyLength},
	{"a receive that gave up holds nothing", "moto goes on receiving for a caller that left, and keeps what comes", receivesForNobody},
}

// wrongInMoto lists the gaps for the contract's run.
func wrongInMoto() map[string]string {
	out := map[string]string{}
	for _, g := range motoGaps {
		out[g.clause] = g.why
	}
	return out
}

func TestMotoIsStillWrong(t *testing.T) {
	ground := newGround(t)
	for _, g := range motoGaps {
		t.Run(g.clause, func(t *testing.T) {
			if !g.wrong(t, ground.backend(t)) {
				t.Errorf("moto has mended it (it was: %s): take it off the list", g.why)
			}
		})
	}
}

func takesAnyLength(t *testing.T, h *Backend) bool {
	u, err := h.Blobs.NewUpload(t.Context(), "ann", "image/png", 100)
	if err != nil {
		t.Fatal(err)
	}
	return upload(t.Context(), u, make([]byte, 101)) == nil
}

// receivesForNobody reports whether a message goes to a receive whose caller has
// left. It asks the queue's depth and does not receive itself: two receives that
// wait at once would race for the message.
func receivesForNobody(t *testing.T, h *Backend) bool {
	q := platform.WorkQueue("contract", query.Strict)
	const wait = 20 * time.Second
	ends := time.Now().Add(wait)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := h.Queues.Receive(ctx, q, 1, time.Minute, wait); err == nil {
		t.Fatal("a receive outlived its context")
	}
	if err := h.Queues.Send(t.Context(), q, query.Message{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	for time.Now().Before(ends) {
		d, err := h.Queues.Depth(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if d.InFlight > 0 {
			return true
		}
	}
	return false
}
