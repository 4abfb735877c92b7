package main

import (
	"context"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/savings"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// comparedEvery is how long the page of a stage waits between two comparisons: each reads
// the arrivals from CloudWatch, which costs something, and uses a core for some seconds.
const comparedEvery = time.Hour

// compareForPage compares the cost of the last length of a stage's time once an hour, until the
// context ends, and returns what gives the newest comparison; nil where nothing is compared.
func compareForPage(ctx context.Context, term *cli.Terminal, length time.Duration) func() *api.Savings {
	stage, _ := term.Place()
	if length == 0 || stage == "" {
		return nil
	}
	var latest savings.Latest
	latest.Set(api.Savings{Verdict: calibration.Verdict{Why: "the first comparison of costs is not finished yet"}})
	compare := func(run context.Context, _ time.Time) api.Savings { return compareNow(run, term, stage, length) }
	go latest.Keep(ctx, compare, func(time.Duration) time.Duration { return comparedEvery })
	return latest.Now
}

// compareNow compares the last length of a stage's time. Where it cannot, the verdict says why.
func compareNow(ctx context.Context, term *cli.Terminal, stage string, length time.Duration) api.Savings {
	s, err := openCompared(ctx, term, stage)
	if err == nil {
		s.play = func(ctx context.Context, c comparison.Case, schemes []procurement.Scheme) ([]comparison.Ran, error) {
			return comparison.Play(ctx, c, schemes, nil) // the terminal of a server shows no progress
		}
		var out *api.Savings
		if out, err = s.compare(ctx, length); err == nil {
			return *out
		}
	}
	return api.Savings{Verdict: calibration.Verdict{
		Why:  "the comparison of costs failed: " + term.Sentence(err),
		Next: fmt.Sprintf("`paragon page` tries again in %.0f h; `paragon savings --stage %s` tries at once", comparedEvery.Hours(), stage),
	}}
}
