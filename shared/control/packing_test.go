package control

import (
	"testing"

	"github.com/paragon-serving/paragon/shared/platform"
)

func TestNeeded(t *testing.T) {
	w := func(busy, held int, used float64) platform.WorkerReport {
		return platform.WorkerReport{Busy: busy, HeldRelaxed: held, Used: used}
	}
	for name, c := range map[string]struct {
		ready []platform.WorkerReport
		waits int
		want  int
	}{
		"nobody":            {nil, 0, 0},
		"idle":              {[]platform.WorkerReport{w(0, 0, 0), w(0, 0, 0)}, 0, 0},
		"spread thin":       {[]platform.WorkerReport{w(1, 0, 0.2), w(1, 0, 0.2), w(0, 0, 0.2)}, 0, 1},
		"busy a moment ago": {[]platform.WorkerReport{w(0, 0, 0.9), w(0, 0, 0.9), w(0, 0, 0)}, 0, 2},
		"one holds work":    {[]platform.WorkerReport{w(2, 1, 0.5), w(0, 0, 0), w(0, 0, 0)}, 0, 2},
		"work waits":        {[]platform.WorkerReport{w(0, 0, 0), w(0, 0, 0)}, 9, 2},
	} {
		if got := needed(c.ready, 2, c.waits); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
