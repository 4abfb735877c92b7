package procurement

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Season is how load moves over a day, minute by minute: the most that comes in binSeconds of
// each minute every day. What a day does not show again is forgotten at once, and what comes
// anew counts more from day to day. It is bounded: a byte a minute, as each record has it.
type Season struct {
	// From and Until are the first minute that was added, and the end of the last one.
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// Peaks holds a number for each minute of the day in UTC: peakScale times the logarithm of
	// 1 + the rate.
	Peaks []byte `json:"peaks,omitempty"`
}

const (
	minutesOfDay = 24 * 60
	peakScale    = 20 // a step is five percent, and the last one 340,000 queries a second
)

// days is for how many days load has been added.
func (s Season) days() float64 { return s.Until.Sub(s.From).Hours() / 24 }

// peak is what a minute of the day has at most, in queries a second.
func (s Season) peak(at time.Time) float64 {
	i := minuteOf(at)
	if len(s.Peaks) <= i {
		return 0
	}
	return math.Expm1(float64(s.Peaks[i]) / peakScale)
}

func minuteOf(at time.Time) int { return at.UTC().Hour()*60 + at.UTC().Minute() }

// observe adds the minutes that the history holds whole, once late points do not change them
// any more.
func (s Season) observe(st State) Season {
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
			peaks := make([]byte, minutesOfDay)
			copy(peaks, s.Peaks)
			s.Peaks, copied = peaks, true
		}
		at, most := int(next.Sub(begin)/time.Second), 0.0
		for i := at; i < at+60; i += binSeconds {
			most = max(most, mean(st.History[i:i+binSeconds]))
		}
		if before := s.peak(next); most > before && next.Sub(s.From) >= 24*time.Hour {
			most = before + (most-before)/seasonDays
		}
		s.Peaks[minuteOf(next)] = byte(min(math.MaxUint8, peakScale*math.Log1p(most)+0.5))
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
// day: a minute that is burstFactor times above those around it, and of which functions cannot
// take all in time. What came lately says nothing of it, nor how long it lasts. Where functions
// start cold too late for strict queries they take none of it. 0 for none.
func (s Season) floor(now time.Time, tickSeconds float64, c costs, coldLate bool) (workers int, why string) {
	if s.days() < seasonDays {
		return 0, ""
	}
	expected, at := 0.0, now
	for t := now; !t.After(now.Add(time.Duration((c.boot + tickSeconds) * float64(time.Second)))); t = t.Add(binSeconds * time.Second) {
		if peak := s.peak(t); peak > expected {
			expected, at = peak, t
		}
	}
	beyond := expected
	if !coldLate {
		beyond -= c.functions
	}
	if beyond <= 0 || expected <= burstFactor*s.usual(at) {
		return 0, ""
	}
	return int(math.Ceil(beyond / c.mu)), fmt.Sprintf("; every day %.1f queries/s come at %s UTC", expected, at.UTC().Format("15:04"))
}
