package httpapi

import (
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/timeline"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/platform"
)

// The kinds of problem with operations.
const (
	badSetting intake.Kind = "bad-setting"
	badQueue   intake.Kind = "bad-queue"
	changed    intake.Kind = "settings-changed"
	// notOperator is of a caller that is no operator.
	notOperator intake.Kind = api.NotOperator
)

// observing answers what the stage does, to every caller; where nobody may see it over
// HTTP, there is nothing.
func (a *server) observing(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if a.Operations == nil {
			return refuse(intake.NotFound, "", "this server does not offer this operation")
		}
		return refused(h(w, r))
	}
}

// operating is observing for operators alone.
func (a *server) operating(h handler) handler {
	return a.observing(func(w http.ResponseWriter, r *http.Request) error {
		if a.Operator != nil && !a.Operator(r) {
			return refuse(notOperator, api.OperatorHeader, api.OperatorsOnly)
		}
		return h(w, r)
	})
}

// refused turns what is wrong with a request into a refusal.
func refused(err error) error {
	switch {
	case errors.Is(err, admin.ErrUnknown):
		return refuse(intake.NotFound, "", "%v", err)
	case errors.Is(err, admin.ErrChanged):
		return refuse(changed, "if_version", "%v", err)
	case errors.Is(err, admin.ErrBadSetting):
		return refuse(badSetting, "value", "%v", err)
	case errors.Is(err, admin.ErrBadQueue):
		return refuse(badQueue, "queue", "%v", err)
	}
	return err
}

// respond answers with what was asked for, unless it went wrong.
func respond[T any](a *server, w http.ResponseWriter, answer T, err error) error {
	if err == nil {
		a.write(w, http.StatusOK, answer)
	}
	return err
}

// listSettings is GET /v1/settings.
func (a *server) listSettings(w http.ResponseWriter, r *http.Request) error {
	s, err := a.Operations.Settings(r.Context())
	return respond(a, w, s, err)
}

// setSetting is PUT /v1/settings/{name}. A value that cannot take effect is not
// stored, nor one for settings that were changed since if_version.
func (a *server) setSetting(w http.ResponseWriter, r *http.Request) error {
	var value string
	var version *float64
	if err := readObject(w, r, fields{"value": text("value", &value), "if_version": number("if_version", badField, &version)}); err != nil {
		return err
	}
	if version == nil {
		s, err := a.Operations.Set(r.Context(), r.PathValue("name"), value)
		return respond(a, w, s, err)
	}
	if *version < 0 || *version > 1<<53 || *version != math.Trunc(*version) {
		return refuse(badField, "if_version", "%v is not a whole number of 0 or more", *version)
	}
	s, err := a.Operations.SetIfUnchanged(r.Context(), r.PathValue("name"), value, int64(*version))
	return respond(a, w, s, err)
}

// settingHistory is GET /v1/settings/{name}/history.
func (a *server) settingHistory(w http.ResponseWriter, r *http.Request) error {
	p, err := readParameters(r)
	if err != nil {
		return err
	}
	limit, err := p.limit()
	if err != nil {
		return err
	}
	changes, err := a.Operations.History(r.Context(), r.PathValue("name"), limit)
	return respond(a, w, api.Changes{Changes: changes}, err)
}

// mostHours is the longest history: as long as rows are kept.
const mostHours = int(timeline.Kept / time.Hour)

// history is GET /v1/history: what became of queries over hours or days.
func (a *server) history(w http.ResponseWriter, r *http.Request) error {
	p, err := readParameters(r)
	if err != nil {
		return err
	}
	hours, err := p.whole("hours", 1, 1, mostHours)
	if err != nil {
		return err
	}
	h, err := a.archive.Past(r.Context(), time.Duration(hours)*time.Hour, p.Get("task"), p.Get("model"))
	return refused(respond(a, w, h, err))
}

// usualUsageHours is how many clock hours of usage are listed when nothing is said.
const usualUsageHours = 24

