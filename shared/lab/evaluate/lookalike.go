package evaluate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
)

// The product ships no recorded traces. These are made up in the shape of those
// that the paper used, for tests and for a first look: a base that wanders, and
// bursts over it, as often, as high and as long as the recorded ones have them.
type lookalike struct {
	base    float64       // queries a second
	wander  float64       // standard deviation of the log of the base
	slow    time.Duration // over which it wanders
	every   time.Duration // between bursts, in the mean
	height  float64       // of a burst compared with the base, in the mean
	lasts   time.Duration // of a burst, in the mean
	lump    float64       // queries that come together: a trace that was multiplied
	diurnal float64       // share of the base that a day moves
}

var lookalikes = map[string]lookalike{
	"berkeley-like": {base: 120, wander: 0.07, slow: 10 * time.Minute, every: 40 * time.Second, height: 0.3, lasts: 15 * time.Second, lump: 20},
	"wits-like":     {base: 123, wander: 0.09, slow: 10 * time.Minute, every: 25 * time.Second, height: 0.5, lasts: 8 * time.Second, lump: 1},
	"twitter-like":  {base: 50, wander: 0.05, slow: 10 * time.Minute, every: 10 * time.Minute, height: 0.15, lasts: time.Minute, lump: 1, diurnal: 0.4},
	"wiki-like":     {base: 400, slow: time.Hour, lump: 1, diurnal: 0.35},
}

// Lookalikes names the traces that are made up.
func Lookalikes() []string {
	return []string{"berkeley-like", "wits-like", "twitter-like", "wiki-like"}
}

// Lookalike makes one of them, of a length.
func Lookalike(name string, length time.Duration, seed uint64) (arrivals.Trace, error) {
	l, ok := lookalikes[name]
	if !ok {
		return arrivals.Trace{}, fmt.Errorf("trace %q is none of %v", name, Lookalikes())
	}
	random := rand.New(rand.NewPCG(seed, 11))
	t := arrivals.Trace{Step: time.Second, Counts: make([]float64, int(length/time.Second))}
	level, burst, next := 0.0, 0.0, l.gap(random)
	keep := math.Exp(-1 / l.slow.Seconds())
	for i := range t.Counts {
		level = keep*level + math.Sqrt(1-keep*keep)*l.wander*random.NormFloat64()
		if float64(i) >= next {
			burst += l.height * random.ExpFloat64()
			next += l.gap(random)
		}
		rate := l.base * math.Exp(level) * (1 + burst) * (1 - l.diurnal*math.Cos(2*math.Pi*float64(i)/86400))
		if l.lasts > 0 {
			burst *= math.Exp(-1 / l.lasts.Seconds())
		}
		t.Counts[i] = l.lump * arrivals.PoissonCount(rate/l.lump, random)
	}
	return t, nil
}

func (l lookalike) gap(random *rand.Rand) float64 {
	if l.every == 0 {
		return math.Inf(1)
	}
	return random.ExpFloat64() * l.every.Seconds()
}
