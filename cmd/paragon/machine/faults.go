package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/supervisor"
)

const (
	// maxFaultBody bounds what is read of one order, in bytes.
	maxFaultBody = 4 << 10
	// mostLaunches bounds for how many launches a fault may hold.
	mostLaunches = 1000
)

// faultHandler takes faults over HTTP: what an account's owner, or a bad day of
// AWS, would do to the fleet.
type faultHandler struct {
	active  *supervisor.Faults
	fleet   interface{ Notice(id string) error }
	backend *sqlite.Backend
	most    int // workers of the group, unless set otherwise
}

// ServeHTTP lists faults, takes one, or clears them; each answers how it then is.
func (d *faultHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	switch {
	case r.Method == http.MethodPost:
		err = d.set(w, r)
	case r.Method == http.MethodDelete:
		err = d.clear(r)
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", "DELETE, GET, POST")
		err = mistaken(http.StatusMethodNotAllowed, "", "this path does not support the method %s, only DELETE, GET and POST", r.Method)
	}
	var now api.Faults
	if err == nil {
		now, err = d.list(r)
	}
	if err != nil {
		writeWrong(w, err)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", now)
}

// set reads one fault and does it.
func (d *faultHandler) set(w http.ResponseWriter, r *http.Request) error {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return mistaken(http.StatusUnsupportedMediaType, "Content-Type", "a fault must be sent as application/json")
	}
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxFaultBody))
	in.DisallowUnknownFields()
	var f api.Fault
	if err := in.Decode(&f); err != nil {
		return mistaken(http.StatusBadRequest, "", "the body is not a fault: %v", err)
	}
	if err := checkFault(f, maxWorkers); err != nil {
		return err
	}
	switch f.Kind {
	case api.Group:
		return d.backend.SetGroup(r.Context(), Pool, f.Min, f.Max)
	case api.SpotNotice:
		if err := d.fleet.Notice(f.Worker); err != nil {
			return mistaken(http.StatusUnprocessableEntity, "worker", "%v; `paragon fault list` lists the workers", err)
		}
		return nil
	case api.LaunchFails:
		f.Launches = max(1, f.Launches)
	}
	d.active.Set(supervisor.ActiveFault{Name: f.Kind, Fault: launchFault(f), Launches: f.Launches})
	return nil
}

// launchFault is what goes wrong with a launch.
func launchFault(f api.Fault) supervisor.Fault {
	after := time.Duration(f.Seconds * float64(time.Second))
	switch f.Kind {
	case api.NoCapacity, api.LaunchFails:
		return supervisor.Fault{LaunchFails: true}
	case api.NeverReady:
		return supervisor.Fault{NeverReady: true}
	case api.SlowBoot:
		return supervisor.Fault{SlowBoot: after}
	case api.DieAfter:
		return supervisor.Fault{DiesAfter: after}
	case api.SpotAfter:
		return supervisor.Fault{SpotAfter: after}
	}
	return supervisor.Fault{}
}

// faultKinds are the kinds, and whether each goes by seconds.
var faultKinds = map[string]bool{
	api.NoCapacity: false, api.LaunchFails: false, api.NeverReady: false, api.SlowBoot: true,
	api.DieAfter: true, api.SpotAfter: true, api.SpotNotice: false, api.Group: false,
}

