package intake

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

// strictTraffic is the traffic of the given strict queries a second during the last minute.
func strictTraffic(perSecond int64) tally.Summary {
	return tally.Summary{At: start, Minute: []tally.Load{
		{Key: tally.Key{Class: query.Relaxed}, Counts: tally.Counts{Arrived: 1e6}},
		{Key: tally.Key{Class: query.Strict}, Counts: tally.Counts{Arrived: 60 * perSecond}},
		{Key: tally.Key{Task: "t", Class: query.Strict}, Counts: tally.Counts{Arrived: 1e6}},
	}}
}

// No row of the store takes more writes than it is meant for, and there are no more
// lines than that takes, nor than the runners fill.
func TestLinesAreAsManyAsTheTrafficNeeds(t *testing.T) {
	for _, tc := range []struct {
		perSecond int64
		runners   int
		want      int
	}{{0, 100, 1}, {300, 100, 1}, {301, 100, 2}, {1000, 100, 4}, {10_000, 400, 34}, {10_000, 40, 5}, {10_000, 2, 1}} {
		if got := lines(strictTraffic(tc.perSecond), tc.runners); got != tc.want {
			t.Errorf("%d a second on %d runners: %d lines, want %d", tc.perSecond, tc.runners, got, tc.want)
		}
	}
}

// Several lines admit what one does: they share the runners.
func TestSeveralLinesAdmitAsManyAsOne(t *testing.T) {
	const runners, queries = 64, 3000
	set := settings.Defaults()
	set.MaxOverflowConcurrency = 10_000
	work := string(platform.WorkQueue("general", query.Strict))
	admitted := map[int64]int{}
	for _, perSecond := range []int64{100, 2000} {
		d, all := newCrowd(t, 40, func(c *Config) { c.Settings = func() settings.Settings { return set } })
		p := placement.Pool{Name: "general", InstanceType: "c5.large", Workers: runners / 2, Runners: runners, At: d.clock.now()}
		if err := d.Backend.Fleet.PublishView(t.Context(), platform.FleetView{Pools: []placement.Pool{p}, At: p.At, Traffic: strictTraffic(perSecond)}); err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			s.refreshView(t.Context())
			s.Settle()
		}
		admitted[perSecond] = all.burst(t, queries, strictly(), Terms{})[work]
	}
	if one, many := admitted[100], admitted[2000]; one < queries/4 || one > queries*9/10 || many < one*9/10 || many > one*11/10 {
		t.Errorf("one line admits %d of %d queries, several %d", one, queries, many)
	}
}

// throttled is a store that refuses every reservation.
type throttled struct{ platform.Shared }

func (throttled) Reserve(context.Context, string, time.Time, time.Time, time.Duration) (time.Time, bool, error) {
	return time.Time{}, false, fmt.Errorf("add to the line: %w", platform.ErrThrottled)
}

// Where too many ask for slots, a query goes to a function: by its own estimate each of
// many processes would send it to the same runners.
func TestAThrottledLineIsAFullOne(t *testing.T) {
	set := settings.Defaults()
	set.MaxOverflowConcurrency = 10_000
	d, all := newCrowd(t, 4, func(c *Config) {
		c.Settings, c.Shared = func() settings.Settings { return set }, throttled{c.Shared}
	})
	d.publish(t, 10)
	got := all.burst(t, 40, strictly(), Terms{})
	if got[string(platform.WorkQueue("general", query.Strict))] != 0 || got[string(platform.Overflow)]+got[late] != 40 {
		t.Errorf("placed %v", got)
	}
}
