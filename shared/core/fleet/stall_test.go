package fleet

import (
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

func TestStall(t *testing.T) {
	t0, set := time.Unix(1000, 0), settings.Defaults()
	overdue, later := t0.Add(5*time.Second), t0.Add(6*time.Second)
	for _, tc := range []struct {
		name     string
		seen     func(*Stall)
		heardAt  time.Time
		now      time.Time
		unmoving bool
	}{
		{"nothing was seen", func(*Stall) {}, t0, later, false},
		{"overdue since the last report", func(s *Stall) { s.Overdue(overdue) }, t0, later, true},
		{"overdue, and nobody ever reported", func(s *Stall) { s.Overdue(overdue) }, time.Time{}, later, true},
		{"a worker reported since", func(s *Stall) { s.Overdue(overdue) }, overdue.Add(1), later, false},
		{"a worker answered since", func(s *Stall) { s.Overdue(overdue); s.Answered(overdue) }, t0, later, false},
		{"an answer StallAfter ago", func(s *Stall) { s.Answered(later.Add(-StallAfter)); s.Overdue(overdue) }, t0, later, true},
		{"an answer just before that", func(s *Stall) { s.Answered(overdue); s.Overdue(overdue) }, t0, overdue.Add(StallAfter - 1), false},
		{"they stopped after that answer", func(s *Stall) { s.Answered(overdue); s.Overdue(overdue) }, t0, overdue.Add(StallAfter), true},
		{"the clock was set back after an answer", func(s *Stall) { s.Answered(later.Add(1)); s.Overdue(overdue) }, t0, later, true},
		{"overdue again after the report", func(s *Stall) { s.Overdue(t0); s.Overdue(overdue) }, overdue, later, true},
		{"until reports alone say it", func(s *Stall) { s.Overdue(overdue) }, t0, overdue.Add(SilentAfter(set)), true},
		{"reports alone say it", func(s *Stall) { s.Overdue(overdue) }, t0, overdue.Add(SilentAfter(set) + 1), false},
	} {
		var s Stall
		tc.seen(&s)
		if got := s.Stalls(tc.heardAt, tc.now, set); got != tc.unmoving {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

// Strict work that waits is overdue by the views when every ready worker should have taken it
// or reported an end, and none is when nothing waits.
func TestStallByViews(t *testing.T) {
	t0, set := time.Unix(1000, 0), settings.Defaults()
	set.ViewSeconds = 1
	idle := func(at int) Report {
		return Report{State: Ready, Runners: 2, At: t0.Add(time.Duration(at) * time.Second)}
	}
	busy := func(at int, eachMS float64) Report {
		r := idle(at)
		r.Busy, r.HeldRelaxed, r.StrictMS, r.RelaxedMS = 2, 2, 3*eachMS, eachMS
		return r
	}
	type view struct {
		at     int // seconds
		waits  bool
		ready  []Report
		stalls bool
	}
	for name, views := range map[string][]view{
		"idle workers":               {{0, false, []Report{idle(-9)}, false}, {9, false, []Report{idle(-9)}, false}},
		"stopped idle":               {{0, true, []Report{idle(-9)}, false}, {1, true, []Report{idle(-9)}, true}, {2, true, []Report{idle(-9)}, true}},
		"stopped after a report":     {{0, true, []Report{idle(0)}, false}, {4, true, []Report{idle(0)}, false}, {5, true, []Report{idle(0)}, true}},
		"it is taken":                {{0, true, []Report{idle(-9)}, false}, {1, false, []Report{idle(-9)}, false}, {2, true, []Report{idle(-9)}, false}},
		"they report":                {{0, true, []Report{busy(0, 9)}, false}, {4, true, []Report{busy(3, 9)}, false}, {6, true, []Report{busy(5, 9)}, false}},
		"one of two is stopped":      {{0, true, []Report{idle(-9), busy(0, 9)}, false}, {4, true, []Report{idle(-9), busy(3, 9)}, false}},
		"long runs":                  {{0, true, []Report{busy(0, 5000)}, false}, {9, true, []Report{busy(0, 5000)}, false}, {10, true, []Report{busy(0, 5000)}, true}},
		"they go on":                 {{0, true, []Report{idle(-9)}, false}, {4, true, []Report{idle(-9)}, true}, {5, true, []Report{busy(5, 9)}, false}},
		"what waited is handed over": {{0, true, []Report{idle(-9)}, false}, {4, true, []Report{idle(-9)}, true}, {5, false, []Report{idle(-9)}, false}},
	} {
		var s Stall
		for _, v := range views {
			now := t0.Add(time.Duration(v.at) * time.Second)
			c := Census{Ready: v.ready}
			s.View(v.waits, c, now, set)
			if got := s.Stalls(c.Heard(), now, set); got != v.stalls {
				t.Errorf("%s, after %d s: stalls is %v", name, v.at, got)
			}
		}
	}
}

func TestHeard(t *testing.T) {
	at := time.Unix(1000, 0)
	c := Census{Ready: []Report{{At: at}, {At: at.Add(2)}, {At: at.Add(1)}}, Stuck: []Report{{At: at.Add(9)}}}
	if got := c.Heard(); got != at.Add(2) {
		t.Errorf("%v", got)
	}
	if got := (Census{}).Heard(); !got.IsZero() {
		t.Errorf("without a worker: %v", got)
	}
}
