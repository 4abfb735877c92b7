package httpapi

import (
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/intake"
)

// ConsoleOptions of a console.
type ConsoleOptions struct {
	// API answers what the stage's API serves, in the name of this process's user.
	API http.Handler
	// Operations is what those who run the stage see and do, which its API does not serve.
	Operations *admin.Service
	// Operator says whether a request is of this process's user.
	Operator func(*http.Request) bool
	// Savings is what other schemes would have cost, for the status and the history; nil
	// leaves what the API answers.
	Savings func() *api.Savings
	// Advice says what an error means, and what to do about it.
	Advice func(error) string
	Log    *slog.Logger // defaults to slog.Default
}

// console answers the page of a stage whose API is elsewhere.
type console struct {
	*server
	api     http.Handler
	savings func() *api.Savings
	changes map[string]func([]byte) []byte // what is changed of what the API answers
	here    map[string]route               // what is answered here
	mux     *http.ServeMux
}

// NewConsole returns what answers, on loopback, the page of a stage in an account: the
// stage's API is asked in the user's name, and what that leaves out, as the workers,
// the decisions and the settings, is answered here. So every request must be the user's.
func NewConsole(o ConsoleOptions) (http.Handler, error) {
	if o.API == nil || o.Operations == nil || o.Operator == nil || o.Advice == nil {
		return nil, errors.New("httpapi: the API, the operations, the operator or the advice is missing")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	a := &server{Options: Options{Operations: o.Operations, Operator: o.Operator, Advice: o.Advice, Log: o.Log}, archive: o.Operations.Archive()}
	c := &console{server: a, api: o.API, savings: o.Savings, here: a.operations(), mux: http.NewServeMux()}
	a.live = NewLive(c.mux, Streams{})
	for path, byMethod := range c.here {
		c.mux.HandleFunc(path, a.serve(byMethod))
	}
	c.mux.HandleFunc("/v1/live", a.serve(route{http.MethodGet: c.watch}))
	c.mux.HandleFunc("/v1/uploads", a.serve(route{http.MethodPost: noUploads}))
	if o.Savings != nil {
		c.changes = map[string]func([]byte) []byte{"/v1/status": c.withSavings, "/v1/history": c.withCosts}
	}
	for path, change := range c.changes {
		c.mux.HandleFunc("GET "+path, c.changed(change))
	}
	c.mux.Handle("/", o.API)
	return c, nil
}

// ServeHTTP answers the user alone.
func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	switch no := Foreign(r); {
	case no != nil:
		c.fail(w, r, no)
	case !c.Operator(r):
		c.fail(w, r, refuse(notOperator, api.OperatorHeader, "open the page at the address that `paragon page` printed: this address contains the token of the page"))
	default:
		c.mux.ServeHTTP(w, r)
	}
}

// noUploads refuses a picture that is too large for a query: a page may send it to no
// other host.
func noUploads(http.ResponseWriter, *http.Request) error {
	return refuse(intake.InputTooLarge, "content_type", "this picture is too large for the page; `paragon submit --stage` uploads large pictures")
}

// watch is GET /v1/live: what is answered here, and the rest by one request to the API.
func (c *console) watch(w http.ResponseWriter, r *http.Request) error {
	watched, err := readWatched(r)
	if err != nil {
		return err
	}
	var parts []api.LivePart
	var elsewhere []*url.URL
	for _, u := range watched {
		if _, ok := c.here[u.Path]; ok {
			parts = append(parts, c.live.read(r, u))
		} else {
			elsewhere = append(elsewhere, u)
		}
	}
	if len(elsewhere) > 0 {
		parts = append(parts, c.ask(r, elsewhere)...)
	}
	return answerOnce(w, parts)
}

// ask reads paths of the API by one request. When that is refused, each path is.
func (c *console) ask(r *http.Request, paths []*url.URL) []api.LivePart {
	asked := r.Clone(r.Context())
	values := url.Values{}
	for _, u := range paths {
		values.Add("watch", u.RequestURI())
	}
	asked.URL = &url.URL{Path: "/v1/live", RawQuery: values.Encode()}
	asked.RequestURI, asked.Body = asked.URL.RequestURI(), http.NoBody
	asked.Header.Set("Accept", "application/json") // once, and no stream
	got := &kept{header: http.Header{}, status: http.StatusOK}
	c.api.ServeHTTP(got, asked)
	var live api.Live
	if got.status == http.StatusOK && json.Unmarshal(got.body.Bytes(), &live) == nil {
		for i, p := range live.Parts {
			at, err := url.Parse(p.Path)
			if err != nil || p.Status != http.StatusOK {
				continue
			}
			if change := c.changes[at.Path]; change != nil {
				live.Parts[i].Body = change(p.Body)
			}
		}
		return live.Parts
	}
	var parts []api.LivePart
	for _, u := range paths {
		parts = append(parts, got.part(u))
	}
	return parts
}

// changed serves what the API answers, changed where it is a success.
func (c *console) changed(change func([]byte) []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		got := &kept{header: http.Header{}, status: http.StatusOK}
		c.api.ServeHTTP(got, r)
		body := got.body.Bytes()
		if got.status == http.StatusOK {
			body = change(body)
		}
		maps.Copy(w.Header(), got.header)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(got.status)
		_, _ = w.Write(body) // the caller may be gone
	}
}

// withSavings is a status with what other schemes would have cost instead of the API's own,
// and with all else as it is.
func (c *console) withSavings(status []byte) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(status, &members) != nil {
		return status
	}
	savings, err := json.Marshal(c.savings())
	if err != nil {
		return status
	}
	members["savings"] = savings
	if with, err := json.Marshal(members); err == nil {
		return with
	}
	return status
}

// withCosts is a history with what other schemes would have cost in each step.
func (c *console) withCosts(history []byte) []byte {
	var h api.History
	if json.Unmarshal(history, &h) != nil || admin.AddOthers(&h, c.savings()) != nil {
		return history
	}
	if with, err := json.Marshal(h); err == nil {
		return with
	}
	return history
}
