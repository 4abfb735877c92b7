package procurement

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// Season is how load moves over a period, a day or an hour, minute by minute: the most that
// comes in binSeconds of each minute in every period. What a period does not show again is
// forgotten at once, and what comes anew counts more from one to the next. It is bounded: a
// byte a minute, as each record has it.
type Season struct {
	// From and Until are the first minute that was added, and the end of the last one.
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// Peaks holds a number for each minute of the period in UTC: peakScale times the
	// logarithm of 1 + the rate.
	Peaks []byte `json:"peaks,omitempty"`
}

const (
	minutesOfDay  = 24 * 60
	minutesOfHour = 60
	peakScale     = 20 // a step is five percent, and the last one 340,000 queries a second
)

// period is after how long the season begins anew.
func (s Season) period() time.Duration { return time.Duration(len(s.Peaks)) * time.Minute }

// known is whether load has been added for seasonPeriods periods.
func (s Season) known() bool {
	return len(s.Peaks) > 0 && s.Until.Sub(s.From) >= seasonPeriods*s.period()
}

// minuteOf is which minute of the season a time has.
func (s Season) minuteOf(at time.Time) int {
	return (at.UTC().Hour()*60 + at.UTC().Minute()) % len(s.Peaks)
}

// peak is what a minute of the period has at most, in queries a second.
func (s Season) peak(at time.Time) float64 {
	if len(s.Peaks) == 0 {
		return 0
	}
	return math.Expm1(float64(s.Peaks[s.minuteOf(at)]) / peakScale)
}

// observe adds the minutes that the history holds whole, once late points do not change them
// any more, to a season of the given minutes.
func (s Season) observe(st State, minutes int) Season {
	begin := st.KnownUntil.Add(-time.Duration(len(st.History)) * time.Second)
	next := begin.Truncate(time.Minute)
	if next.Before(begin) {
		next = next.Add(time.Minute)
	}
	if s.Until.After(next) {
		next = s.Until
	}
	settled, copied := st.KnownUntil.Add(-RereadSeconds*time.Second), false
	for end := next.Add(time.Minute); !end.After(settled); next, end = end, end.Add(time.Minute) {
		if s.From.IsZero() {
			s.From = next
		}
		if !copied {
			peaks := make([]byte, minutes)
			copy(peaks, s.Peaks)
			s.Peaks, copied = peaks, true
		}
		at, most := int(next.Sub(begin)/time.Second), 0.0
		for i := at; i < at+60; i += binSeconds {
			most = max(most, mean(st.History[i:i+binSeconds]))
		}
		if before := s.peak(next); most > before && next.Sub(s.From) >= s.period() {
			most = before + (most-before)/seasonPeriods
		}
		s.Peaks[s.minuteOf(next)] = byte(min(math.MaxUint8, peakScale*math.Log1p(most)+0.5))
		s.Until = end
	}
	return s
}

// usual is what a minute of the hour around a time has at most, in the median.
func (s Season) usual(at time.Time) float64 {
	peaks := make([]float64, 60)
	for i := range peaks {
		peaks[i] = s.peak(at.Add(time.Duration(i-30) * time.Minute))
	}
	slices.Sort(peaks)
	return peaks[30]
}

// floor is the number of workers that must be up for a spike that comes at this time of each
// period: a minute that is burstFactor times above those around it, and of which functions
// cannot take all in time. What came lately says nothing of it, nor how long it lasts. Where
// functions start cold too late for strict queries they take none of it. The workers are asked
// for a boot and as many ticks before it as max_step needs for them. Where no worker is
// planned, functions that take all by the shorter way need none. A spike of each hour has a floor
// only where functions start too late. 0 for none.
func (s Season) floor(now time.Time, set settings.Settings, c costs, coldLate bool, planned int) (workers int, why string) {
	hourly := s.period() == time.Hour
	if !s.known() || hourly && !coldLate {
		return 0, ""
	}
	functions, most := c.queued, c.queued
	if planned == 0 {
		most = c.functions
	}
	if coldLate {
		functions, most = 0, 0
	}
	expected, at := 0.0, now
	for ahead := time.Duration(0); ahead < time.Hour; ahead += binSeconds * time.Second {
		peak := s.peak(now.Add(ahead))
		n := int(math.Ceil((peak - functions) / c.mu))
		ticks := math.Ceil(float64(n) / float64(max(1, set.MaxStep)))
		if peak <= most || n <= workers || ahead.Seconds() > c.boot+ticks*set.TickSeconds {
			continue
		}
		if t := now.Add(ahead); peak > burstFactor*s.usual(t) {
			workers, expected, at = n, peak, t
		}
	}
	switch {
	case workers == 0:
		return 0, ""
	case hourly:
		return workers, fmt.Sprintf("; every hour %s come at minute %d", Rate(expected), at.UTC().Minute())
	}
	return workers, fmt.Sprintf("; every day %s come at %s UTC", Rate(expected), at.UTC().Format("15:04"))
}
