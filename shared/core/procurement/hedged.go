package procurement

import (
	"fmt"
	"time"

	"paragon/shared/core/forecast"
	"paragon/shared/core/settings"
)

// hedged keeps the number of workers whose expected cost is least over the
// forecast's error band, with overflow as the recourse. Costs separate by
// worker: the n-th one costs its price and saves the overflow of what comes
// above n-1 workers, as far as it can take it. So each is weighed alone, the
// newsvendor's critical ratio at every level; starting one must pay for its
// boot, and stopping one for booting it again. Relaxed queries wait within
// their bound and overflow only at it.
type hedged struct{}

func (hedged) Name() string { return "hedged" }

func (hedged) Decide(now time.Time, s Snapshot, set settings.Settings, st State) (Decision, State) {
	band := expect(now, set, st)
	have := s.Pool.Ready + s.Pool.Booting
	ratio, mu := s.PriceRatio(), s.Throughput()
	n := have
	for n > 0 && worth(band, mu, n)*ratio < set.HedgeStop {
		n--
	}
	if n == have {
		for worth(band, mu, n+1)*ratio > set.HedgeStart {
			n++
		}
	}
	d := Decision{Workers: n, Strict: AtBound, Relaxed: AtBound}
	d.Reason = fmt.Sprintf("expects %.1f queries/s (%s, off by %.1f), functions cost %.1f times: %d workers",
		band.Expected, band.By, band.MAE, ratio, n)
	return d, st
}

// worth is the share of the n-th worker that would be used: of the load above
// n-1 workers, what fits in one, in the mean over the error band.
func worth(b forecast.Band, mu float64, n int) float64 {
	below := float64(n-1) * mu
	if len(b.Errors) == 0 {
		return fill(b.Expected-below, mu)
	}
	sum := 0.0
	for _, e := range b.Errors {
		sum += fill(b.Expected+e-below, mu)
	}
	return sum / float64(len(b.Errors))
}

func fill(load, mu float64) float64 { return max(0, min(1, load/mu)) }
