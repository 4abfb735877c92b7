package machine

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"path/filepath"
	"time"

	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/callbacks"
	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/intake/httpapi"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

const (
	// callbackKeyFile holds the key that the secrets of callbacks' receivers are made of:
	// they outlive the process.
	callbackKeyFile = "callback-key"
	callbackKeySize = 32
	// ownCallbacks is where an operator reads what became of callbacks.
	ownCallbacks = "/local/callbacks"
	// mostOpen bounds the callbacks that are listed.
	mostOpen = 100
)

// reach is where callbacks may be sent from here.
func (m *Machine) reach() callback.Reach {
	if m.cfg.CallbackLoopback {
		return callback.Loopback
	}
	return callback.Public
}

// newCallbacks makes what sends callbacks.
func (m *Machine) newCallbacks(owner *sqlite.Backend) (*callbacks.Sender, error) {
	return callbacks.New(callbacks.Options{
		Store: owner, Records: m.backend.Records, Caller: callbacks.Caller{
			Settings: m.settings.Current, Keys: callback.Keys{m.callbackKey}, Reach: m.reach(),
			HTTP: callbacks.NewHTTP(m.reach()), Query: func(r query.Record) any { return httpapi.Ended(r) },
			Now: time.Now, Draw: mathrand.Float64, Log: m.log,
		},
	}), nil
}

// openCallbackKey reads the key, and makes it the first time.
func (m *Machine) openCallbackKey() error {
	key, err := m.openSecret(callbackKeyFile, func() ([]byte, error) {
		key := make([]byte, callbackKeySize)
		_, _ = rand.Read(key) // it never fails
		return key, nil
	})
	if err == nil && len(key) != callbackKeySize {
		err = fmt.Errorf("%s has %d bytes; a key has %d bytes", filepath.Join(m.cfg.DataDir, callbackKeyFile), len(key), callbackKeySize)
	}
	if err != nil {
		return fmt.Errorf("the key that signs callbacks: %w", err)
	}
	m.callbackKey = key
	return nil
}

// callbacksAt shows an operator the receivers' secrets and what waits.
func (m *Machine) callbacksAt(owner *sqlite.Backend, sender *callbacks.Sender) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			writeWrong(w, problemOf("method-not-allowed", "The method is not allowed", http.StatusMethodNotAllowed, "", "callbacks are read with GET"))
			return
		}
		open, err := owner.OpenCallbacks(r.Context(), mostOpen)
		if err != nil {
			writeWrong(w, err)
			return
		}
		out := api.Callbacks{Arrived: sender.Arrived(), GivenUp: sender.GivenUp(), Open: []api.OpenCallback{}}
		for _, c := range open {
			out.Open = append(out.Open, api.OpenCallback{ID: c.ID, Host: callback.HostOf(c.URL), EndedAt: c.EndedAt.UTC(), DueAt: c.DueAt.UTC(), Tries: c.Tries, Fault: c.Fault})
		}
		tuned, err := m.tuned(r.Context()) // who has just added a host asks for its secret next
		if err != nil {
			writeWrong(w, err)
			return
		}
		out.Receivers = admin.Receivers(sender.Keys[0], tuned.Settings.Callbacks(), r.URL.Query().Get("host"))
		writeJSON(w, http.StatusOK, "application/json", out)
	})
}
