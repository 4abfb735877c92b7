// Package clienttest is a fake of Paragon's HTTP API for the tests of what
// speaks to it: the client, the command line and the live page. What an input
// holds decides what becomes of it, so that a test reads without knowing the
// fake.
package clienttest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// An input that contains one of these words has that outcome; every other one
// is answered.
const (
	Fails    = "FAILS"    // ends as failed
	Pends    = "PENDS"    // is never finished
	Refused  = "REFUSED"  // is refused as no picture
	Busy     = "BUSY"     // meets a 503 on its first try
	Declined = "DECLINED" // goes to a worker first and then to a function
	Embeds   = "EMBEDS"   // is answered with a vector of 2,048 numbers
)

// OperatorToken is the token of operators.
const OperatorToken = "open"

// API is the fake. Its zero value is ready; it is safe for concurrent use.
type API struct {
	// Now is the time of acceptance; nil means a fixed instant.
	Now func() time.Time
	// Token is asked of every caller when it is set.
	Token string
	// Uncalibrated makes the status say why no savings are quoted.
	Uncalibrated atomic.Bool
	// Large makes it a stage of 1,000 workers and 50 models.
	Large atomic.Bool
	// Faulty makes the status report a store that cannot be written, a stuck worker, a model that
	// is not offered, and models whose runs fail.
	Faulty atomic.Bool
	// Dead makes it hold two dead letters, until they are redriven.
	Dead atomic.Bool
	// Locked makes the status say to callers without OperatorToken that operations need it.
	Locked atomic.Bool

	mu      sync.Mutex
	queries map[string]api.Query
	order   []string // ids, oldest first
	bodies  map[string]string
	tries   map[string]int
	polls   int
	uploads map[string][]byte // by URI
	changed changed
}

// Instant is the time that the fake lives at unless it is given another.
var Instant = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// ServeHTTP answers as the API would.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.Token != "" && r.Method != http.MethodPut && r.Header.Get("Authorization") != "Bearer "+a.Token {
		refuse(w, http.StatusUnauthorized, "unauthenticated", "Authorization", "the request has no caller: sign it, or send an API key")
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/queries", a.submit)
	mux.HandleFunc("GET /v1/queries", a.recent)
	mux.HandleFunc("GET /v1/queries/{id}", a.get)
	mux.HandleFunc("DELETE /v1/queries/{id}", a.cancel)
	mux.HandleFunc("POST /v1/queries/{id}/feedback", a.feedback)
	mux.HandleFunc("POST /v1/uploads", a.newUpload)
	mux.HandleFunc("PUT /v1/uploads/{id}", a.putUpload)
	mux.HandleFunc("GET /v1/models", models)
	mux.HandleFunc("GET /v1/status", a.status)
	mux.HandleFunc("GET /v1/decisions", a.decisions)
	mux.HandleFunc("GET /v1/decisions/{id}", decision)
	mux.HandleFunc("GET /v1/history", a.history)
	mux.HandleFunc("GET /v1/queries/{id}/explain", a.explain)
	mux.HandleFunc("GET /v1/settings", a.settings)
	mux.HandleFunc("PUT /v1/settings/{name}", a.setSetting)
	mux.HandleFunc("GET /v1/settings/{name}/history", a.settingHistory)
	mux.HandleFunc("GET /v1/usage", usage)
	mux.HandleFunc("GET /v1/usage/owners", usage)
	mux.HandleFunc("GET /v1/dead-letters", a.deadLetters)
	mux.HandleFunc("POST /v1/dead-letters/redrive", a.redrive)
	mux.HandleFunc("/local/faults", a.faults)
	mux.HandleFunc("GET /v1/workers", a.workers)
	mux.ServeHTTP(w, r)
}

