package api

import (
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/selection"
)

// ModelType is the content type of a model that is added: a ModelOrder as one line
// of JSON, a line feed, and the ONNX file behind it.
const ModelType = "application/vnd.paragon.model"

// ModelOrder asks for a model to be served. What is empty is inferred.
type ModelOrder struct {
	Name       string              `json:"name"`
	Task       string              `json:"task"`
	Kind       profile.TaskKind    `json:"kind,omitempty"`
	Input      profile.InputKind   `json:"input,omitempty"`
	Labels     []string            `json:"labels,omitempty"`
	Preprocess *profile.Preprocess `json:"preprocess,omitempty"` // of pictures
	MaxTokens  int                 `json:"max_tokens,omitempty"` // of a text; 0 is its tokenizer's own bound
	Accuracy   float64             `json:"accuracy,omitempty"`   // percent; 0 where it is not known
	Test       *TestResult         `json:"test,omitempty"`       // instead of Accuracy
	// Share of the queries, 0 to 1, that a new version of a model that is served gets; nil
	// is the setting canary_share.
	Share  *float64 `json:"share,omitempty"`
	File   string   `json:"file,omitempty"` // what the caller calls the file, for messages
	SHA256 string   `json:"sha256"`         // of the file that follows
}

// TestResult is how a model answered labeled items that it was not trained on.
type TestResult struct {
	Correct int    `json:"correct"`
	Total   int    `json:"total"`
	Data    string `json:"data"`   // what the caller calls the items' folder or file
	SHA256  string `json:"sha256"` // over the items and their labels, in their order
}

// AddedModel is what became of it.
type AddedModel struct {
	Model profile.Model `json:"model"`
	Task  profile.Task  `json:"task"`
	// Rollout says which versions of the model answer, of a model that has several.
	Rollout *profile.Rollout `json:"rollout,omitempty"`
	// Notes say what was inferred, a sentence each.
	Notes []string `json:"notes,omitempty"`
	// Choices are what would be chosen for a few needs of its task at that moment.
	Choices []Choice `json:"choices,omitempty"`
}

// Choice is what is chosen for a need.
type Choice struct {
	Need   string               `json:"need"`
	Chosen *selection.Candidate `json:"chosen,omitempty"` // absent when nothing keeps the need
	Why    string               `json:"why"`
}

// OwnModels are the models that a machine was given, retired ones included.
type OwnModels struct {
	Models []profile.Model `json:"models"`
	// Rollouts are the versions of the models that have several.
	Rollouts []profile.Rollout `json:"rollouts,omitempty"`
	// Withheld are those that are not offered: why not, by name.
	Withheld map[string]string `json:"withheld,omitempty"`
}

// RolloutOrder asks for something to be done with the versions of a model.
type RolloutOrder struct {
	Action profile.RolloutAction `json:"action"`          // canary, shadow, promote or rollback
	Share  float64               `json:"share,omitempty"` // of a canary or in shadow, 0 to below 1
}
