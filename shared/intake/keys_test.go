package intake

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

var success = query.Outcome{State: query.Succeeded, FinishedAt: start, Result: &query.Result{Label: "1", Index: 1}}

// keyed takes a query in under a key.
func (d testService) keyed(t testing.TB, key string, wait time.Duration) Answer {
	t.Helper()
	got, err := d.Take(t.Context(), "me", request(500), Terms{Key: key, Wait: wait})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// However many runs one key starts, one of them takes effect.
func TestFiftyAtOnceUnderOneKeyHaveOneEffect(t *testing.T) {
	for name, wait := range map[string]time.Duration{"answered directly": time.Second, "sent": 0} {
		t.Run(name, func(t *testing.T) {
			counts := tally.NewBook(start)
			d, _ := newFront(t, func(c *Config, _ *slots) { c.Counts = counts })
			got := make([]Answer, 50)
			var all sync.WaitGroup
			for i := range got {
				all.Go(func() { got[i] = d.keyed(t, "key", wait) })
			}
			all.Wait()
			for _, a := range got {
				if a.Record.ID == "" || a.Record.ID != got[0].Record.ID || a.Record.State != got[0].Record.State {
					t.Fatalf("%+v and %+v", a.Record, got[0].Record)
				}
			}
			if id, err := d.Keys.ParseID(got[0].Record.ID); err != nil || id.Kind != signed.Stored {
				t.Errorf("id %+v, error %v", id, err)
			}
			if rs, err := d.Recent(t.Context(), "me", 10); err != nil || (len(rs) == 1) != (wait > 0) {
				t.Errorf("stored %+v, error %v", rs, err)
			}
			if ts := counts.Snapshot(start).Tallies; len(ts) != 1 || ts[0].Arrived != 1 {
				t.Errorf("counted %+v", ts)
			}
		})
	}
}

func TestARepeatGetsTheFirstAnswer(t *testing.T) {
	counts := tally.NewBook(start)
	d, w := newFront(t, func(c *Config, _ *slots) { c.Counts = counts })
	w.fault = &schedule.NoSlot{PredictedMS: 800} // so that it goes to a function
	first := d.keyed(t, "key", time.Millisecond)
	o := success
	o.RanOn = query.Runner{Kind: query.OnFunction, Name: "f"}
	d.ended(t, first.Record, o)
	for _, wait := range []time.Duration{0, time.Second} {
		got := d.keyed(t, "key", wait)
		if got.Record.ID != first.Record.ID || got.Record.State != query.Succeeded || got.Receipt == "" {
			t.Errorf("%+v", got)
		}
	}
	if d.sent(t) != 0 {
		t.Errorf("%d sent again", d.sent(t))
	}
	if ts := counts.Snapshot(start).Tallies; len(ts) != 1 || ts[0].Arrived != 1 || ts[0].Answered > 0 {
		t.Errorf("counted %+v", ts)
	}
	other := request(600)
	_, err := d.Take(t.Context(), "me", other, Terms{Key: "key"})
	wantRefusal(t, KeyReused)(query.Record{}, err)
	if got, err := d.Take(t.Context(), "you", other, Terms{Key: "key"}); err != nil || got.Record.ID == first.Record.ID {
		t.Errorf("another owner's key: %+v, error %v", got.Record, err)
	}
}

// leaving is queues whose sender's caller leaves once the query is sent.
type leaving struct {
	Queues
	leave func()
}

func (l leaving) Send(ctx context.Context, q platform.QueueName, msgs ...query.Message) error {
	err := l.Queues.Send(ctx, q, msgs...)
	l.leave()
	return err
}

// An attempt that expired while its caller waited was promised to nobody: a
// repeat is a new one. Where a 202 was owed, the expiry is the answer.
func TestARepeatAfterTheExpiry(t *testing.T) {
	for name, tc := range map[string]struct {
		wait    time.Duration // of the first; its caller leaves when it waits
		settled bool          // by a reader, before the repeat
		renewed bool
	}{
		"waited":              {time.Second, false, true},
		"waited, and settled": {time.Second, true, true},
		"owed":                {0, false, false},
		"owed, and settled":   {0, true, false},
		"a 202 after waiting": {time.Nanosecond, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			d := newTestService(t, func(c *Config) {
				if tc.wait >= time.Second { // nothing is said to the first
					c.Queues = leaving{c.Queues, leave}
				}
			})
			d.publish(t, 2)
			_, err := d.Take(ctx, "me", request(500), Terms{Key: "key", Wait: tc.wait})
			if gone := errors.Is(err, context.Canceled); gone != (tc.wait >= time.Second) {
				t.Fatal(err)
			}
			held, won, err := d.Attempts.ReserveKey(t.Context(), attemptFor("key"))
			if err != nil || won {
				t.Fatalf("%+v, %v, error %v", held, won, err)
			}
			d.clock.advance(time.Minute)
			if tc.settled {
				if r, err := d.Get(t.Context(), "me", held.ID); err != nil || r.State != query.Expired {
					t.Fatalf("%+v, error %v", r, err)
				}
			}
			got := d.keyed(t, "key", 0)
			if renewed := got.Record.ID != held.ID; renewed != tc.renewed || renewed != (got.Record.State == query.Accepted) || !renewed && got.Record.State != query.Expired {
				t.Errorf("first %s, repeat %+v", held.ID, got.Record)
			}
			again := d.keyed(t, "key", 0)
			if again.Record.ID != got.Record.ID {
				t.Errorf("two repeats: %s and %s", got.Record.ID, again.Record.ID)
			}
		})
	}
}