// feedback takes any opinion of an answer that it gave.
func (a *API) feedback(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if q, ok := a.queries[r.PathValue("id")]; !ok || q.Result == nil {
		refuse(w, http.StatusNotFound, "not-found", "", "there is no such query")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (a *API) submit(w http.ResponseWriter, r *http.Request) {
	var s client.Submission
	body := new(bytes.Buffer)
	if _, err := body.ReadFrom(r.Body); err != nil || json.Unmarshal(body.Bytes(), &s) != nil {
		refuse(w, http.StatusBadRequest, "bad-json", "", "the body is not JSON")
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.Input.URI != "" {
		s.Input.Data = a.uploads[s.Input.URI]
	} else if len(s.Input.Data) > inlineBytes {
		refuse(w, http.StatusRequestEntityTooLarge, "input-too-large", "input.data", "is above the inline limit: send it by POST /v1/uploads")
		return
	}
	if !a.admit(w, s, body.Bytes()) {
		return
	}
	id := identify(r.Header.Get("Idempotency-Key"), s)
	if earlier, ok := a.bodies[id]; ok && earlier != body.String() {
		refuse(w, http.StatusUnprocessableEntity, "idempotency-key-reused", "Idempotency-Key", "the key was used for another request")
		return
	}
	if _, ok := a.queries[id]; !ok {
		a.store(id, body.String(), a.run(id, s))
	}
	q := a.queries[id]
	status := http.StatusOK
	if !q.State.Terminal() || r.Header.Get("Prefer") == "" {
		status = http.StatusAccepted
		w.Header().Set("Retry-After", "1")
		q = unfinished(q)
	}
	w.Header().Set("Location", "/v1/queries/"+id)
	write(w, status, q)
}

// admit refuses what the API would refuse.
func (a *API) admit(w http.ResponseWriter, s client.Submission, body []byte) bool {
	switch {
	case s.Task != "" && s.Task != "fashion":
		refuse(w, http.StatusUnprocessableEntity, "unknown-task", "task", fmt.Sprintf("there is no task %q, only: fashion", s.Task))
	case bytes.Contains(s.Input.Data, []byte(Refused)):
		refuse(w, http.StatusUnprocessableEntity, "bad-input", "input.data", "is not a PNG picture: unexpected EOF")
	case s.Constraints.LatencyMS > 0 && s.Constraints.LatencyMS < 5:
		refuse(w, http.StatusUnprocessableEntity, "below-floor", "constraints.latency_ms",
			fmt.Sprintf("is %g ms, below the shortest bound that this stage can keep, 5 ms", s.Constraints.LatencyMS))
	case bytes.Contains(s.Input.Data, []byte(Busy)) && a.try(string(body)) == 1:
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "busy", "", "the database is not available at this moment")
	default:
		return true
	}
	return false
}

func (a *API) try(what string) int {
	if a.tries == nil {
		a.tries = map[string]int{}
	}
	a.tries[what]++
	return a.tries[what]
}

// identify gives a query an id that depends on its data alone unless a test
// chose the key, as the client's own random keys are long.
func identify(key string, s client.Submission) string {
	seed := string(s.Input.Data) + string(s.Class)
	if len(key) > 0 && len(key) < 20 {
		seed = key
	}
	sum := sha256.Sum256([]byte(seed))
	return "q" + hex.EncodeToString(sum[:3])
}

func (a *API) store(id, body string, q api.Query) {
	if a.queries == nil {
		a.queries, a.bodies = map[string]api.Query{}, map[string]string{}
	}
	a.queries[id], a.bodies[id] = q, body
	a.order = append(a.order, id)
}

func (a *API) get(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q, ok := a.queries[r.PathValue("id")]
	if !ok {
		refuse(w, http.StatusNotFound, "not-found", "", "there is no such query")
		return
	}
	write(w, http.StatusOK, q)
}

func (a *API) cancel(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := r.PathValue("id")
	q, ok := a.queries[id]
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "not-found", "", "there is no such query")
		return
	case q.State.Terminal() && q.State != query.Cancelled:
		refuse(w, http.StatusConflict, "already-finished", "", "the query has already "+string(q.State))
		return
	}
	q.State = query.Cancelled
	a.queries[id] = q
	write(w, http.StatusOK, q)
}

func (a *API) recent(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil {
		limit = 20
	}
	page := struct {
		Queries []api.Query `json:"queries"`
	}{[]api.Query{}}
	for i := len(a.order) - 1; i >= 0 && len(page.Queries) < limit; i-- {
		q := a.queries[a.order[i]]
		if r.URL.Query().Get("brief") == "true" && q.Result != nil {
			q.Result = new(q.Result.Brief())
		}
		page.Queries = append(page.Queries, q)
	}
	write(w, http.StatusOK, page)
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller may be gone
}

func refuse(w http.ResponseWriter, status int, kind, field, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(api.Problem{
		Type: "urn:paragon:problem:" + kind, Title: strings.ReplaceAll(kind, "-", " "), Status: status, Field: field, Detail: detail,
	})
}
