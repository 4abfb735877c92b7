package arrivals_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
)

func generate(t *testing.T, s arrivals.Shape, length time.Duration) arrivals.Trace {
	t.Helper()
	out, err := arrivals.Generate(s, length, seeded(7))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

func TestGeneratedShapes(t *testing.T) {
	within := func(name string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 0.1*want {
			t.Errorf("%s: mean %v, want %v", name, got, want)
		}
	}
	step := generate(t, arrivals.Shape{Kind: "step", Rate: 20, Peak: 80, At: 300 * time.Second}, 10*time.Minute)
	within("before the step", mean(step.Counts[:300]), 20)
	within("after the step", mean(step.Counts[300:]), 80)
	day := generate(t, arrivals.Shape{Kind: "diurnal", Rate: 10, Peak: 90, Period: time.Hour}, time.Hour)
	within("a day", mean(day.Counts), 50)
	within("noon", mean(day.Counts[1700:1900]), 90)
	crowd := generate(t, arrivals.Shape{Kind: "flash_crowd", Rate: 10, Peak: 200, At: 60 * time.Second, Period: 30 * time.Second}, 10*time.Minute)
	within("before the crowd", mean(crowd.Counts[:60]), 10)
	within("long after it", mean(crowd.Counts[400:]), 10)
	if peak := mean(crowd.Counts[60:65]); peak < 150 {
		t.Errorf("the crowd comes with %v a second, want 200 or so", peak)
	}
	bursts := generate(t, arrivals.Shape{Kind: "mmpp", Rate: 10, Peak: 90, Period: 20 * time.Second}, 3*time.Hour)
	within("a modulated process", mean(bursts.Counts), 50)
}

func TestGenerateRefuses(t *testing.T) {
	for _, s := range []arrivals.Shape{
		{Kind: "magic", Rate: 1}, {Kind: "constant", Rate: math.NaN()}, {Kind: "constant", Rate: -1},
		{Kind: "diurnal", Rate: 1}, {Kind: "mmpp", Rate: 1, Peak: math.Inf(1), Period: 1},
		{Kind: "flash_crowd", Rate: 2, Peak: 1, Period: 1},
	} {
		if _, err := arrivals.Generate(s, time.Minute, seeded(1)); err == nil {
			t.Errorf("%+v was generated", s)
		}
	}
	if _, err := arrivals.Generate(arrivals.Shape{Kind: "constant"}, 0, seeded(1)); err == nil {
		t.Error("a trace of no length was generated")
	}
}

// A Poisson stream of any rate is flat, whatever the window: its own peak is
// divided out.
func TestPeakToMedianOfAFlatStreamIsOne(t *testing.T) {
	for _, rate := range []float64{2, 50, 400} {
		flat := generate(t, arrivals.Shape{Kind: "constant", Rate: rate}, time.Hour)
		for _, w := range flat.Describe(10*time.Minute, time.Hour).Windows {
			if w.Highest > 1.2 {
				t.Errorf("%v a second: ratio %v in a window of %v s", rate, w.Highest, w.WindowSeconds)
			}
		}
	}
	bursts := generate(t, arrivals.Shape{Kind: "mmpp", Rate: 20, Peak: 90, Period: time.Minute}, time.Hour)
	if s := bursts.Describe(time.Hour); s.Windows[0].Median < 1.5 {
		t.Errorf("bursts have a ratio of %v", s.Windows[0].Median)
	}
}

func TestPeakToMedianOfLittle(t *testing.T) {
	for _, window := range [][]float64{nil, {0, 0}, {5}, {1, 0, 2}} {
		if r := arrivals.PeakToMedian(window); r != 1 {
			t.Errorf("%v has a ratio of %v", window, r)
		}
	}
}

// A burst with nothing around it is as bursty as load can be: idle seconds after it
// are not a static load.
func TestABurstAndNothingElseIsNotFlat(t *testing.T) {
	window := make([]float64, 600)
	for i := range 20 {
		window[300+i] = 50
	}
	if r := arrivals.PeakToMedian(window); r < 10 || math.IsInf(r, 0) {
		t.Errorf("ratio %v", r)
	}
}

// Superposing keeps the mean and does not add to the peak; scaling multiplies both.
func TestSuperposedKeepsTheMean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.SliceOfN(rapid.Float64Range(0, 50), 1, 60).Draw(t, "counts")
		copies := rapid.IntRange(1, 30).Draw(t, "copies")
		tr := arrivals.Trace{Step: time.Second, Counts: counts}
		got, err := tr.Superposed(copies)
		if err != nil {
			t.Fatal(err)
		}
		scaled := tr.Scaled(float64(copies))
		if math.Abs(got.Total()-scaled.Total()) > 1e-6*(1+scaled.Total()) {
			t.Fatalf("total %v, want %v", got.Total(), scaled.Total())
		}
		if slices.Max(got.Counts) > slices.Max(scaled.Counts)+1e-6 {
			t.Fatal("superposing made a higher peak than scaling")
		}
	})
	if _, err := (arrivals.Trace{Step: 1, Counts: []float64{1}}).Superposed(0); err == nil {
		t.Error("no copies were superposed")
	}
}
