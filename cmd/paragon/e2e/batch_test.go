package e2e_test

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
)

// Under load a worker answers queries of an added model in batches where they pay. The
// answers are those of single queries, and none is late.
func TestAnAddedModelIsRunInBatches(t *testing.T) {
	const width = 64
	traces := filepath.Join(t.TempDir(), "traces.jsonl")
	s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=0", "--unpaced", "--traces="+traces)
	s.workersReady(1)
	dense := file(t, "dense.onnx", enginetest.Dense(rand.New(rand.NewPCG(1, 1)), width, 2048, 2048, 2048, 8))
	if out := s.mustModel("add", dense, "--task", "weights"); !strings.Contains(out, "batching pays") {
		t.Fatalf("batches were not measured, or do not pay:\n%s", out)
	}
	random := rand.New(rand.NewPCG(2, 2))
	ask := make([]client.Submission, 8)
	alone := make([][]float32, len(ask))
	for i := range ask {
		x := make([]float32, width)
		for n := range x {
			x[n] = random.Float32()
		}
		ask[i] = client.Submission{Task: "weights", Class: query.Relaxed, Constraints: query.Constraints{LatencyMS: 60_000},
			Input: query.Input{ContentType: tensors.ContentType, Data: tensors.Pack([]tensors.Tensor{tensors.FromFloats("x", []int64{1, width}, x)})}}
		alone[i] = s.numbers(s.one(ask[i]))
	}
	var all sync.WaitGroup
	for caller := range 16 {
		all.Go(func() {
			for i := range 20 {
				at := (caller + i) % len(ask)
				q, err := s.Submit(t.Context(), ask[at], client.Options{Wait: 30 * time.Second})
				if err != nil || q.State != query.Succeeded || q.MetSLO == nil || !*q.MetSLO {
					t.Errorf("query %d of caller %d: %+v, error %v", i, caller, q, err)
					return
				}
				for n, y := range s.numbers(q) {
					if want := alone[at][n]; math.Abs(float64(y-want)) > 1e-4*(1+math.Abs(float64(want))) {
						t.Errorf("query %d of caller %d: number %d is %v, alone %v", i, caller, n, y, want)
					}
				}
			}
		})
	}
	all.Wait()
	s.stop()
	largest := 0
	for _, span := range spansIn(t, traces) {
		for _, a := range span.Attributes {
			if a.Key == "paragon.batch" && span.Name == "run" {
				n, err := strconv.Atoi(a.Value.IntValue)
				if err != nil {
					t.Fatal(err)
				}
				largest = max(largest, n)
			}
		}
	}
	if largest < 2 || largest > 8 {
		t.Errorf("the largest batch has %d queries", largest)
	}
}

// numbers are those of an answer's one output.
func (s *stage) numbers(q api.Query) []float32 {
	s.t.Helper()
	if q.Result == nil || len(q.Result.Outputs) != 1 {
		s.t.Errorf("query %s has the result %+v", q.ID, q.Result)
		return nil
	}
	values, _ := q.Result.Outputs[0].Floats()
	return values
}
