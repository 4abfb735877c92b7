package intake

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// Bounds are what a caller asks; nil means that it does not bound that dimension.
type Bounds struct {
	LatencyMS         *float64 `json:"latency_ms,omitempty"`
	Accuracy          *float64 `json:"accuracy,omitempty"`
	CostUSDPerMillion *float64 `json:"cost_usd_per_million,omitempty"`
}

// Request is a query as its caller sent it, not yet validated.
type Request struct {
	Task     string          `json:"task,omitempty"`
	Model    string          `json:"model,omitempty"`
	Class    query.Class     `json:"class,omitempty"`
	Bounds   Bounds          `json:"constraints,omitzero"`
	Optimize query.Dimension `json:"optimize,omitempty"`
	Weights  *query.Weights  `json:"weights,omitempty"` // instead of Optimize
	Input    query.Input     `json:"input"`
	// AllScores asks for the score of every class; otherwise the best five come.
	AllScores bool `json:"all_scores,omitempty"`
	// Callback is an address that is called with the query's end.
	Callback string `json:"callback,omitempty"`
	// Explain asks for every candidate in addition to the answer.
	Explain bool `json:"explain,omitempty"`
}

// bodyHash distinguishes two requests under one idempotency key. It is taken
// over the request's meaning, so that neither white space nor the order of
// fields matters.
func (r Request) bodyHash() (string, error) {
	canonical, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("hash the request: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}
