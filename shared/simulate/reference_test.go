package simulate_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// at random is a scheme that does as it likes.
type atRandom struct{ random *rand.Rand }

func (atRandom) Name() string { return "random" }

func (a atRandom) Overflow() (strict, relaxed procurement.Overflow) {
	rules := []procurement.Overflow{procurement.Never, procurement.AtBound}
	return rules[a.random.IntN(2)], rules[a.random.IntN(2)]
}

func (a atRandom) Decide(_ time.Time, s procurement.Snapshot, _ settings.Settings, st procurement.State) (procurement.Decision, procurement.State) {
	return procurement.Decision{Workers: a.random.IntN(8), Reason: "random"}, st
}

// Nothing beats the bound: random schedules, with machines that boot at once
// and have no minimum, do not.
func TestNoRandomScheduleBeatsTheBound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		counts := rapid.SliceOfN(rapid.Float64Range(0, 40), 20, 120).Draw(rt, "counts")
		c := config(atRandom{rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 9))}, arrivals.Trace{Step: time.Second, Counts: counts})
		c.Settings.VMBootSeconds, c.Settings.TickSeconds, c.MinimumSeconds = 0, 1, 0
		c.Workers = rapid.IntRange(0, 4).Draw(rt, "workers")
		r, err := simulate.Run(c)
		if err != nil {
			rt.Fatal(err)
		}
		checkInvariants(rt, r)
		checkBound(rt, c, r)
	})
}

// Every schedule of a small case, searched through: each query of a few runs on
// one of two machines, which are paid from their first start to their last end,
// or on a function. None is below the bound.
func TestNoScheduleOfASmallCaseBeatsTheBound(t *testing.T) {
	p := pool()
	random := rand.New(rand.NewPCG(3, 3))
	for range 30 {
		var jobs []int
		bound := 0.0
		for range 6 {
			m := random.IntN(len(p.Models))
			jobs = append(jobs, m)
			bound += p.LeastUSD(m)
		}
		if least := leastCost(p, jobs); least < bound-1e-15 {
			t.Fatalf("jobs %v: $%v beats the bound of $%v", jobs, least, bound)
		}
	}
}

// leastCost tries every assignment of jobs to four runners of two machines and
// to functions, without gaps, as gaps only cost.
func leastCost(p simulate.Pool, jobs []int) float64 {
	least, perMS := math.Inf(1), p.USDPerHour/3600/1000
	choice := make([]int, len(jobs))
	for {
		var runner [4]float64
		usd := 0.0
		for i, m := range jobs {
			if choice[i] == 4 {
				usd += p.Models[m].USD
			} else {
				runner[choice[i]] += p.Models[m].ServiceMS
			}
		}
		usd += perMS * (max(runner[0], runner[1]) + max(runner[2], runner[3]))
		least = min(least, usd)
		i := 0
		for ; i < len(choice) && choice[i] == 4; i++ {
			choice[i] = 0
		}
		if i == len(choice) {
			return least
		}
		choice[i]++
	}
}

// Who knows the arrivals does better than who does not, and deferral helps.
func TestTheClairvoyantIsCheaper(t *testing.T) {
	t.Parallel() // it takes longest of the package
	for _, kind := range []string{"mmpp", "diurnal", "step"} {
		c := config(nil, generated(t, kind, 40))
		c.From, c.Warmup = 15*time.Minute, 15*time.Minute
		known, _, err := simulate.Clairvoyant(c)
		if err != nil {
			t.Fatal(err)
		}
		checkInvariants(t, known)
		checkBound(t, c, known)
		c.NoDefer = true
		plain, _, err := simulate.Clairvoyant(c)
		if err != nil {
			t.Fatal(err)
		}
		if plain.Bill.Total() < known.Bill.Total()*0.999 {
			t.Errorf("%s: $%v without deferral, $%v with it", kind, plain.Bill.Total(), known.Bill.Total())
		}
		c.NoDefer = false
		for _, s := range procurement.All() {
			c.Scheme = s
			r := run(t, c)
			keeps := r.Strict.Ratio() <= 0.005 && r.Relaxed.Ratio() <= 0.005
			if keeps && r.Bill.Total() < 0.99*known.Bill.Total() {
				t.Errorf("%s: %s costs $%v, the clairvoyant $%v", kind, s.Name(), r.Bill.Total(), known.Bill.Total())
			}
		}
	}
	c := config(nil, generated(t, "step", 1))
	c.Pools = append(c.Pools, pool())
	if _, _, err := simulate.Clairvoyant(c); err == nil {
		t.Error("a clairvoyant planned for two pools")
	}
}
