package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/serving"
)

// variables are the environment variables that the parent process sets for a worker.
func variables(t *testing.T, h *sqlite.Backend) map[string]string {
	t.Helper()
	server := httptest.NewServer(sqlite.NewServer(h))
	t.Cleanup(server.Close)
	return map[string]string{
		"PARAGON_LOCAL_URL": server.URL + "/" + h.Register("w1"), "PARAGON_WORKER_ID": "w1", "PARAGON_POOL": "general",
		"PARAGON_INSTANCE_TYPE": "c5.large", "PARAGON_RUNNERS": "2", "PARAGON_PACED": "0",
	}
}

// submit sends a query to the work queue and returns its id.
func submit(t *testing.T, h *sqlite.Backend) string {
	t.Helper()
	set, err := profiles.Load("")
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(set.Samples("fashion"), "*-trouser.png")
	if err != nil || len(names) == 0 {
		t.Fatalf("no sample picture, error %v", err)
	}
	data, err := fs.ReadFile(set.Samples("fashion"), names[0])
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	keys, err := signed.NewKeys([]byte("the key of this test's stage"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := signed.NewID(rand.Reader, signed.Stored, "o", now, query.ExpiresAt(now, 1000), now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	m := query.Message{ID: keys.SignID(id), Owner: "o", Task: "fashion", Model: "logistic", Class: query.Strict, AcceptedAt: now,
		DeadlineAt: now.Add(time.Second), ExpiresAt: id.ExpiresAt, ForgetAt: id.ForgetAt, Input: query.Input{ContentType: "image/png", Data: data}}
	if err := h.Platform().Queues.Send(t.Context(), platform.WorkQueue("general", query.Strict), m); err != nil {
		t.Fatal(err)
	}
	return m.ID
}

// A worker over loopback answers a real picture, and leaves when it is asked to.
func TestAnswersAPictureAndLeaves(t *testing.T) {
	h, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	env := variables(t, h)
	id := submit(t, h)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		defer stop() // without a worker nothing is waited for
		done <- run(ctx, func(key string) string { return env[key] }, slog.New(slog.DiscardHandler))
	}()
	r, err := h.Platform().Records.AwaitRecord(ctx, id)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err != nil || r.State != query.Succeeded || strings.ToLower(r.Outcome.Result.Label) != "trouser" || r.Outcome.RanOn.Name != "w1" {
		t.Fatalf("%s, %+v, error %v", r.State, r.Outcome, err)
	}
	if ws, err := h.Platform().Fleet.Workers(t.Context(), "general"); err != nil || len(ws) != 0 {
		t.Errorf("workers left: %+v, error %v", ws, err)
	}
}

func TestRunNamesWhatIsWrong(t *testing.T) {
	good := map[string]string{"PARAGON_WORKER_ID": "w1", "PARAGON_POOL": "general", "PARAGON_INSTANCE_TYPE": "c5.large",
		"PARAGON_RUNNERS": "1", "PARAGON_LOCAL_URL": "http://127.0.0.1:1/secret", "PARAGON_CATALOGUE": "none"}
	for name, value := range map[string]string{
		"PARAGON_WORKER_ID": "", "PARAGON_RUNNERS": "two", "PARAGON_PACED": "perhaps", "PARAGON_LOCAL_URL": "nowhere", "PARAGON_CATALOGUE": "none",
	} {
		env := func(key string) string {
			if key == name {
				return value
			}
			return good[key]
		}
		if err := run(t.Context(), env, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%q: %v", name, value, err)
		}
	}
}

// broken fails to load the models named.
type broken []string

func (b broken) Warm(_ context.Context, names ...string) error {
	if slices.Contains(b, names[0]) {
		return errors.New("the network of " + names[0] + " has another digest")
	}
	return nil
}

func TestOneModelsFaultKeepsNoOtherFromBeingServed(t *testing.T) {
	if err := warmOne(t.Context(), broken{"a"}, []string{"a", "b"}); err != nil {
		t.Errorf("one of two: error %v", err)
	}
	if err := warmOne(t.Context(), broken{"a", "b"}, []string{"a", "b"}); err == nil || !strings.Contains(err.Error(), "the network of b") {
		t.Errorf("with no model left the worker starts: %v", err)
	}
}

// A model that could not be loaded is run here no more for a while, and that is an error in
// the log.
func TestAFailedLoadOpensTheBreakerAndIsAnError(t *testing.T) {
	var log bytes.Buffer
	o := &serving.Options{Now: time.Now, Breakers: &breaker.Set{}, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))}
	countFailedLoad(o, "a", errors.New("it has another digest"))
	if open, is := o.Breakers.IsOpen("a", time.Now()); !is || open.Why != "it has another digest" {
		t.Errorf("open %v: %+v", is, open)
	}
	if text := log.String(); !strings.Contains(text, "model=a") || !strings.Contains(text, "another digest") {
		t.Errorf("errors in the log: %q", text)
	}
}

func TestModelsTakeHalfOfTheInstance(t *testing.T) {
	c := &profile.Catalogue{Instances: []profile.Instance{{Type: "c5.large", MemoryMB: 4096}}}
	for text, want := range map[string]int64{"": 2048 << 20, "100": 100 << 20, "0": 0, "x": 0, "1048577": 0} {
		got, err := modelBytes(func(string) string { return text }, c, "c5.large")
		if got != want || (err == nil) != (want > 0) || err != nil && !strings.Contains(err.Error(), "PARAGON_MODEL_MEMORY_MB") {
			t.Errorf("%q: %d bytes, error %v", text, got, err)
		}
	}
}
