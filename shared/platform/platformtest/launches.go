package platformtest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

// have sets the desired number of workers of the pool and returns those that come, which
// boot and say nothing.
func (s *suite) have(t *testing.T, workers int) []platform.WorkerReport {
	t.Helper()
	must(t, s.Backend.Fleet.SetDesired(t.Context(), pool, workers))
	s.launch(t)
	ws := s.there(t)
	if len(ws) != workers {
		t.Fatalf("%d workers came, want %d", len(ws), workers)
	}
	for _, w := range ws {
		if w.State != platform.Booting || w.ID == "" || w.Pool != pool {
			t.Fatalf("a new worker is %+v", w)
		}
	}
	return ws
}

func (s *suite) launch(t *testing.T) {
	t.Helper()
	if s.Launch != nil {
		must(t, s.Launch(t.Context(), pool))
	}
}

// there are the workers that are not about to leave.
func (s *suite) there(t *testing.T) (out []platform.WorkerReport) {
	t.Helper()
	ws, err := s.Backend.Fleet.Workers(t.Context(), pool)
	must(t, err)
	for _, w := range ws {
		if w.State != platform.Draining {
			out = append(out, w)
		}
	}
	return out
}

func (s *suite) group(t *testing.T) platform.Group {
	t.Helper()
	g, err := s.Backend.Groups.Group(t.Context(), pool)
	must(t, err)
	return g
}

func bootsSince(t *testing.T, s *suite) {
	first := s.have(t, 1)[0]
	pass(time.Second)
	again := s.there(t)
	if len(again) != 1 || again[0].ID != first.ID || !again[0].At.Equal(first.At) || again[0].State != platform.Booting {
		t.Errorf("a second later it is %+v, was %+v", again, first)
	}
	if age := time.Since(first.At); age < time.Second || age > time.Minute {
		t.Errorf("it boots since %v", age)
	}
}

func drainTakesItsPlace(t *testing.T, s *suite) {
	ws := s.have(t, 2)
	must(t, s.Backend.Fleet.SetDesired(t.Context(), pool, 1))
	must(t, s.Backend.Fleet.Drain(t.Context(), pool, ws[0].ID))
	s.launch(t)
	if got := s.there(t); len(got) != 1 || got[0].ID != ws[1].ID {
		t.Errorf("%+v stay, want %s", got, ws[1].ID)
	}
	if g := s.group(t); g.Desired != 1 {
		t.Errorf("%d are desired after one of two has left", g.Desired)
	}
	must(t, s.Backend.Fleet.Drain(t.Context(), pool, ws[0].ID)) // once more changes nothing
	if g := s.group(t); g.Desired != 1 {
		t.Errorf("%d are desired after the same worker has left again", g.Desired)
	}
}

func deadIsReplaced(t *testing.T, s *suite) {
	silent, hung := s.have(t, 2)[0], s.there(t)[1]
	hung.State, hung.Runners = platform.Ready, 2
	s.report(t, hung)
	must(t, s.Backend.Fleet.Replace(t.Context(), pool, 2, silent.ID, hung.ID))
	s.launch(t)
	got := s.there(t)
	if len(got) != 2 {
		t.Fatalf("%+v are there, want two others", got)
	}
	for _, w := range got {
		if w.ID == silent.ID || w.ID == hung.ID || w.State != platform.Booting {
			t.Errorf("%+v is there", w)
		}
	}
	if _, err := s.Backend.Fleet.Report(t.Context(), hung); !errors.Is(err, platform.ErrRevoked) {
		t.Errorf("the report of a worker that was replaced: %v, want ErrRevoked", err)
	}
	if g := s.group(t); g.Desired != 2 {
		t.Errorf("%d are desired after two were replaced", g.Desired)
	}
}

func deadIsNotNeeded(t *testing.T, s *suite) {
	ws := s.have(t, 2)
	must(t, s.Backend.Fleet.SetDesired(t.Context(), pool, 1))
	must(t, s.Backend.Fleet.Replace(t.Context(), pool, 1, ws[1].ID))
	s.launch(t)
	if got := s.there(t); len(got) != 1 || got[0].ID != ws[0].ID {
		t.Errorf("%+v are there, want %s", got, ws[0].ID)
	}
	if g := s.group(t); g.Desired != 1 {
		t.Errorf("%d are desired, want 1", g.Desired)
	}
}

func launchFails(t *testing.T, s *suite) {
	must(t, s.Backend.Fleet.SetDesired(t.Context(), pool, 1))
	s.launch(t)
	if why := s.group(t).LaunchFault; why != "" {
		t.Errorf("a launch that did not fail: %q", why)
	}
	must(t, s.FailLaunch(t.Context(), pool, "no capacity in the zone"))
	must(t, s.Backend.Fleet.SetDesired(t.Context(), pool, 2))
	for range 2 { // a fault stays until a launch succeeds
		if why := s.group(t).LaunchFault; !strings.Contains(why, "no capacity in the zone") {
			t.Errorf("the launch failed for %q", why)
		}
	}
	s.launch(t)
	if s.Launch != nil { // elsewhere the group tries again in its own time
		if why := s.group(t).LaunchFault; why != "" {
			t.Errorf("a launch has succeeded since: %q", why)
		}
	}
}
