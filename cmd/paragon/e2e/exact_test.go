package e2e_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
)

// bare is a session of the library with nothing of the pipeline around it.
func bare(t *testing.T, m *profile.Model) *engine.Model { return bareOf(t, m, 1) }

// bareOf is bare for so many inferences at once.
func bareOf(t *testing.T, m *profile.Model, runners int) *engine.Model {
	t.Helper()
	set, c := profilestest.Loaded(t)
	e, err := engine.New(engine.Options{Runners: runners})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	network, err := set.NetworkOf(c.Name, m)
	if err != nil {
		t.Fatal(err)
	}
	model, err := e.Load(t.Context(), m.Name, network, 1)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// altered returns a picture's tensor with noise in it: an input that no test
// set holds.
func altered(t *testing.T, p picture, m *profile.Model, rng *rand.Rand) engine.Tensor {
	t.Helper()
	in, err := preprocess.Decode("image/png", p.data, preprocess.Spec(*m.Input), preprocess.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range in.Data {
		in.Data[i] = min(1, max(0, in.Data[i]+float32(rng.NormFloat64())/16))
	}
	return in
}

func raw(in engine.Tensor) query.Input {
	var buf bytes.Buffer
	_ = binary.Write(&buf, binary.LittleEndian, in.Data) // a buffer takes everything
	return query.Input{ContentType: preprocess.RawTensor, Data: buf.Bytes()}
}

// 100 altered pictures get, bit for bit, what a bare session gives: on a worker
// and on an inference function, for every model of the pool.
func TestAnswersAreTheLibrarysBitForBit(t *testing.T) {
	c := profilestest.Shipped(t)
	pics := pictures(t)
	for _, fleet := range []struct {
		kind    query.RunnerKind
		workers string
	}{{query.OnWorker, "--workers=1"}, {query.OnFunction, "--workers=0"}} {
		t.Run(string(fleet.kind), func(t *testing.T) {
			s := up(t, t.TempDir(), fleet.workers, "--boot-seconds=0", "--unpaced")
			if fleet.kind == query.OnWorker {
				s.workersReady(1)
			}
			for i := range c.Models {
				m := &c.Models[i]
				session, rng := bare(t, m), rand.New(rand.NewPCG(1, uint64(i)))
				for n := range 100 {
					in := altered(t, pics[n], m, rng)
					want, err := session.Run(t.Context(), in)
					if err != nil {
						t.Fatal(err)
					}
					got := s.one(client.Submission{
						Model: m.Name, Input: raw(in), Class: query.Strict,
						Constraints: query.Constraints{LatencyMS: 60_000}, AllScores: true,
					})
					if got.ServedBy == nil || got.ServedBy.Kind != fleet.kind {
						t.Fatalf("%s, picture %d: ran on %+v, want a %s: %+v", m.Name, n, got.ServedBy, fleet.kind, got)
					}
					sameBits(t, m.Name, got.Result.Scores, want.Data)
				}
			}
		})
	}
}

// one submits a query and waits for its answer.
func (s *stage) one(sub client.Submission) api.Query {
	s.t.Helper()
	q, err := s.Submit(context.Background(), sub, client.Options{Wait: 0})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.finish(q)
}

func sameBits(t *testing.T, model string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d scores, want %d", model, len(got), len(want))
	}
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: score %d is %v, the bare session's is %v", model, i, got[i], want[i])
		}
	}
}
