package machine

import (
	"cmp"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/supervisor"
)

// noticed is a fleet with one worker, which keeps its notices.
type noticed struct{ ids []string }

func (n *noticed) Notice(id string) error {
	if id != "w-up" {
		return errors.New("no worker is up by that name")
	}
	n.ids = append(n.ids, id)
	return nil
}

// newFaultHandler serves faults of a backend with one worker.
func newFaultHandler(t *testing.T) (*faultHandler, *noticed, *client.Client) {
	t.Helper()
	backend, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.Close() })
	if err := backend.Launch(t.Context(), platform.WorkerReport{ID: "w-up", Pool: Pool, State: platform.Ready, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	fleet := &noticed{}
	d := &faultHandler{active: &supervisor.Faults{}, fleet: fleet, backend: backend, most: 8}
	server := httptest.NewServer(http.StripPrefix("/", d))
	t.Cleanup(server.Close)
	cl, err := client.New(client.Config{Endpoint: server.URL, Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	return d, fleet, cl
}

func TestFaultsAreTakenListedAndCleared(t *testing.T) {
	d, fleet, cl := newFaultHandler(t)
	for _, f := range []api.Fault{
		{Kind: api.SlowBoot, Seconds: 600, Launches: 3}, {Kind: api.LaunchFails}, {Kind: api.DieAfter, Seconds: 0.5},
		{Kind: api.Group, Min: 1, Max: 3}, {Kind: api.SpotNotice, Worker: "w-up"},
	} {
		if _, err := cl.SetFault(t.Context(), f); err != nil {
			t.Errorf("%+v: %v", f, err)
		}
	}
	now, err := cl.Faults(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []api.Fault{{Kind: api.DieAfter, Seconds: 0.5}, {Kind: api.LaunchFails, Launches: 1}, {Kind: api.SlowBoot, Seconds: 600, Launches: 3}}
	if !slices.Equal(now.Faults, want) {
		t.Errorf("in force are %+v, want %+v", now.Faults, want)
	}
	if now.Group != (api.FleetGroup{Min: 1, Max: 3, Desired: 1}) || !slices.Equal(now.Workers, []api.FleetWorker{{ID: "w-up", State: "ready"}}) {
		t.Errorf("the fleet is %+v with %+v", now.Group, now.Workers)
	}
	if !slices.Equal(fleet.ids, []string{"w-up"}) {
		t.Errorf("notices went to %v", fleet.ids)
	}
	if got := d.active.Next(supervisor.Fault{}); got != (supervisor.Fault{LaunchFails: true, SlowBoot: 10 * time.Minute, DiesAfter: 500 * time.Millisecond}) {
		t.Errorf("a launch meets %+v", got)
	}
	if now, err = cl.ClearFaults(t.Context(), api.SlowBoot); err != nil || len(now.Faults) != 1 || now.Group.Max != 3 {
		t.Errorf("after clearing one: %+v, error %v", now, err)
	}
	if now, err = cl.ClearFaults(t.Context(), ""); err != nil || len(now.Faults) != 0 || now.Group.Max != 8 || now.Group.Min != 0 {
		t.Errorf("after clearing all: %+v, error %v", now, err)
	}
}

func TestFaultsThatMakeNoSenseAreRefused(t *testing.T) {
	_, _, cl := newFaultHandler(t)
	for _, tc := range []struct {
		fault api.Fault
		field string
	}{
		{api.Fault{Kind: "earthquake"}, "kind"}, {api.Fault{}, "kind"},
		{api.Fault{Kind: api.SlowBoot}, "seconds"}, {api.Fault{Kind: api.SlowBoot, Seconds: -1}, "seconds"},
		{api.Fault{Kind: api.DieAfter, Seconds: 1e9}, "seconds"}, {api.Fault{Kind: api.NoCapacity, Seconds: 3}, "seconds"},
		{api.Fault{Kind: api.NoCapacity, Launches: -1}, "launches"}, {api.Fault{Kind: api.NoCapacity, Launches: 1e6}, "launches"},
		{api.Fault{Kind: api.Group, Max: 3, Launches: 1}, "launches"},
		{api.Fault{Kind: api.SpotNotice}, "worker"}, {api.Fault{Kind: api.SpotNotice, Worker: "w-nobody"}, "worker"},
		{api.Fault{Kind: api.NoCapacity, Worker: "w-up"}, "worker"},
		{api.Fault{Kind: api.Group, Min: 4, Max: 3}, "max"}, {api.Fault{Kind: api.Group, Min: -1, Max: 3}, "max"},
		{api.Fault{Kind: api.Group, Max: 65}, "max"}, {api.Fault{Kind: api.NeverReady, Max: 3}, "max"},
	} {
		_, err := cl.SetFault(t.Context(), tc.fault)
		if p, ok := errors.AsType[*client.Problem](err); !ok || p.Field != tc.field || p.Kind() != "bad-fault" {
			t.Errorf("%+v: %v, want a problem with %s", tc.fault, err, tc.field)
		}
	}
	for _, kind := range []string{"earthquake", api.SpotNotice} {
		if _, err := cl.ClearFaults(t.Context(), kind); err == nil {
			t.Errorf("%q was cleared", kind)
		}
	}
	if now, err := cl.Faults(t.Context()); err != nil || len(now.Faults) != 0 {
		t.Errorf("in force are %+v, error %v", now.Faults, err)
	}
}

// A web page of another site can neither name this host, nor send what changes
// something, by any of the paths that only one machine has.
func TestFaultsAreNotForWebPages(t *testing.T) {
	d, _, _ := newFaultHandler(t)
	const fault = `{"kind":"no-capacity"}`
	models := "/local/models"
	handler := routes(http.NotFoundHandler(), map[string]http.Handler{"/local/faults": d, models: d, "/metrics": d}, http.NotFoundHandler())
	for name, tc := range map[string]struct {
		method, path, host, header, body string
		status                           int
	}{
		"a form":                    {"POST", "", "127.0.0.1:8080", "Content-Type: text/plain", fault, http.StatusUnsupportedMediaType},
		"another name":              {"POST", "", "evil.example:8080", "", fault, http.StatusForbidden},
		"another name reads":        {"GET", "/metrics", "evil.example:8080", "", "", http.StatusForbidden},
		"another origin":            {"POST", "", "127.0.0.1:8080", "Origin: http://evil.example", fault, http.StatusForbidden},
		"another port":              {"DELETE", "", "127.0.0.1:8080", "Origin: http://127.0.0.1:8081", "", http.StatusForbidden},
		"a sandboxed frame":         {"POST", models, "127.0.0.1:8080", "Origin: null", fault, http.StatusForbidden},
		"another site":              {"POST", models + "/m/rollout", "127.0.0.1:8080", "Sec-Fetch-Site: cross-site", fault, http.StatusForbidden},
		"another site of this host": {"DELETE", models + "/m", "127.0.0.1:8080", "Sec-Fetch-Site: same-site", "", http.StatusForbidden},
		"this origin":               {"POST", "", "127.0.0.1:8080", "Origin: http://127.0.0.1:8080", fault, http.StatusOK},
		"too much":                  {"POST", "", "127.0.0.1:8080", "", `{"kind":"` + strings.Repeat("a", maxFaultBody) + `"}`, http.StatusBadRequest},
		"unknown field":             {"POST", "", "localhost:8080", "", `{"kind":"no-capacity","when":1}`, http.StatusBadRequest},
		"taken":                     {"POST", "", "localhost:8080", "", fault, http.StatusOK},
	} {
		r := httptest.NewRequest(tc.method, cmp.Or(tc.path, "/local/faults"), strings.NewReader(tc.body))
		r.Host = tc.host
		r.Header.Set("Content-Type", "application/json")
		if key, value, ok := strings.Cut(tc.header, ": "); ok {
			r.Header.Set(key, value)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != tc.status {
			t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, tc.status)
		}
	}
}
