package query

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The top of a result is what sorting all scores gives, the first of equals first.
func TestTopIsTheHighestOfAll(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		// Few values, so that there are equals.
		scores := rapid.SliceOfN(rapid.Map(rapid.IntRange(-4, 4), func(n int) float32 { return float32(n) / 4 }), 1, 40).Draw(rt, "scores")
		var labels []string
		var want []Score
		for i, s := range scores {
			labels = append(labels, fmt.Sprint("class ", i))
			want = append(want, Score{Index: i, Label: labels[i], Score: s})
		}
		slices.SortStableFunc(want, func(a, b Score) int { return cmp.Compare(b.Score, a.Score) })
		want = want[:min(TopScores, len(want))]
		r := NewResult(scores, labels)
		if !slices.Equal(r.Top, want) || r.Index != want[0].Index || r.Label != want[0].Label || r.Best() != want[0].Score {
			rt.Fatalf("result %+v, want %+v", r, want)
		}
		if !slices.Equal(r.Trim(true).Scores, scores) || r.Trim(false).Scores != nil || !slices.Equal(r.Trim(false).Top, want) {
			rt.Fatalf("trimmed to %+v and %+v", r.Trim(true), r.Trim(false))
		}
	})
}

func TestNoAnswerHasNoBestScore(t *testing.T) {
	if got := (Result{}).Best(); got != 0 {
		t.Errorf("best score %v", got)
	}
}
