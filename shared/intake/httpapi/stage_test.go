package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/paragon-serving/paragon/docs"
	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

// stage is the API over a backend on one machine, without workers unless answer
// plays them. Everything that passes is validated by the OpenAPI document.
type stage struct {
	backend  *sqlite.Backend
	cloud    platform.Backend
	svc      *intake.Service
	handler  http.Handler
	document routers.Router
	settings atomic.Pointer[settings.Settings]
	keys     signed.Keys
	// operations are what operate it, where operated made it.
	operations *admin.Service
	ahead      atomic.Int64 // by how much tests have moved the clock, in nanoseconds
}

// now is the stage's time.
func (s *stage) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// advance moves the stage's time.
func (s *stage) advance(d time.Duration) { s.ahead.Add(int64(d)) }

// newStage is a stage in a process that is no worker.
func newStage(t testing.TB) *stage { return newStageWith(t, func(*intake.Config, *Options) {}) }

func newStageWith(t testing.TB, change func(*intake.Config, *Options)) *stage {
	t.Helper()
	s := &stage{document: router(t)}
	backend, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{Now: s.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.Close() })
	s.keys, err = signed.NewKeys([]byte("a key of at least sixteen bytes"))
	if err != nil {
		t.Fatal(err)
	}
	s.backend, s.cloud = backend, backend.Platform()
	s.tune(func(*settings.Settings) {})
	c := intake.Config{
		Records: s.cloud.Records, Attempts: s.cloud.Attempts, Shared: s.cloud.Shared, Keys: s.keys, Now: s.now, Fleet: s.cloud.Fleet, Queues: s.cloud.Queues, Metrics: s.cloud.Metrics, Blobs: s.cloud.Blobs,
		Catalogue: catalogue(), Settings: func() settings.Settings { return *s.settings.Load() }, Arch: "x86_64",
		Pools: []intake.Pool{{Name: "general", InstanceType: "c5.large"}}, Votes: backend,
		Status: func(context.Context) api.BackendStatus {
			return api.BackendStatus{Desired: map[string]int{"general": 2}, Versions: map[string]string{"paragon": "test"}, Savings: &api.Savings{
				Verdict: calibration.Verdict{Quoted: true, Why: "it is close"}, CostUSD: 1, To: time.Unix(1, 0).UTC(),
				Others: []api.SchemeCost{{Scheme: "reactive", CostUSD: 2}}}}
		},
	}
	o := Options{OpenAPI: docs.OpenAPI, Uploads: backend, Version: "test"}
	change(&c, &o)
	if s.svc, err = intake.New(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.svc.Settle)
	if s.handler, err = New(s.svc, o); err != nil {
		t.Fatal(err)
	}
	s.publish(t, 4)
	return s
}

// tune changes the settings in force.
func (s *stage) tune(change func(*settings.Settings)) {
	set := settings.Defaults()
	change(&set)
	s.settings.Store(&set)
}

// publish makes the fleet look like a pool with that many idle runners, and with
// a worker on its way.
func (s *stage) publish(t testing.TB, runners int) {
	t.Helper()
	now := s.now()
	s.publishPool(t, placement.Pool{Name: "general", InstanceType: "c5.large", Workers: runners / 2, Runners: runners, Booting: 1, At: now})
}

// publishPool says of a pool what is known of it.
func (s *stage) publishPool(t testing.TB, pool placement.Pool) {
	t.Helper()
	if err := s.cloud.Fleet.PublishView(t.Context(), platform.FleetView{At: pool.At, Pools: []placement.Pool{pool}}); err != nil {
		t.Fatal(err)
	}
}

