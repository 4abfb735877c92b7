package machine

import (
	"slices"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

func TestSilence(t *testing.T) {
	at := time.Unix(1000, 0)
	report := func(id string, state platform.WorkerState, at time.Time) platform.WorkerReport {
		return platform.WorkerReport{ID: id, State: state, At: at}
	}
	s := silence{}
	for i := range patientPolls + 1 {
		got := s.hanging([]platform.WorkerReport{
			report("talks", platform.Ready, at.Add(time.Duration(i)*time.Second)),
			report("clock set back", platform.Ready, at.Add(-time.Duration(i)*time.Hour)),
			report("boots", platform.Booting, at),
			report("hangs", platform.Ready, at), report("hangs as it drains", platform.Draining, at),
		})
		var want []string
		if i == patientPolls {
			want = []string{"hangs", "hangs as it drains"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("look %d: %q hang, want %q", i, got, want)
		}
	}
	if s.hanging(nil); len(s) > 0 {
		t.Errorf("%d workers are remembered that are gone", len(s))
	}
}
