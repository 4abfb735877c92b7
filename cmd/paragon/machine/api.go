package machine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/cmd/paragon/machine/remote"
	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/intake/grpcapi"
	"github.com/paragon-serving/paragon/shared/intake/httpapi"
	"github.com/paragon-serving/paragon/shared/page"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/supervisor"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
	"github.com/paragon-serving/paragon/shared/stage"
)

// serveAPI starts the intake and serves it, with the page.
func (m *Machine) serveAPI(owner *sqlite.Backend) error {
	svc, err := m.parts().Intake(intake.Config{
		Answers: m.answers, Keys: m.keys, Functions: m.dispatcher, Status: m.status(owner), WriteFault: owner.WriteFault, Counts: m.counts, Reports: m.backend.Fleet, ID: "parent",
	})
	if err != nil {
		return fmt.Errorf("start the intake: %w", err)
	}
	sender, err := m.newCallbacks(owner)
	if err != nil {
		return err
	}
	m.background(svc.Run, m.canaries(svc).Run, sender.Run)
	ending := make(chan struct{})
	api, err := m.parts().Handler(svc, httpapi.Options{
		Uploads: owner, Version: Version, Operations: m.adminService(), Operator: m.operator.Shown, Streams: httpapi.Streams{Most: mostStreams, Ending: ending},
	})
	if err != nil {
		return fmt.Errorf("start the API: %w", err)
	}
	if m.listener, err = net.Listen("tcp", m.cfg.Addr); err != nil {
		return fmt.Errorf("listen for queries: %w; name another address with --addr", err)
	}
	if forget, err := operator.Announce(m.listener.Addr().String(), m.cfg.DataDir); err != nil {
		m.log.Warn("paragon commands cannot find the operator's token; set PARAGON_OPERATOR_TOKEN to the content of the file operator-token in the data folder", "error", err)
	} else {
		m.onClose(forget)
	}
	front := m.newFrontOf(api, svc, owner)
	m.front.Store(front)
	all := routes(front, map[string]http.Handler{"/metrics": m.metrics, "/local/faults": m.operators(m.faults), ownModels: m.operators(m.modelsAt(svc)), ownCallbacks: m.operators(m.callbacksAt(owner, sender))}, page.Handler(m.Samples()))
	m.serve("the API", httpapi.Bounded(m.listener, httpapi.MostConnections), all)
	m.serveRemote(all)
	m.onClose(func() { close(ending) }) // before the servers end, which wait for their requests
	return m.serveGRPC(front)
}

// mostStreams bounds the pages that follow the machine by a stream: each has it read
// every second.
const mostStreams = 64

// openRemote listens for other machines, where that is asked for. What is wrong with
// tokens or certificate is said before anything starts.
func (m *Machine) openRemote() (err error) {
	if m.cfg.Remote.Listen == "" {
		return nil
	}
	var tokens *remote.Tokens
	if m.remote, tokens, err = m.cfg.Remote.Open(time.Now, m.log); err != nil {
		return &Mistake{err}
	}
	m.onClose(func() { _ = m.remote.Close() })
	if m.remoteAPI, err = remote.NewHandler(m.cfg.Remote, tokens); err != nil {
		return &Mistake{err}
	}
	return nil
}

// serveRemote answers other machines by what answers this one.
func (m *Machine) serveRemote(all http.Handler) {
	if m.remote == nil {
		return
	}
	m.remoteAPI.Host, m.remoteAPI.Operator, m.remoteAPI.API, m.remoteAPI.Refuse = m.listener.Addr().String(), string(m.operator), all, refuseRemote
	m.serve("the API for other machines", m.remote, m.remoteAPI)
}

// refuseRemote answers what another machine may not, each API in its own form.
func refuseRemote(w http.ResponseWriter, r *http.Request, status int, field, detail string) {
	if strings.HasPrefix(r.URL.Path, "/v2/") {
		writeJSON(w, status, "application/json", map[string]string{"error": detail})
		return
	}
	kind, title := "wrong-host", "Requests to this host name or from this origin are not allowed"
	if status == http.StatusUnauthorized {
		kind, title = "unauthenticated", "The request is not authenticated"
	}
	writeWrong(w, problemOf(kind, title, status, field, "%s", detail))
}

const (
	// messageGrowth and messageSlack bound a message of gRPC by the inline limit: its
	// data are bytes, or numbers of which most take no more. The API has the exact limit.
	messageGrowth = 2
	messageSlack  = 1 << 20
)

// serveGRPC serves the Open Inference Protocol over gRPC, where it is asked for: in
// front of the balancer as HTTP is, so that workers answer it too.
func (m *Machine) serveGRPC(front http.Handler) (err error) {
	if m.cfg.GRPCAddr == "" {
		return nil
	}
	if m.grpc, err = net.Listen("tcp", m.cfg.GRPCAddr); err != nil {
		return fmt.Errorf("listen for gRPC: %w; name another address with --grpc-addr", err)
	}
	m.serveBy("gRPC", httpapi.Bounded(m.grpc, grpcapi.MaxConnections), grpcapi.NewServer(grpcapi.Options{
		API: front, Owner: httpapi.LocalOwner, Room: httpapi.NewRoom(0), Log: m.log,
		MaxMessage: func() int { return messageGrowth*(m.settings.Current().InlineLimitKB<<10) + messageSlack },
	}))
	return nil
}

