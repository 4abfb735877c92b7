package procurement

import (
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/forecast"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// mixed procures as reactive, and any query that cannot start within its own
// bound overflows.
type mixed struct{ reactive }

func (mixed) Name() string { return "mixed" }

func (mixed) Overflow() (strict, relaxed Overflow) { return AtBound, AtBound }

// mixedPredictive is Spock's second policy: a straight line through the last
// arrivals, extended by the time that a worker takes to boot. An arrival is
// what Spock's traces hold in a row: what came in one second.
type mixedPredictive struct{}

func (mixedPredictive) Name() string { return "mixed_predictive" }

func (mixedPredictive) Overflow() (strict, relaxed Overflow) { return AtBound, AtBound }

func (mixedPredictive) Decide(now time.Time, s Snapshot, set settings.Settings, st State) (Decision, State) {
	if float64(len(st.History)) < set.RegressionSeconds {
		return reactive{}.Decide(now, s, set, st) // a line through next to nothing points anywhere
	}
	d := Decision{Workers: s.Pool.Ready + s.Pool.Booting}
	if st.PredictedAt.IsZero() || now.Sub(st.PredictedAt).Seconds() >= set.RegressionSeconds {
		past := st.bins(1, set.RegressionArrivals)
		ahead := int(now.Sub(st.KnownUntil).Seconds() + set.VMBootSeconds)
		st.PredictedAt = now
		st.Predicted = forecast.LinearRegression{Steps: len(past)}.Expect(past, max(1, ahead))
		d.Workers = max(d.Workers, workers(s, st.Predicted))
	}
	need := workers(s, st.Predicted)
	if close := idle(s, set.IdleSeconds); need < d.Workers && close > 0 {
		d.Workers = max(need, d.Workers-close)
	}
	d.Reason = fmt.Sprintf("%s for a forecast of %s", Count(d.Workers), Rate(st.Predicted))
	return d, st
}
