package procurement

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// seasonOf is what is kept, of a season with a length in minutes, from some periods of a load that
// is shown ten minutes at a time.
func seasonOf(minutes int, periods float64, rate func(at time.Time) float64) (Season, time.Time) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	end := now.Add(time.Duration(periods * float64(minutes) * float64(time.Minute)))
	var s Season
	var st State
	for ; now.Before(end); now = now.Add(10 * time.Minute) {
		for i := range 600 {
			st.History = append(st.History, rate(now.Add(time.Duration(i)*time.Second)))
		}
		st.History = st.History[max(0, len(st.History)-keepSeconds):]
		st.KnownUntil = now.Add(10 * time.Minute)
		s = s.observe(st, minutes)
	}
	return s, end
}

func hourly(at time.Time) float64 {
	if at.Minute() < 2 {
		return 100
	}
	return 10
}

// A spike of each hour has a floor after three days of a season of a day, and after three hours
// of one of an hour, from a boot and a tick before it comes, or earlier where max_step needs
// more ticks; neither before that, nor where functions take it, nor for a load that rises over
// a day.
func TestASpikeOfEachHourHasAFloor(t *testing.T) {
	for _, minutes := range []int{minutesOfDay, minutesOfHour} {
		t.Run(fmt.Sprintf("%d minutes", minutes), func(t *testing.T) { testFloor(t, minutes) })
	}
}

func testFloor(t *testing.T, minutes int) {
	s, end := seasonOf(minutes, 3.2, hourly)
	young, _ := seasonOf(minutes, 2.9, hourly)
	smooth, _ := seasonOf(minutes, 3.2, func(at time.Time) float64 {
		return 100 - 90*math.Cos(float64(at.Hour()*60+at.Minute())*2*math.Pi/minutesOfDay)
	})
	next := end.Truncate(time.Hour).Add(time.Hour)
	c := costs{mu: 10, boot: 100, functions: 1000, queued: 1000}
	busy, set, slow := costs{mu: 10, boot: 100, functions: 120, queued: 60}, settings.Defaults(), settings.Defaults()
	slow.MaxStep = 2
	part := 4
	if minutes == minutesOfHour {
		part = 0 // that has a floor only where functions start too late
	}
	for _, tc := range []struct {
		name     string
		season   Season
		at       time.Time
		coldLate bool
		want     int
		c        costs
		set      settings.Settings
		planned  int
	}{
		{"in time", s, next.Add(-110 * time.Second), true, 10, c, set, 1},
		{"during it", s, next.Add(30 * time.Second), true, 10, c, set, 1},
		{"long before", s, next.Add(-10 * time.Minute), true, 0, c, set, 1},
		{"after it", s, next.Add(3 * time.Minute), true, 0, c, set, 1},
		{"two periods", young, next.Add(-110 * time.Second), true, 0, c, set, 1},
		{"a smooth day", smooth, next.Add(9 * time.Hour), true, 0, c, set, 1},
		{"functions take it", s, next.Add(-110 * time.Second), false, 0, c, set, 1},
		{"functions take a part", s, next.Add(-110 * time.Second), false, part, busy, set, 1},
		{"functions take it while no worker is up", s, next.Add(-110 * time.Second), false, 0, busy, set, 0},
		{"too early for all at once", s, next.Add(-130 * time.Second), true, 0, c, set, 1},
		{"two in a tick", s, next.Add(-150 * time.Second), true, 10, c, slow, 1},
	} {
		if got, _ := tc.season.floor(tc.at, tc.set, tc.c, tc.coldLate, tc.planned); got != tc.want {
			t.Errorf("%s: a floor of %d workers, want %d", tc.name, got, tc.want)
		}
	}
}

// A crowd that came once is forgotten the next day, and one that comes anew counts more from
// day to day.
func TestACrowdOfOneDayIsForgotten(t *testing.T) {
	once := func(day int) func(time.Time) float64 {
		return func(at time.Time) float64 {
			if at.Day() == day && at.Hour() == 12 && at.Minute() < 5 {
				return 400
			}
			return 10
		}
	}
	noon := time.Date(2026, 3, 9, 12, 2, 0, 0, time.UTC)
	for _, tc := range []struct {
		day, most float64
	}{{1, 10.5}, {3, 10.5}, {4, 145}} {
		if s, _ := seasonOf(minutesOfDay, 4, once(int(tc.day))); s.peak(noon) > tc.most {
			t.Errorf("a crowd on day %v: %v queries/s are expected at noon, want %v at most", tc.day, s.peak(noon), tc.most)
		}
	}
}

// What is kept is bounded, is the same after it was stored, and keeps rates to three percent.
func TestASeasonIsBoundedAndStored(t *testing.T) {
	s, end := seasonOf(minutesOfDay, 3.1, hourly)
	raw, err := json.Marshal(s)
	if err != nil || len(raw) > 2100 {
		t.Fatalf("%d bytes, error %v", len(raw), err)
	}
	var again Season
	if err := json.Unmarshal(raw, &again); err != nil {
		t.Fatal(err)
	}
	for m := range minutesOfDay {
		at := end.Truncate(time.Hour).Add(time.Duration(m) * time.Minute)
		if want := hourly(at); math.Abs(again.peak(at)-want) > 0.03*want {
			t.Errorf("%v: %v queries/s, want %v", at, again.peak(at), want)
		}
	}
}