// answer plays the workers until the test ends: every message gets the result.
func (s *stage) answer(t testing.TB, o query.Outcome) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, q := range []platform.QueueName{platform.Overflow, platform.WorkQueue("general", query.Strict), platform.WorkQueue("general", query.Relaxed)} {
		all.Go(func() {
			for ctx.Err() == nil {
				ds, err := s.cloud.Queues.Receive(ctx, q, 10, time.Minute, 10*time.Second)
				if err != nil {
					return
				}
				for _, d := range ds {
					o := o
					o.StartedAt, o.FinishedAt = s.now(), s.now()
					if o.Result != nil {
						trimmed := o.Result.Trim(d.Message.AllScores)
						o.Result = &trimmed
					}
					if _, _, err := s.cloud.Records.PutRecord(ctx, d.Message.Ended(o)); err != nil && ctx.Err() == nil {
						t.Errorf("finish %s: %v", d.Message.ID, err)
					}
				}
				_ = s.cloud.Queues.Delete(ctx, ds...) // a repeat would find the query finished
			}
		})
	}
	t.Cleanup(func() { cancel(); all.Wait() })
}

var succeeded = query.Outcome{
	State: query.Succeeded, ComputeMS: 1.5, CostUSD: 1e-7,
	RanOn:  query.Runner{Kind: query.OnWorker, Name: "w-1", Resource: "c5.large", Paced: true},
	Result: resultOf(0.1, 0.7, 1e-30),
}

// resultOf is an answer with those scores.
func resultOf(scores ...float32) *query.Result {
	labels := []string{"Shirt", "Bag", "Boot"}
	for len(labels) < len(scores) {
		labels = append(labels, "class "+strconv.Itoa(len(labels)))
	}
	r := query.NewResult(scores, labels[:len(scores)])
	return &r
}

