package admin

import (
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/tally"
)

// AddOthers puts into a history what other schemes would have cost in each step. Outside of the
// time that was compared, a scheme costs what the stage did, so that the sums of both
// differ by what they differ in within it. Models that then do not fit are left out.
func AddOthers(h *api.History, s *api.Savings) error {
	if !s.Quoted || len(h.AtUnixSeconds) == 0 {
		return nil
	}
	h.OthersUSD = map[string][]float64{}
	step := time.Duration(h.StepSeconds) * time.Second
	for _, o := range s.Others {
		usd := make([]float64, len(h.AtUnixSeconds))
		begin := time.Unix(h.AtUnixSeconds[0], 0)
		for i := range h.AtUnixSeconds {
			at := time.Unix(h.AtUnixSeconds[i], 0)
			end := at.Add(step)
			own := h.CostUSD[i] * (1 - overlap(at, end, s.From, s.To).Seconds()/step.Seconds())
			// A step without queries and workers has no row: what another scheme cost in it is in the next one.
			usd[i] = tally.Rounded(own+spent(o.HoursUSD, s.From, s.To, begin, end), 3)
			begin = end
		}
		h.OthersUSD[o.Scheme] = usd
	}
	return cutModels(h)
}

// spent is what hours from one moment to another, the last of which may be shorter, cost
// between begin and end, each evenly.
func spent(hoursUSD []float64, from, to, begin, end time.Time) (usd float64) {
	for i, cost := range hoursUSD {
		starts := from.Add(time.Duration(i) * time.Hour)
		ends := starts.Add(time.Hour)
		if ends.After(to) {
			ends = to
		}
		if ends.After(starts) {
			usd += cost * overlap(starts, ends, begin, end).Seconds() / ends.Sub(starts).Seconds()
		}
	}
	return usd
}

// overlap is how long two times overlap.
func overlap(from, to, begin, end time.Time) time.Duration {
	if begin.After(from) {
		from = begin
	}
	if end.Before(to) {
		to = end
	}
	return max(0, to.Sub(from))
}
