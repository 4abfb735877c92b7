package clienttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// changed is what a caller has changed of the fake's settings, faults and dead letters.
type changed struct {
	changes []api.Change // oldest first
	faults  []api.Fault
}

// tuned are the values of the fake's settings that are not their defaults.
var tuned = map[string]string{"max_workers": "12", "scheme": "paragon"}

// firstVersion is the version of the settings before any change.
const firstVersion = 4

// valueOf is a setting's value; the caller holds the lock.
func (a *API) valueOf(f settings.Field) string {
	for _, c := range slices.Backward(a.changed.changes) {
		if c.Name == f.Name {
			return c.Value
		}
	}
	if v, ok := tuned[f.Name]; ok {
		return v
	}
	return f.Default
}

func (a *API) settingOf(f settings.Field) api.Setting {
	return api.Setting{Name: f.Name, Value: a.valueOf(f), Default: f.Default, Min: f.Min, Max: f.Max, OneOf: f.OneOf, Form: f.Form, Unit: f.Unit, Doc: f.Doc}
}

func (a *API) settings(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := api.Settings{Version: a.version(), Faults: []string{}}
	for _, f := range settings.Fields() {
		out.Settings = append(out.Settings, a.settingOf(f))
	}
	write(w, http.StatusOK, out)
}

func (a *API) version() int64 { return firstVersion + int64(len(a.changed.changes)) }

func (a *API) setSetting(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := settings.Lookup(r.PathValue("name"))
	if !ok {
		refuse(w, http.StatusNotFound, "not-found", "", "there is no such setting")
		return
	}
	var in struct {
		Value     string `json:"value"`
		IfVersion *int64 `json:"if_version"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, "bad-json", "", "the body is not JSON")
		return
	}
	if in.IfVersion != nil && *in.IfVersion != a.version() {
		refuse(w, http.StatusConflict, "settings-changed", "if_version", "the settings have changed since they were read")
		return
	}
	if err := settings.Check(f.Name, in.Value); err != nil {
		refuse(w, http.StatusUnprocessableEntity, "bad-setting", "value", err.Error())
		return
	}
	before := a.valueOf(f)
	a.changed.changes = append(a.changed.changes, api.Change{Version: a.version() + 1, Name: f.Name, Value: in.Value, At: a.now()})
	out := a.settingOf(f)
	out.Before = before
	write(w, http.StatusOK, out)
}

func (a *API) settingHistory(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := r.PathValue("name")
	out := api.Changes{Changes: []api.Change{}}
	for _, c := range slices.Backward(a.changed.changes) {
		if c.Name == name {
			out.Changes = append(out.Changes, c)
		}
	}
	if v, ok := tuned[name]; ok {
		out.Changes = append(out.Changes, api.Change{Version: firstVersion, Name: name, Value: v, At: Instant})
	}
	write(w, http.StatusOK, out)
}

func (a *API) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return Instant
}

// explain lists three candidates of a model, or those of fifty models.
func (a *API) explain(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q, ok := a.queries[r.PathValue("id")]
	if !ok {
		refuse(w, http.StatusNotFound, "not-found", "", "there is no such query")
		return
	}
	e := api.Explanation{Query: q, Asked: query.Need{Task: q.Task}, Choice: "cnn-small on c5.large: the cheapest that keeps the bounds", PredictedMS: 21}
	n := fewModels
	if a.Large.Load() {
		n = manyModels
	}
	for i := range n {
		for j, memoryMB := range []int{0, 1024, 1769, 3008} {
			on := selection.Resource{Kind: query.OnFunction, Name: "lambda-x86_64", MemoryMB: memoryMB}
			if memoryMB == 0 {
				on = selection.Resource{Kind: query.OnWorker, Name: "c5.large"}
			}
			e.Candidates = append(e.Candidates, selection.Candidate{Model: fmt.Sprintf("cnn-%d", i), Resource: on, Service: profile.Percentiles{P50: 8, P95: 9, P99: 12},
				LatencyMS: 21 + float64(9*j), Accuracy: 91.5, PriceUSD: 2e-8 * float64(1+i+j), Feasible: i+j == 0, Reason: "costs more than the chosen one"})
		}
	}
	if limit, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil {
		e.Candidates = e.Candidates[:min(limit, len(e.Candidates))]
	}
	e.Candidates[0].Reason = "chosen: the cheapest that keeps the bounds"
	write(w, http.StatusOK, e)
}

// deadLetters are two that can be submitted again, until they have been.
func (a *API) deadLetters(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	write(w, http.StatusOK, a.letters(""))
}

func (a *API) redrive(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.letters("q-again-")
	out.Waiting = 0
	a.Dead.Store(false)
	write(w, http.StatusOK, out)
}

func (a *API) letters(as string) api.DeadLetters {
	out := api.DeadLetters{Letters: []api.DeadLetter{}}
	if !a.Dead.Load() {
		return out
	}
	for i := range 2 {
		l := api.DeadLetter{ID: fmt.Sprintf("q-dead-%d", i), Task: "fashion", Model: "cnn-small", Class: query.Strict, AcceptedAt: Instant, State: query.Failed,
			Why: "too-often: 3 runs failed, the last: the model cannot be run", Outcome: api.Resubmitted, Queue: "overflow"}
		if as != "" {
			l.As = as + strconv.Itoa(i)
		}
		out.Letters = append(out.Letters, l)
	}
	out.Waiting = len(out.Letters)
	return out
}

// faults takes, lists and clears faults as one machine does.
func (a *API) faults(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch r.Method {
	case http.MethodPost:
		var f api.Fault
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			refuse(w, http.StatusBadRequest, "bad-fault", "", "the body is no fault")
			return
		}
		if f.Kind == api.SlowBoot && !(f.Seconds >= 0.001 && f.Seconds <= 86400) {
			refuse(w, http.StatusUnprocessableEntity, "bad-fault", "seconds", "it is not within 0.001 to 86400")
			return
		}
		a.changed.faults = append(a.changed.faults, f)
	case http.MethodDelete:
		kind := r.URL.Query().Get("kind")
		a.changed.faults = slices.DeleteFunc(a.changed.faults, func(f api.Fault) bool { return kind == "" || f.Kind == kind })
	}
	write(w, http.StatusOK, api.Faults{Faults: append([]api.Fault{}, a.changed.faults...), Group: api.FleetGroup{Max: 64, Desired: 3},
		Workers: []api.FleetWorker{{ID: "general-1", State: "ready"}, {ID: "general-2", State: "ready"}}})
}

// usage is that of one owner, or of all when it is asked for.
func usage(w http.ResponseWriter, r *http.Request) {
	u := api.Usage{From: Instant.Add(-24 * time.Hour), To: Instant, Owners: []api.OwnerUsage{{Owner: "local", Task: "fashion", Queries: 200, Answered: 190, Missed: 25, Expired: 10, Overflowed: 19, CostUSD: 0.5}}}
	if r.URL.Path == "/v1/usage/owners" {
		u.Owners = append(u.Owners, api.OwnerUsage{Owner: "key-1", Task: "fashion", Queries: 105, Answered: 100, BadInput: 3, Refused: 2, CostUSD: 0.25}, api.OwnerUsage{Task: "fashion", Queries: 1, Answered: 1})
	}
	write(w, http.StatusOK, u)
}
