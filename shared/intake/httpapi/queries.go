package httpapi

import (
	"net/http"
	"strconv"

	"paragon/shared/api"
)

// submit is POST /v1/queries.
func (a *server) submit(w http.ResponseWriter, r *http.Request) error {
	owner, err := a.owner(r)
	if err != nil {
		return err
	}
	req, err := a.request(w, r)
	if err != nil {
		return err
	}
	rec, _, err := a.svc.Submit(r.Context(), owner, r.Header.Get("Idempotency-Key"), req)
	if err != nil {
		return err
	}
	if rec, err = a.wait(w, r, rec); err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/queries/"+rec.ID)
	status := http.StatusOK
	if !rec.State.Terminal() {
		w.Header().Set("Retry-After", "1")
		status = http.StatusAccepted
	}
	a.write(w, status, answer(rec))
	return nil
}

// get is GET /v1/queries/{id}.
func (a *server) get(w http.ResponseWriter, r *http.Request) error {
	owner, err := a.owner(r)
	if err != nil {
		return err
	}
	rec, err := a.svc.Get(r.Context(), owner, r.PathValue("id"))
	if err != nil {
		return err
	}
	if rec, err = a.wait(w, r, rec); err != nil {
		return err
	}
	a.write(w, http.StatusOK, answer(rec))
	return nil
}

// cancel is DELETE /v1/queries/{id}.
func (a *server) cancel(w http.ResponseWriter, r *http.Request) error {
	owner, err := a.owner(r)
	if err != nil {
		return err
	}
	rec, err := a.svc.Cancel(r.Context(), owner, r.PathValue("id"))
	if err != nil {
		return err
	}
	a.write(w, http.StatusOK, answer(rec))
	return nil
}

// explain is GET /v1/queries/{id}/explain.
func (a *server) explain(w http.ResponseWriter, r *http.Request) error {
	owner, err := a.owner(r)
	if err != nil {
		return err
	}
	e, err := a.svc.Explain(r.Context(), owner, r.PathValue("id"))
	if err != nil {
		return err
	}
	a.write(w, http.StatusOK, explainedAs(e))
	return nil
}

// The number of queries that a list holds.
const (
	defaultLimit = 20
	maxLimit     = 200
)

// list is GET /v1/queries.
func (a *server) list(w http.ResponseWriter, r *http.Request) error {
	owner, err := a.owner(r)
	if err != nil {
		return err
	}
	limit := defaultLimit
	if given := r.URL.Query().Get("limit"); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil || n < 1 || n > maxLimit {
			return refuse(badField, "limit", "is not a whole number from 1 to %d", maxLimit)
		}
		limit = n
	}
	rs, err := a.svc.Recent(r.Context(), owner, limit)
	if err != nil {
		return err
	}
	page := api.Queries{Queries: make([]api.Query, 0, len(rs))}
	for _, rec := range rs {
		page.Queries = append(page.Queries, answer(rec))
	}
	a.write(w, http.StatusOK, page)
	return nil
}
