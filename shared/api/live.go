package api

import "encoding/json"

// Live is several paths as they were at one time.
type Live struct {
	Parts []LivePart `json:"parts"`
	// AgainSeconds is when to ask again.
	AgainSeconds int `json:"again_seconds"`
}

// LivePart is what a path answered.
type LivePart struct {
	Path   string `json:"path"` // with its parameters
	Status int    `json:"status"`
	// EverySeconds is how often it is worth reading.
	EverySeconds int             `json:"every_seconds"`
	Body         json.RawMessage `json:"body,omitempty"`
}
