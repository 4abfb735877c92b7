package ownmodels

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
)

const where = "s3://models/models"

// makeBucket makes the bucket of a stage, and returns what overwrites an object of it.
func makeBucket(t *testing.T) (put func(name, text string)) {
	t.Helper()
	object := testserver.Bucket(t, "models")
	return func(name, text string) {
		t.Helper()
		object("models/"+name, []byte(text))
	}
}

func place(t *testing.T) modelstore.Place {
	t.Helper()
	p, err := Bucket(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// writer is a stage's bucket as an operator has it open.
func writer(t *testing.T) *modelstore.Store {
	t.Helper()
	s, err := modelstore.OpenPlace(place(t), Deployed(profilestest.Shipped(t)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// clock is a time that tests move on.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// on lets a time pass, and waits until a reader has read what is due then.
func (c *clock) on(s *modelstore.Store, d time.Duration) {
	c.mu.Lock()
	c.at = c.at.Add(d)
	c.mu.Unlock()
	s.Current()
	s.Settle()
}

// Of operators who add models at once none loses one.
func TestOperatorsAtOnceLoseNoModel(t *testing.T) {
	makeBucket(t)
	const operators = 4
	stores := make([]*modelstore.Store, operators)
	for i := range stores {
		stores[i] = writer(t)
	}
	var all sync.WaitGroup
	for i, s := range stores {
		all.Go(func() {
			d, err := s.Receive(strings.NewReader(fmt.Sprint("net ", i)))
			if err == nil {
				err = errors.Join(s.Add(d, addition(t, fmt.Sprint("m", i))), d.Discard())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := writer(t).Added(); len(got) != operators {
		t.Errorf("%d models are there of %d", len(got), operators)
	}
}

// A catalogue that was read is not written over another.
func TestAnOlderCatalogueIsNotWrittenOverANewerOne(t *testing.T) {
	makeBucket(t)
	p := place(t)
	if err := p.Write([]byte("{}"), nil); err != nil {
		t.Fatal(err)
	}
	_, old, err := p.Read(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write([]byte("{ }"), old); err != nil {
		t.Fatal(err)
	}
	for _, over := range []any{old, nil} {
		if err := p.Write([]byte("{  }"), over); err == nil || !strings.Contains(err.Error(), modelstore.ErrConflict.Error()) {
			t.Errorf("written over %v: %v", over, err)
		}
	}
	raw, now, err := p.Read(nil)
	if err != nil || !bytes.Equal(raw, []byte("{ }")) {
		t.Errorf("it holds %q, error %v", raw, err)
	}
	if raw, same, err := p.Read(now); raw != nil || same != now || err != nil {
		t.Errorf("what has not changed is %q of version %v, error %v", raw, same, err)
	}
}

// Who serves takes up what an operator adds and removes, without a restart; such a
// model has no functions where the deployment made none for it.
func TestAStageTakesUpWhatIsAdded(t *testing.T) {
	makeBucket(t)
	c := &clock{at: time.Unix(1e9, 0)}
	reader := modelstore.OpenRefreshed(place(t), Deployed(profilestest.Shipped(t)), c.now)
	if n := len(reader.Current().Models); n != len(profilestest.Shipped(t).Models) {
		t.Fatalf("%d models before any was added", n)
	}
	operator := writer(t)
	add(t, operator, "forest", "first")
	if _, ok := reader.Current().Model("forest"); ok {
		t.Fatal("it was read before its time")
	}
	c.on(reader, modelstore.RefreshEvery)
	m, ok := reader.Current().Model("forest")
	if !ok || !reader.Has("forest") {
		t.Fatal("it was not taken up")
	}
	if onnx, err := reader.ONNX(m); err != nil || string(onnx) != "first" {
		t.Errorf("its file holds %q, error %v", onnx, err)
	}
	if got := sizing.FunctionsThatHold(reader.Current(), m, "x86_64"); len(got) != 0 {
		t.Errorf("it has functions: %+v", got)
	}
	shipped, _ := reader.Current().Model("mlp")
	if len(sizing.FunctionsThatHold(reader.Current(), shipped, "x86_64")) == 0 {
		t.Error("a model of the deployment has none")
	}
	if _, err := operator.Retire("forest", c.now()); err != nil {
		t.Fatal(err)
	}
	c.on(reader, modelstore.RefreshEvery)
	if m, _ := reader.Current().Model("forest"); m.RetiredAt == "" {
		t.Error("its removal was not taken up")
	}
}

// A file that is not the one which was added is not run.
func TestAnotherFileIsRefused(t *testing.T) {
	put := makeBucket(t)
	s := writer(t)
	add(t, s, "forest", "first")
	m, _ := s.Current().Model("forest")
	put(m.File, "other")
	if _, err := s.ONNX(m); err == nil || !strings.Contains(err.Error(), m.SHA256) {
		t.Errorf("error %v", err)
	}
}

// What somebody breaks in the bucket keeps nobody from serving the rest.
func TestABrokenCatalogueLeavesTheLastOne(t *testing.T) {
	put := makeBucket(t)
	put(modelstore.CatalogueFile, "{")
	c := &clock{at: time.Unix(1e9, 0)}
	reader := modelstore.OpenRefreshed(place(t), Deployed(profilestest.Shipped(t)), c.now)
	if n := len(reader.Current().Models); n != len(profilestest.Shipped(t).Models) || reader.Refresh() != nil {
		t.Fatalf("%d models", n)
	}
	put(modelstore.CatalogueFile, `{"tasks":[],"models":[]}`)
	c.on(reader, modelstore.RefreshEvery)
	add(t, writer(t), "forest", "first")
	c.on(reader, modelstore.RefreshEvery)
	put(modelstore.CatalogueFile, `{"tasks":[],"models":[{"name":"mlp"}]}`)
	c.on(reader, modelstore.RefreshEvery)
	if _, ok := reader.Current().Model("forest"); !ok {
		t.Error("the last good catalogue is not in force")
	}
	if _, err := modelstore.OpenPlace(place(t), profilestest.Shipped(t)); err == nil {
		t.Error("an operator does not learn of it")
	}
}

// What was removed long ago leaves the bucket.
func TestARemovedModelLeavesTheBucket(t *testing.T) {
	makeBucket(t)
	s := writer(t)
	add(t, s, "forest", "first")
	m, _ := s.Current().Model("forest")
	at := time.Unix(1e9, 0)
	if _, err := s.Retire("forest", at); err != nil {
		t.Fatal(err)
	}
	if err := s.Prune(at.Add(time.Hour)); err != nil || len(s.Added()) != 0 {
		t.Fatalf("%+v, error %v", s.Added(), err)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if _, err := place(t).Network(m); err == nil {
		t.Error("its file is there")
	}
}

// addition is a model of a task of its own.
func addition(t *testing.T, name string) modelstore.Addition {
	m, _ := profilestest.Shipped(t).Model("mlp")
	out := *m
	out.Name, out.Task, out.Input = name, "iris", nil
	spec := []tensors.Spec{{Name: "X", Datatype: tensors.FP32, Shape: []int64{-1, 2}}}
	out.Signature = &profile.Signature{Inputs: spec, Outputs: spec, Answer: "X"}
	return modelstore.Addition{Task: profile.Task{Name: "iris", Labels: []string{"a", "b"}}, Model: out, Measured: []byte("{}")}
}

func add(t *testing.T, s *modelstore.Store, name, content string) {
	t.Helper()
	d, err := s.Receive(strings.NewReader(content))
	if err == nil {
		err = errors.Join(s.Add(d, addition(t, name)), d.Discard())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Drafts lie in a folder of their own, from which those of killed processes are removed.
func TestDraftsOfKilledCommandsAreRemoved(t *testing.T) {
	makeBucket(t)
	s := writer(t)
	old, err := s.Receive(strings.NewReader("its command was killed"))
	if err != nil {
		t.Fatal(err)
	}
	if temp, err := filepath.Abs(os.TempDir()); err != nil || filepath.Dir(old.Path) == temp {
		t.Errorf("the draft is %s, among the files of others; error %v", old.Path, err)
	}
	yesterday := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(old.Path, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	fresh, err := s.Receive(strings.NewReader("its command is at work"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DropDrafts(time.Now().Add(-24 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(old.Path), "*"))
	if err != nil || !slices.Equal(left, []string{fresh.Path}) {
		t.Errorf("%v are left, error %v; want %s", left, err, fresh.Path)
	}
	if err := fresh.Discard(); err != nil {
		t.Error(err)
	}
}
