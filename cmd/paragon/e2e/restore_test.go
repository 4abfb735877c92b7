package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
)

// kept is how many queries of each kind the data folder holds that is restored.
const kept = 8

// submitKept submits queries of which some have keys.
func (s *stage) submitKept(name string) (qs []api.Query) {
	s.t.Helper()
	for i := range kept {
		o := client.Options{}
		if i%2 == 0 {
			o.Key = fmt.Sprint(name, i)
		}
		q, err := s.Submit(context.Background(), relaxed(pictures(s.t)[i]), o)
		if err != nil {
			s.t.Fatal(err)
		}
		qs = append(qs, q)
	}
	return qs
}

// A copy of the data folder of a stage that is stopped, put back after the folder was lost
// or went on, serves again: queries that had ended read as before, also by their keys,
// those that waited are answered, and a setting is as it was.
func TestARestoredDataFolderServesAgain(t *testing.T) {
	root := t.TempDir()
	dir, backup := filepath.Join(root, "data"), filepath.Join(root, "backup")
	s := up(t, dir, "--workers=1", "--boot-seconds=0")
	ended := s.submitKept("ended")
	answers := s.answers(ended)
	if _, err := s.Set(t.Context(), "max_batch", "3"); err != nil {
		t.Fatal(err)
	}
	s.stop()

	s.args = slices.Replace(slices.Clone(s.args), 3, len(s.args), "--workers=1", "--boot-seconds=600") // queries wait for that worker
	s.restart()
	waiting := s.submitKept("waiting")
	s.stop()
	if err := os.CopyFS(backup, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}

	s.args = slices.Replace(slices.Clone(s.args), 3, len(s.args), "--workers=1", "--boot-seconds=0")
	s.restart() // and it goes on, after the copy
	s.answers(s.submitKept("later"))
	s.stop()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(backup, dir); err != nil {
		t.Fatal(err)
	}
	s.restart()
	s.sameAgain(ended, answers)
	s.answers(waiting)
	again := s.submitKept("ended")
	for i, q := range again {
		if same := q.ID == ended[i].ID; same != (i%2 == 0) {
			t.Errorf("query %d has become %s, and was %s", i, q.ID, ended[i].ID)
		}
	}
	s.answers(append(again, s.submitKept("after")...))
	set, err := s.Settings(t.Context())
	if i := slices.IndexFunc(set.Settings, func(one api.Setting) bool { return one.Name == "max_batch" }); err != nil || i < 0 || fmt.Sprint(set.Settings[i].Value) != "3" {
		t.Errorf("the settings are %+v, error %v", set.Settings, err)
	}
}
