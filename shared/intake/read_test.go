package intake

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

// attemptFor is an attempt that loses against any other under the key.
func attemptFor(key string) platform.Attempt {
	return platform.Attempt{Owner: "me", Key: key, ID: "qother", ForgetAt: start.Add(time.Hour)}
}

func TestAnUnfinishedQueryIsWhatItsIDSays(t *testing.T) {
	d := newTestService(t, nil)
	sent := d.submit(t, request(500))
	r, err := d.Get(t.Context(), "me", sent.ID)
	if err != nil || r.State != query.Accepted || r.AcceptedAt != start || r.Model != "" || r.Outcome != nil {
		t.Errorf("%+v, error %v", r, err)
	}
	if e, err := d.Explain(t.Context(), "me", sent.ID); err != nil || len(e.Candidates) > 0 {
		t.Errorf("%+v, error %v", e, err)
	}
}

// Nobody says that a query expired without having won that.
func TestAnyReaderOfAQueryPastItsExpirySettlesIt(t *testing.T) {
	for name, read := range map[string]func(testService, query.Record) (query.Record, error){
		"get": func(d testService, r query.Record) (query.Record, error) {
			return d.Get(context.Background(), "me", r.ID)
		},
		"cancel": func(d testService, r query.Record) (query.Record, error) {
			return d.Cancel(context.Background(), "me", r.ID)
		},
		"explain": func(d testService, r query.Record) (query.Record, error) {
			e, err := d.Explain(context.Background(), "me", r.ID)
			return e.Record, err
		},
		"wait": func(d testService, r query.Record) (query.Record, error) {
			r, _, err := d.Wait(context.Background(), r, time.Nanosecond)
			return r, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newTestService(t, nil)
			late, answered := d.submit(t, request(500)), d.submit(t, request(500))
			d.ended(t, answered, success)
			d.clock.advance(time.Minute - time.Millisecond)
			if r, err := d.Get(t.Context(), "me", late.ID); err != nil || r.State != query.Accepted {
				t.Fatalf("before its expiry: %+v, error %v", r, err)
			}
			d.clock.advance(time.Millisecond)
			r, err := read(d, late)
			if no, refused := errors.AsType[*Refusal](err); refused && name == "cancel" && no.Kind == Finished {
				r, err = d.Get(t.Context(), "me", late.ID)
			}
			if err != nil || r.State != query.Expired || r.Outcome.Failure.Code != query.TimedOut {
				t.Fatalf("%+v, error %v", r, err)
			}
			if r, won, err := d.Backend.Records.PutRecord(t.Context(), query.Message{ID: late.ID, Owner: "me"}.Ended(success)); err != nil || won || r.State != query.Expired {
				t.Errorf("a late answer: %+v, won %v, error %v", r, won, err)
			}
			if r, err := d.Get(t.Context(), "me", answered.ID); err != nil || r.State != query.Succeeded {
				t.Errorf("one that was answered: %+v, error %v", r, err)
			}
		})
	}
}

func TestPastItsRetentionAQueryIsGone(t *testing.T) {
	d, w := newFront(t, nil)
	got, err := d.Take(t.Context(), "me", request(500), Terms{Wait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	w.fault = &schedule.NoSlot{}
	stored := d.submit(t, request(500))
	d.clock.advance(24*time.Hour + time.Minute)
	for _, id := range []string{got.Record.ID, stored.ID} {
		wantRefusal(t, Gone)(d.Get(t.Context(), "me", id))
		wantRefusal(t, Gone)(d.Cancel(t.Context(), "me", id))
		wantRefusal(t, NotFound)(d.Get(t.Context(), "you", id))
	}
}

// A foreign id, a forged one and none at all look the same.
func TestForgedIDsAreUnknown(t *testing.T) {
	d := newTestService(t, nil)
	mine := d.submit(t, request(500)).ID
	theirs, err := signed.NewKeys([]byte("another stage's key of 16 bytes"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := d.Keys.ParseID(mine)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, text := range []string{"", "q1", strings.ToUpper(mine), mine[:len(mine)-1], mine + "0", theirs.SignID(id), strings.Repeat("x", len(mine)), "../" + mine} {
		r, err := d.Get(t.Context(), "me", text)
		wantRefusal(t, NotFound)(r, err)
		said = append(said, err.Error())
	}
	_, err = d.Get(t.Context(), "you", mine)
	for _, text := range said {
		if text != err.Error() {
			t.Errorf("%q and %q", text, err)
		}
	}
}

// A cancel is the first terminal record, or none.
func TestACancelIsTheFirstRecordOrNone(t *testing.T) {
	d := newTestService(t, nil)
	first, second := d.submit(t, request(500)), d.submit(t, request(500))
	for range 2 {
		if r, err := d.Cancel(t.Context(), "me", first.ID); err != nil || r.State != query.Cancelled {
			t.Errorf("%+v, error %v", r, err)
		}
	}
	if r := d.ended(t, first, success); r.State != query.Cancelled {
		t.Errorf("an answer behind a cancel: %+v", r)
	}
	d.ended(t, second, success)
	wantRefusal(t, Finished)(d.Cancel(t.Context(), "me", second.ID))
}

// A caller that leaves while it waits for the queue gets no 202.
func TestACallerThatLeavesTheQueue(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	d := newTestService(t, func(c *Config) { c.Queues = leaving{c.Queues, leave} })
	if _, err := d.Take(ctx, "me", request(500), Terms{Wait: 20 * time.Second}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
