package machine

import (
	"slices"
	"testing"
	"time"

	"paragon/shared/cloud"
)

func TestSilence(t *testing.T) {
	at := time.Unix(1000, 0)
	report := func(id string, state cloud.WorkerState, at time.Time) cloud.WorkerReport {
		return cloud.WorkerReport{ID: id, State: state, At: at}
	}
	s := silence{}
	for i := range patientLooks + 1 {
		got := s.hanging([]cloud.WorkerReport{
			report("talks", cloud.Ready, at.Add(time.Duration(i)*time.Second)),
			report("clock set back", cloud.Ready, at.Add(-time.Duration(i)*time.Hour)),
			report("boots", cloud.Booting, at),
			report("hangs", cloud.Ready, at), report("hangs as it drains", cloud.Draining, at),
		})
		var want []string
		if i == patientLooks {
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
