package machine

import (
	"testing"
	"time"

	"paragon/shared/cloud"
)

func TestBootsAreTakenFromAskingToTheFirstReport(t *testing.T) {
	at := time.Unix(1000, 0)
	report := func(id string, state cloud.WorkerState, second int) cloud.WorkerReport {
		return cloud.WorkerReport{ID: id, State: state, At: at.Add(time.Duration(second) * time.Second)}
	}
	var b boots
	for _, ws := range [][]cloud.WorkerReport{
		{report("was there", cloud.Ready, 0), report("a", cloud.Booting, 0), report("left", cloud.Booting, 0)},
		{report("was there", cloud.Ready, 5), report("a", cloud.Booting, 0), report("b", cloud.Booting, 4)},
		{report("was there", cloud.Ready, 9), report("a", cloud.Ready, 8), report("b", cloud.Booting, 4)},
		{report("a", cloud.Ready, 20), report("b", cloud.Ready, 16)},
		{report("a", cloud.Ready, 30), report("b", cloud.Draining, 31)},
	} {
		b.see(ws)
	}
	if got := b.meanSeconds(); got != 10 {
		t.Errorf("boots took %v s in the mean, want (8+12)/2", got)
	}
	if none := (&boots{}).meanSeconds(); none != 0 {
		t.Errorf("without any %v s", none)
	}
}
