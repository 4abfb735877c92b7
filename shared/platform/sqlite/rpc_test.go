package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/rpc"
)

func TestLoopbackOverTCP(t *testing.T) {
	h := open(t, Options{})
	s := httptest.NewServer(NewServer(h))
	defer s.Close()
	c, err := rpc.Dial(s.URL + "/" + h.Register("w1"))
	must(t, err)
	got := make(chan platform.Delivery, 1)
	go func() {
		ds, err := c.Queues.Receive(context.Background(), queue, 1, time.Hour, time.Hour)
		if err != nil || len(ds) != 1 {
			t.Errorf("came %d messages, %v", len(ds), err)
		}
		got <- append(ds, platform.Delivery{})[0]
	}()
	send(t, h, "a")
	if d := <-got; d.Message.ID != "a" {
		t.Errorf("%q came, want a", d.Message.ID)
	}
	if _, err := c.Records.GetRecord(t.Context(), "nothing"); !errors.Is(err, platform.ErrNotFound) {
		t.Errorf("an unknown query: %v, want ErrNotFound", err)
	}
	s.CloseClientConnections()
	s.Close()
	_, err = c.Records.GetRecord(t.Context(), "nothing")
	if !errors.Is(err, platform.ErrUnavailable) {
		t.Errorf("a backend that is not there: %v, want ErrUnavailable", err)
	}
	if strings.Contains(err.Error(), s.URL+"/") {
		t.Errorf("the error tells the secret: %v", err)
	}
}

// Inputs reach a child and come from it as they are, and a move leaves the file
// where it lies.
func TestInputsOverLoopback(t *testing.T) {
	h := open(t, Options{})
	s := httptest.NewServer(NewServer(h))
	defer s.Close()
	c, err := rpc.Dial(s.URL + "/" + h.Register("w1"))
	must(t, err)
	inputs := [][]byte{bytes.Repeat([]byte{0, 255, '"'}, 200_704), []byte("small"), nil, large(7)}
	for i, data := range inputs {
		must(t, c.Queues.Send(t.Context(), queue, withInput(fmt.Sprint(i), data)))
	}
	check := func(ds []platform.Delivery) {
		t.Helper()
		for i, d := range ds {
			if d.Message.ID != fmt.Sprint(i) || !bytes.Equal(d.Message.Input.Data, inputs[i]) {
				t.Errorf("%s came with %d bytes, want %d", d.Message.ID, len(d.Message.Input.Data), len(inputs[i]))
			}
		}
	}
	receive := func(q platform.QueueName) []platform.Delivery {
		t.Helper()
		ds, err := c.Queues.Receive(t.Context(), q, 10, time.Hour, 0)
		if err != nil || len(ds) != len(inputs) {
			t.Fatalf("received %d, error %v", len(ds), err)
		}
		check(ds)
		return ds
	}
	before := inputFiles(t, h)
	for _, d := range receive(queue) {
		m := d.Message
		m.Attempts++
		must(t, c.Queues.Move(t.Context(), d, "other", m))
	}
	ds := receive("other")
	if after := inputFiles(t, h); len(after) != 3 || !slices.Equal(before, after) {
		t.Errorf("the files were %v and are %v", before, after)
	}
	must(t, c.Queues.Delete(t.Context(), ds...))
	if left := inputFiles(t, h); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
	if err := c.Queues.Send(t.Context(), queue, withInput("a", make([]byte, rpc.MaxBody/2)), withInput("b", make([]byte, rpc.MaxBody/2))); !errors.Is(err, platform.ErrTooLarge) {
		t.Errorf("above the bound: %v", err)
	}
}

func TestServerRefuses(t *testing.T) {
	h := open(t, Options{})
	server := NewServer(h)
	secret, old := h.Register("w1"), h.Register("w2")
	h.Unregister("w2")
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		class                    string
	}{
		{"no secret", "POST", "/", "{}", 404, ""},
		{"an unknown secret", "POST", "/AAAAAAAAAAAAAAAAAAAAAA/view", "{}", 404, ""},
		{"a dead secret", "POST", "/" + old + "/view", "{}", 404, ""},
		{"part of a secret", "POST", "/" + secret[:21] + "/view", "{}", 404, ""},
		{"an unknown call", "POST", "/" + secret + "/format", "{}", 400, ""},
		{"another method", "GET", "/" + secret + "/view", "", 400, ""},
		{"no JSON", "POST", "/" + secret + "/get-record", "{", 400, ""},
		{"a body above the bound", "POST", "/" + secret + "/get-record", `"` + strings.Repeat("a", rpc.MaxBody), 400, "too_large"},
		{"a query that is not there", "POST", "/" + secret + "/get-record", `"x"`, 422, "not_found"},
	} {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		if w.Code != c.status || !strings.Contains(w.Body.String(), `"Class":"`+c.class+`"`) && c.status != http.StatusNotFound {
			t.Errorf("%s: %d %s, want %d %s", c.name, w.Code, w.Body, c.status, c.class)
		}
	}
}

// invoking is an invoker that answers as it was answer.
type invoking struct {
	inv platform.Invocation
	err error
}

func (i invoking) Invoke(context.Context, string, []byte) (platform.Invocation, error) {
	return i.inv, i.err
}

