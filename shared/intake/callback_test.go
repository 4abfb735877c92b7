package intake

import (
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
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
