package control_test

import (
	"regexp"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/decision"
)

// rateInWords is a rate in a decision's sentence: of the arrivals, or what a worker answers up to.
var rateInWords = regexp.MustCompile(`(up to )?([\d.]+) queries/s`)

// In a ramp from 3 to 43 queries a second, whose metrics come a minute late, the rates in each
// decision's sentence are those of the ramp: at least half of what arrived two minutes before, and
// at most half as much again as will arrive when a worker that is started now serves. A scheme that took
// utilization or late points for more load would name rates far above (as 38.3 at 3 queries a
// second once was).
func TestTheRatesInTheSentencesOfARamp(t *testing.T) {
	for _, scheme := range []string{"reactive", "exascale", "mixed_predictive", "paragon", "hedged"} {
		t.Run(scheme, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				defer func() { check(t, s.backend.Close()) }()
				check(t, s.cloud.Settings.Set(s.Context(), "scheme", scheme))
				s.evenly, s.late = true, time.Minute
				s.begin(1)
				const from, perStep, steps = 3.0, 0.5, 80
				s.strict = from
				s.pass(5 * time.Minute)
				start := time.Now()
				// rate is what arrives a second at a time.
				rate := func(at time.Time) float64 {
					return from + perStep*max(0, min(steps, float64(int(at.Sub(start)/(10*time.Second)))))
				}
				for step := range steps {
					s.strict = from + perStep*float64(step)
					s.pass(10 * time.Second)
				}
				s.pass(2 * time.Minute)
				holdsRates(t, s.records(), func(at time.Time) (least, most float64) {
					serves := 2*time.Minute + s.boot
					return rate(at.Add(-2*time.Minute)) / 2, 1.5 * rate(at.Add(serves))
				})
			})
		})
	}
}

// holdsRates wants the rates in each decision's sentence within bounds at its time. The first
// minute of records is of a stage that has seen nothing yet.
func holdsRates(t *testing.T, rs []decision.Record, bounds func(at time.Time) (least, most float64)) {
	t.Helper()
	checked, highest := 0, 0.0
	for _, r := range rs {
		if r.Case.At.Sub(rs[0].Case.At) < 3*time.Minute {
			continue
		}
		least, most := bounds(r.Case.At)
		for _, found := range rateInWords.FindAllStringSubmatch(r.Reason, -1) {
			if found[1] != "" {
				continue
			}
			checked++
			expected, err := strconv.ParseFloat(found[2], 64)
			check(t, err)
			highest = max(highest, expected)
			if expected < least || expected > most {
				t.Errorf("at %s %s are outside %.1f to %.1f: %s", r.Case.At.Format(time.TimeOnly), found[0], least, most, r.Reason)
			}
		}
	}
	if checked < 20 || highest < 30 {
		t.Errorf("%d rates up to %.1f queries/s were checked", checked, highest)
	}
}
