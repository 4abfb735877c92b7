package schedule

import (
	"math"
	"time"
)

const (
	// paceWeight is how much the newest run counts. After ten runs a machine
	// that is ten times slower than the profile is known to within 30 %.
	paceWeight = 1.0 / 8
	// paceStep bounds a run to that many times what was expected, up or down, so
	// that one odd run (a model that had to be loaded first) adds 38 % at most.
	paceStep = 4.0
	// paceHalfLife is the time in which a deviation that no run confirms halves.
	paceHalfLife = time.Minute
	// leastPace and mostPace bound the pace.
	leastPace, mostPace = 0.25, 16.0
)

// paced is what has a pace of its own: the queries of a model, and apart from them those
// whose inputs are decoded in the background.
type paced struct {
	model string
	large bool
}

func (w *Work) paced() paced { return paced{w.Model, w.Large} }

// pace is how long the runs of a model take now, as a multiple of its profile's
// median: 2 on a machine of half the speed, or with twice the contention. It is
// an exponentially weighted mean of measured runs that returns to 1 when none
// comes. The zero value, and nil, know of no run.
type pace struct {
	value float64
	at    time.Time // of the newest run

	askedAt time.Time // one prediction asks many times for one moment
	asked   float64
}

// last is the pace at the newest run.
func (p *pace) last() float64 {
	if p == nil || p.at.IsZero() {
		return 1
	}
	return p.value
}

// ratio is the pace now.
func (p *pace) ratio(now time.Time) float64 {
	if p == nil || p.at.IsZero() || p.value == 1 {
		return 1
	}
	if p.askedAt != now {
		age := max(0, now.Sub(p.at))
		p.askedAt, p.asked = now, 1+(p.value-1)*math.Exp2(-float64(age)/float64(paceHalfLife))
	}
	return p.asked
}

// measure counts a run that took tookMS where the profile has expectedMS. Up to lostMS
// of it may be due to express runs, as far as runs need a core all the time: between the
// two it says nothing. A model without a service time has no pace.
func (p *pace) measure(now time.Time, tookMS, lostMS, expectedMS float64) {
	if expectedMS <= 0 {
		return
	}
	before := p.ratio(now)
	tookMS = max(tookMS-lostMS, min(tookMS, before*expectedMS))
	measured := min(max(tookMS/expectedMS, leastPace, before/paceStep), mostPace, before*paceStep)
	p.value, p.at = before+paceWeight*(measured-before), now
	p.askedAt = time.Time{}
}
