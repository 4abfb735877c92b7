package procurement

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

// seasonOf is what is kept of so many days of a load, shown ten minutes at a time.
func seasonOf(days float64, rate func(at time.Time) float64) (Season, time.Time) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	end := now.Add(time.Duration(days * 24 * float64(time.Hour)))
	var s Season
	var st State
	for ; now.Before(end); now = now.Add(10 * time.Minute) {
		for i := range 600 {
			st.History = append(st.History, rate(now.Add(time.Duration(i)*time.Second)))
		}
		st.History = st.History[max(0, len(st.History)-keepSeconds):]
		st.KnownUntil = now.Add(10 * time.Minute)
		s = s.observe(st)
	}
	return s, end
}

func hourly(at time.Time) float64 {
	if at.Minute() < 2 {
		return 100
	}
	return 10
}

// A spike of each hour has a floor after three days, from a boot and a tick before it comes;
// neither before that, nor where functions take it, nor for a load that rises over a day.
func TestASpikeOfEachHourHasAFloor(t *testing.T) {
	s, end := seasonOf(3.1, hourly)
	young, _ := seasonOf(2.9, hourly)
	smooth, _ := seasonOf(3.1, func(at time.Time) float64 { return 100 - 90*math.Cos(float64(minuteOf(at))*2*math.Pi/minutesOfDay) })
	next := end.Truncate(time.Hour).Add(time.Hour)
	c := costs{mu: 10, boot: 100, functions: 1000}
	for _, tc := range []struct {
		name     string
		season   Season
		at       time.Time
		coldLate bool
		want     int
	}{
		{"in time", s, next.Add(-110 * time.Second), true, 10},
		{"during it", s, next.Add(30 * time.Second), true, 10},
		{"long before", s, next.Add(-10 * time.Minute), true, 0},
		{"after it", s, next.Add(3 * time.Minute), true, 0},
		{"two days", young, next.Add(-110 * time.Second), true, 0},
		{"a smooth day", smooth, next.Add(9 * time.Hour), true, 0},
		{"functions take it", s, next.Add(-110 * time.Second), false, 0},
	} {
		if got, _ := tc.season.floor(tc.at, 10, c, tc.coldLate); got != tc.want {
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
		if s, _ := seasonOf(4, once(int(tc.day))); s.peak(noon) > tc.most {
			t.Errorf("a crowd on day %v: %v queries/s are expected at noon, want %v at most", tc.day, s.peak(noon), tc.most)
		}
	}
}

// What is kept is bounded, is the same after it was stored, and keeps rates to three percent.
func TestASeasonIsBoundedAndStored(t *testing.T) {
	s, end := seasonOf(3.1, hourly)
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