// checkFault names the field that makes no sense, with its bounds.
func checkFault(f api.Fault, most int) error {
	const maxSeconds = 24 * 60 * 60
	timed, known := faultKinds[f.Kind]
	lasting := known && f.Kind != api.SpotNotice && f.Kind != api.Group
	wrong := func(field, format string, args ...any) error {
		return mistaken(http.StatusUnprocessableEntity, field, format, args...)
	}
	switch {
	case !known:
		return wrong("kind", "there is no fault %q, only %s", f.Kind, strings.Join(sortedKinds(), ", "))
	case timed && !(f.Seconds >= 0.001 && f.Seconds <= maxSeconds):
		return wrong("seconds", "%s is not within 0.001 to %d", number(f.Seconds), maxSeconds)
	case !timed && f.Seconds != 0:
		return wrong("seconds", "fault %s takes no seconds", f.Kind)
	case f.Launches < 0 || f.Launches > mostLaunches || f.Launches > 0 && !lasting:
		return wrong("launches", "%d is not within 0 to %d (0: until the fault is cleared), or fault %s takes no number of launches", f.Launches, mostLaunches, f.Kind)
	case f.Kind == api.SpotNotice && f.Worker == "" || f.Kind != api.SpotNotice && f.Worker != "":
		return wrong("worker", "fault %s needs a worker, and no other fault takes one", api.SpotNotice)
	case f.Kind == api.Group && (f.Min < 0 || f.Max < f.Min || f.Max > most):
		return wrong("max", "the limits of the Auto Scaling group must be 0 <= min <= max <= %d; min is %d and max is %d", most, f.Min, f.Max)
	case f.Kind != api.Group && (f.Min != 0 || f.Max != 0):
		return wrong("max", "fault %s takes no min and no max", f.Kind)
	}
	return nil
}

func number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "what was given"
	}
	return fmt.Sprintf("%g", v)
}

func sortedKinds() []string {
	var out []string
	for k := range faultKinds {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// clear ends a kind of fault, or all of them.
func (d *faultHandler) clear(r *http.Request) error {
	kind := r.URL.Query().Get("kind")
	if _, known := faultKinds[kind]; kind != "" && (!known || kind == api.SpotNotice) {
		return mistaken(http.StatusUnprocessableEntity, "kind", "there is no fault %q to clear; `paragon fault list` lists the injected faults", kind)
	}
	d.active.Clear(kind)
	if kind == "" || kind == api.Group {
		return d.backend.SetGroup(r.Context(), Pool, 0, d.most)
	}
	return nil
}

// list reports how it is now.
func (d *faultHandler) list(r *http.Request) (api.Faults, error) {
	out := api.Faults{Faults: []api.Fault{}, Workers: []api.FleetWorker{}}
	for _, t := range d.active.List() {
		after := max(t.Fault.SlowBoot, t.Fault.DiesAfter, t.Fault.SpotAfter)
		out.Faults = append(out.Faults, api.Fault{Kind: t.Name, Seconds: after.Seconds(), Launches: t.Launches})
	}
	as := d.backend.Platform()
	g, err := as.Groups.Group(r.Context(), Pool)
	if err != nil {
		return out, err
	}
	out.Group = api.FleetGroup{Min: g.Min, Max: g.Max, Desired: g.Desired}
	ws, err := as.Fleet.Workers(r.Context(), Pool)
	for _, w := range ws {
		out.Workers = append(out.Workers, api.FleetWorker{ID: w.ID, State: string(w.State)})
	}
	return out, err
}

// wrong is why a request was not done, as RFC 9457 has it.
type wrong struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Field  string `json:"field,omitempty"`
}

// Error is what is wrong in a line, for commands that check without a server.
func (w *wrong) Error() string {
	if w.Field == "" {
		return w.Detail
	}
	return w.Field + ": " + w.Detail
}

// HTTPStatus is the status of the answer that it would be.
func (w *wrong) HTTPStatus() int { return w.Status }

func mistaken(status int, field, format string, args ...any) error {
	return problemOf("bad-fault", "The fault cannot be injected", status, field, format, args...)
}

func problemOf(kind, title string, status int, field, format string, args ...any) error {
	return &wrong{Type: "urn:paragon:problem:" + kind, Title: title, Status: status, Field: field,
		Detail: fmt.Sprintf(format, args...)}
}

func writeWrong(w http.ResponseWriter, err error) {
	var p *wrong
	if !errors.As(err, &p) {
		p = &wrong{Type: "urn:paragon:problem:internal", Title: "Internal server error", Status: http.StatusInternalServerError, Detail: err.Error()}
	}
	writeJSON(w, p.Status, "application/problem+json", p)
}

func writeJSON(w http.ResponseWriter, status int, kind string, v any) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller may be gone
}
