package rivals

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// quantile buys workers for the newsvendor's quantile of the last minutes' rates:
// a worker pays for itself where it is needed for more than the part 1/ratio of the
// time, with the ratio of a function's price to a busy worker's. The rest overflows
// at the bound. It runs on Paragon's platform.
type quantile struct{}

func (quantile) Name() string { return "quantile" }

func (quantile) Overflow() (strict, relaxed procurement.Overflow) {
	return procurement.AtBound, procurement.AtBound
}

const (
	quantileSeconds = 180 // of rates
	quantileStep    = 10  // seconds of a rate: the reactive rule's window
)

func (quantile) Decide(_ time.Time, s procurement.Snapshot, _ settings.Settings, st procurement.State) (procurement.Decision, procurement.State) {
	rates := lastRates(st.History)
	share := 0.0
	if r := s.PriceRatio(); r > 1 {
		share = 1 - 1/r
	}
	slices.Sort(rates)
	rate := 0.0
	if n := len(rates); n > 0 {
		rate = rates[min(n-1, int(share*float64(n)))]
	}
	n := int(math.Ceil(rate/s.Throughput() - 1e-9))
	return procurement.Decision{
		Workers: n,
		Reason:  fmt.Sprintf("%.1f queries/s are the quantile %.2f of the last three minutes: %d workers", rate, share, n),
	}, st
}

// lastRates are the rates of the last three minutes, in queries a second.
func lastRates(history []float64) []float64 {
	history = last(history, quantileSeconds)
	var out []float64
	for len(history) > 0 {
		k := min(len(history), quantileStep)
		out = append(out, mean(history[len(history)-k:]))
		history = history[:len(history)-k]
	}
	return out
}
