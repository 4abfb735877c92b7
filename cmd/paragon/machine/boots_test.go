package machine

import (
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

func TestBootsAreTakenFromAskingToTheFirstReport(t *testing.T) {
	at := time.Unix(1000, 0)
	report := func(id string, state platform.WorkerState, second int) platform.WorkerReport {
		return platform.WorkerReport{ID: id, State: state, At: at.Add(time.Duration(second) * time.Second)}
	}
	var b bootTimes
	for _, ws := range [][]platform.WorkerReport{
		{report("was there", platform.Ready, 0), report("a", platform.Booting, 0), report("left", platform.Booting, 0)},
		{report("was there", platform.Ready, 5), report("a", platform.Booting, 0), report("b", platform.Booting, 4)},
		{report("was there", platform.Ready, 9), report("a", platform.Ready, 8), report("b", platform.Booting, 4)},
		{report("a", platform.Ready, 20), report("b", platform.Ready, 16)},
		{report("a", platform.Ready, 30), report("b", platform.Draining, 31)},
	} {
		b.observe(ws)
	}
	if got := b.meanSeconds(); got != 10 {
		t.Errorf("boots took %v s in the mean, want (8+12)/2", got)
	}
	if none := (&bootTimes{}).meanSeconds(); none != 0 {
		t.Errorf("without any %v s", none)
	}
}
