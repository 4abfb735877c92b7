// Package rollout decides whether a new version of a model goes back: by its errors,
// its latency, its accuracy and its cost compared with the version that is served
// with it, on the same queries at the same time. It is pure, and the same for every
// platform.
package rollout

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/paragon-serving/paragon/shared/core/tally"
)

// Sample is what is known of one version since the canary got its share.
type Sample struct {
	Answered int64 // queries with an answer
	Faults   int64 // runs that failed by the model's fault
	// Compute is how long runs took that can be compared: warm, alone in their batch
	// and not paced. Latency is from acceptance to the answer, of all answers.
	Compute, Latency tally.Histogram
	// CostUSD is what its answers cost together, and CostSquares the sum of their squares.
	CostUSD, CostSquares float64
	// Right and Wrong are callers' votes, as far as they count.
	Right, Wrong float64
}

// Rules say from what on a version is worse.
type Rules struct {
	// Confidence that a rollback wants of a difference, 0.5 to below 1, one-sided.
	Confidence float64
	// MinQueries is how many queries of each version, or votes, a test of latency,
	// cost or accuracy wants. Errors need MinRuns.
	MinQueries int
	// ErrorPoints and AccuracyPoints are percentage points; LatencyFactor and CostFactor multiply.
	ErrorPoints, AccuracyPoints, LatencyFactor, CostFactor float64
}

// MinRuns is how many runs of each version a comparison of errors wants: as many as
// open a breaker, after which few more come.
const MinRuns = 5

// Test names what a version is compared by.
type Test string

// The tests, in the order in which they are made.
const (
	Errors   Test = "errors"
	Latency  Test = "latency"
	Accuracy Test = "accuracy"
	Cost     Test = "cost"
)

// Verdict is what becomes of a canary.
type Verdict struct {
	RollBack bool
	Test     Test   // that failed
	Why      string // the figures of it, in a sentence
}

// Judge compares a canary with the version that is served.
//
//   - Errors: the lower confidence limit of the difference of both shares of failed
//     runs is above ErrorPoints. Limits of a share are Clopper and Pearson's (1934,
//     exact), and those of a difference are put together of them as by Zou and Donner
//     (MOVER, Statistics in Medicine 27, 2008).
//   - Latency: a quantile of the canary is above LatencyFactor times that of the served
//     version, by a sign test: the lower limit of the share of its runs above that time
//     is above half (of the median), or above a tenth (of the 95th percentile, of which
//     the served version has ten times MinQueries). Compute times where both versions
//     have enough of them, else latencies.
//   - Accuracy: as errors, with the shares of votes that say wrong.
//   - Cost: the mean of an answer is above CostFactor times the served version's, by a
//     normal test of both means.
//
// Judging again and again as queries come raises the chance that a version goes back
// which is no worse: the test of this package measures it.
func Judge(canary, served Sample, r Rules) Verdict {
	for _, test := range []struct {
		name Test
		fail func(canary, served Sample, r Rules) (string, bool)
	}{{Errors, errors}, {Latency, latency}, {Accuracy, accuracy}, {Cost, cost}} {
		if why, failed := test.fail(canary, served, r); failed {
			return Verdict{true, test.name, fmt.Sprintf("%s: %s (confidence %g %%)", test.name, why, 100*r.Confidence)}
		}
	}
	return Verdict{}
}

func errors(canary, served Sample, r Rules) (string, bool) {
	n, m := canary.Answered+canary.Faults, served.Answered+served.Faults
	if n < MinRuns || m < MinRuns {
		return "", false
	}
	least := leastDifference(float64(canary.Faults), float64(n), float64(served.Faults), float64(m), r.Confidence)
	return fmt.Sprintf("%d of %d runs failed, and %d of %d runs of the served version: the difference is at least %.1f percentage points",
		canary.Faults, n, served.Faults, m, 100*least), 100*least > r.ErrorPoints
}

func accuracy(canary, served Sample, r Rules) (string, bool) {
	n, m := canary.Right+canary.Wrong, served.Right+served.Wrong
	if n < float64(r.MinQueries) || m < float64(r.MinQueries) {
		return "", false
	}
	least := leastDifference(canary.Wrong, n, served.Wrong, m, r.Confidence)
	return fmt.Sprintf("%.1f %% of %.0f votes say right, and %.1f %% of %.0f votes on the served version: the difference is at least %.1f percentage points",
		100*canary.Right/n, n, 100*served.Right/m, m, 100*least), 100*least > r.AccuracyPoints
}

// tails are the quantiles that are compared: a version is slower when the share of its
// runs above that of the served one, times the factor, is with confidence above most.
// The served version's is known well enough with MinQueries times servedTimes.
var tails = []struct {
	name        string
	q, most     float64
	servedTimes int64
}{{"median", 0.5, 0.5, 1}, {"95th percentile", 0.95, 0.1, 10}}

func latency(canary, served Sample, r Rules) (string, bool) {
	of, a, b := "runs", canary.Compute, served.Compute
	if least := int64(r.MinQueries); a.Count() < least || b.Count() < least {
		of, a, b = "answers", canary.Latency, served.Latency
	}
	n, m := a.Count(), b.Count()
	for _, t := range tails {
		if n < int64(r.MinQueries) || m < int64(r.MinQueries)*t.servedTimes {
			continue
		}
		usual, _ := b.Quantile(t.q)
		above := countAbove(a, r.LatencyFactor*usual)
		if lower(float64(above), float64(n), r.Confidence) > t.most {
			return fmt.Sprintf("%d of %d %s took more than %g times the %s of the served version, %.4g ms", above, n, of, r.LatencyFactor, t.name, usual), true
		}
	}
	return "", false
}

// countAbove counts the values that are above a time for certain: those of its own
// bucket are not.
func countAbove(h tally.Histogram, ms float64) (n int64) {
	for place, count := range h.Buckets {
		if place > 0 && tally.UpperMS(place-1) >= ms {
			n += count
		}
	}
	return n
}

func cost(canary, served Sample, r Rules) (string, bool) {
	n, m := float64(canary.Answered), float64(served.Answered)
	if n < float64(r.MinQueries) || m < float64(r.MinQueries) || served.CostUSD <= 0 {
		return "", false
	}
	mean, usual := canary.CostUSD/n, served.CostUSD/m
	spread := variance(canary.CostUSD, canary.CostSquares, n)/n + r.CostFactor*r.CostFactor*variance(served.CostUSD, served.CostSquares, m)/m
	z := distuv.UnitNormal.Quantile(r.Confidence)
	return fmt.Sprintf("a million answers cost $%.4g on average, %.2f times the cost of the served version", 1e6*mean, mean/usual),
		mean-r.CostFactor*usual > z*math.Sqrt(spread)
}

// variance is that of n values, by their sum and that of their squares.
func variance(sum, squares, n float64) float64 {
	return max(0, (squares-sum*sum/n)/(n-1))
}

// leastDifference is the lower limit of how much larger the share k/n is than j/m.
func leastDifference(k, n, j, m, confidence float64) float64 {
	p, q := k/n, j/m
	return p - q - math.Hypot(p-lower(k, n, confidence), upper(j, m, confidence)-q)
}

// lower and upper are the exact one-sided limits of a share of k in n.
func lower(k, n, confidence float64) float64 {
	if k <= 0 {
		return 0
	}
	return distuv.Beta{Alpha: k, Beta: n - k + 1}.Quantile(1 - confidence)
}

func upper(k, n, confidence float64) float64 {
	if k >= n {
		return 1
	}
	return distuv.Beta{Alpha: k + 1, Beta: n - k}.Quantile(confidence)
}
