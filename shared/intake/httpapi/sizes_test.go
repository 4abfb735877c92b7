package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/platform"
)

// bucket keeps inputs as an account's does.
type bucket struct {
	mu   sync.Mutex
	held map[string][]byte
	puts int
}

func (b *bucket) PutInput(_ context.Context, owner, id string, data []byte) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.puts++
	uri := "paragon-input:" + id
	b.held[owner+" "+uri] = bytes.Clone(data)
	return uri, nil
}

// blobs finds what is in the bucket, and uploads where they are.
type blobs struct {
	platform.Blobs
	*bucket
}

func (b blobs) Blob(ctx context.Context, owner, uri string, limit int) ([]byte, error) {
	b.mu.Lock()
	data, ok := b.held[owner+" "+uri]
	b.mu.Unlock()
	if ok {
		return data, nil
	}
	return b.Blobs.Blob(ctx, owner, uri, limit)
}

// invoked answers for every inference function, of an input that came with the call.
type invoked struct {
	mu   sync.Mutex
	seen []query.Message
}

func (f *invoked) Invoke(_ context.Context, m query.Message) inference.Invoked {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, m)
	o := succeeded
	o.RanOn = query.Runner{Kind: query.OnFunction, Name: "f"}
	return inference.Invoked{Outcome: &o, Attempts: 0}
}

// front is a way of a request to an intake.
type front struct {
	name    string
	account bool // or one machine
	worker  bool // or the api function
	body    int  // bytes of a body that come through
}

var fronts = []front{
	{"account, worker", true, true, 10 << 20},                                // gateway, balancer, worker
	{"account, function behind the balancer", true, false, 1_000_000},        // 1 MB to a function
	{"account, function behind the gateway", true, false, 6_000_000 * 3 / 4}, // 6 MB of base64
	{"one machine, worker", false, true, 64 << 20},
}

// way is how a query of some size is answered.
type way struct {
	name   string
	body   func(t *testing.T, input []byte) (path string, body []byte, header []string)
	tune   func(*settings.Settings)
	worker bool // has a slot
	growth float64
	queue  platform.QueueName // that its message comes by; empty when none does
}

func rawBody(more string, header ...string) func(*testing.T, []byte) (string, []byte, []string) {
	return func(_ *testing.T, input []byte) (string, []byte, []string) {
		return "/v1/queries?task=fashion" + more, input, append([]string{"Content-Type", "image/png"}, header...)
	}
}

func listBody(_ *testing.T, input []byte) (string, []byte, []string) {
	item := `{"task":"fashion","class":"relaxed","input":{"content_type":"image/png","data":"` + base64.StdEncoding.EncodeToString(input) + `"}}`
	return "/v1/queries", []byte("[" + item + "]"), []string{"Content-Type", "application/json"}
}

func inferBody(_ *testing.T, input []byte) (string, []byte, []string) {
	tail := append([]byte{byte(len(input)), byte(len(input) >> 8), byte(len(input) >> 16), byte(len(input) >> 24)}, input...)
	head := fmt.Sprintf(`{"parameters":{"latency_ms":500},"inputs":[{"name":"input","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":%d}}]}`, len(tail))
	return "/v2/models/good/infer", append([]byte(head), tail...), []string{"Content-Type", "application/octet-stream", headerLength, fmt.Sprint(len(head))}
}

var ways = []way{
	{"direct", rawBody("&latency_ms=500", "Prefer", "wait=5"), nil, true, 1, ""},
	{"overflow queue", rawBody("&latency_ms=500", "Prefer", "wait=5"), nil, false, 1, platform.Overflow},
	{"overflow direct", rawBody("&latency_ms=500", "Prefer", "wait=5"), func(s *settings.Settings) { s.OverflowPath = "direct" }, false, 1, ""},
	{"async", rawBody("&class=relaxed"), nil, false, 1, "work-relaxed-general"},
	{"list", listBody, nil, false, 4.0 / 3, "work-relaxed-general"},
	{"/v2", inferBody, nil, false, 1, platform.Overflow},
}

// sized is a picture in a file of n bytes.
func sized(t *testing.T, n int) []byte {
	t.Helper()
	p := picture(t, 7)
	return append(p, make([]byte, n-len(p))...)
}

// The same request is taken or refused by its size alone, whatever stands in
// front and however it is answered; a large input that goes to a queue in an
// account lies in the bucket and arrives whole, and one that is answered in its
// request is never put there.
func TestSizes(t *testing.T) {
	const kb = 1 << 10
	for _, f := range fronts {
		for _, w := range ways {
			if w.worker && !f.worker {
				continue
			}
			t.Run(f.name+"/"+w.name, func(t *testing.T) {
				s := newSized(t, f, w)
				for _, n := range []int{1 * kb, 600 * kb, 700 * kb, 900 * kb, 1_072_812, 9000 * kb} {
					s.hold(t, f, w, n)
				}
			})
		}
	}
}

// sizedStage is a stage with what inputs pass on their way.
type sizedStage struct {
	*stage
	bucket    *bucket
	functions *invoked
	worker    *slots
	got       chan query.Message // with their inputs, off the queues
}

