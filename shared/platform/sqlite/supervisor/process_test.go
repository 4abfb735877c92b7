package supervisor

import (
	"context"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/rpc"
)

var (
	_ Wanted = (*sqlite.Backend)(nil)
	_ Roster = (*sqlite.Backend)(nil)
)

// The test binary is also its workers.
func TestMain(m *testing.M) {
	if os.Getenv(environment.WorkerID) != "" {
		beWorker()
		return
	}
	goleak.VerifyTestMain(m)
}

// beWorker reports until it is asked to leave. Its process id stands for how
// much it answered.
func beWorker() {
	backend, err := rpc.Dial(os.Getenv(environment.LocalURL))
	if err != nil {
		panic(err)
	}
	leave := make(chan os.Signal, 1)
	signal.Notify(leave, syscall.SIGTERM)
	r := platform.WorkerReport{ID: os.Getenv(environment.WorkerID), Pool: os.Getenv(environment.Pool), State: platform.Ready, Answered: int64(os.Getpid())}
	for ticker := time.NewTicker(5 * time.Millisecond); ; {
		orders, err := backend.Fleet.Report(context.Background(), r)
		if err != nil {
			panic(err)
		}
		if orders.Drain {
			return
		}
		select {
		case <-leave:
			return
		case <-ticker.C:
		}
	}
}

// await returns the workers once they are as the test wants them.
func await(t *testing.T, h *sqlite.Backend, want func([]platform.WorkerReport) bool) []platform.WorkerReport {
	t.Helper()
	for {
		changed := h.FleetChanged()
		workers, err := h.Platform().Fleet.Workers(t.Context(), "general")
		if err != nil {
			t.Fatal(err)
		}
		if want(workers) {
			return workers
		}
		<-changed
	}
}

func ready(n int) func([]platform.WorkerReport) bool {
	return func(ws []platform.WorkerReport) bool {
		return len(ws) == n && !slices.ContainsFunc(ws, func(w platform.WorkerReport) bool { return w.State != platform.Ready })
	}
}

func without(id string, n int) func([]platform.WorkerReport) bool {
	return func(ws []platform.WorkerReport) bool {
		return ready(n)(ws) && !slices.ContainsFunc(ws, func(w platform.WorkerReport) bool { return w.ID == id })
	}
}

func TestRealWorkersOfARealBackend(t *testing.T) {
	backend, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "home.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	server := httptest.NewServer(sqlite.NewServer(backend))
	defer server.Close()
	if err := backend.Platform().Fleet.SetDesired(t.Context(), "general", 2); err != nil {
		t.Fatal(err)
	}
	s, err := Start(Options{
		Pools: []Pool{{Name: "general", InstanceType: "c5.large", Runners: 2}}, Path: os.Args[0], BaseURL: server.URL,
		Env: []string{"GORACE=atexit_sleep_ms=0"}, BootDelay: time.Millisecond, Wanted: backend, Roster: backend, Reporter: backend.Platform().Fleet,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(t.Context())

	dead := await(t, backend, ready(2))[0]
	if err := syscall.Kill(int(dead.Answered), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	leaving := await(t, backend, without(dead.ID, 2))[0]
	fleet := backend.Platform().Fleet
	if err := fleet.SetDesired(t.Context(), "general", 1); err != nil {
		t.Fatal(err)
	}
	if err := fleet.Drain(t.Context(), "general", leaving.ID); err != nil {
		t.Fatal(err)
	}
	await(t, backend, without(leaving.ID, 1))
	s.Stop(t.Context())
	await(t, backend, ready(0))
}