// TestChildrenInvokeFunctions holds that an invocation, what it cost and the
// class of its error reach a child.
func TestChildrenInvokeFunctions(t *testing.T) {
	for _, answer := range []struct {
		invoking
		class error
	}{
		{invoking{inv: platform.Invocation{Payload: []byte{0, 255}, BilledMS: 3, InitMS: 1}}, nil},
		{invoking{platform.Invocation{BilledMS: 2}, fmt.Errorf("it died: %w", platform.ErrFault)}, platform.ErrFault},
		{invoking{err: platform.ErrThrottled}, platform.ErrThrottled},
	} {
		h := open(t, Options{Invoker: answer.invoking})
		s := httptest.NewServer(NewServer(h))
		defer s.Close()
		c, err := rpc.Dial(s.URL + "/" + h.Register("dispatcher"))
		must(t, err)
		inv, err := c.Invoker.Invoke(t.Context(), "f", nil)
		if diff := cmp.Diff(answer.inv, inv); diff != "" || !errors.Is(err, answer.class) {
			t.Errorf("answer %v: error %v, difference %s", answer, err, diff)
		}
	}
	if _, err := open(t, Options{}).Platform().Invoker.Invoke(t.Context(), "f", nil); !errors.Is(err, platform.ErrNotFound) {
		t.Errorf("a backend without functions: %v, want ErrNotFound", err)
	}
}

// TestEveryCallOfTheClientIsServed holds both tables of calls together.
func TestEveryCallOfTheClientIsServed(t *testing.T) {
	asked := map[string]bool{}
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		asked[r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]] = true
		return nil, io.EOF
	})
	c, err := rpc.DialOver("http://backend/secret", transport)
	must(t, err)
	ctx := t.Context()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	d, now := platform.Delivery{}, time.Time{}
	c.Queues.Send(ctx, queue)
	c.Queues.Receive(ended, queue, 1, 1, 1)
	c.Queues.Extend(ctx, d, 1)
	c.Queues.Delete(ctx, d)
	c.Queues.Release(ctx, d)
	c.Queues.Move(ctx, d, queue, query.Message{})
	c.Queues.Depth(ctx, queue)
	c.Fleet.Tallies(ctx, "p")
	c.Fleet.SetDesired(ctx, "", 1)
	c.Fleet.Workers(ctx, "")
	c.Fleet.Drain(ctx, "")
	c.Fleet.Replace(ctx, "", 0)
	c.Fleet.Report(ctx, platform.WorkerReport{})
	c.Fleet.PublishView(ctx, platform.FleetView{})
	c.Fleet.View(ctx)
	c.Metrics.Put(ctx)
	c.Metrics.Series(ctx, "", nil, now, now, 1)
	c.Settings.Raw(ctx)
	c.Settings.Set(ctx, "", "")
	c.Blobs.NewUpload(ctx, "", "", 1)
	c.Blobs.Blob(ctx, "", "", 1)
	c.Invoker.Invoke(ctx, "", nil)
	c.DecisionLog.AcquireLease(ctx, "", 1)
	c.DecisionLog.ReleaseLease(ctx, platform.Lease{})
	c.DecisionLog.Memory(ctx, "")
	c.DecisionLog.Commit(ctx, platform.Lease{}, nil, platform.Entry{})
	c.DecisionLog.Entry(ctx, "")
	c.DecisionLog.Entries(ctx, platform.EntryQuery{})
	c.Groups.Group(ctx, "")
	c.History.Changes(ctx, "", 1)
	c.Votes.Vote(ctx, "", feedback.Vote{})
	c.Votes.VotesAfter(ctx, 0, 1)
	askRecords(ctx, c)
	for _, served := range []map[string]handler{calls, recordCalls} {
		for name := range served {
			if !asked[name] {
				t.Errorf("nobody asks for %s", name)
			}
			delete(asked, name)
		}
	}
	for name := range asked {
		t.Errorf("nobody answers %s", name)
	}
}

func askRecords(ctx context.Context, c platform.Backend) {
	c.Records.PutRecord(ctx, query.Record{})
	c.Records.GetRecord(ctx, "")
	c.Records.AwaitRecord(ctx, "")
	c.Records.EndStates(ctx)
	c.Records.ListRecords(ctx, "", 1)
	c.Records.SampleRecords(ctx, time.Time{}, 1)
	c.Attempts.ReserveKey(ctx, platform.Attempt{})
	c.Attempts.ReplaceKey(ctx, "", platform.Attempt{})
	c.Shared.ReadShared(ctx, "")
	c.Shared.SwapShared(ctx, "", nil, 1)
	c.Shared.Reserve(ctx, "", time.Time{}, time.Time{}, 0)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestUndeliveredAnswerIsTakenBack holds that a message does not stay leased
// to a child that died before it had the answer.
func TestUndeliveredAnswerIsTakenBack(t *testing.T) {
	h := open(t, Options{})
	send(t, h, "a")
	body := fmt.Sprintf(`{"Queue":%q,"Limit":1,"Lease":%d,"Number":1}`, queue, time.Hour)
	r := httptest.NewRequest("POST", "/"+h.Register("w1")+"/receive", strings.NewReader(body))
	NewServer(h).ServeHTTP(brokenPipe{httptest.NewRecorder()}, r)
	ds, err := h.Platform().Queues.Receive(t.Context(), queue, 1, time.Hour, 0)
	must(t, err)
	if len(ds) != 1 || ds[0].Receives != 1 {
		t.Errorf("came %+v, want the message, uncounted", ds)
	}
}

type brokenPipe struct{ http.ResponseWriter }

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
