package placement

import (
	"testing"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

func TestHasCapacity(t *testing.T) {
	grows := Growth{Allowed: true, LeadMS: 60_000, WarmLeadMS: 30_000}
	for _, tc := range []struct {
		name      string
		pool      Pool
		expiresMS float64
		aheadMS   float64
		growth    Growth
		want      bool
	}{
		{"a worker serves", Pool{Workers: 1}, 1, 0, Growth{}, true},
		{"a runner serves", Pool{Runners: 1}, 1, 0, Growth{}, true},
		{"a worker boots", Pool{Booting: 1}, 1, 0, Growth{}, true},
		{"a worker boots after a launch that brought nobody", Pool{Booting: 1, Unfilled: true}, 1, 0, Growth{}, true},
		{"one can be launched in time", Pool{}, 60_000, 0, grows, true},
		{"one can be launched, too late", Pool{}, 59_999, 0, grows, false},
		{"a warm instance can be started in time", Pool{Warm: 1}, 30_000, 0, grows, true},
		{"a warm instance can be started, too late", Pool{Warm: 1}, 29_999, 0, grows, false},
		{"one can be launched by the next run of the controller", Pool{Rests: true}, 120_000, 0, grows, true},
		{"one can be launched by the next run of the controller, too late", Pool{Rests: true}, 119_999, 0, grows, false},
		{"none may be launched", Pool{}, 1e9, 0, Growth{}, false},
		{"the work ahead is done in time", Pool{Workers: 2, Runners: 4}, 1000, 4000, grows, true},
		{"the work ahead is not done in time", Pool{Workers: 2, Runners: 4}, 1000, 4001, grows, false},
		{"by workers that boot as well", Pool{Workers: 2, Runners: 4, Booting: 3}, 60_000, 240_000 + 6*10_000, Growth{BootMS: 50_000}, true},
		{"not by workers that boot either", Pool{Workers: 2, Runners: 4, Booting: 3}, 60_000, 240_000 + 6*10_000 + 1, Growth{BootMS: 50_000}, false},
		{"by workers that boot, too late", Pool{Workers: 2, Runners: 4, Booting: 3}, 1000, 4001, Growth{BootMS: 50_000}, false},
		{"the last launch brought nobody", Pool{Unfilled: true}, 1e9, 0, grows, false},
	} {
		if got := tc.pool.HasCapacity(tc.expiresMS, tc.aheadMS, tc.growth); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

// A warm instance serves sooner than a new machine, by the difference of their boots.
func TestGrowthOf(t *testing.T) {
	set := settings.Defaults()
	set.VMBootSeconds, set.WarmBootSeconds = 100, 40
	if g := GrowthOf(set); g.LeadMS-g.WarmLeadMS != 60_000 {
		t.Errorf("%+v", g)
	}
	set.WarmBootSeconds = 400
	if g := GrowthOf(set); g.LeadMS != g.WarmLeadMS {
		t.Errorf("a warm boot that is longer: %+v", g)
	}
}

// One of the runners of a worker is kept for other owners.
func TestSharedMS(t *testing.T) {
	for _, tc := range []struct {
		pool Pool
		want float64 // of 1200 ms
	}{
		{Pool{}, 1200},
		{Pool{Workers: 3, Runners: 3}, 1200},
		{Pool{Workers: 2, Runners: 4}, 2400},
		{Pool{Workers: 1, Runners: 4}, 1600},
		{Pool{Runners: 4}, 1600},
	} {
		if got := tc.pool.SharedMS(1200); got != tc.want {
			t.Errorf("%+v: %v", tc.pool, got)
		}
	}
}
