package httpapi

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/intake"
)

// submit is POST /v1/queries: one query, or a list of them.
func (a *server) submit(w http.ResponseWriter, r *http.Request) error {
	owner, err := a.admit(r)
	if err != nil {
		return err
	}
	reqs, list, err := a.requests(w, r)
	if err != nil {
		return err
	}
	t := intake.Terms{Key: r.Header.Get("Idempotency-Key"), Since: takenAt(r), Died: diedOf(r)}
	if err := intake.CheckKey(t.Key); err != nil {
		return err
	}
	t.Wait, _ = a.waitAsked(r.Header)
	if list {
		return a.submitList(w, r, owner, reqs, t)
	}
	if reqs[0].err != nil {
		return reqs[0].err
	}
	got, err := a.svc.Take(r.Context(), owner, reqs[0].Request, t)
	if err != nil {
		return err
	}
	a.applied(w, t.Wait, got.Busy)
	w.Header().Set("Location", "/v1/queries/"+got.Record.ID)
	status := statusOf(got)
	if status == http.StatusAccepted {
		w.Header().Set("Retry-After", "1")
	}
	a.write(w, status, answerTo(got))
	return nil
}

// statusOf is 202 for a query without its end.
func statusOf(got intake.Answer) int {
	if got.Record.State.Terminal() {
		return http.StatusOK
	}
	return http.StatusAccepted
}

// submitList takes every query of a list in, side by side. Each has an answer of
// its own; an idempotency key stands for the list, its items by their place.
func (a *server) submitList(w http.ResponseWriter, r *http.Request, owner string, reqs []decoded, t intake.Terms) error {
	out := api.Items{Items: make([]api.Item, len(reqs))}
	var all sync.WaitGroup
	for i, req := range reqs {
		mine := t
		mine.Item = i + 1
		all.Go(func() { out.Items[i] = a.item(r, owner, req, mine) })
	}
	all.Wait()
	if err := r.Context().Err(); err != nil {
		return err
	}
	a.applied(w, t.Wait, false)
	a.write(w, http.StatusOK, out)
	return nil
}

// item takes one query of a list in.
func (a *server) item(r *http.Request, owner string, req decoded, t intake.Terms) api.Item {
	var got intake.Answer
	err := req.err
	if err == nil {
		got, err = a.svc.Take(r.Context(), owner, req.Request, t)
	}
	if err != nil {
		p := a.problem(r, a.refusal(r, err))
		return api.Item{Status: p.Status, Problem: &p}
	}
	q := answerTo(got)
	return api.Item{Status: statusOf(got), Query: &q}
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
	if wait, asked := a.waitAsked(r.Header); asked {
		waited := false
		if rec, waited, err = a.svc.Wait(r.Context(), rec, wait); err != nil {
			return err
		}
		a.applied(w, wait, !waited)
	}
	a.write(w, http.StatusOK, answer(rec))
	return nil
}

// waitAsked is how long a request prefers to wait, as far as the settings allow.
func (a *server) waitAsked(h http.Header) (time.Duration, bool) {
	wait, asked := preferWait(h)
	return min(wait, query.Duration(a.svc.Settings().MaxWaitSeconds*1000)), asked
}

// applied says what came of the preference to wait.
func (a *server) applied(w http.ResponseWriter, wait time.Duration, busy bool) {
	if wait > 0 && !busy {
		w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(wait.Seconds())))
	}
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
	p, err := readParameters(r)
	if err != nil {
		return err
	}
	limit, err := p.whole("limit", mostListed, 1, mostListed)
	if err != nil {
		return err
	}
	e, err := a.svc.Explain(r.Context(), owner, r.PathValue("id"))
	if err != nil {
		return err
	}
	e.Candidates = e.Candidates[:min(limit, len(e.Candidates))]
	a.write(w, http.StatusOK, explainedAs(e))
	return nil
}

// maxLimit is the most queries that a list holds.
const maxLimit = 200

// list is GET /v1/queries.
func (a *server) list(w http.ResponseWriter, r *http.Request) error {
	owner, err := a.owner(r)
	if err != nil {
		return err
	}
	p, err := readParameters(r)
	if err != nil {
		return err
	}
	limit, err := p.whole("limit", usualLimit, 1, maxLimit)
	if err != nil {
		return err
	}
	brief, err := p.word("brief", "true", "false")
	if err != nil {
		return err
	}
	rs, err := a.svc.Recent(r.Context(), owner, limit)
	if err != nil {
		return err
	}
	page := api.Queries{Queries: make([]api.Query, 0, len(rs))}
	for _, rec := range rs {
		q := answer(rec)
		if brief == "true" && q.Result != nil {
			q.Result = new(q.Result.Brief())
		}
		page.Queries = append(page.Queries, q)
	}
	a.write(w, http.StatusOK, page)
	return nil
}
