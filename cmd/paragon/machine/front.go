package machine

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/balancer"
	"github.com/paragon-serving/paragon/shared/balancer/bodies"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/intake/httpapi"
	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	// repeats is to how many further workers a request goes whose worker died or
	// hangs, before this process takes it itself.
	repeats = 2
	// passOver is how long a worker gets nothing after a connection to it failed:
	// until the fleet says that it is gone.
	passOver = time.Second
)

// fleetReader lists the workers and says when that changes.
type fleetReader interface {
	FleetChanged() <-chan struct{}
}

// fleetOwner is what a front needs of the fleet's backend.
type fleetOwner interface {
	fleetReader
	roster
}

// front stands before the API as the load balancer does in an account: what asks
// for an answer goes to the workers, all else and what they cannot take to the
// API of this process.
type front struct {
	api      http.Handler
	balancer *balancer.Balancer
	admits   func(*http.Request) error // refuses a request before it is read
	shares   bool                      // workers read bodies in memory that they share
	roster   roster
	log      *slog.Logger

	mu       sync.Mutex
	takenOut map[string]takenOut // workers that do not answer, until they do or are gone
}

// takenOut says how far a worker is taken out.
type takenOut int

const (
	passedOver takenOut = iota + 1 // it gets no messages
	suspended                      // those that it holds go to others, too
)

// roster is where workers are taken out that do not answer.
type roster interface {
	// PassOver has a worker get no messages until it is suspended or resumed.
	PassOver(id string)
	// Suspend takes a worker out: it gets no messages, and those that it holds go to others.
	Suspend(ctx context.Context, id string) error
	// Resume takes it in again.
	Resume(ctx context.Context, id string) error
	// MarkGone declares it dead, so that it is replaced.
	MarkGone(ctx context.Context, id string) error
}

// hopeless is after how many checks that failed in a row a worker is replaced.
const hopeless = 10

// newFront returns the front. maxBody is the most bytes of a request's body, shared
// the memory of bodies; nil without. A worker that does not answer is taken out of workers;
// a request that it holds for longer than keepAfter is the API's.
func newFront(api http.Handler, maxBody func(*http.Request) int64, keepAfter func(*http.Request) (time.Duration, bool), shared *bodies.Pool, workers roster, log *slog.Logger) *front {
	f := &front{api: api, admits: func(*http.Request) error { return nil }, shares: shared != nil, roster: workers, log: log, takenOut: map[string]takenOut{}}
	f.balancer = balancer.New(balancer.Options{
		Fallback: api, Repeats: repeats, Eject: passOver,
		MaxBody: maxBody, Room: httpapi.NewRoom(0), Header: platform.OwnerHeader, HeaderValue: httpapi.LocalOwner, ByOwner: true,
		Bodies: shared, Lead: httpapi.NumbersAt,
		MostDeaths: query.MostDeaths, Died: func(w http.ResponseWriter, r *http.Request, died []string) {
			api.ServeHTTP(w, httpapi.AfterDeaths(r, died))
		},
		Refuse: f.refuse, Health: balancer.Health{Path: "/healthz", Checked: f.checked},
		Overdue: &balancer.Overdue{After: keepAfter, Handler: func(w http.ResponseWriter, r *http.Request, came time.Time) {
			api.ServeHTTP(w, httpapi.TakenAt(r, came))
		}, Frozen: f.passOver},
	})
	return f
}

// newFrontOf is the front of a machine, following its fleet.
func (m *Machine) newFrontOf(api http.Handler, svc *intake.Service, fleet fleetOwner) *front {
	f := newFront(api, func(r *http.Request) int64 { return httpapi.MaxBody(r, svc) },
		func(r *http.Request) (time.Duration, bool) { return httpapi.KeepAfter(svc, r) }, m.bodies, fleet, m.log)
	f.admits = func(r *http.Request) error { return svc.AdmitRequest(httpapi.LocalOwner(r)) }
	m.background(f.balancer.Run, func(ctx context.Context) { f.watchFleet(ctx, fleet, m.backend.Fleet) })
	return f
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A host that is no loopback name is a web page that points its own name here,
	// and a page of another origin is none of this machine's: the API says so.
	if r.Method == http.MethodPost && asksForAnswer(r.URL.Path) && httpapi.Foreign(r) == nil {
		if why := f.admits(r); why != nil {
			f.api.ServeHTTP(w, httpapi.RefusedFor(r, why))
			return
		}
		f.balancer.ServeHTTP(w, r)
		return
	}
	f.api.ServeHTTP(w, r)
}

