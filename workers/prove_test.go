package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/proof"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/modelcheck"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

// TestMain has the test's binary run a model once, as the worker's does.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == modelRunCommand {
		if err := runModel(context.Background(), os.Getenv, os.Args[2], os.Stdout); err != nil {
			slog.Error("could not run the model", "error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// proving is a stage in which workers start one after another.
type proving struct {
	*testing.T
	backend   platform.Backend
	catalogue *profile.Catalogue
	bad       map[string]bool // models that cannot be run
	now       time.Time
}

func newProving(t *testing.T) *proving {
	t.Helper()
	h, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return &proving{T: t, backend: h.Platform(), bad: map[string]bool{}, now: time.Now(), catalogue: &profile.Catalogue{Models: []profile.Model{
		{Name: "good", Task: "t", File: "good.onnx", SHA256: "1", Input: &profile.Input{}},
		{Name: "bad", Task: "t", File: "bad.onnx", SHA256: "2", Input: &profile.Input{}},
	}}}
}

// starts has a worker start on a platform with an engine, and returns what it ran.
func (s *proving) starts(on, engine string) (ran []string) {
	s.Helper()
	p := prover{
		shared: s.backend.Shared, catalogue: s.catalogue, platform: on, engine: engine, log: slog.New(slog.DiscardHandler),
		now: func() time.Time { return s.now },
		run: func(_ context.Context, model string) (modelcheck.Ran, error) {
			ran = append(ran, model)
			if s.bad[on+model] {
				return modelcheck.Ran{}, errors.New("no such operator")
			}
			return modelcheck.Ran{}, nil
		},
	}
	p.prove(s.Context())
	return ran
}

// withholds holds the models that are not offered to those given.
func (s *proving) withholds(models ...string) {
	s.Helper()
	book, err := platform.ReadProofs(s.Context(), s.backend.Shared)
	if err != nil {
		s.Fatal(err)
	}
	got := book.Withheld(s.catalogue, s.now)
	for _, m := range models {
		if got[m] == "" {
			s.Errorf("model %s is offered", m)
		}
	}
	if len(got) != len(models) {
		s.Errorf("withheld %v, want %v", got, models)
	}
}

// Each model is run once by each engine on each platform; one that no platform can run
// is withheld, until one can.
func TestEachModelIsRunOnce(t *testing.T) {
	s := newProving(t)
	s.bad["linux/amd64bad"] = true
	s.withholds()
	for _, step := range []struct {
		on, engine string
		after      time.Duration
		ran        []string
		withheld   []string
	}{
		{"linux/amd64", "1", 0, []string{"good", "bad"}, []string{"bad"}},
		{"linux/amd64", "1", 0, nil, []string{"bad"}},
		{"linux/amd64", "1", proveEvery, []string{"bad"}, []string{"bad"}},
		{"linux/arm64", "1", 0, []string{"good", "bad"}, nil},
		{"linux/arm64", "1", 0, nil, nil},
		{"linux/amd64", "2", 0, []string{"good", "bad"}, nil},
	} {
		s.now = s.now.Add(step.after)
		if ran := s.starts(step.on, step.engine); !slices.Equal(ran, step.ran) {
			t.Errorf("a worker on %s with engine %s ran %v, want %v", step.on, step.engine, ran, step.ran)
		}
		s.withholds(step.withheld...)
	}
}

// A model that is added while a worker serves is run by it at once, and not only when
// the worker starts anew.
func TestAModelThatIsAddedIsRun(t *testing.T) {
	s := newProving(t)
	changed, ran := make(chan struct{}), make(chan string, len(s.catalogue.Models)+1)
	store := atomic.Pointer[profile.Catalogue]{}
	store.Store(s.catalogue)
	p := prover{
		shared: s.backend.Shared, catalogue: source{&store}, platform: "linux/amd64", engine: "1", log: slog.New(slog.DiscardHandler), changed: changed,
		now: func() time.Time { return s.now },
		run: func(_ context.Context, model string) (modelcheck.Ran, error) {
			ran <- model
			return modelcheck.Ran{}, nil
		},
	}
	p.start(t.Context())
	more := *s.catalogue
	more.Models = append(slices.Clone(more.Models), profile.Model{Name: "added", Task: "t", File: "added.onnx", SHA256: "3", Input: &profile.Input{}})
	store.Store(&more)
	changed <- struct{}{}
	for _, want := range []string{"good", "bad", "added"} {
		if got := <-ran; got != want {
			t.Errorf("%s was run, want %s", got, want)
		}
	}
}

// source is a catalogue that changes.
type source struct {
	*atomic.Pointer[profile.Catalogue]
}

func (s source) Current() *profile.Catalogue { return s.Load() }

// A model that cannot be run ends its own process alone, which says why. A model of the
// deployment is run and not timed.
func TestAModelIsRunInAProcessOfItsOwn(t *testing.T) {
	for model, runs := range map[string]bool{"logistic": true, "nobody's": false} {
		r, err := modelcheck.RunProcess(exec.CommandContext(t.Context(), os.Args[0], modelRunCommand, model))
		if (err == nil) != runs || r.Samples != 0 {
			t.Errorf("model %s: %+v, error %v", model, r, err)
		}
	}
}

// A model that was added is timed as it is run, and the worker's kind is stored with it.
func TestAnAddedModelIsTimed(t *testing.T) {
	set, c := profilestest.Loaded(t)
	folder := t.TempDir()
	store, err := modelstore.Open(folder, c)
	if err != nil {
		t.Fatal(err)
	}
	mlp, _ := c.Model("mlp")
	network, err := set.NetworkOf("fashion", mlp)
	if err != nil {
		t.Fatal(err)
	}
	d, err := store.Receive(bytes.NewReader(network))
	if err != nil {
		t.Fatal(err)
	}
	mine := *mlp
	mine.Name = "mine"
	task, _ := c.Task(mine.Task)
	if err := store.Add(d, modelstore.Addition{Task: task, Model: mine, Measured: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	s := newProving(t)
	p := prover{
		shared: s.backend.Shared, catalogue: store.Current(), platform: "linux/amd64", engine: "1", instanceType: "c5.large", now: time.Now, log: slog.New(slog.DiscardHandler),
		run: func(ctx context.Context, model string) (modelcheck.Ran, error) {
			child := exec.CommandContext(ctx, os.Args[0], modelRunCommand, model)
			child.Env = append(os.Environ(), environment.Models+"="+folder)
			return modelcheck.RunProcess(child)
		},
	}
	p.prove(t.Context())
	book, err := platform.ReadProofs(t.Context(), s.backend.Shared)
	if err != nil {
		t.Fatal(err)
	}
	for model, timed := range map[string]bool{"mine": true, "mlp": false} {
		m, _ := store.Current().Model(model)
		digest, err := proof.Digest(store.Current(), m)
		if err != nil {
			t.Fatal(err)
		}
		r, done := book.By(digest, time.Now())
		if !done || !r.Passed() || (r.Samples >= 20 && r.MS.P50 > 0 && r.InstanceType == "c5.large") != timed || !timed && r.InstanceType != "" || (len(r.Batches) > 0) != timed {
			t.Errorf("%s: %+v, %v", model, r, done)
		}
	}
}
