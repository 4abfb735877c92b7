package intake

import (
	"context"
	"errors"
	"fmt"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

// addTraffic fills in what became of the last queries, and which profiles that
// puts in doubt, by what the fleet view reports the workers' counts.
func (s *Service) addTraffic(ctx context.Context, st *api.Status) error {
	v, err := s.Fleet.View(ctx)
	if err != nil && !errors.Is(err, platform.ErrNotFound) { // none was published yet
		return fmt.Errorf("status: %w", err)
	}
	sum := v.Traffic
	st.CountedSince = sum.Since
	st.Classes, st.Tasks = trafficStatus(sum)
	st.ObjectivePercent = tally.ObjectivePercent
	st.Overflow = overflowStatus(st.Classes)
	st.Shadows = sum.Shadows
	st.Profiles = s.staleProfiles(sum.Runs, st.At)
	return nil
}

// trafficStatus sorts a summary by class, and by task and class.
func trafficStatus(sum tally.Summary) (map[query.Class]api.ClassStatus, []api.TaskStatus) {
	minute := make(map[tally.Key]tally.Load, len(sum.Minute))
	for _, l := range sum.Minute {
		minute[l.Key] = l
	}
	classes, tasks := map[query.Class]api.ClassStatus{query.Strict: {}, query.Relaxed: {}}, []api.TaskStatus(nil)
	for _, l := range sum.Hour { // the last minute is a part of it
		t := api.Traffic{Minute: api.LoadOf(minute[l.Key]), Hour: api.LoadOf(l)}
		if l.Task != "" {
			tasks = append(tasks, api.TaskStatus{Task: l.Task, Class: l.Class, Traffic: t})
		} else if _, known := classes[l.Class]; known {
			classes[l.Class] = api.ClassStatus{Recent: l.Ended(), Met: l.Met, Attainment: t.Hour.Attainment, Burn: api.BurnRate{Hour: api.BurnRateOf(l.Counts)}, Traffic: t}
		}
	}
	for _, five := range sum.FiveMinutes {
		if c, known := classes[five.Class]; known {
			c.Burn.FiveMinutes = api.BurnRateOf(five.Counts)
			classes[five.Class] = c
		}
	}
	return classes, tasks
}

func overflowStatus(classes map[query.Class]api.ClassStatus) api.OverflowStatus {
	var o api.OverflowStatus
	for _, c := range classes {
		o.Answered += c.Hour.Answered
		o.OnFunctions += c.Hour.Overflowed
	}
	if o.Answered > 0 {
		o.Share = float64(o.OnFunctions) / float64(o.Answered)
	}
	return o
}
