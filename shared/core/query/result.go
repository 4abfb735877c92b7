package query

import (
	"slices"

	"github.com/paragon-serving/paragon/shared/core/tensors"
)

// Score is one class of an answer, and how sure the model is of it.
type Score struct {
	Index int     `json:"index"`
	Label string  `json:"label"`
	Score float32 `json:"score"`
}

// Result is an answer: the class with the highest score and those next to it, a
// vector, or the outputs of the model, by the kind of its task.
type Result struct {
	Label string `json:"label,omitempty"`
	Index int    `json:"index"`
	// Top holds the classes with the highest scores, the highest first; TopScores
	// of them, or all that there are.
	Top []Score `json:"top,omitempty"`
	// Scores holds the score of every class, by index; nil unless the query asks for all.
	Scores []float32 `json:"scores,omitempty"`
	// Rows are the classes of each row of an input that has more than one.
	Rows []Row `json:"rows,omitempty"`
	// Embedding is the vector of an embedding task.
	Embedding []float32 `json:"embedding,omitempty"`
	// Outputs are the model's own, by name: of a tensor task always, and of others
	// that take tensors when every score is asked for.
	Outputs []tensors.Tensor `json:"outputs,omitempty"`
}

// TopScores is how many classes an answer names with their scores.
const TopScores = 5

// NewResult returns the answer that the scores of every class make, by index
// like their labels; of equal scores the first is the higher. There is at least
// one score, none is NaN, and the result keeps the slice.
func NewResult(scores []float32, labels []string) Result {
	r := Result{Scores: scores, Top: make([]Score, 0, min(TopScores+1, len(scores)))}
	for i, s := range scores {
		if len(r.Top) == TopScores && s <= r.Top[TopScores-1].Score {
			continue
		}
		at, _ := slices.BinarySearchFunc(r.Top, s, func(in Score, s float32) int {
			if in.Score >= s { // it stays before one that is no higher
				return -1
			}
			return 1
		})
		r.Top = slices.Insert(r.Top, at, Score{Index: i, Label: labels[i], Score: s})
		r.Top = r.Top[:min(TopScores, len(r.Top))]
	}
	r.Index, r.Label = r.Top[0].Index, r.Top[0].Label
	return r
}

// Trim returns the result without the scores of every class, unless all are
// asked for.
func (r Result) Trim(all bool) Result {
	if !all {
		r.Scores = nil
		r = r.trimNamed()
	}
	return r
}

// Brief returns the classes of the result alone: a vector or outputs may be large.
func (r Result) Brief() Result { return Result{Label: r.Label, Index: r.Index, Top: r.Top} }

// Best returns the score of the answer's class, 0 when it has none.
func (r Result) Best() float32 {
	if len(r.Top) == 0 {
		return 0
	}
	return r.Top[0].Score
}
