package spock_test

import (
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/lab/spock"
)

func steady(seconds int, rate float64) arrivals.Trace {
	t := arrivals.Trace{Step: time.Second}
	for range seconds {
		t.Counts = append(t.Counts, rate)
	}
	return t
}

func run(t *testing.T, scheme string, s spock.Seconds) spock.Row {
	t.Helper()
	r, err := spock.Run(scheme, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Below the capacity of the first ten machines of a type nothing is late,
// nothing overflows and nothing starts; they close once they are idle.
func TestWithinTheFirstMachines(t *testing.T) {
	s, err := spock.FromTrace(steady(1200, 15), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, scheme := range spock.Schemes() {
		r := run(t, scheme, s)
		if r.Queries != 1200*15 || r.SLOViolation != 0 || r.OverflowRatio != 0 {
			t.Errorf("%s: %+v", scheme, r)
		}
		if r.VMHours <= 0 || r.VMHours > 30*1201.0/3600 {
			t.Errorf("%s: %v VM hours", scheme, r.VMHours)
		}
	}
}

// In a burst the schemes without functions are late, and those with them are not.
func TestABurst(t *testing.T) {
	tr := steady(900, 15)
	for i := 300; i < 600; i++ {
		tr.Counts[i] = 90
	}
	s, err := spock.FromTrace(tr, 1)
	if err != nil {
		t.Fatal(err)
	}
	reactive, mixed := run(t, "reactive", s), run(t, "mixed", s)
	if reactive.SLOViolation == 0 || mixed.SLOViolation != 0 || mixed.OverflowRatio == 0 {
		t.Errorf("reactive %+v\nmixed %+v", reactive, mixed)
	}
	if instant := run(t, "instant", s); instant.SLOViolation != 0 || instant.LambdaUSD != 0 {
		t.Errorf("instant %+v", instant)
	}
	if again := run(t, "reactive", s); again != reactive {
		t.Error("the same seed gave another run")
	}
}

func TestItsOwnFiles(t *testing.T) {
	s, err := spock.Read(strings.NewReader("\ufeff1,4,0,2\n\n2,6,2,3\n5,8,1,4\n\n"), 0, 10)
	if err != nil || len(s.Tasks) != 5 || s.Tasks[1] != 3 || s.Types[1] != 2 || s.Tasks[4] != 4 {
		t.Fatalf("%+v, error %v", s, err)
	}
	if r := run(t, "mixed", s); r.Queries != 9 {
		t.Errorf("%d queries", r.Queries)
	}
	for _, bad := range []string{"", "1,4,0\n", "1,4,9,2\n", "1,4,0,-2\n", "2,4,0,2\n1,4,0,2\n"} {
		if _, err := spock.Read(strings.NewReader(bad), 0, 10); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestRefusals(t *testing.T) {
	if _, err := spock.Run("magic", spock.Seconds{}, 1); err == nil {
		t.Error("an unknown scheme was played")
	}
	if _, err := spock.FromTrace(arrivals.Trace{Step: time.Hour, Counts: []float64{1}}, 1); err == nil {
		t.Error("a trace of hours was played")
	}
	rows, err := spock.Play("wits", spock.Seconds{Tasks: []int{3, 3}, Types: []int{0, 1}}, 1)
	if err != nil || len(rows) != len(spock.Schemes()) || rows[3].Published != 0.80 {
		t.Errorf("%+v, error %v", rows, err)
	}
	var b strings.Builder
	if err := spock.Text(&b, rows); err != nil || !strings.Contains(b.String(), "mixed_predictive") {
		t.Errorf("error %v in %s", err, b.String())
	}
}