// asksForAnswer says whether a path, with POST, is one that workers answer.
func asksForAnswer(path string) bool {
	if path == "/v1/queries" {
		return true
	}
	parts := strings.Split(path, "/") // the first is empty
	if len(parts) < 5 || parts[1] != "v2" || parts[2] != "models" || slices.Contains(parts[3:], "") {
		return false
	}
	rest := parts[4:]
	return len(rest) == 1 && rest[0] == "infer" || len(rest) == 3 && rest[0] == "versions" && rest[2] == "infer"
}

// refuse answers what is not forwarded. A body that is too large or broken is
// the API's to explain: it reads it anew.
func (f *front) refuse(w http.ResponseWriter, r *http.Request, status int) {
	if status != http.StatusServiceUnavailable {
		f.api.ServeHTTP(w, r)
		return
	}
	const detail = "the server receives too many bytes of requests at present; try again in a moment"
	if strings.HasPrefix(r.URL.Path, "/v2/") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": detail}) // the caller may be gone
		return
	}
	writeWrong(w, &wrong{Type: "urn:paragon:problem:busy", Title: "The server is busy: try again in a moment", Status: status, Detail: detail})
}

// answers says whether some worker that gets requests answers them.
func (f *front) answers() bool {
	return slices.ContainsFunc(f.balancer.Status(), func(t balancer.TargetStatus) bool { return t.Healthy })
}

// checked takes a worker out as soon as it fails a check, in again when it passes one,
// and has it replaced after as many as are hopeless: it may be stopped for ever.
func (f *front) checked(ctx context.Context, id string, failures int) {
	var err error
	switch {
	case failures == hopeless:
		f.log.Warn("a worker does not answer and is replaced", "worker", id, "checks", failures)
		err = f.roster.MarkGone(ctx, id)
	case failures > 0 && f.suspend(id, true):
		f.log.Warn("a worker does not answer; its requests go to other workers", "worker", id)
		err = f.roster.Suspend(ctx, id)
	case failures == 0 && f.suspend(id, false):
		f.log.Info("a worker answers again", "worker", id)
		err = f.roster.Resume(ctx, id)
	}
	if err != nil && ctx.Err() == nil { // the next check tries again
		f.suspend(id, failures == 0)
		f.log.Error("the state of a worker could not be stored; the next health check tries again", "worker", id, "error", err)
	}
}

// suspend notes whether a worker is suspended; true when that is a change.
func (f *front) suspend(id string, out bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	before, there := f.takenOut[id]
	if !out {
		delete(f.takenOut, id)
		return there
	}
	f.takenOut[id] = suspended
	return before != suspended
}

// passOver has a worker that held an overdue request without an answer get no messages
// until its next check: a receive that it left waiting would take what the request's
// query becomes.
func (f *front) passOver(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.takenOut[id] == 0 {
		f.takenOut[id] = passedOver
		f.roster.PassOver(id)
	}
}

// watchFleet keeps the targets as the fleet is, until ctx ends.
func (f *front) watchFleet(ctx context.Context, fleet fleetReader, workers platform.Fleet) {
	defer f.balancer.SetTargets(nil)
	known := map[string]bool{}
	for {
		changed := fleet.FleetChanged()
		again := make(<-chan time.Time)
		if ws, err := workers.Workers(ctx, Pool); err == nil {
			known = f.update(ws, known)
		} else {
			again = time.After(time.Second)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again:
		}
	}
}

// update sends requests to the workers that are ready, and gives what the ones
// hold that are gone to others: they ended or hang. One that drains finishes
// what it has. It returns the workers that are there.
func (f *front) update(ws []platform.WorkerReport, known map[string]bool) map[string]bool {
	var targets []balancer.Target
	there := map[string]bool{}
	for _, w := range ws {
		there[w.ID] = true
		if w.State == platform.Ready && w.Addr != "" {
			targets = append(targets, balancer.Target{ID: w.ID, Addr: w.Addr, Shares: f.shares})
		}
	}
	f.balancer.SetTargets(targets)
	for id := range known {
		if !there[id] {
			f.balancer.Lose(id)
			f.suspend(id, false)
		}
	}
	return there
}