// ended ends a query that was sent, as the consumer of its queue does, and
// returns the record that is held then.
func (s *stage) ended(t testing.TB, q api.Query, o query.Outcome) query.Record {
	t.Helper()
	ds, err := s.cloud.Queues.Receive(t.Context(), platform.QueueName(q.Placement), 10, time.Minute, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range ds {
		if d.Message.ID != q.ID {
			continue
		}
		o.FinishedAt = s.now()
		r, _, err := s.cloud.Records.PutRecord(t.Context(), d.Message.Ended(o))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	t.Fatalf("query %s is not on queue %s", q.ID, q.Placement)
	return query.Record{}
}

// queued counts the messages that wait anywhere.
func (s *stage) queued(t testing.TB) int {
	t.Helper()
	n := 0
	for _, q := range []platform.QueueName{platform.Overflow, platform.WorkQueue("general", query.Strict), platform.WorkQueue("general", query.Relaxed)} {
		d, err := s.cloud.Queues.Depth(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		n += d.Visible + d.InFlight
	}
	return n
}

// reply is an answer of the API.
type reply struct {
	*http.Response
	body []byte
}

func (r reply) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
}

func (r reply) query(t testing.TB) api.Query {
	t.Helper()
	var q api.Query
	r.into(t, &q)
	return q
}

// do sends a request and holds it, when it was taken, and its answer to the document.
func (s *stage) do(t testing.TB, method, path string, body []byte, header ...string) reply {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:8080"+path, bytes.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return s.send(t, req, body)
}

// send is do for a request that is made already.
func (s *stage) send(t testing.TB, req *http.Request, body []byte) reply {
	t.Helper()
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, req)
	got := reply{rec.Result(), rec.Body.Bytes()}
	s.conforms(t, req, body, got, true)
	return got
}

// bare is do without holding the answer to the document: of what is no stage's API.
func (s *stage) bare(t testing.TB, method, path string, body string, header ...string) reply {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:8080"+path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, req)
	return reply{rec.Result(), rec.Body.Bytes()}
}

// foreign is do for a request that is taken without being as documented: packed,
// of another content type, or with members that are null. The answer must be.
func (s *stage) foreign(t testing.TB, method, path string, body []byte, header ...string) reply {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:8080"+path, bytes.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, req)
	got := reply{rec.Result(), rec.Body.Bytes()}
	s.conforms(t, req, body, got, false)
	return got
}

// conforms holds an answer to the document, and if so the request as well, when
// it was taken.
func (s *stage) conforms(t testing.TB, req *http.Request, body []byte, got reply, request bool) {
	t.Helper()
	req.Body = io.NopCloser(bytes.NewReader(body))
	route, params, err := s.document.FindRoute(req)
	if errors.Is(err, routers.ErrMethodNotAllowed) || errors.Is(err, routers.ErrPathNotFound) {
		if got.StatusCode != http.StatusMethodNotAllowed && got.StatusCode != http.StatusNotFound && got.StatusCode != http.StatusOK {
			t.Errorf("%s %s is not documented and answered %d", req.Method, req.URL.Path, got.StatusCode)
		}
		return
	} else if err != nil {
		t.Fatal(err)
	}
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route, Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
	if request && got.StatusCode < 300 && !bytes.Contains(got.body, []byte(`"problem":{`)) {
		if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
			t.Errorf("a request that was taken is not as documented: %v", err)
		}
	}
	err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: got.StatusCode, Header: got.Header, Body: io.NopCloser(bytes.NewReader(got.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil && req.Method != http.MethodHead {
		t.Errorf("%s %s answered not as documented: %v", req.Method, req.URL.Path, err)
	}
}

var router = func() func(testing.TB) routers.Router {
	load := sync.OnceValues(func() (routers.Router, error) {
		for _, kind := range append(intake.ContentTypes(), "application/octet-stream", "application/yaml") {
			openapi3filter.RegisterBodyDecoder(kind, openapi3filter.FileBodyDecoder)
		}
		doc, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI)
		if err != nil {
			return nil, err
		}
		return gorillamux.NewRouter(doc)
	})
	return func(t testing.TB) routers.Router {
		t.Helper()
		r, err := load()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}()

// submit posts a query with the picture and returns the answer.
func (s *stage) submit(t testing.TB, body string, header ...string) reply {
	t.Helper()
	return s.do(t, http.MethodPost, "/v1/queries", []byte(body), append([]string{"Content-Type", "application/json"}, header...)...)
}

// side is the width and height of the test model's input.
const side = 4

// picture is a small PNG of one grey.
func picture(t testing.TB, grey byte) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, side, side))
	for i := range img.Pix {
		img.Pix[i] = color.Gray{Y: grey}.Y
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// asking is the JSON of a query with the picture and more fields.
func asking(t testing.TB, more string) string {
	t.Helper()
	return `{"task":"fashion","input":{"content_type":"image/png","data":"` +
		base64.StdEncoding.EncodeToString(picture(t, 7)) + `"}` + more + `}`
}

// catalogue has two models of one task: a fast one and a more accurate one.
func catalogue() *profile.Catalogue {
	source := profile.Source{Kind: "measured", Date: "2026-11-01"}
	model := func(name string, accuracy, ms float64) profile.Model {
		at := profile.Percentiles{P50: ms, P95: ms * 1.2, P99: ms * 1.5}
		return profile.Model{
			Name: name, Task: "fashion", File: name + ".onnx", MemoryMB: 100,
			Input:    &profile.Input{Width: side, Height: side, Channels: 1},
			Accuracy: profile.Accuracy{Top1Percent: accuracy, Source: source},
			Latency: []profile.Latency{
				{Resource: "c5.large", Threads: 1, Batch: 1, MS: at, Source: source},
				{Resource: "lambda-x86_64", MemoryMB: 1769, Threads: 1, Batch: 1, MS: at, ColdMS: &at, Source: source},
			},
		}
	}
	figuresOnly := model("paper", 99, 1)
	figuresOnly.File = ""
	return &profile.Catalogue{
		Name:      "test",
		Tasks:     []profile.Task{{Name: "fashion", Labels: []string{"Shirt", "Bag", "Boot"}}, {Name: "unserved"}},
		Models:    []profile.Model{model("fast", 85, 2), model("good", 93, 20), figuresOnly},
		Instances: []profile.Instance{{Type: "c5.large", VCPUs: 2, MemoryMB: 4096, Arch: "x86_64", USDPerHour: 0.085, Speed: 1}},
		Functions: []profile.FunctionSizes{{Arch: "x86_64", MemoryMB: []int{1769}, MBPerVCPU: 1769, Speed: 1}},
		Prices:    profile.Prices{LambdaGBSecondX86: 0.0000166667, LambdaPerRequest: 0.0000002, LambdaGrainMS: 1},
	}
}
