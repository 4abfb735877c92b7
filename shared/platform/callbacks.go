package platform

import "time"

// Callback is a call that is owed to a caller, as its query has ended.
type Callback struct {
	ID      string    `json:"id"` // the query's
	URL     string    `json:"url"`
	EndedAt time.Time `json:"ended_at"`
	DueAt   time.Time `json:"due_at"` // of the next try
	Tries   int       `json:"tries"`  // that failed
	Fault   string    `json:"fault,omitempty"`
}