// An item of a list has a key of its own, which is no caller's.
func TestItemsUnderOneKey(t *testing.T) {
	d := newTestService(t, nil)
	ids := map[string]string{}
	for range 2 {
		for name, terms := range map[string]Terms{"alone": {Key: "key"}, "first": {Key: "key", Item: 1}, "second": {Key: "key", Item: 2}, "another": {Key: "key1"}} {
			got, err := d.Take(t.Context(), "me", request(500), terms)
			if err != nil {
				t.Fatal(err)
			}
			if ids[name] != "" && ids[name] != got.Record.ID {
				t.Errorf("the repeat of %s is another query", name)
			}
			ids[name] = got.Record.ID
		}
	}
	seen := map[string]bool{}
	for _, id := range ids {
		seen[id] = true
	}
	if len(seen) != 4 {
		t.Errorf("ids %v", ids)
	}
	_, err := d.Take(t.Context(), "me", request(500), Terms{Key: strings.Repeat("k", 256), Item: 1})
	wantRefusal(t, BadKey)(query.Record{}, err)
	if _, err := d.Take(t.Context(), "me", request(500), Terms{Key: strings.Repeat("k", 255), Item: 100}); err != nil {
		t.Error(err)
	}
}

func TestAKeyedDirectAnswerIsStoredFirst(t *testing.T) {
	d, _ := newFront(t, func(c *Config, _ *slots) { c.Settings = keeping(0) })
	got := d.keyed(t, "key", time.Second)
	if r, err := d.Get(t.Context(), "me", got.Record.ID); err != nil || r.State != query.Succeeded || r.Placement != placedDirect {
		t.Errorf("%+v, error %v", r, err)
	}
	o := success
	o.State = query.Failed
	if r, won, err := d.Backend.Records.PutRecord(t.Context(), query.Message{ID: got.Record.ID, Owner: "me"}.Ended(o)); err != nil || won || r.State != query.Succeeded {
		t.Errorf("%+v, won %v, error %v", r, won, err)
	}
}

// What an accepted query costs is booked once.
func TestARepeatWithoutBudgetIsNotRefused(t *testing.T) {
	set := settings.Defaults()
	set.HourlyBudgetUSD = 0.000001 // one fits
	d := newTestService(t, func(c *Config) { c.Settings = func() settings.Settings { return set } })
	first := d.keyed(t, "key", 0)
	d.submitRefused(t, OverBudget)
	if got := d.keyed(t, "key", 0); got.Record.ID != first.Record.ID || got.Record.State != query.Accepted {
		t.Errorf("%+v", got.Record)
	}
}

func (d testService) submitRefused(t testing.TB, kind Kind) {
	t.Helper()
	got, err := d.Take(t.Context(), "me", request(500), Terms{})
	wantRefusal(t, kind)(got.Record, err)
}
