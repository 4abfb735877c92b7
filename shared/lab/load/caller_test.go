package load_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

// newCaller is a caller of a server whose queries have the data of their input.
func newCaller(t *testing.T, h http.Handler, data string) load.Caller {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	cl, err := client.New(client.Config{Endpoint: server.URL, Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	return load.Caller{Submits: cl, Reads: cl, Clock: clock, Wait: 25 * time.Second, Body: func(s load.Shot) []byte {
		body, err := json.Marshal(client.Submission{Task: "fashion", Class: s.Class, Input: query.Input{ContentType: "image/png", Data: []byte(data)}})
		if err != nil {
			t.Error(err)
		}
		return body
	}}
}

func TestCaller(t *testing.T) {
	for name, tc := range map[string]struct {
		data  string
		shot  load.Shot
		state query.State
		fault string
	}{
		"waits":          {"boot", load.Shot{}, query.Succeeded, ""},
		"does not wait":  {"boot", load.Shot{Async: true}, query.Succeeded, ""},
		"with a key":     {"boot", load.Shot{Key: "k"}, query.Succeeded, ""},
		"fails":          {clienttest.Fails, load.Shot{}, query.Failed, string(query.ModelFault)},
		"is refused":     {clienttest.Refused, load.Shot{}, "", "HTTP 422 bad-input"},
		"is never ended": {clienttest.Pends, load.Shot{Async: true}, query.Accepted, "given up by the client"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCaller(t, &clienttest.API{}, tc.data)
			if tc.state == query.Accepted {
				c.Reads = impatient(t, c.Submits.Endpoint())
			}
			got := c.Send(t.Context(), tc.shot)
			if got.State != tc.state || got.Fault != tc.fault || got.Accepted != (tc.state != "") || got.Lost() != (tc.state == query.Accepted) {
				t.Errorf("%+v, lost %v", got, got.Lost())
			}
			if (got.State == query.Succeeded) != (got.Label != "" && !got.EndedAt.IsZero()) {
				t.Errorf("answer %+v", got)
			}
		})
	}
}

// impatient is a client that gives up before its first read.
func impatient(t *testing.T, endpoint string) *client.Client {
	t.Helper()
	cl, err := client.New(client.Config{Endpoint: endpoint, Attempts: 1, Sleep: func(context.Context, time.Duration) error { return context.Canceled }})
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// A repeat is due the first answer, under the first id.
func TestAgain(t *testing.T) {
	c := newCaller(t, &clienttest.API{}, "boot")
	shot := load.Shot{Key: "k", Repeat: true}
	first := c.Send(t.Context(), shot)
	if got := c.Again(t.Context(), shot, first); got != load.SameAnswer {
		t.Errorf("the same: %q", got)
	}
	other := first
	other.Label = "another"
	if got := c.Again(t.Context(), shot, other); got != load.OtherAnswer {
		t.Errorf("another answer: %q", got)
	}
	if got := c.Again(t.Context(), load.Shot{Key: "l"}, first); got != load.OtherAnswer {
		t.Errorf("another query: %q", got)
	}
	gone, end := context.WithCancel(t.Context())
	end()
	if got := c.Again(gone, shot, first); got != load.RepeatNotServed {
		t.Errorf("no answer: %q", got)
	}
}

// A submission with a key is tried until it is accepted, and its time counts from the try
// that was; one without a key is tried once.
func TestPersist(t *testing.T) {
	for key, want := range map[string]query.State{"k": query.Succeeded, "": ""} {
		tries := 0
		c := newCaller(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if tries++; tries < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			(&clienttest.API{}).ServeHTTP(w, r)
		}), "boot")
		at := time.Unix(0, 0)
		c.Persist = true
		c.Clock = load.Clock{Now: func() time.Time { return at }, Sleep: func(_ context.Context, d time.Duration) error { at = at.Add(d); return nil }}
		if got := c.Send(t.Context(), load.Shot{Key: key}); got.State != want || got.Took != 0 || (tries == 3) != (key != "") {
			t.Errorf("key %q: %+v after %d tries", key, got, tries)
		}
	}
}

// Whether an end can be read later is what its id says, wherever the query ran.
func TestStored(t *testing.T) {
	keys, err := signed.NewKeys([]byte("a key of sixteen bytes"))
	if err != nil {
		t.Fatal(err)
	}
	for _, placement := range []string{"direct", "overflow", "general-strict"} {
		for kind, want := range map[signed.Kind]bool{signed.Direct: false, signed.Stored: true} {
			id, err := signed.NewID(rand.NewChaCha8([32]byte{1}), kind, "ann", clock.Now(), clock.Now().Add(time.Minute), clock.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			c := newCaller(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if err := json.NewEncoder(w).Encode(api.Query{ID: keys.SignID(id), State: query.Succeeded, Placement: placement}); err != nil {
					t.Error(err)
				}
			}), "boot")
			if got := c.Send(t.Context(), load.Shot{}); got.Stored != want || got.State != query.Succeeded {
				t.Errorf("%s, kind %c: %+v", placement, kind, got)
			}
		}
	}
}
