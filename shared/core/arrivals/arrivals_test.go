package arrivals_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
)

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func TestReadTrace(t *testing.T) {
	for _, c := range []struct {
		name, csv string
		want      arrivals.Trace
	}{
		{"seconds", "second,count\n0,4\n1,0\n2,3\n", arrivals.Trace{Step: time.Second, Counts: []float64{4, 0, 3}}},
		{"minutes without a last newline", "minute,count\n0,17613\n1,17782", arrivals.Trace{Step: time.Minute, Counts: []float64{17613, 17782}}},
		{"hours, Windows line ends, a byte order mark", "\ufeffHour,Count\r\n0,1.5\r\n", arrivals.Trace{Step: time.Hour, Counts: []float64{1.5}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := arrivals.ReadTrace(strings.NewReader(c.csv))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestReadTraceRefuses(t *testing.T) {
	for _, c := range []struct{ name, csv, want string }{
		{"nothing", "", "line 1: the trace ends without a row"},
		{"only a header", "second,count\n", "line 1: the trace ends without a row"},
		{"no header", "0,4\n1,3\n", "line 1: the header is"},
		{"another unit", "day,count\n0,4\n", "line 1: the header is"},
		{"one column", "second,count\n0\n", "line 2: \"0\" does not have two columns"},
		{"three columns", "second,count\n0,1,2\n", "line 2: \"0,1,2\" does not have two columns"},
		{"a gap", "second,count\n0,1\n2,1\n", "line 3: step 2, but step 1 is expected"},
		{"a start after zero", "second,count\n1,1\n", "line 2: step 1, but step 0 is expected"},
		{"out of order", "second,count\n0,1\n1,1\n0,1\n", "line 4: step 0, but step 2 is expected"},
		{"half a step", "second,count\n0.5,1\n", "line 2: step \"0.5\" is not a whole number"},
		{"negative", "second,count\n0,-1\n", "line 2: count \"-1\""},
		{"NaN", "second,count\n0,NaN\n", "line 2: count \"NaN\""},
		{"infinite", "second,count\n0,Inf\n", "line 2: count \"Inf\""},
		{"absurd", "second,count\n0,1e10\n", "line 2: count \"1e10\""},
		{"words", "second,count\n0,many\n", "line 2: count \"many\""},
		{"an endless line", "second,count\n0," + strings.Repeat("1", 2<<20), "line 2: is longer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := arrivals.ReadTrace(strings.NewReader(c.csv))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func FuzzReadTrace(f *testing.F) {
	f.Add("second,count\n0,4\n1,3\n")
	f.Add("minute,count\r\n0,1e3\r\n")
	f.Fuzz(func(t *testing.T, csv string) {
		trace, err := arrivals.ReadTrace(strings.NewReader(csv))
		if err != nil {
			return
		}
		if trace.Step <= 0 || len(trace.Counts) == 0 || !(trace.Total() >= 0) {
			t.Errorf("%q read as %+v", csv, trace)
		}
	})
}

func TestWindow(t *testing.T) {
	trace := arrivals.Trace{Step: time.Minute, Counts: []float64{0, 1, 2, 3}}
	for _, c := range []struct {
		name         string
		from, length time.Duration
		want         []float64
	}{
		{"all", 0, 0, []float64{0, 1, 2, 3}},
		{"to the end", 2 * time.Minute, 0, []float64{2, 3}},
		{"inside", time.Minute, 2 * time.Minute, []float64{1, 2}},
		{"part of a step takes the step", 90 * time.Second, time.Minute, []float64{1, 2}},
		{"longer than the trace", 3 * time.Minute, math.MaxInt64, []float64{3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := trace.Window(c.from, c.length)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got.Counts); d != "" {
				t.Error(d)
			}
		})
	}
	for _, c := range []struct {
		from, length time.Duration
		want         string
	}{
		{-1, time.Second, "begins at -1ns"}, {4 * time.Minute, 0, "begins at 4m0s"}, {0, -time.Second, "lasts -1s"},
	} {
		if _, err := trace.Window(c.from, c.length); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("a window from %s for %s of a trace of 4m: %v", c.from, c.length, err)
		}
	}
}

// A trace of one-second steps keeps every count, in its own second and in order.
func TestTimesKeepTheCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.SliceOfN(rapid.IntRange(0, 40), 1, 20).Draw(t, "counts")
		trace := arrivals.Trace{Step: time.Second}
		for _, c := range counts {
			trace.Counts = append(trace.Counts, float64(c))
		}
		got := make([]int, len(counts))
		last := time.Duration(0)
		for at := range trace.Times(seeded(rapid.Uint64().Draw(t, "seed"))) {
			if at < last {
				t.Fatalf("arrival at %s after one at %s", at, last)
			}
			last = at
			got[at/time.Second]++
		}
		if !slices.Equal(got, counts) {
			t.Fatalf("counts %v, want %v", got, counts)
		}
	})
}

// The mean of each way to spread arrivals is the asked one, within five
// standard deviations of a Poisson count.
func TestMeans(t *testing.T) {
	long := arrivals.Trace{Step: time.Hour, Counts: []float64{9000, 1000}}
	scaled := arrivals.Trace{Step: time.Second, Counts: slices.Repeat([]float64{3}, 4000)}.Scaled(0.5)
	crowded := arrivals.Trace{Step: time.Second, Counts: []float64{1.5e6}}
	for _, c := range []struct {
		name  string
		times arrivals.Times
		want  float64
	}{
		{"poisson", arrivals.Poisson(200, 50*time.Second, seeded(1)), 10000},
		{"long steps", long.Times(seeded(2)), 10000},
		{"scaled counts", scaled.Times(seeded(3)), 6000},
		{"a second too full to sort", crowded.Times(seeded(4)), 1.5e6},
		{"even", arrivals.Even(3, 100*time.Second), 300},
		{"no rate", arrivals.Poisson(0, time.Hour, seeded(5)), 0},
		{"NaN", arrivals.Even(math.NaN(), time.Hour), 0},
		{"infinite", arrivals.Poisson(math.Inf(1), time.Hour, seeded(6)), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 0.0
			for range c.times {
				n++
			}
			if math.Abs(n-c.want) > 5*math.Sqrt(c.want) {
				t.Errorf("%.0f arrivals, want about %.0f", n, c.want)
			}
		})
	}
}

func TestTimesRepeatBySeedAndStop(t *testing.T) {
	trace := arrivals.Trace{Step: time.Minute, Counts: []float64{60, 60}}
	first := slices.Collect(trace.Times(seeded(7)))
	if d := cmp.Diff(first, slices.Collect(trace.Times(seeded(7)))); d != "" {
		t.Errorf("one seed, two answers: %s", d)
	}
	for range trace.Times(seeded(7)) {
		break // a consumer may stop: nothing panics
	}
	for range arrivals.Even(1000, time.Hour) {
		break
	}
}
