// Package httpapi is Paragon's HTTP API over the intake: queries as JSON or as
// the picture itself, problems by RFC 9457, waiting by RFC 7240, and the Open
// Inference Protocol version 2. docs/openapi.yaml describes it, and a test
// holds the two together.
//
// The handler speaks for one backend and knows no cloud: the same one runs behind
// API Gateway and on loopback.
package httpapi

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Options of the handler. The zero value serves one machine, with every caller
// its own owner by token.
type Options struct {
	// Owner finds whose a request is; empty refuses it. nil means LocalOwner.
	Owner func(*http.Request) string
	// AnyHost takes requests whatever host they name. Without it only loopback
	// names are taken, so that no web page can reach a service on loopback by
	// pointing its own name there (DNS rebinding).
	AnyHost bool
	// OpenAPI is the document to serve as /v1/openapi.yaml.
	OpenAPI []byte
	// Uploads takes what is PUT to /v1/uploads/{id}; nil where uploads go elsewhere.
	Uploads BlobPutter
	// Operations is what those who run the stage see and do; nil where they do
	// it elsewhere.
	Operations *admin.Service
	// Timeline and Owners are what became of queries over hours and days, where there are
	// no Operations, which have it; nil where it is not kept.
	Timeline platform.Timeline
	Owners   platform.Owners
	// Operator says whether a request is an operator's, who alone reads and changes
	// settings and dead letters; nil means that all are.
	Operator func(*http.Request) bool
	// BodyTime bounds how long the body of a request may take; 0 means half a minute.
	BodyTime time.Duration
	// HeldBytes bounds the bytes of the bodies that are being taken in at a time, three
	// quarters of them one caller's; 0 means 256 MiB.
	HeldBytes int64
	// Streams bounds the streams of GET /v1/live; the zero value serves none.
	Streams Streams
	// Health reports what is wrong with this process alone, for a balancer: not with
	// its load, nor with what it depends on. nil means that nothing ever is.
	Health func() error
	// Version is the server's, which /v2 reports.
	Version string
	// Advice says what an error that is no refusal means, to callers who may know it; nil
	// means that the log alone says it.
	Advice func(error) string
	Log    *slog.Logger // defaults to slog.Default
}

// BlobPutter fills the places that a backend's NewUpload made. The id is what
// entitles to one.
type BlobPutter interface {
	// PutBlob stores what body holds. platform.ErrNotFound when there is no such
	// place, platform.ErrTooLarge when the body is above the place's limit.
	PutBlob(ctx context.Context, id string, body io.Reader) error
}

// server is the handlers with what they work on.
type server struct {
	svc *intake.Service
	Options
	room    *Room // of the bodies that are being taken in
	archive *admin.Archive
	live    *Live
}

// New returns the handler of the whole API.
func New(svc *intake.Service, o Options) (http.Handler, error) {
	if svc == nil || len(o.OpenAPI) == 0 {
		return nil, errors.New("httpapi: the service or the OpenAPI document is missing")
	}
	if o.Owner == nil {
		o.Owner = LocalOwner
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.BodyTime == 0 {
		o.BodyTime = defaultBodyTime
	}
	a := &server{svc: svc, Options: o, room: NewRoom(o.HeldBytes), archive: admin.ArchiveOf(o.Timeline, o.Owners, time.Now)}
	if o.Operations != nil {
		a.archive = o.Operations.Archive()
	}
	mux := http.NewServeMux()
	a.live = NewLive(mux, o.Streams)
	for path, byMethod := range a.routes() {
		mux.HandleFunc(path, a.serve(byMethod))
	}
	mux.HandleFunc("/", a.serve(nil))
	return a.guard(mux), nil
}

// handler does one request; what it returns is answered as a problem.
type handler func(w http.ResponseWriter, r *http.Request) error

// route is the handlers of one path, by method.
type route map[string]handler

// routes is every path that the API answers.
func (a *server) routes() map[string]route {
	get := func(h handler) route { return route{http.MethodGet: h} }
	post := func(h handler) route { return route{http.MethodPost: h} }
	all := map[string]route{
		"/v1/queries":                           {http.MethodPost: a.submit, http.MethodGet: a.list},
		"/v1/queries/{id}":                      {http.MethodGet: a.get, http.MethodDelete: a.cancel},
		"/v1/queries/{id}/explain":              get(a.explain),
		"/v1/queries/{id}/feedback":             {http.MethodPost: a.feedback},
		"/v1/models":                            get(a.models),
		"/v1/status":                            get(a.status),
		"/v1/live":                              get(func(w http.ResponseWriter, r *http.Request) error { return a.live.Serve(w, r) }),
		"/v1/history":                           get(a.history),
		"/v1/usage":                             get(a.usage),
		"/v1/uploads":                           {http.MethodPost: a.newUpload},
		"/v1/uploads/{id}":                      {http.MethodPut: a.putUpload},
		"/v1/openapi.yaml":                      get(a.openAPI),
		"/healthz":                              get(a.health),
		"/readyz":                               get(a.ready),
		"/v2":                                   get(a.oipServer),
		"/v2/health/live":                       get(a.oipLive),
		"/v2/health/ready":                      get(a.oipReady),
		"/v2/models/{model}":                    get(a.oipModel),
		"/v2/models/{model}/ready":              get(a.oipModelReady),
		"/v2/models/{model}/infer":              post(a.oipInfer),
		"/v2/models/{model}/versions/{version}": get(a.oipModel),
		"/v2/models/{model}/versions/{version}/ready": get(a.oipModelReady),
		"/v2/models/{model}/versions/{version}/infer": post(a.oipInfer),
	}
	maps.Copy(all, a.operations())
	return all
}

// operations is every path that Operations answers.
func (a *server) operations() map[string]route {
	get := func(h handler) route { return route{http.MethodGet: h} }
	return map[string]route{
		"/v1/usage/owners":            get(a.operating(a.usageByOwner)),
		"/v1/workers":                 get(a.observing(a.workers)),
		"/v1/settings":                get(a.operating(a.listSettings)),
		"/v1/settings/{name}":         {http.MethodPut: a.operating(a.setSetting)},
		"/v1/settings/{name}/history": get(a.operating(a.settingHistory)),
		"/v1/decisions":               get(a.observing(a.listDecisions)),
		"/v1/decisions/{id}":          get(a.observing(a.getDecision)),
		"/v1/dead-letters":            get(a.operating(a.listDeadLetters)),
		"/v1/dead-letters/redrive":    {http.MethodPost: a.operating(a.redrive)},
	}
}
