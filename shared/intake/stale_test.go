package intake

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/staleness"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

// publishTraffic makes the fleet look as if a worker had counted n ends of an
// outcome in its pool.
func (d testService) publishTraffic(t *testing.T, n int, o query.Outcome) {
	t.Helper()
	now := d.clock.now()
	o.State, o.FinishedAt = query.Succeeded, now
	h, book := tally.NewHistory(now), tally.NewBook(now)
	k, observed := tally.Of(query.Record{State: o.State, Need: query.Need{Task: "digits"}, Model: "net", Class: query.Strict, AcceptedAt: now, DeadlineAt: now, Outcome: &o})
	for range n {
		book.Ended(k, observed)
	}
	h.Feed("w", book.Snapshot(now), now)
	if err := d.Backend.Fleet.PublishView(t.Context(), platform.FleetView{At: now, Traffic: h.Summary(now)}); err != nil {
		t.Fatal(err)
	}
}

// The service's profile says 20 ms on c5.large and on functions.
func TestStatusWarnsOfProfilesThatAnswersContradict(t *testing.T) {
	worker := query.Runner{Kind: query.OnWorker, Name: "w", Resource: "c5.large"}
	paced, cold := worker, query.Runner{Kind: query.OnFunction, Name: "f", Resource: "lambda-x86_64", MemoryMB: 1769, Cold: true}
	paced.Paced = true
	warm := cold
	warm.Cold = false
	for _, tt := range []struct {
		name string
		o    query.Outcome
		want []string // resources warned of
	}{
		{"as the profile says", query.Outcome{RanOn: worker, ComputeMS: 21}, nil},
		{"slow worker", query.Outcome{RanOn: worker, ComputeMS: 40}, []string{"c5.large"}},
		{"slow function", query.Outcome{RanOn: warm, ComputeMS: 40}, []string{"lambda-x86_64 1769 MB"}},
		{"held to the profile", query.Outcome{RanOn: paced, ComputeMS: 40}, nil},
		{"cold", query.Outcome{RanOn: cold, ComputeMS: 40}, nil},
		{"in a batch", query.Outcome{RanOn: worker, ComputeMS: 40, Batch: 4}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newTestService(t, func(c *Config) {
				ms := c.Catalogue.Current().Models
				ms[0].Latency[0].Source.Date, ms[0].Latency[1].Source.Date = "2026-11-20", "2026-11-20"
			})
			d.publishTraffic(t, 30, tt.o)
			st, err := d.Service.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range st.Profiles {
				got = append(got, w.Resources...)
				if w.Kind != staleness.Live || w.Model != "net" || math.Abs(w.LiveMS-40) > 40*tally.BucketError || w.ProfileMS != 20 || w.Answers != 30 {
					t.Errorf("warning %+v", w)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("warned of %q, want %q", got, tt.want)
			}
		})
	}
}

func TestStatusWarnsOfOldProfiles(t *testing.T) {
	set := settings.Defaults()
	d := newTestService(t, func(c *Config) {
		ms := c.Catalogue.Current().Models
		ms[0].Latency[0].Source.Date, ms[0].Latency[1].Source.Date = "2026-11-20", "2026-11-22"
		c.Settings = func() settings.Settings { return set }
	})
	for _, step := range []struct {
		after   time.Duration
		maxDays float64
		want    int
	}{{0, 90, 0}, {88 * 24 * time.Hour, 90, 1}, {10 * 24 * time.Hour, 90, 1}, {0, 365, 0}, {0, 0, 0}} {
		d.clock.advance(step.after)
		set.ProfileMaxAgeDays = step.maxDays
		st, err := d.Service.Status(t.Context())
		if err != nil || len(st.Profiles) != step.want {
			t.Errorf("%v on, %g days allowed: %+v, error %v, want %d", step.after, step.maxDays, st.Profiles, err, step.want)
		}
	}
}
