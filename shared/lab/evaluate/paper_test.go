//go:build !race

package evaluate_test

// Runs of twenty minutes under every scheme: one goroutine a run, of which the tests of
// the small grid play several at once with the race detector.

import (
	"math"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/lab/evaluate"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// bursty and flat are what the shapes are tested on: made-up traces always,
// recorded ones where they are at hand.
func bursty(t *testing.T, m simulate.Market) []comparison.Case {
	out := []comparison.Case{window(t, "berkeley-like", m), window(t, "wits-like", m)}
	for file, scale := range map[string]float64{"berkeley.csv": 20, "wits.csv": 0.5} {
		if c, ok := real(t, file, scale, m); ok {
			out = append(out, c)
		}
	}
	return out
}

func flat(t *testing.T, m simulate.Market) []comparison.Case {
	out := []comparison.Case{window(t, "wiki-like", m)}
	if c, ok := real(t, "wikipedia_limbo_hourly.csv", 1, m); ok {
		c.From, c.For, c.Warmup = 2*time.Hour+20*time.Minute, 15*time.Minute, 19*time.Minute // inside an hour
		out = append(out, c)
	}
	return out
}

// paragon is a tenth cheaper than mixed at like strict violations where load is
// bursty, and mixed cuts what reactive misses; where load is flat, mixed saves
// nothing compared with reactive. On berkeley-like paragon saves less than a tenth with
// metrics a minute old; in which settings it does more is held by TestGrid.
func TestPaperShapes(t *testing.T) {
	m := markets(t)[simulate.Paper2020]
	for _, c := range bursty(t, m) {
		c.References = false
		rows := play(t, c)
		found := evaluate.Findings(rows)
		if f := found[evaluate.ParagonSaves]; f.Holds != (c.Name != "berkeley-like") {
			t.Errorf("%s: %s: %.1f %%", c.Name, f.Claim, f.Value)
		}
		if f := found[evaluate.MixedCuts]; rows["reactive"].Row.SLOViolation > 0.005 && !f.Holds {
			t.Errorf("%s: %s: %.1f %%", c.Name, f.Claim, f.Value)
		}
		w, err := c.Trace.Window(c.From, c.For)
		if err != nil {
			t.Fatal(err)
		}
		if r := arrivals.PeakToMedian(w.Counts); r < 1.5 {
			t.Errorf("%s: peak-to-median %v", c.Name, r)
		}
	}
	for _, c := range flat(t, m) {
		c.References = false
		if x := play(t, c)["mixed"].Row.RelativeToReactive; x < 0.99 {
			t.Errorf("%s: mixed costs %.3f of reactive: it saves where load is flat", c.Name, x)
		}
	}
}

// reactive follows the letter: as many workers as the rate of the last window
// and a tenth of the backlog a second need; of more than that only what was
// idle for 180 s closes, and never a worker that still boots.
func TestReactiveKeepsToTheLetter(t *testing.T) {
	reactive, err := procurement.Get("reactive")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"wits-like", "wiki-like"} {
		cfg, err := window(t, name, markets(t)[simulate.Paper2020]).Config(reactive)
		if err != nil {
			t.Fatal(err)
		}
		var history []float64
		started := 0
		cfg.Watch = func(m simulate.Moment) {
			for _, s := range m.Snapshot.Arrivals {
				history = append(history, s.All())
			}
			p, have := m.Snapshot.Pool, m.Snapshot.Pool.Ready+m.Snapshot.Pool.Booting
			want := have // nothing is known yet: it holds
			if len(history) >= 10 {
				want = letter(m.Snapshot, history[len(history)-10:], have)
			}
			if m.Decision.Workers != want {
				t.Fatalf("%s at %s: %d workers of %d, want %d", name, m.At, m.Decision.Workers, have, want)
			}
			if want < have && p.Booting > 0 {
				t.Errorf("%s at %s: %d close while %d boot", name, m.At, have-want, p.Booting)
			}
			started += max(0, want-have)
		}
		if _, err := simulate.Run(cfg); err != nil {
			t.Fatal(err)
		}
		if started == 0 {
			t.Errorf("%s: nothing was started: the rule was not tried", name)
		}
	}
}

// letter is the rule written out once more.
func letter(s procurement.Snapshot, window []float64, have int) int {
	rate := s.Pool.QueuedMS / s.ServiceMS / 10
	for _, v := range window {
		rate += v / 10
	}
	need := int(math.Ceil(rate/(float64(s.Pool.RunnersEach)*1000/s.ServiceMS) - 1e-9))
	if need >= have {
		return need
	}
	for _, idle := range s.Pool.IdleSeconds {
		if idle >= 180 && have > need {
			have--
		}
	}
	return have
}
