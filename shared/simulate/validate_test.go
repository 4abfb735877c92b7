package simulate_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// What cannot be played is refused by a sentence that names it, and by the
// clairvoyant too, before it plans.
func TestRunRefuses(t *testing.T) {
	for _, c := range []struct {
		names string
		spoil func(*simulate.Config)
	}{
		{"a pool", func(c *simulate.Config) { c.Pools = nil }},
		{"share of strict", func(c *simulate.Config) { c.Strict = math.NaN() }},
		{"strict queries", func(c *simulate.Config) { c.StrictMS = 0 }},
		{"relaxed queries", func(c *simulate.Config) { c.StrictMS, c.RelaxMS = 1000, 1 }},
		{"relaxed queries", func(c *simulate.Config) { c.RelaxMS = math.Inf(1) }},
		{"tick", func(c *simulate.Config) { c.Settings.TickSeconds = 0 }},
		{"1 to 64 runners", func(c *simulate.Config) { c.Pools[0].Runners = 0 }},
		{"1 to 64 runners", func(c *simulate.Config) { c.Pools[0].Runners = 65 }},
		{"service time", func(c *simulate.Config) { c.Pools[0].Models[0].ServiceMS = 0 }},
		{"before the end of the trace", func(c *simulate.Config) { c.From = 24 * time.Hour }},
		{"before the end of the trace", func(c *simulate.Config) { c.From, c.Warmup = 24*time.Hour, 20*time.Minute }},
		{"delay", func(c *simulate.Config) { c.MetricDelay = -1 }},
		{"warm", func(c *simulate.Config) { c.KeepAliveSeconds = -1 }},
		{"warm", func(c *simulate.Config) { c.KeepAliveSeconds = math.NaN() }},
		{"workers at the start", func(c *simulate.Config) { c.Workers = 1e6 }},
		{"limits", func(c *simulate.Config) { c.Limits = &simulate.Limits{MinWorkers: 2, MaxWorkers: 1} }},
		{"spot", func(c *simulate.Config) { c.Spot.PriceFactor = -1 }},
		{"not both", func(c *simulate.Config) { c.Spot = simulate.Spot{Share: 0.5, Availability: madeUp()} }},
		{"recorded availability", func(c *simulate.Config) { c.Spot.Availability = &simulate.Availability{} }},
		{"offset", func(c *simulate.Config) { c.Spot.Offset = -1 }},
		{"interrupted", func(c *simulate.Config) { c.Spot.InterruptionsPerHour = math.Inf(1) }},
	} {
		spoiled := config(must(procurement.Get("mixed")), generated(t, "constant", 1))
		c.spoil(&spoiled)
		_, run := simulate.Run(spoiled)
		_, _, planned := simulate.Clairvoyant(spoiled)
		for _, err := range []error{run, planned} {
			var invalid *simulate.Invalid
			if len(spoiled.Pools) > 0 && (!errors.As(err, &invalid) || !strings.Contains(err.Error(), c.names)) {
				t.Errorf("%s: error %v", c.names, err)
			}
		}
	}
}

// A limit holds in a run by definition, whatever the scheme wants; without
// workers all that is answered is answered by functions.
func TestLimitsOfWorkersHold(t *testing.T) {
	for _, l := range []simulate.Limits{{MaxWorkers: 0}, {MaxWorkers: 2}, {MinWorkers: 9, MaxWorkers: 12}} {
		c := config(must(procurement.Get("mixed")), generated(t, "flash_crowd", 10))
		c.Limits = &l
		c.Watch = func(m simulate.Moment) {
			if have := m.Snapshot.Pool.Ready + m.Snapshot.Pool.Booting; have < l.MinWorkers || have > l.MaxWorkers {
				t.Fatalf("%d workers within %+v", have, l)
			}
		}
		r := run(t, c)
		if byWorkers := r.Strict.Succeeded - r.Strict.Overflow; (byWorkers == 0) != (l.MaxWorkers == 0) {
			t.Errorf("%+v: workers answered %d strict queries", l, byWorkers)
		}
	}
}

// Settings are those that a run goes by, and limits where they are given.
func TestSettingsOfARun(t *testing.T) {
	for _, c := range []struct {
		values map[string]string
		limits *simulate.Limits
		fault  string
	}{
		{map[string]string{"idle_seconds": "30"}, nil, ""},
		{map[string]string{"max_workers": "0"}, &simulate.Limits{}, ""},
		{map[string]string{"max_workers": "3", "min_workers": "1"}, &simulate.Limits{MinWorkers: 1, MaxWorkers: 3}, ""},
		{map[string]string{"min_workers": "30"}, &simulate.Limits{MinWorkers: 30, MaxWorkers: 1 << 20}, ""},
		{map[string]string{"max_workers": "1", "min_workers": "3"}, nil, "min_workers"},
		{map[string]string{"max_workers": "-1"}, nil, "0 to 2000"},
		{map[string]string{"max_step": "3"}, nil, "max_step"},
		{map[string]string{"hourly_budget_usd": "3"}, nil, "hourly_budget_usd"},
		{map[string]string{"no_such": "3"}, nil, "no_such"},
	} {
		s, limits, err := simulate.Settings(c.values)
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%v: error %v", c.values, err)
		}
		if (limits == nil) != (c.limits == nil) || limits != nil && *limits != *c.limits {
			t.Errorf("%v: limits %+v, want %+v", c.values, limits, c.limits)
		}
		if v, ok := c.values["idle_seconds"]; ok && s.IdleSeconds != 30 {
			t.Errorf("idle_seconds %s came to %v", v, s.IdleSeconds)
		}
	}
}
