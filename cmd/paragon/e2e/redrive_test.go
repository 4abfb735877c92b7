package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// A query fails for a network that is damaged while the stage runs; once that is
// mended its dead letter is put back from the terminal, and another query answers it, once.
func TestWhatIsMendedIsPutBack(t *testing.T) {
	data, folder := t.TempDir(), filepath.Join(t.TempDir(), "profiles")
	if err := os.CopyFS(folder, profiles.Embedded()); err != nil {
		t.Fatal(err)
	}
	network := filepath.Join(folder, "fashion", "logistic.onnx")
	good, err := os.ReadFile(network)
	if err != nil {
		t.Fatal(err)
	}
	write := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(network, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := up(t, data, "--profiles", folder, "--workers=1", "--boot-seconds=0", "--unpaced", "--set=max_attempts=1")
	write([]byte("no network")) // after the check at the start, and before a worker loads it
	p := pictures(t)[0]
	first, err := s.Submit(t.Context(), client.Submission{Model: "logistic", Class: query.Relaxed, Input: query.Input{ContentType: "image/png", Data: p.data}}, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.finish(first); got.State != query.Failed {
		t.Fatalf("with a broken network the query is %+v", got)
	}
	s.stop()
	write(good)
	s.restart()
	done := s.redrive("--dry-run")
	if len(done.Letters) != 1 || done.Waiting != 1 {
		t.Fatalf("looked at: %+v", done)
	}
	done = s.redrive()
	if len(done.Letters) != 1 || done.Letters[0].ID != first.ID || done.Letters[0].Outcome != api.Resubmitted || done.Waiting != 0 {
		t.Fatalf("put back: %+v", done)
	}
	again := s.finish(api.Query{ID: done.Letters[0].As})
	if again.State != query.Succeeded || again.Trail[0].Event != query.StepRedriven {
		t.Errorf("asked again: %+v", again)
	}
	if still, err := s.Get(t.Context(), first.ID, 0); err != nil || still.State != query.Failed {
		t.Errorf("the first query is %s, error %v", still.State, err)
	}
	if done = s.redrive(); len(done.Letters) != 0 {
		t.Errorf("put back twice: %+v", done)
	}
}

// redrive runs `paragon redrive` against the stage.
func (s *stage) redrive(flags ...string) (d api.DeadLetters) {
	s.t.Helper()
	out, err := exec.Command(built(s.t, "paragon"), append([]string{"redrive", "--json", "--endpoint", s.URL}, flags...)...).Output()
	if err == nil {
		err = json.Unmarshal(out, &d)
	}
	if err != nil {
		s.t.Fatalf("paragon redrive: %v\n%s", err, out)
	}
	return d
}
