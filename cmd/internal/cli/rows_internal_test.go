package cli

import "testing"

func TestPredictionsThatWereNotCounted(t *testing.T) {
	for open, want := range map[int]string{
		0: "", 1: "; 1 more decision is not counted, because the trace ended first", 2: "; 2 more decisions are not counted, because the trace ended first",
	} {
		if got := notCounted(open); got != want {
			t.Errorf("%d: %q, want %q", open, got, want)
		}
	}
}
