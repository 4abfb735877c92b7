package e2e_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
)

// raw is the input of a tensor as little-endian numbers.
func raw(in engine.Tensor) query.Input {
	var buf bytes.Buffer
	_ = binary.Write(&buf, binary.LittleEndian, in.Data) // a buffer takes everything
	return query.Input{ContentType: preprocess.RawTensor, Data: buf.Bytes()}
}

// exactPictures are 100 inputs of a model of pictures, with the tensor of each: pictures as they
// are, and tensors of pictures with noise in them. What becomes of a picture's pixels is
// tested where they are decoded.
func exactPictures(t *testing.T, m *profile.Model, rng *rand.Rand, contentType string, pics []picture) (asked []query.Input, inputs [][]tensors.Tensor) {
	t.Helper()
	for n := range 100 {
		p := pics[n%len(pics)]
		in, err := preprocess.Decode(contentType, p.data, preprocess.Spec(*m.Input), preprocess.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if n < 50 && n < len(pics) {
			asked = append(asked, query.Input{ContentType: contentType, Data: p.data})
		} else {
			for i := range in.Data {
				in.Data[i] = min(1, max(0, in.Data[i]+float32(rng.NormFloat64())/16))
			}
			asked = append(asked, raw(in))
		}
		inputs = append(inputs, []tensors.Tensor{tensors.FromFloats("", in.Shape, in.Data)})
	}
	return asked, inputs
}

// scoresAre wants a stage to answer inputs of a model with the scores of the library, bit for bit,
// and on a worker or an inference function.
func (s *stage) scoresAre(m *profile.Model, on query.RunnerKind, asked []query.Input, want [][]wireTensor) {
	s.t.Helper()
	for n, in := range asked {
		got := s.one(client.Submission{Model: m.Name, Input: in, Class: query.Strict, Constraints: query.Constraints{LatencyMS: 60_000}, AllScores: true})
		if got.Result == nil || got.ServedBy.Kind != on {
			s.t.Fatalf("%s, input %d: %+v, want an answer of a %s", m.Name, n, got, on)
		}
		scores := []tensors.Tensor{tensors.FromFloats("", []int64{1, int64(len(got.Result.Scores))}, got.Result.Scores)}
		sameTensors(s.t, fmt.Sprintf("%s on a %s, input %d", m.Name, on, n), scores, want[n])
	}
}

// exactAnswers are, for each model of a catalogue, 100 inputs and what ONNX Runtime's own binding
// gives for them.
func exactAnswers(t *testing.T, set *profiles.Set, c *profile.Catalogue, seed uint64, contentType string, pics []picture) (asked [][]query.Input, want [][][]wireTensor) {
	t.Helper()
	for i := range c.Models {
		m := &c.Models[i]
		onnx, err := set.NetworkOf(c.Name, m)
		if err != nil {
			t.Fatal(err)
		}
		inputs, library := exactPictures(t, m, rand.New(rand.NewPCG(seed, uint64(i))), contentType, pics)
		asked, want = append(asked, inputs), append(want, libraryAnswers(t, onnx, nil, library))
	}
	return asked, want
}

// 100 pictures and tensors get, bit for bit, what ONNX Runtime's own binding gives: on a worker
// and on an inference function, for every model that ships.
func TestAnswersAreTheLibrarysBitForBit(t *testing.T) {
	set, c := profilestest.Loaded(t)
	pics := pictures(t)
	asked, want := exactAnswers(t, set, c, 1, "image/png", pics)
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
				s.scoresAre(&c.Models[i], fleet.kind, asked[i], want[i])
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
