package modelstore

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/core/profile"
)

var at = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// addVersion adds another version of a model.
func (s *Store) addVersion(t *testing.T, name, content string, share float64) string {
	t.Helper()
	d, err := s.Receive(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	version, err := s.AddVersion(d, addition(t, name), share, at)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func promote(r profile.Rollout) (profile.Rollout, []string, error) { return r.Promote(at) }

func rollBack(r profile.Rollout) (profile.Rollout, []string, error) {
	return r.Rollback(at, profile.ByOperator, "")
}

// Versions of one file each answer under one name; every process reads which.
func TestVersions(t *testing.T) {
	dir := t.TempDir()
	s, reader := open(t, dir), open(t, dir)
	s.mustAdd(t, "forest", "first")
	if v := s.addVersion(t, "forest", "second", 0.05); v != "forest@2" {
		t.Fatalf("the second version is %s", v)
	}
	if err := reader.Refresh(); err != nil {
		t.Fatal(err)
	}
	r, ok := reader.Current().Rollout("forest")
	if !ok || r.Served != "forest" || r.Canary != "forest@2" || r.Share != 0.05 {
		t.Fatalf("read %+v", r)
	}
	if _, err := s.Change("forest", at, promote); err != nil {
		t.Fatal(err)
	}
	s.addVersion(t, "forest", "third", 1)
	first, _ := s.Current().Model("forest")
	second, _ := s.Current().Model("forest@2")
	if got := s.Current().Version("forest"); got != "forest@3" || first.RetiredAt == "" || second.RetiredAt != "" {
		t.Fatalf("%s is served, the first is %+v", got, first)
	}
	if _, err := s.Change("forest", at, rollBack); err != nil {
		t.Fatal(err)
	}
	if m, _ := s.Current().Model("forest@3"); s.Current().Version("forest") != "forest@2" || m.RetiredAt == "" {
		t.Errorf("after a rollback %s is served, and the third is %+v", s.Current().Version("forest"), m)
	}
	if _, err := s.Change("forest", at, rollBack); err == nil {
		t.Error("rolled back to nothing")
	}
	if _, err := s.Change("mlp", at, promote); !errors.Is(err, ErrNotAdded) {
		t.Errorf("a model with one version: %v", err)
	}
	if _, err := s.Retire("forest@2", at); !errors.Is(err, ErrVersion) {
		t.Errorf("one version is removed: %v", err)
	}
	if _, err := s.Retire("forest", at); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Current().Rollout("forest"); ok || len(s.Current().Offered().Models) != len(s.base.Offered().Models) {
		t.Errorf("removed, and offered are %v", s.Current().Offered().Models)
	}
	s.mustAdd(t, "forest", "anew")
	if v := s.addVersion(t, "forest", "anew and better", 0); v != "forest@4" {
		t.Errorf("after three versions, retired, the next is %s", v)
	}
	if err := s.Prune(at.Add(time.Second)); err != nil || !s.Has("forest@4") || s.Has("forest@3") {
		t.Errorf("after the retired ones were deleted: %v, error %v", s.Current().Rollouts, err)
	}
}

// A model that came with the catalogue gets versions too, and is what a rollback leads to.
func TestVersionsOfAModelOfTheBase(t *testing.T) {
	s := open(t, t.TempDir())
	d, err := s.Receive(strings.NewReader("another"))
	if err != nil {
		t.Fatal(err)
	}
	m, _ := profilestest.Shipped(t).Model("mlp")
	task, _ := profilestest.Shipped(t).Task(m.Task)
	a := Addition{Task: task, Model: *m, Measured: []byte("{}")}
	if v, err := s.AddVersion(d, a, 1, at); err != nil || v != "mlp@2" || s.Current().Version("mlp") != v {
		t.Fatalf("%s, error %v", v, err)
	}
	if _, err := s.Change("mlp", at, rollBack); err != nil || s.Current().Version("mlp") != "mlp" {
		t.Errorf("%s is served, error %v", s.Current().Version("mlp"), err)
	}
}
