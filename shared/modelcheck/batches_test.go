package modelcheck

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
)

// Larger batches are measured as long as the last was faster for each query, and none may
// take longer than anybody waits.
func TestBatchesAreMeasuredWhileTheyPay(t *testing.T) {
	away := errors.New("the library is away")
	for _, tc := range []struct {
		name    string
		aloneMS float64
		ratios  map[int]float64 // of a batch to one query
		want    []int
		err     error
	}{
		{"each pays", 10, map[int]float64{2: 1.2, 4: 1.5, 8: 2}, []int{2, 4, 8}, nil},
		{"none pays", 10, map[int]float64{2: 2, 4: 1, 8: 1}, []int{2}, nil},
		{"the first hardly pays", 10, map[int]float64{2: 1.92, 4: 1, 8: 1}, []int{2}, nil},
		{"the third pays no more", 10, map[int]float64{2: 1.2, 4: 2.4, 8: 1}, []int{2, 4}, nil},
		{"a slow model", profile.LongestBatchMS / 4, map[int]float64{2: 1, 4: 1, 8: 1}, []int{2, 4}, nil},
		{"a slower model", profile.LongestBatchMS, map[int]float64{2: 1}, nil, nil},
		{"too slow to be sure", 10, map[int]float64{2: 1, 4: -1, 8: 1}, []int{2}, nil},
		{"an error", 10, nil, nil, away},
	} {
		got, err := timedBatches(profile.Percentiles{P50: tc.aloneMS, P95: 2 * tc.aloneMS, P99: 3 * tc.aloneMS}, profile.BatchSizes(), func(n int) ([]float64, error) {
			if tc.err != nil {
				return nil, tc.err
			}
			if tc.ratios[n] < 0 {
				return []float64{1, 1}, nil
			}
			return []float64{100, tc.ratios[n], 0.1}, nil
		})
		var sizes []int
		for _, b := range got {
			sizes = append(sizes, b.Batch)
			if r := tc.ratios[b.Batch]; b.MS != (profile.Percentiles{P50: r * tc.aloneMS, P95: r * 2 * tc.aloneMS, P99: r * 3 * tc.aloneMS}) || b.Samples != 3 {
				t.Errorf("%s: %+v", tc.name, b)
			}
		}
		if !slices.Equal(sizes, tc.want) || !errors.Is(err, tc.err) {
			t.Errorf("%s: measured %v, error %v; want %v", tc.name, sizes, err, tc.want)
		}
	}
}

// A model is measured in batches, unless its queries cannot share a run: a note says why.
func TestModelsAreMeasuredInBatches(t *testing.T) {
	for name, tc := range map[string]struct {
		onnx []byte
		note string // empty where it is measured
	}{
		"any number of rows":  {enginetest.Dense(rand.New(rand.NewPCG(1, 1)), 64, 256, 8), ""},
		"counts its queries":  {enginetest.CountsRows(), `output "y"`},
		"takes one at a time": {enginetest.Affine(1, 0, 1, 4), `input "x"`},
	} {
		got, err := Run(t.Context(), tc.onnx, Request{Kind: profile.Tensors, Input: profile.TensorsIn})
		if err != nil || got.Problem != nil {
			t.Fatal(got.Problem, err)
		}
		notes := strings.Join(got.Notes, " ")
		if (len(got.Batches) > 0) != (tc.note == "") || strings.Contains(notes, "not batched") != (tc.note != "") || !strings.Contains(notes, tc.note) {
			t.Errorf("%s: %+v, %s", name, got.Batches, notes)
		}
		rows := InBatches(got.Batches, func(profile.BatchTime) profile.Source { return profile.Source{} })
		for i, b := range got.Batches {
			if b.Samples == 0 || b.MS.P50 <= 0 || rows[i].Batch != b.Batch || rows[i].MS != b.MS || rows[i].Threads != 1 {
				t.Errorf("%s: %+v is the row %+v", name, b, rows[i])
			}
		}
	}
}
