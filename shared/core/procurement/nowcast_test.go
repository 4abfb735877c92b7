package procurement

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// A pool under a steady load whose workers are used by more or less than their
// profile says, and whose metrics come so many seconds late.
type steady struct {
	perSecond, times float64 // how much longer a query takes than its profile says
	ready            int
	lateSeconds      int
}

const tickSeconds = 5

// at is what a tick sees that many seconds after the start. One worker answers 10
// queries a second by the profile.
func (l steady) at(seconds int) Snapshot {
	s := viewOf(l.ready, constantly(l.perSecond), seconds-l.lateSeconds)
	s.CoveredTo = start.Add(time.Duration(seconds-l.lateSeconds) * time.Second)
	s.Pool.Used = l.perSecond * l.times / 10 / float64(l.ready)
	return s
}

// nowcast is what the newest tick of that many seconds reads from the workers.
func (l steady) nowcast(seconds int) float64 {
	set, st := settings.Defaults(), State{}
	set.TickSeconds = tickSeconds
	for at := l.lateSeconds + tickSeconds; at <= seconds; at += tickSeconds {
		s := l.at(at)
		st = st.merge(s).read(start.Add(time.Duration(at)*time.Second), s, set)
	}
	return st.Nowcasts[len(st.Nowcasts)-1].PerSecond
}

func TestANowcastIsCorrectedByTheMetrics(t *testing.T) {
	for _, tt := range []struct {
		name    string
		load    steady
		seconds int
		want    float64
	}{
		{"queries take fifteen times what the profile says", steady{0.3, 15, 1, 5}, 300, 0.3},
		{"and metrics come late", steady{0.3, 15, 1, 90}, 600, 0.3},
		{"too little is known yet", steady{0.3, 15, 1, 90}, 120, 4.5},
		{"off by less than two", steady{0.3, 1.9, 1, 5}, 300, 0.57},
		{"the profile is right", steady{3, 1, 1, 5}, 300, 3},
		{"half overflows", steady{3, 0.5, 1, 5}, 300, 1.5},
		{"much used: the workers are needed", steady{3, 3, 2, 5}, 300, 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.load.nowcast(tt.seconds); math.Abs(got-tt.want) > 0.01*tt.want {
				t.Errorf("%v queries a second, want %v", got, tt.want)
			}
		})
	}
}

// A nowcast that the metrics show by now is no arrival a second time, however
// long it is kept for the comparison.
func TestArrivalsCountOnce(t *testing.T) {
	for _, late := range []int{0, 5, 60, 200} {
		t.Run(fmt.Sprint(late), func(t *testing.T) {
			set, st, l := settings.Defaults(), State{}, steady{3, 1, 1, late}
			set.TickSeconds = tickSeconds
			for at := late + tickSeconds; at <= 900; at += tickSeconds {
				s := l.at(at)
				now := start.Add(time.Duration(at) * time.Second)
				st = st.merge(s).read(now, s, set)
				all := st.extended(now)
				if got := len(all.History); got > at {
					t.Fatalf("%d seconds of arrivals after %d", got, at)
				}
				if rate := all.rate(len(all.History)); math.Abs(rate-3) > 0.01 {
					t.Fatalf("after %d s: %v queries a second, want 3", at, rate)
				}
			}
			if most := (min(late, RereadSeconds)+late)/tickSeconds + 2; len(st.Nowcasts) > most {
				t.Errorf("%d nowcasts are kept, %d at most", len(st.Nowcasts), most)
			}
		})
	}
}
