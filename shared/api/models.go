package api

import (
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/selection"
)

// Model is a model that queries may be answered by, with what is known of it
// where it may run.
type Model struct {
	Name      string             `json:"name"`
	Task      string             `json:"task"`
	Kind      profile.TaskKind   `json:"kind"`  // of its answers
	Takes     profile.InputKind  `json:"takes"` // what it is asked with
	Accuracy  profile.Accuracy   `json:"accuracy"`
	MemoryMB  int                `json:"memory_mb"`
	Input     *profile.Input     `json:"input,omitempty"`     // how pictures are prepared
	Signature *profile.Signature `json:"signature,omitempty"` // its own inputs and outputs
	Labels    []string           `json:"labels,omitempty"`
	Resources []Resource         `json:"resources"`
}

// Resource is the service time of a model on one resource.
type Resource struct {
	selection.Resource
	MS     profile.Percentiles `json:"service_ms"`
	ColdMS profile.Percentiles `json:"cold_ms,omitzero"`
	Source profile.Source      `json:"source"`
}

// Models is a list of models.
type Models struct {
	Models []Model `json:"models"`
}
