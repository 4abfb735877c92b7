package peers

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestQuantileIsTheLeastThatCoversItsShare(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, tc := range []struct {
		of   []time.Duration
		q    float64
		want time.Duration
	}{
		{hundred, 0.5, 50}, {hundred, 0.99, 99}, {hundred, 1, 100}, {hundred, 0, 1},
		{hundred[:1], 0.5, 1}, {hundred[:3], 0.5, 2}, {hundred[:2], 0.99, 2},
	} {
		if got := quantile(tc.of, tc.q); got != tc.want {
			t.Errorf("the %v quantile of %d is %d, want %d", tc.q, len(tc.of), got, tc.want)
		}
	}
}

func TestSpread(t *testing.T) {
	for _, tc := range []struct {
		of   []float64
		want Spread
		ok   bool
	}{
		{nil, Spread{}, false}, {[]float64{3}, Spread{3, 3, 3}, true},
		{[]float64{5, 1, 3}, Spread{3, 1, 5}, true}, {[]float64{4, 1, 3, 2}, Spread{2.5, 1, 4}, true},
	} {
		if got, ok := spread(tc.of); got != tc.want || ok != tc.ok {
			t.Errorf("spread of %v is %+v, %v, want %+v, %v", tc.of, got, ok, tc.want, tc.ok)
		}
	}
}

// rounds makes a server with these throughputs at 8 connections; a NaN is a
// round that it missed.
func rounds(name string, perSecond ...float64) ServerReport {
	s := ServerReport{Name: name}
	for i, x := range perSecond {
		if x == x {
			s.Rounds = append(s.Rounds, Round{Number: i + 1, Loads: []Load{{Connections: 8, PerSecond: x}}})
		}
	}
	return s
}

// A ratio compares what was measured in the same round, so that a slow round
// makes no difference, and leaves out rounds that one of the two missed.
func TestRatiosAreMadeWithinARound(t *testing.T) {
	missed := math.NaN()
	w := WorkloadReport{Servers: []ServerReport{
		rounds("a", 100, 10, missed, 30), rounds("b", 50, 5, 1000, missed), rounds("none"),
	}}
	for _, tc := range []struct {
		name, other string
		connections int
		want        Spread
		ok          bool
	}{
		{"a", "b", 8, Spread{2, 2, 2}, true}, {"b", "a", 8, Spread{0.5, 0.5, 0.5}, true},
		{"a", "b", 2, Spread{}, false}, {"a", "none", 8, Spread{}, false}, {"a", "unknown", 8, Spread{}, false},
		{"unknown", "a", 8, Spread{}, false},
	} {
		if got, ok := w.Ratio(tc.name, tc.other, tc.connections); got != tc.want || ok != tc.ok {
			t.Errorf("%s ÷ %s at %d is %+v, %v, want %+v, %v", tc.name, tc.other, tc.connections, got, ok, tc.want, tc.ok)
		}
	}
}

// What was written by hand above the mark stays; tables below it are replaced,
// and a server without a round is named with its error.
func TestAPageKeepsWhatIsAboveTheMark(t *testing.T) {
	file := filepath.Join(t.TempDir(), "peers.md")
	if err := os.WriteFile(file, []byte("by hand\n"+pageMark+"old table\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := ServerReport{Name: "broken", Error: "it has\nno wheel"}
	r := Report{Connections: []int{8}, Reference: "a", Rounds: 2, Workloads: []WorkloadReport{
		{Model: "net", Kind: Tensor, Servers: []ServerReport{rounds("a", 10, 20), broken}},
	}}
	if err := r.WritePage(file); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	for _, want := range []string{"by hand\n", "| a | 15 (10–20) | 1.00 |", "broken was measured in 0 of 2 rounds: it has no wheel"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page is without %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "old table") || strings.Count(page, pageMark) != 1 {
		t.Errorf("the page keeps what was below its mark:\n%s", page)
	}
}

func TestAgreement(t *testing.T) {
	bare := Answer{Index: 1, Score: 0.5, Scores: []float32{0.4, 0.5, 0.1}}
	for name, tc := range map[string]struct {
		kind Kind
		got  Answer
		ok   bool
	}{
		"the same":                  {Tensor, Answer{Index: 1, Score: 0.5}, true},
		"rounding":                  {Tensor, Answer{Index: 1, Score: 0.5004}, true},
		"another score":             {Tensor, Answer{Index: 1, Score: 0.52}, false},
		"another class":             {Tensor, Answer{Index: 0, Score: 0.4}, false},
		"another class of a JPEG":   {JPEG, Answer{Index: 0, Score: 0.45}, true},
		"a wrong class of a JPEG":   {JPEG, Answer{Index: 2, Score: 0.2}, false},
		"a wrong score of a JPEG":   {JPEG, Answer{Index: 1, Score: 0.9}, false},
		"a class that is not there": {JPEG, Answer{Index: 3, Score: 0.5}, false},
		"no class":                  {JPEG, Answer{Index: -1, Score: 0.5}, false},
	} {
		w := Workload{Kind: tc.kind, want: []Answer{bare}, Model: aModel()}
		if err := w.agree([]Answer{tc.got}); (err == nil) != tc.ok {
			t.Errorf("%s: %v, want agreement %v", name, err, tc.ok)
		}
	}
}