// operators has a handler answer operators alone.
func (m *Machine) operators(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !m.operator.Shown(r) {
			writeWrong(w, problemOf(api.NotOperator, "Only operators may send this request", http.StatusForbidden, api.OperatorHeader, api.OperatorsOnly))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// parts are what this process's intake and dispatcher are assembled of.
func (m *Machine) parts() stage.Parts {
	return stage.Parts{
		Platform: m.backend, Catalogue: m.store, Arch: inference.Arch(), Pools: []intake.Pool{{Name: Pool, InstanceType: m.instance.Type}},
		Settings: m.settings.Current, Callbacks: m.reach(), Paced: m.cfg.Paced, Traces: m.traces.Tracing(), Log: m.log,
	}
}

// adminService is where the machine is operated.
func (m *Machine) adminService() *admin.Service {
	return &admin.Service{
		Backend: m.backend, Tuned: m.tuned,
		Unpack: control.Unpack, Pools: []string{Pool}, Timeline: m.recorder, Now: time.Now, Random: rand.Reader,
		Keys: func(context.Context) (signed.Keys, error) { return m.keys, nil },
	}
}

// tuned reads the settings anew, so that who changed one sees it: it is in force in this
// process from then on. What is wrong with them is part of the state.
func (m *Machine) tuned(ctx context.Context) (tuning.State, error) {
	_ = m.settings.Refresh(ctx)
	return m.settings.State(), nil
}

// checkPage refuses what a web page of another origin sends: by a name of its own that
// it points here, or to change something. The API refuses the same.
func checkPage(r *http.Request) error {
	const title = "Requests to this host name or from this origin are not allowed"
	if no := httpapi.Foreign(r); no != nil {
		return problemOf(string(no.Kind), title, http.StatusForbidden, no.Field, "%s", no.Detail)
	}
	return nil
}

// routes serves what only one machine has, and the page where the API has no path.
func routes(api http.Handler, more map[string]http.Handler, page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if strings.HasPrefix(path, ownModels+"/") {
			path = ownModels
		}
		if h, ok := more[path]; ok {
			if err := checkPage(r); err != nil {
				writeWrong(w, err)
				return
			}
			h.ServeHTTP(w, r)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/v1/") || r.URL.Path == "/v2" || strings.HasPrefix(r.URL.Path, "/v2/") || r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
			api.ServeHTTP(w, r)
			return
		}
		page.ServeHTTP(w, r)
	})
}

// status reports what only this composition knows.
func (m *Machine) status(owner *sqlite.Backend) func(context.Context) api.BackendStatus {
	return func(ctx context.Context) api.BackendStatus {
		st := api.BackendStatus{
			CostUSD: m.meter.costUSD(), CostSince: m.meter.since, Savings: m.savings.Now(), Paced: m.cfg.Paced,
			Versions: map[string]string{"paragon": Version, "catalogue": m.catalogue.Name}, Rollouts: m.store.Current().Rollouts,
		}
		if n, err := owner.Desired(ctx, Pool); err == nil {
			st.Desired = map[string]int{Pool: n}
		}
		st.WorkersEnded = endedOf(m.fleet.Ends(time.Now().Add(-endsShown)))
		var fault *platform.StoreFault
		if errors.As(owner.WriteFault(), &fault) {
			st.StoreFault = fault.Reason
		}
		tuned := m.settings.State()
		st.SettingsVersion, st.SettingsFaults = tuned.Version, tuned.Faults()
		return st
	}
}

// endsShown is for how long the status shows that a worker ended unexpectedly.
const endsShown = 10 * time.Minute

// endedOf sums up unexpected ends of workers, oldest first. Callers read it: a line of a
// process's output comes without the folders of this machine.
func endedOf(ends []supervisor.End) *api.WorkersEnded {
	if len(ends) == 0 {
		return nil
	}
	newest := ends[len(ends)-1]
	out := &api.WorkersEnded{Count: len(ends), Minutes: endsShown.Minutes(), At: newest.At, Worker: newest.Worker, Why: newest.Why}
	if newest.LastLine != "" {
		out.Why += ": " + query.WithoutFolders(newest.LastLine)
	}
	return out
}

// meterFleet prices the workers as they come and go.
func (m *Machine) meterFleet(run context.Context, owner *sqlite.Backend) {
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for {
		changed := owner.FleetChanged()
		if ws, err := m.backend.Fleet.Workers(run, Pool); err == nil {
			m.meter.running(len(ws))
			m.boots.observe(ws)
		}
		select {
		case <-run.Done():
			return
		case <-changed:
		case <-again.C:
			if err := m.meter.publish(run, m.backend.Metrics); err != nil && run.Err() == nil {
				m.log.Warn("the cost of functions could not be stored; the server tries again in a second", "error", err)
			}
		}
	}
}
