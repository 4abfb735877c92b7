//go:build !race

package control_test

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/decision"
)

// rateInWords is a rate in a decision's sentence: of the arrivals, or what a worker answers up to.
var rateInWords = regexp.MustCompile(`(up to )?([\d.]+) queries/s`)

// In a ramp from 3 to 23 queries a second and back, whose metrics come a minute late, the rates in
// each decision's sentence are those of the ramp: while it rises, at least half of the least, and
// always at most half as much again as the most that arrives from four minutes before until a
// worker that is started now serves. In the first round a stage of 3 queries a second read "expects 38.3 queries/s": the
// workers' utilization stood for as many queries as their profile says, also where each query took
// ten times as long, and nothing compared that with what the metrics showed later.
func TestTheRatesInTheSentencesOfARamp(t *testing.T) {
	for _, scheme := range []string{"reactive", "exascale", "mixed_predictive", "paragon", "hedged"} {
		t.Run(scheme, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				defer func() { check(t, s.backend.Close()) }()
				check(t, s.cloud.Settings.Set(s.Context(), "scheme", scheme))
				s.evenly, s.late = true, time.Minute
				s.begin(1)
				const from, perStep, steps = 3.0, 0.5, 40
				s.strict = from
				s.pass(5 * time.Minute)
				start := time.Now()
				// rate is what arrives a second at a time: up for 400 s, down for 400 s.
				rate := func(at time.Time) float64 {
					step := float64(int(at.Sub(start) / (10 * time.Second)))
					return from + perStep*max(0, min(step, 2*steps-step))
				}
				for range 2 * steps {
					s.strict = rate(time.Now())
					s.pass(10 * time.Second)
				}
				s.strict = from
				s.pass(6 * time.Minute)
				holdsRates(t, s.records(), func(at time.Time) (least, most float64) {
					least = math.Inf(1)
					for t := -4 * time.Minute; t <= 2*time.Minute+s.boot; t += 10 * time.Second {
						least, most = min(least, rate(at.Add(t))), max(most, rate(at.Add(t)))
					}
					if at.Sub(start) > steps*10*time.Second {
						least = 0 // a forecast by a line ends at none where the load falls
					}
					if scheme == "exascale" {
						most *= 1.2 // the sentence has the rate times the setting headroom too
					}
					return least / 2, 1.5 * most
				})
			})
		})
	}
}

// Where a query takes longer than its profile says, the workers' use stands for more queries than
// come: at little use that is corrected by what the metrics show, and otherwise the sentence says
// what the metrics show and what the use stands for.
func TestRatesWhereQueriesTakeLongerThanTheirProfile(t *testing.T) {
	for _, c := range []struct {
		slower float64
		says   string
	}{{1, ""}, {3, ""}, {12.8, "; the metrics end 65 s ago with 3.0 queries/s, and, judged by the workers' utilization and the profiles, 20.0 queries/s have come since"}} {
		t.Run(fmt.Sprint(c.slower), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				defer func() { check(t, s.backend.Close()) }()
				check(t, s.cloud.Settings.Set(s.Context(), "scheme", "hedged"))
				check(t, s.cloud.Settings.Set(s.Context(), "min_workers", "1"))
				s.evenly, s.late, s.slower, s.strict = true, time.Minute, c.slower, 3
				s.begin(1)
				s.pass(8 * time.Minute)
				rs := s.records()
				last := rs[len(rs)-1].Reason
				_, says, _ := strings.Cut(last, "; the metrics end")
				if says != strings.TrimPrefix(c.says, "; the metrics end") {
					t.Errorf("%q at the end of %q, want %q", says, last, c.says)
				}
				if c.says == "" && !strings.Contains(last, "for 3.0 queries/s, the mean of the last 180 s;") {
					t.Errorf("not of 3.0 queries/s: %s", last)
				}
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
	if checked < 20 || highest < 20 {
		t.Errorf("%d rates up to %.1f queries/s were checked", checked, highest)
	}
}