func newSized(t *testing.T, f front, w way) *sizedStage {
	t.Helper()
	s := &sizedStage{bucket: &bucket{held: map[string][]byte{}}, functions: &invoked{}, got: make(chan query.Message, 1)}
	s.worker = &slots{none: !w.worker}
	var kept platform.Blobs
	s.stage = newStageWith(t, func(c *intake.Config, _ *Options) {
		c.Functions, s.worker.now = s.functions, c.Now
		if f.worker {
			c.Worker = s.worker
		}
		if f.account {
			c.Inputs, c.BodyBytes = s.bucket, 964<<10
		}
		c.Blobs = blobs{c.Blobs, s.bucket}
		kept = c.Blobs
	})
	s.tune(func(set *settings.Settings) {
		set.KeepShare = 0
		if w.tune != nil {
			w.tune(set)
		}
	})
	s.publish(t, 0)
	if w.queue == platform.Overflow { // it is for what a worker has no slot for in time
		s.publishPool(t, placement.Pool{Name: "general", InstanceType: "c5.large", Workers: 1, Runners: 2, StrictMS: 1e6, At: s.now()})
	}
	if w.queue != "" {
		s.consume(t, w.queue, kept)
	}
	return s
}

// consume answers what comes by a queue until the test ends.
func (s *sizedStage) consume(t *testing.T, q platform.QueueName, from platform.Blobs) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			ds, err := s.cloud.Queues.Receive(ctx, q, 10, time.Minute, 10*time.Second)
			if err != nil {
				return
			}
			for _, d := range ds {
				m := d.Message
				if m.Input.URI != "" && len(m.Input.Data) > 0 {
					t.Error("an input is in the message and in the bucket")
				}
				if m.Input, err = platform.ReadInput(ctx, from, m, 10<<20); err != nil {
					t.Errorf("the input of %s: %v", m.ID, err)
				}
				o := succeeded
				o.FinishedAt = s.now()
				if _, _, err := s.cloud.Records.PutRecord(ctx, m.Ended(o)); err != nil {
					t.Errorf("finish %s: %v", m.ID, err)
				}
				s.got <- m
			}
			_ = s.cloud.Queues.Delete(ctx, ds...) // a repeat would find the query finished
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
}

// most is the largest input that a request of one way carries on a platform.
func (f front) most(w way) float64 {
	if f.account {
		return min(900<<10, (964<<10)/w.growth-200)
	}
	return 4096 << 10
}

// post is do without holding megabytes of JSON to the document.
func (s *sizedStage) post(t *testing.T, path string, body []byte, header []string) reply {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "http://127.0.0.1:8080"+path, bytes.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, r)
	return reply{rec.Result(), rec.Body.Bytes()}
}

func (s *sizedStage) hold(t *testing.T, f front, w way, n int) {
	t.Helper()
	input := sized(t, n)
	path, body, header := w.body(t, input)
	before := s.bucket.puts
	status := http.StatusRequestEntityTooLarge // by what is in front
	var got reply
	if len(body) <= f.body {
		got = s.post(t, path, body, header)
		status = got.StatusCode
	}
	if float64(n) > f.most(w) {
		if status != http.StatusRequestEntityTooLarge || got.body != nil && !strings.Contains(string(got.body), "/v1/uploads") {
			t.Errorf("%d bytes: %d %.200s, want 413 and where to upload", n, status, got.body)
		}
		return
	}
	if status/100 != 2 || bytes.Contains(got.body, []byte(`"problem":{`)) {
		t.Errorf("%d bytes: %d %.300s", n, status, got.body)
		return
	}
	s.arrived(t, f, w, input, s.bucket.puts-before)
}

// arrived holds where an input went, and that it came there whole.
func (s *sizedStage) arrived(t *testing.T, f front, w way, input []byte, puts int) {
	t.Helper()
	want := 0
	if w.queue != "" && f.account && len(input) > platform.MessageInputBytes {
		want = 1
	}
	if puts != want {
		t.Errorf("%d bytes: %d puts, want %d", len(input), puts, want)
	}
	var m query.Message
	switch {
	case w.queue != "":
		m = <-s.got
	case w.worker:
		m = s.worker.asked[len(s.worker.asked)-1]
	default:
		m = s.functions.seen[len(s.functions.seen)-1]
	}
	if !bytes.Equal(m.Input.Data, input) {
		t.Errorf("%d bytes arrived for %d, or others", len(m.Input.Data), len(input))
	}
}

// What is too large for a request is taken as an upload.
func TestALargeInputIsUploaded(t *testing.T) {
	w := ways[3]
	s := newSized(t, fronts[0], w)
	input := sized(t, 9000<<10)
	var u api.Upload
	s.do(t, "POST", "/v1/uploads", fmt.Appendf(nil, `{"content_type":"image/png","bytes":%d}`, len(input)), "Content-Type", "application/json").into(t, &u)
	if got := s.do(t, u.Method, u.URL, input, "Content-Type", "image/png"); got.StatusCode/100 != 2 {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	got := s.submit(t, `{"task":"fashion","class":"relaxed","input":{"content_type":"image/png","uri":"`+u.URI+`"}}`)
	if got.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	s.arrived(t, front{}, w, input, s.bucket.puts)
}
