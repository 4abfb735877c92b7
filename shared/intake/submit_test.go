package intake

import (
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

func TestNewNamesWhatIsMissing(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a service without a backend was made")
	}
}

func TestAnIDSaysUntilWhenAQueryIsKept(t *testing.T) {
	d := newTestService(t, nil)
	rec := d.submit(t, request(500))
	id, err := d.Keys.ParseID(rec.ID)
	if err != nil || id.Kind != signed.Stored || id.Owner != signed.HashOwner("me") {
		t.Fatalf("id %+v, error %v", id, err)
	}
	if id.ExpiresAt != start.Add(time.Minute) || id.ForgetAt != id.ExpiresAt.Add(24*time.Hour) {
		t.Errorf("expires %v, forgotten %v", id.ExpiresAt, id.ForgetAt)
	}
	if rec.State != query.Accepted {
		t.Errorf("state %s", rec.State)
	}
}

func TestNobodysQueriesAreNotEverybodys(t *testing.T) {
	d := newTestService(t, nil)
	d.submit(t, request(500))
	if rs, err := d.Recent(t.Context(), "", 10); err == nil || len(rs) != 0 {
		t.Errorf("listed %+v", rs)
	}
}

// received takes what is on a queue.
func (d testService) received(t testing.TB, q platform.QueueName) []query.Message {
	t.Helper()
	ds, err := d.Backend.Queues.Receive(t.Context(), q, 10, time.Minute, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []query.Message
	for _, one := range ds {
		out = append(out, one.Message)
	}
	return out
}

// A process that died between the key's claim and the send is made good by the
// repeat: it sends the same query under the same id.
func TestARepeatSendsTheSameQueryAgain(t *testing.T) {
	d := newTestService(t, nil)
	d.publish(t, 2)
	for range 2 {
		if _, err := d.Take(t.Context(), "me", request(500), Terms{Key: "key"}); err != nil {
			t.Fatal(err)
		}
		d.clock.advance(time.Second)
	}
	sent := d.received(t, platform.WorkQueue("general", query.Strict))
	if len(sent) != 2 || sent[0].ID != sent[1].ID || sent[0].AcceptedAt != sent[1].AcceptedAt || !sent[1].Keyed ||
		sent[0].DeadlineAt != sent[1].DeadlineAt || string(sent[0].Input.Data) != string(sent[1].Input.Data) {
		t.Errorf("sent %+v", sent)
	}
}

func BenchmarkTakeAsynchronously(b *testing.B) {
	d := newTestService(b, nil)
	d.publish(b, 1000)
	r := request(1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Take(b.Context(), "me", r, Terms{}); err != nil {
			b.Fatal(err)
		}
	}
}

// The latency of a query is predicted only where a worker is ready.
func TestAPredictionNeedsAReadyWorker(t *testing.T) {
	for name, tc := range map[string]struct {
		pool      placement.Pool
		predicted bool
	}{"booting": {placement.Pool{Booting: 1}, false}, "ready": {placement.Pool{Workers: 1, Runners: 2}, true}} {
		d := newTestService(t, nil)
		d.publishPool(t, tc.pool)
		if r := d.submit(t, request(10000)); (r.PredictedMS > 0) != tc.predicted {
			t.Errorf("the worker is %s: %v ms are predicted", name, r.PredictedMS)
		}
	}
}
