package procurement

import (
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/forecast"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// exascale provisions above the larger of what it sees and what it expects.
type exascale struct{}

func (exascale) Name() string { return "exascale" }

func (exascale) Overflow() (strict, relaxed Overflow) { return Never, Never }

func (exascale) Decide(now time.Time, s Snapshot, set settings.Settings, st State) (Decision, State) {
	rate := observed(s, set, st)
	band := expect(now, set, st)
	above := max(rate, band.Expected) * set.Headroom
	n := track(s, set, above)
	return Decision{Workers: n,
		Reason: fmt.Sprintf("%s for %s: the larger of the measured rate, %s, and %s, times the setting headroom",
			Count(n), Rate(above), Rate(rate), forecastWords(band))}, st
}

// expect forecasts the rate at which a worker that is started now could serve,
// by the forecaster that the settings name.
func expect(now time.Time, set settings.Settings, st State) forecast.Band {
	lag := now.Sub(st.KnownUntil).Seconds() + set.VMBootSeconds
	ahead := max(1, int(lag/binSeconds+0.5))
	past := st.bins(binSeconds, keepSeconds/binSeconds)
	band, err := forecast.Ahead(set.Forecaster, past, ahead, int(set.HedgeWindowSeconds)/binSeconds)
	if err != nil { // the settings hold the name to the list
		band = forecast.With(forecast.Last{}, past, ahead, 1)
	}
	return band
}
