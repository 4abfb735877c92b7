package staleness

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// catalogue has one model, with a reference figure and one of a function size.
func catalogue(date, functionDate string) *profile.Catalogue {
	latency := func(resource string, mb int, p50 float64, date string) profile.Latency {
		return profile.Latency{Resource: resource, MemoryMB: mb, Threads: 1, Batch: 1, MS: profile.Percentiles{P50: p50, P95: p50, P99: p50},
			Source: profile.Source{Kind: "measured", File: "t/latency.json", Row: "resource=" + resource, Date: date}}
	}
	return &profile.Catalogue{
		Models:    []profile.Model{{Name: "m", Task: "t", Latency: []profile.Latency{latency("reference", 0, 10, date), latency("lambda-x86_64", 1024, 30, functionDate)}}},
		Instances: []profile.Instance{{Type: "c5.large", Speed: 1}},
		Functions: []profile.FunctionSizes{{Arch: "x86_64", MemoryMB: []int{512, 1024, 2048}, MBPerVCPU: 1769, Speed: 1}},
	}
}

func TestAged(t *testing.T) {
	everything := "c5.large,lambda-x86_64 512 MB,lambda-x86_64 2048 MB"
	for _, tt := range []struct {
		name, date, functionDate string
		days                     float64
		want                     []string // the resources of each warning
	}{
		{"fresh", "2026-11-01", "2026-11-01", 90, nil},
		{"exactly as old as is allowed", "2026-11-22", "2026-11-22", 1.5, nil},
		{"one figure stands for many resources", "2026-01-01", "2026-11-01", 90, []string{everything}},
		{"the function's alone", "2026-11-01", "2026-01-01", 90, []string{"lambda-x86_64 1024 MB"}},
		{"both", "2026-01-01", "2026-01-01", 90, []string{everything, "lambda-x86_64 1024 MB"}},
		{"no date is no youth", "", "2026-11-01", 90, []string{everything}},
		{"a date to come", "2027-11-01", "2026-11-01", 90, nil},
		{"switched off", "2000-01-01", "", 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := catalogue(tt.date, tt.functionDate)
			var got []string
			for _, w := range Aged(c, Uses(c, []string{"c5.large"}, "x86_64"), tt.days, now) {
				got = append(got, strings.Join(w.Resources, ","))
				if w.Kind != Old || w.Model != "m" || w.Task != "t" || !strings.Contains(w.Text, "m on ") || !strings.Contains(w.Text, w.Figure) {
					t.Errorf("warning %+v", w)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("warnings of %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAgedSaysTheAge(t *testing.T) {
	c := catalogue("2026-08-15", "2026-11-01")
	got := Aged(c, Uses(c, []string{"c5.large"}, "x86_64"), 90, now)
	want := "the profile of m on c5.large, lambda-x86_64 512 MB and 1 more (t/latency.json resource=reference) is 100 days old; at most 90 days are allowed: measure the model again"
	if len(got) != 1 || got[0].Text != want || got[0].AgeDays == nil || *got[0].AgeDays != 100.5 {
		t.Errorf("%+v", got)
	}
}

func TestContradicted(t *testing.T) {
	vm, function := Use{Instance: "c5.large"}, Use{Arch: "x86_64", MemoryMB: 1024}
	many := func(n int64, u Use, ms float64) []Runs { return []Runs{{"m", u, ms, n}} }
	for _, tt := range []struct {
		name string
		runs []Runs
		live float64 // 0 means no warning
	}{
		{"nothing answered", nil, 0},
		{"as the profile says", many(100, vm, 11), 0},
		{"slower", many(20, vm, 15.1), 15.1},
		{"at the factor", many(20, vm, 15), 0},
		{"faster", many(20, vm, 6.6), 6.6},
		{"too few", many(19, vm, 100), 0},
		{"one of several", append(many(20, vm, 10), many(20, function, 60)...), 60},
		{"by the function's own figure", many(20, function, 31), 0},
		{"a slow function", many(20, function, 60), 60},
		{"a resource nobody knows", many(20, Use{Instance: "x1"}, 60), 0},
		{"a model nobody knows", []Runs{{"other", vm, 60, 20}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Contradicted(catalogue("2026-11-20", "2026-11-20"), tt.runs, now)
			if tt.live == 0 {
				if len(got) != 0 {
					t.Errorf("warnings %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Kind != Live || got[0].LiveMS != tt.live || got[0].Answers != 20 || len(got[0].Resources) != 1 {
				t.Fatalf("warnings %+v", got)
			}
			if !strings.Contains(got[0].Text, got[0].Resources[0]) || !strings.Contains(got[0].Text, "3.5 days old") {
				t.Errorf("text %q", got[0].Text)
			}
		})
	}
}

// A quick model's time may double within the clock's noise.
func TestAHalfMillisecondIsNoDrift(t *testing.T) {
	c := catalogue("2026-11-20", "")
	c.Models[0].Latency[0].MS.P50 = 0.03
	quick := []Runs{{"m", Use{Instance: "c5.large"}, 0.3, 50}}
	if got := Contradicted(c, quick, now); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}
