package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/docs"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/platform"
)

func TestModelsReportWhatIsKnownOfThem(t *testing.T) {
	s := newStage(t)
	var page struct{ Models []api.Model }
	s.do(t, "GET", "/v1/models", nil).into(t, &page)
	if len(page.Models) != 2 || page.Models[0].Name != "fast" || len(page.Models[0].Resources) != 2 || len(page.Models[0].Labels) != 3 {
		t.Errorf("models %+v", page.Models)
	}
}

func TestStatusReportsHowTheStageStands(t *testing.T) {
	s := newStage(t)
	now, silent := time.Now(), time.Now().Add(-fleet.SilentAfter(settings.Defaults())-time.Second)
	for _, w := range []platform.WorkerReport{
		{ID: "w-1", At: now, State: platform.Ready, Runners: 2, Busy: 1, HeldStrict: 2, Answered: 5},
		{ID: "w-2", At: now, State: platform.Booting, Runners: 2},
		{ID: "w-3", At: now, State: platform.Draining, Runners: 2, Busy: 2, Overflowed: 1},
		{ID: "w-4", At: silent, State: platform.Ready, Runners: 2},
	} {
		w.Pool, w.InstanceType = "general", "c5.large"
		if _, err := s.cloud.Fleet.Report(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		s.submit(t, asking(t, `,"class":"strict","constraints":{"latency_ms":60000}`))
	}
	h, book := tally.NewHistory(now), tally.NewBook(now)
	for i := range 4 {
		book.Ended(tally.Key{Task: "fashion", Model: "fast", Class: query.Strict}, tally.Observation{State: query.Succeeded, Met: i > 0, Overflowed: i == 0, LatencyMS: 20})
	}
	h.Feed("w-1", book.Snapshot(now), now)
	view, err := s.cloud.Fleet.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	view.Traffic = h.Summary(now)
	if err := s.cloud.Fleet.PublishView(t.Context(), view); err != nil {
		t.Fatal(err)
	}
	if err := s.cloud.Metrics.Put(t.Context(), platform.Point{
		Metric: intake.MetricArrivals, Dimensions: intake.ArrivalDimensions("fashion", query.Strict), At: time.Now().Add(-30 * time.Second), Value: 120,
	}); err != nil {
		t.Fatal(err)
	}
	var st api.Status
	s.do(t, "GET", "/v1/status", nil).into(t, &st)
	p := st.Pools[0]
	if p.Ready != 1 || p.Booting != 1 || p.Draining != 1 || p.Stuck != 1 || p.Runners != 2 || p.Busy != 3 || p.Queued != 2 || p.Answered != 5 || p.Overflowed != 1 {
		t.Errorf("pool %+v", p)
	}
	c := st.Classes[query.Strict]
	if c.Recent != 4 || c.Met != 3 || c.Attainment == nil || *c.Attainment != 75 || c.ArrivalsPerSecond != 2 || c.Minute.Answered != 4 || c.Hour.Latency.P50 == 0 {
		t.Errorf("strict %+v", c)
	}
	if st.Overflow.Share != 0.25 || st.Queues["work-strict-general"].Visible != 4 || st.Desired["general"] != 2 {
		t.Errorf("status %+v", st)
	}
}

func TestUploads(t *testing.T) {
	s := newStage(t)
	var up platform.Upload
	got := s.do(t, "POST", "/v1/uploads", []byte(`{"content_type":"image/png"}`), "Content-Type", "application/json")
	got.into(t, &up)
	if got.StatusCode != 201 || !strings.HasPrefix(up.URL, "/v1/uploads/") {
		t.Fatalf("status %d: %s", got.StatusCode, got.body)
	}
	body := `{"task":"fashion","input":{"content_type":"image/png","uri":"` + up.URI + `"}}`
	checkProblem(t, s.submit(t, body), "unknown-upload", 422, "input.uri") // not filled yet
	if got := s.do(t, up.Method, up.URL, picture(t, 3), "Content-Type", "image/png"); got.StatusCode != 204 {
		t.Fatalf("PUT answered %d: %s", got.StatusCode, got.body)
	}
	checkProblem(t, s.submit(t, body, "Authorization", "Bearer other"), "unknown-upload", 422, "input.uri")
	if got := s.submit(t, body); got.StatusCode != 202 {
		t.Errorf("a query by upload answered %d: %s", got.StatusCode, got.body)
	}
	if got := s.do(t, up.Method, up.URL, []byte("no picture"), "Content-Type", "image/png"); got.StatusCode != 204 {
		t.Fatalf("PUT answered %d: %s", got.StatusCode, got.body)
	}
	checkProblem(t, s.submit(t, body), "bad-input", 422, "input.data")
}

// An upload whose place was written again after its query was accepted is not the
// query's input any more, on every way that a message takes, and with a key or without.
func TestAnAcceptedInputCannotBeChanged(t *testing.T) {
	for _, class := range []query.Class{query.Strict, query.Relaxed} {
		for _, header := range [][]string{nil, {"Idempotency-Key", "one"}} {
			s := newStage(t)
			s.publish(t, 1)
			var up platform.Upload
			s.do(t, "POST", "/v1/uploads", []byte(`{"content_type":"image/png"}`), "Content-Type", "application/json").into(t, &up)
			put := func(grey byte) []byte {
				data := picture(t, grey)
				if got := s.do(t, up.Method, up.URL, data, "Content-Type", "image/png"); got.StatusCode != http.StatusNoContent {
					t.Fatalf("PUT answered %d: %s", got.StatusCode, got.body)
				}
				return data
			}
			first := put(3)
			body := `{"task":"fashion","class":"` + string(class) + `","input":{"content_type":"image/png","uri":"` + up.URI + `"}}`
			got := s.submit(t, body, header...)
			if got.StatusCode != http.StatusAccepted {
				t.Fatalf("%s: status %d: %s", class, got.StatusCode, got.body)
			}
			ds, err := s.cloud.Queues.Receive(t.Context(), platform.WorkQueue("general", class), 1, time.Minute, 0)
			if err != nil || len(ds) != 1 {
				t.Fatalf("%s: %d messages, error %v", class, len(ds), err)
			}
			m := ds[0].Message
			if in, err := platform.ReadInput(t.Context(), s.cloud.Blobs, m, 1<<20); err != nil || !bytes.Equal(in.Data, first) {
				t.Errorf("%s: %d bytes, error %v, want what was accepted", class, len(in.Data), err)
			}
			put(4)
			if in, err := platform.ReadInput(t.Context(), s.cloud.Blobs, m, 1<<20); !errors.Is(err, platform.ErrNotFound) {
				t.Errorf("%s: %d bytes of another picture, error %v, want ErrNotFound", class, len(in.Data), err)
			}
		}
	}
}

func TestBadUploads(t *testing.T) {
	s := newStage(t)
	s.tune(func(set *settings.Settings) { set.UploadLimitKB = 1 })
	post := func(body string) reply {
		return s.do(t, "POST", "/v1/uploads", []byte(body), "Content-Type", "application/json")
	}
	checkProblem(t, post(`{"content_type":"image/gif"}`), "unsupported-input", 415, "content_type")
	checkProblem(t, post(`{"type":"image/png"}`), "unknown-field", 400, "type")
	checkProblem(t, post(``), "no-body", 400, "")
	checkProblem(t, s.do(t, "PUT", "/v1/uploads/..%2f..%2fetc", []byte("x"), "Content-Type", "image/png"), "not-found", 404, "")
	var up platform.Upload
	post(`{"content_type":"image/png"}`).into(t, &up)
	checkProblem(t, s.do(t, "PUT", up.URL, make([]byte, 1025), "Content-Type", "image/png"), "body-too-large", 413, "")
}

func TestTheDocumentIsServed(t *testing.T) {
	s := newStage(t)
	got := s.do(t, "GET", "/v1/openapi.yaml", nil)
	if got.StatusCode != http.StatusOK || !bytes.Equal(got.body, docs.OpenAPI) {
		t.Errorf("status %d, %d bytes", got.StatusCode, len(got.body))
	}
}

// A store that cannot be written makes the stage not ready, and the reason is
// said; the process is healthy all the same.
func TestNotReadyWhileTheStoreCannotBeWritten(t *testing.T) {
	var fault atomic.Pointer[platform.StoreFault]
	s := newStageWith(t, func(c *intake.Config, _ *Options) {
		c.WriteFault = func() error {
			if f := fault.Load(); f != nil {
				return f
			}
			return nil
		}
		c.Queues = fullQueues{c.Queues, &fault}
	})
	for _, want := range []int{http.StatusOK, http.StatusServiceUnavailable} {
		for _, path := range []string{"/readyz", "/v2/health/ready", "/v2/models/good/ready", "/v2/models/good/versions/1/ready"} {
			got := s.do(t, "GET", path, nil)
			if got.StatusCode != want || (want != http.StatusOK) != strings.Contains(string(got.body), "the disk is full") {
				t.Errorf("%s answered %d: %s", path, got.StatusCode, got.body)
			}
		}
		if got := s.do(t, "GET", "/healthz", nil); got.StatusCode != http.StatusOK {
			t.Errorf("/healthz answered %d", got.StatusCode)
		}
		if fault.Load() == nil {
			fault.Store(&platform.StoreFault{Reason: "the disk is full"})
		}
	}
	if got := s.submit(t, asking(t, "")); got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(got.body), "the disk is full") {
		t.Errorf("a query answered %d: %s", got.StatusCode, got.body)
	}
}

// fullQueues fail while there is a fault.
type fullQueues struct {
	intake.Queues
	fault *atomic.Pointer[platform.StoreFault]
}

func (q fullQueues) Send(ctx context.Context, name platform.QueueName, msgs ...query.Message) error {
	if f := q.fault.Load(); f != nil {
		return fmt.Errorf("send: %w", f)
	}
	return q.Queues.Send(ctx, name, msgs...)
}
