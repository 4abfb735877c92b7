package procurement

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// A pool under a load that is steady, or rises evenly, whose workers are used by more or
// less than their profile says, and whose metrics come some seconds late.
type steady struct {
	perSecond, times float64 // how much longer a query takes than its profile says
	ready            int
	lateSeconds      int
	rises            float64 // queries/s more each second
}

const tickSeconds = 5

// rate is what arrives in a second.
func (l steady) rate(second int) float64 {
	return l.perSecond + l.rises*float64(second)
}

// at is what a tick sees that many seconds after the start. One worker answers 10
// queries a second by the profile.
func (l steady) at(seconds int) Snapshot {
	s := viewOf(l.ready, l.rate, seconds-l.lateSeconds)
	s.CoveredTo = start.Add(time.Duration(seconds-l.lateSeconds) * time.Second)
	s.Pool.Used = l.rate(seconds) * l.times / 10 / float64(l.ready)
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
		{"queries take fifteen times what the profile says", steady{0.3, 15, 1, 5, 0}, 300, 0.3},
		{"and metrics come late", steady{0.3, 15, 1, 90, 0}, 600, 0.3},
		{"too little is known yet", steady{0.3, 15, 1, 90, 0}, 120, 4.5},
		{"off by less than two", steady{0.3, 1.9, 1, 5, 0}, 300, 0.57},
		{"the profile is right", steady{3, 1, 1, 5, 0}, 300, 3},
		{"half overflows", steady{3, 0.5, 1, 5, 0}, 300, 1.5},
		{"much used: the workers are needed", steady{3, 3, 2, 5, 0}, 300, 9},
		{"from 3/s it rises, and metrics come late", steady{3, 1, 1, 90, 0.01}, 500, 8},
		{"it rises, and queries take three times what the profile says", steady{0.3, 3, 1, 90, 0.002}, 600, 1.5},
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
			set, st, l := settings.Defaults(), State{}, steady{3, 1, 1, late, 0}
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

// While the load rises from 3 queries a second and the metrics are a minute and a half late,
// the newest arrivals that schemes forecast from are those of now, and not those that the
// metrics show by now.
func TestTheArrivalsOfARampReachThePresent(t *testing.T) {
	l, set, st := steady{perSecond: 3, times: 1, ready: 2, lateSeconds: 90, rises: 0.02}, settings.Defaults(), State{}
	set.TickSeconds = tickSeconds
	for at := l.lateSeconds + tickSeconds; at <= 600; at += tickSeconds {
		s, now := l.at(at), start.Add(time.Duration(at)*time.Second)
		st = st.merge(s).read(now, s, set)
		if at < 2*l.lateSeconds {
			continue // the first nowcasts are not as old as the metrics are late
		}
		if got, want := st.extended(now).rate(tickSeconds), l.rate(at); math.Abs(got-want) > 0.05*want {
			t.Errorf("after %d s the newest arrivals are %.2f queries/s, want %.2f; the metrics show %.2f", at, got, want, l.rate(at-l.lateSeconds))
		}
	}
}

// While no worker is up nothing can be read from the workers: the metrics' newest rate goes on.
func TestANowcastWithoutWorkers(t *testing.T) {
	set, st := settings.Defaults(), State{}
	for at := 70; at <= 200; at += tickSeconds {
		s := viewOf(0, func(int) float64 { return 12 }, at-60)
		s.CoveredTo = start.Add(time.Duration(at-60) * time.Second)
		st = st.merge(s).read(start.Add(time.Duration(at)*time.Second), s, set)
	}
	if got := st.Nowcasts[len(st.Nowcasts)-1].PerSecond; math.Abs(got-12) > 1e-9 {
		t.Errorf("a nowcast of %.2f queries/s, want the 12 that the metrics show", got)
	}
}