// usage is GET /v1/usage: the caller's own.
func (a *server) usage(w http.ResponseWriter, r *http.Request) error {
	owner, err := a.owner(r)
	if err != nil {
		return err
	}
	return refused(a.writeUsage(w, r, owner))
}

// usageByOwner is GET /v1/usage/owners: that of all.
func (a *server) usageByOwner(w http.ResponseWriter, r *http.Request) error {
	return a.writeUsage(w, r, "")
}

// writeUsage answers with the usage of an owner, or of all with an empty one.
func (a *server) writeUsage(w http.ResponseWriter, r *http.Request, owner string) error {
	p, err := readParameters(r)
	if err != nil {
		return err
	}
	hours, err := p.whole("hours", usualUsageHours, 1, mostHours)
	if err != nil {
		return err
	}
	u, err := a.archive.Usage(r.Context(), hours, owner)
	return respond(a, w, u, err)
}

// mostWorkers bounds a page of the workers, and mostOffset where it begins.
const (
	mostWorkers = 200
	mostOffset  = 1_000_000
)

// workers is GET /v1/workers: a page of the workers by name.
func (a *server) workers(w http.ResponseWriter, r *http.Request) error {
	p, err := readParameters(r)
	if err != nil {
		return err
	}
	limit, err := p.whole("limit", usualLimit, 1, mostWorkers)
	if err != nil {
		return err
	}
	offset, err := p.whole("offset", 0, 0, mostOffset)
	if err != nil {
		return err
	}
	state, err := p.word("state", string(platform.Booting), string(platform.Ready), string(platform.Draining))
	if err != nil {
		return err
	}
	ws, err := a.Operations.Workers(r.Context(), state, offset, limit)
	return respond(a, w, ws, err)
}

// listDecisions is GET /v1/decisions.
func (a *server) listDecisions(w http.ResponseWriter, r *http.Request) error {
	p, err := readParameters(r)
	if err != nil {
		return err
	}
	limit, err := p.whole("limit", usualLimit, 1, api.MostDecisions)
	if err != nil {
		return err
	}
	moves, err := p.word("moves", "true", "false")
	if err != nil {
		return err
	}
	ds, err := a.Operations.Decisions(r.Context(), api.DecisionQuery{
		Pool: p.Get("pool"), Before: p.Get("before"), Moves: moves == "true", Limit: limit})
	return respond(a, w, api.Decisions{Decisions: ds}, err)
}

// getDecision is GET /v1/decisions/{id}.
func (a *server) getDecision(w http.ResponseWriter, r *http.Request) error {
	d, err := a.Operations.Decision(r.Context(), r.PathValue("id"))
	return respond(a, w, d, err)
}

// listDeadLetters is GET /v1/dead-letters: what putting them back would do.
func (a *server) listDeadLetters(w http.ResponseWriter, r *http.Request) error {
	p, err := readParameters(r)
	if err != nil {
		return err
	}
	limit, err := p.limit()
	if err != nil {
		return err
	}
	if p.Has("queue") && p.Get("queue") == "" {
		return refuse(badField, "queue", "is empty")
	}
	letters, err := a.Operations.DeadLetters(r.Context(), p.Get("queue"), limit)
	return respond(a, w, letters, err)
}

// mostRedriven bounds what one request puts back, so that it ends in time.
const mostRedriven = 100

// redrive is POST /v1/dead-letters/redrive: it puts them back.
func (a *server) redrive(w http.ResponseWriter, r *http.Request) error {
	queue, limit := "", new(float64)
	*limit = mostRedriven
	if err := readObject(w, r, fields{"queue": text("queue", &queue), "limit": number("limit", badField, &limit)}); err != nil {
		return err
	}
	n := int(*limit)
	if float64(n) != *limit || n < 1 || n > mostRedriven {
		return refuse(badField, "limit", "%v is not a whole number from 1 to %d", *limit, mostRedriven)
	}
	letters, err := a.Operations.Redrive(r.Context(), queue, n)
	return respond(a, w, letters, err)
}
