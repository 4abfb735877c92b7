package intake

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

// calling is a service that may send callbacks to one host.
func calling(c *Config, reach callback.Reach) {
	set := settings.Defaults()
	set.CallbackHosts, set.KeepShare = "hooks.example.com", 0
	c.Settings, c.Callbacks = func() settings.Settings { return set }, reach
}

// A query with a callback is stored however it is answered, and its record and message
// carry the address.
func TestAQueryWithACallbackIsStored(t *testing.T) {
	for name, wait := range map[string]time.Duration{"answered directly": time.Second, "sent": 0} {
		t.Run(name, func(t *testing.T) {
			d, _ := newFront(t, func(c *Config, _ *slots) { calling(c, callback.Public) })
			r := request(500)
			r.Callback = "https://hooks.example.com/done"
			got, err := d.Take(t.Context(), "me", r, Terms{Wait: wait})
			if err != nil || got.Record.Callback != r.Callback {
				t.Fatalf("%+v, error %v", got.Record, err)
			}
			if id, err := d.Keys.ParseID(got.Record.ID); err != nil || id.Kind != signed.Stored {
				t.Errorf("id %+v, error %v", id, err)
			}
			if wait == 0 {
				return
			}
			if held, err := d.Records.GetRecord(t.Context(), got.Record.ID); err != nil || held.State != query.Succeeded || held.Callback != r.Callback {
				t.Errorf("stored %+v, error %v", held, err)
			}
		})
	}
}

// owes takes the messages of callbacks, or fails, and calls what looks at the service then.
type owes struct {
	got  []platform.CallbackMessage
	err  error
	then func()
}

func (o *owes) SendCallback(_ context.Context, c platform.CallbackMessage) error {
	if o.then != nil {
		o.then()
	}
	if o.err == nil {
		o.got = append(o.got, c)
	}
	return o.err
}

// Where messages make callbacks, one is sent before anything of the query is stored or
// sent, due once its latency bound is over; and none for a repeat that gets the stored
// answer.
func TestACallbackIsOwedBeforeItsQueryIsAccepted(t *testing.T) {
	for name, wait := range map[string]time.Duration{"answered directly": time.Second, "sent": 0} {
		t.Run(name, func(t *testing.T) {
			o := &owes{}
			d, w := newFront(t, func(c *Config, _ *slots) {
				calling(c, callback.Public)
				c.CallbackQueue = o
			})
			o.then = func() { d.wantNothingStored(t) }
			r := request(500)
			r.Callback = "https://hooks.example.com/done"
			first, err := d.Take(t.Context(), "me", r, Terms{Key: "k", Wait: wait})
			if err != nil || len(o.got) != 1 {
				t.Fatalf("%d messages, error %v", len(o.got), err)
			}
			if m := o.got[0]; m.Query.ID != first.Record.ID || m.Query.Callback != r.Callback || m.Query.Owner != "me" || len(m.Query.Input.Data) > 0 || !m.DueAt.Equal(m.Query.DeadlineAt) {
				t.Errorf("message %+v", m)
			}
			if wait == 0 {
				return
			}
			if again, err := d.Take(t.Context(), "me", r, Terms{Key: "k", Wait: wait}); err != nil || again.Record.ID != first.Record.ID || len(o.got) != 1 || len(w.asked) != 1 {
				t.Errorf("the repeat: %+v, %d messages, %d runs, error %v", again.Record, len(o.got), len(w.asked), err)
			}
		})
	}
}

// A query whose callback cannot be owed is not accepted.
func TestAQueryIsNotAcceptedWithoutItsCallback(t *testing.T) {
	for name, wait := range map[string]time.Duration{"answered directly": time.Second, "sent": 0} {
		d, _ := newFront(t, func(c *Config, _ *slots) {
			calling(c, callback.Public)
			c.CallbackQueue = &owes{err: platform.ErrUnavailable}
		})
		r := request(500)
		r.Callback = "https://hooks.example.com/done"
		if _, err := d.Take(t.Context(), "me", r, Terms{Wait: wait}); !errors.Is(err, platform.ErrUnavailable) {
			t.Errorf("%s: error %v", name, err)
		}
		d.wantNothingStored(t)
	}
}

// Where a callback may not be sent, its query is refused and nothing is stored.
func TestCallbacksThatMayNotBeSent(t *testing.T) {
	for _, tc := range []struct {
		address string
		reach   callback.Reach
	}{
		{"https://hooks.example.com/done", callback.Nowhere},
		{"https://elsewhere.example.com/done", callback.Public},
		{"http://hooks.example.com/done", callback.Public},
		{"https://169.254.169.254/latest/meta-data", callback.Loopback},
	} {
		d, _ := newFront(t, func(c *Config, _ *slots) { calling(c, tc.reach) })
		r := request(500)
		r.Callback = tc.address
		a, err := d.Take(t.Context(), "me", r, Terms{Wait: time.Second})
		wantRefusal(t, BadCallback)(a.Record, err)
		d.wantNothingStored(t)
	}
}
