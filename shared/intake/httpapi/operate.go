package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/cloud/tuning"
	"paragon/shared/core/decision"
	"paragon/shared/core/settings"
	"paragon/shared/intake"
)

// The kinds of problem with settings.
const badSetting intake.Kind = "bad-setting"

// Operations is what the people who run a stage see and do, beyond its
// queries. On one machine everybody may.
type Operations struct {
	Tuned    func() tuning.State
	Settings Setter
	History  cloud.History
	Ledger   Decisions
	// Unpack reads what the ledger holds of a record.
	Unpack func(packed []byte) ([]byte, error)
}

// Setter stores settings. A cloud.Settings is one.
type Setter interface {
	Set(ctx context.Context, name, value string) error
}

// Decisions reads the records of ticks. A cloud.Ledger is one.
type Decisions interface {
	Entry(ctx context.Context, id string) (cloud.Entry, error)
	Entries(ctx context.Context, q cloud.EntryQuery) ([]cloud.Entry, error)
}

// operating answers for those who run the stage; where nobody may over HTTP,
// there is nothing.
func (a *api) operating(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if a.Operations == nil {
			return refuse(intake.NotFound, "", "this is not served here")
		}
		return h(w, r)
	}
}

// setting is one tunable as the API tells it.
type setting struct {
	Name    string   `json:"name"`
	Value   string   `json:"value"` // in force
	Default string   `json:"default"`
	Min     string   `json:"min,omitempty"`
	Max     string   `json:"max,omitempty"`
	OneOf   []string `json:"one_of,omitempty"`
	Unit    string   `json:"unit,omitempty"`
	Doc     string   `json:"doc"`
}

func tell(f settings.Field, value string) setting {
	return setting{f.Name, value, f.Default, f.Min, f.Max, f.OneOf, f.Unit, f.Doc}
}

// listSettings is GET /v1/settings.
func (a *api) listSettings(w http.ResponseWriter, _ *http.Request) error {
	st := a.Operations.Tuned()
	page := struct {
		Version  int64     `json:"version"`
		Faults   []string  `json:"faults"`
		Settings []setting `json:"settings"`
	}{st.Version, st.Faults(), nil}
	values := st.Settings.Values()
	for _, f := range settings.Fields() {
		page.Settings = append(page.Settings, tell(f, values[f.Name]))
	}
	a.write(w, http.StatusOK, page)
	return nil
}

// setSetting is PUT /v1/settings/{name}. A value that cannot take effect is not
// stored.
func (a *api) setSetting(w http.ResponseWriter, r *http.Request) error {
	f, err := field(r)
	if err != nil {
		return err
	}
	var value string
	if err := readObject(w, r, fields{"value": text("value", &value)}); err != nil {
		return err
	}
	if err := settings.Check(f.Name, value); err != nil {
		return refuse(badSetting, "value", "%s", err)
	}
	if err := a.Operations.Settings.Set(r.Context(), f.Name, value); err != nil {
		return err
	}
	a.write(w, http.StatusOK, tell(f, value))
	return nil
}

// field is the setting that the path names.
func field(r *http.Request) (settings.Field, error) {
	f, ok := settings.Lookup(r.PathValue("name"))
	if !ok {
		return f, refuse(intake.NotFound, "", "there is no setting %q", clip(r.PathValue("name")))
	}
	return f, nil
}

// settingHistory is GET /v1/settings/{name}/history.
func (a *api) settingHistory(w http.ResponseWriter, r *http.Request) error {
	f, err := field(r)
	if err != nil {
		return err
	}
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	changes, err := a.Operations.History.Changes(r.Context(), f.Name, limit)
	if err != nil {
		return err
	}
	a.write(w, http.StatusOK, map[string][]cloud.Change{"changes": append([]cloud.Change{}, changes...)})
	return nil
}

// usualLimit and mostListed bound the lists of operations.
const (
	usualLimit = 20
	mostListed = 1000
)

func limitOf(r *http.Request) (int, error) {
	given := r.URL.Query().Get("limit")
	if given == "" {
		return usualLimit, nil
	}
	n, err := strconv.Atoi(given)
	if err != nil || n < 1 || n > mostListed {
		return 0, refuse(badField, "limit", "%q is not a whole number from 1 to %d", clip(given), mostListed)
	}
	return n, nil
}

// tick is one decision in a list.
type tick struct {
	ID      string    `json:"id"`
	Pool    string    `json:"pool"`
	At      time.Time `json:"at"`
	Moves   bool      `json:"moves"`
	Line    string    `json:"line"`
	Outcome string    `json:"outcome,omitempty"`
}

func tickOf(e cloud.Entry) tick { return tick{e.ID, e.Pool, e.At, e.Moves, e.Line, e.Outcome} }

// listDecisions is GET /v1/decisions.
func (a *api) listDecisions(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	values := r.URL.Query()
	q := cloud.EntryQuery{Pool: values.Get("pool"), Before: values.Get("before"), Moves: values.Get("moves") == "true", Limit: limit}
	if q.Pool == "" && len(a.svc.Pools) > 0 {
		q.Pool = a.svc.Pools[0].Name
	}
	es, err := a.Operations.Ledger.Entries(r.Context(), q)
	if err != nil {
		return err
	}
	ticks := make([]tick, len(es))
	for i, e := range es {
		ticks[i] = tickOf(e)
	}
	a.write(w, http.StatusOK, map[string][]tick{"decisions": ticks})
	return nil
}

// getDecision is GET /v1/decisions/{id}: the tick in words, and its record to
// the byte, so that it can be replayed.
func (a *api) getDecision(w http.ResponseWriter, r *http.Request) error {
	e, err := a.Operations.Ledger.Entry(r.Context(), r.PathValue("id"))
	if errors.Is(err, cloud.ErrNotFound) {
		return refuse(intake.NotFound, "", "there is no such decision, or it is forgotten")
	}
	if err != nil {
		return err
	}
	raw, err := a.Operations.Unpack(e.Record)
	if err != nil {
		return err
	}
	rec, err := decision.Read(raw)
	if err != nil {
		return err
	}
	a.write(w, http.StatusOK, struct {
		tick
		Explanation string          `json:"explanation"`
		Record      json.RawMessage `json:"record"`
	}{tickOf(e), rec.Explain(), raw})
	return nil
}
