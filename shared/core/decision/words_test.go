package decision_test

import (
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// A line that keeps the number of workers says how many of them do not serve yet, and that
// no query has arrived where none has.
func TestTheLineOfADecisionSaysWhatIsComing(t *testing.T) {
	const boot, start, quiet = "boot", "more start", "no query has arrived"
	none := func(c *decision.Case) {
		c.Snapshot.Arrivals = make([]procurement.Second, 10)
	}
	fixed := func(ready, booting, desired int) func(*decision.Case) {
		return func(c *decision.Case) {
			c.Settings.Fleet, c.Snapshot.Pool.Ready, c.Snapshot.Pool.Booting, c.Group.Desired = settings.FleetFixed, ready, booting, desired
		}
	}
	for name, tc := range map[string]struct {
		change func(*decision.Case)
		says   []string
		not    []string
	}{
		"all serve":                        {func(*decision.Case) {}, []string{"keep 5 workers: "}, []string{boot, start, quiet}},
		"two start":                        {fixed(0, 0, 2), []string{"keep 0 workers, while 2 more start"}, []string{boot, quiet}},
		"two boot":                         {fixed(0, 2, 2), []string{"keep 2 workers, 2 of them booting"}, []string{start}},
		"one of each":                      {fixed(1, 1, 3), []string{"keep 2 workers, 1 of them booting, while 1 more start"}, nil},
		"none can start":                   {func(c *decision.Case) { fixed(0, 0, 2)(c); c.Group.LaunchFault = "no capacity" }, []string{"keep 0 workers (", "the newest launch failed: no capacity"}, []string{start}},
		"grows":                            {func(c *decision.Case) { c.Snapshot.Pool.Ready, c.Snapshot.Pool.Booting, c.Group.Desired = 2, 1, 3 }, []string{"grow from 3 to 5 workers: "}, []string{start}},
		"what was asked for is taken back": {func(c *decision.Case) { c.Group.Desired = 9 }, []string{"keep 5 workers: "}, []string{start}},
		"no query":                         {none, []string{quiet}, nil},
		"none of late":                     {func(c *decision.Case) { none(c); c.Before.Scheme.History = []float64{0, 0} }, []string{quiet}, nil},
		"some before":                      {func(c *decision.Case) { none(c); c.Before.Scheme.History = []float64{3, 0} }, nil, []string{quiet}},
		"nothing is known":                 {func(c *decision.Case) { c.Snapshot.Arrivals = nil }, nil, []string{quiet}},
		"held, and no load":                {func(c *decision.Case) { none(c); c.Signals = []decision.Signal{{Name: "arrivals", Fault: "late"}} }, nil, []string{quiet}},
	} {
		c := steady()
		tc.change(&c)
		r, _, err := decision.Make(c)
		if err != nil {
			t.Fatal(err)
		}
		line := r.Summary()
		for _, want := range tc.says {
			if !strings.Contains(line, want) {
				t.Errorf("%s: no %q in %s", name, want, line)
			}
		}
		for _, not := range tc.not {
			if strings.Contains(line, not) {
				t.Errorf("%s: %q in %s", name, not, line)
			}
		}
	}
}
