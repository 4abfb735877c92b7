package procurement

import (
	"math"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// The rate of losses begins with the prior, and follows what is seen.
func TestLossesOfSpotInstances(t *testing.T) {
	at := time.Unix(0, 0)
	m := SpotMemory{}.observe(at, Pool{SpotReady: 4})
	if got := m.lossesPerHour(); math.Abs(got-spotLossesPerHour) > 1e-9 {
		t.Errorf("%v losses an hour at first", got)
	}
	for range 24 * 60 { // a day with a loss an hour
		at = at.Add(time.Minute)
		p := Pool{SpotReady: 4}
		if at.Unix()%3600 == 0 {
			p.SpotLost = 2
		}
		m = m.observe(at, p)
	}
	if got := m.lossesPerHour(); got < 0.3 || got > 1 {
		t.Errorf("%v losses an hour after a day with one each hour", got)
	}
	if again := m.observe(at.Add(time.Hour), Pool{Ready: 4}); again.Hours != m.Hours {
		t.Errorf("an hour without spot instances counts: %v of %v", again.Hours, m.Hours)
	}
}

// As many spot instances are taken for granted as came, unless what is missing was taken
// back since; and they are bought as far as expected losses let them pay.
func TestMixOfSpotInstances(t *testing.T) {
	set := settings.Defaults()
	s := Snapshot{ServiceMS: 100, WorkerUSDPerHour: 0.1, SpotUSDPerHour: 0.035, FunctionUSD: 1e-5, Pool: Pool{RunnersEach: 2, Ready: 3, SpotReady: 3}}
	var sc scenario
	for _, tc := range []struct {
		name           string
		memory         SpotMemory
		lost           int
		workers, spots int
	}{
		{"there are enough", SpotMemory{Asked: 3}, 0, 5, 5},
		{"fewer came than were asked for", SpotMemory{Asked: 5}, 0, 7, 5},
		{"what is missing was taken back", SpotMemory{Asked: 5}, 2, 5, 5},
		{"they are lost all the time", SpotMemory{Asked: 3, Hours: 24, Losses: 2400}, 0, 5, 0},
	} {
		s.Pool.SpotLost = tc.lost
		sc.load = loadOf([][]float64{{100}}, binSeconds, false) // five workers
		c := costsOf(s, set, 0.5, spotOf(s, set, tc.memory))
		n := c.choose(sc, 5).workers
		workers, spots, _ := c.mixed(n, sc, s.Pool, tc.memory)
		if n != 5 || workers != tc.workers || spots != tc.spots {
			t.Errorf("%s: %d serve, %d are asked for, %d of them spot instances; want %d, %d", tc.name, n, workers, spots, tc.workers, tc.spots)
		}
	}
	s.SpotUSDPerHour = 0.2 // more than on demand: there is nothing to choose
	c := costsOf(s, set, 0.5, spotOf(s, set, SpotMemory{}))
	sc.load = loadOf([][]float64{{100}}, binSeconds, false)
	if workers, spots, _ := c.mixed(5, sc, s.Pool, SpotMemory{}); workers != 5 || spots != 0 {
		t.Errorf("%d workers, %d spot instances at twice the price", workers, spots)
	}
}
