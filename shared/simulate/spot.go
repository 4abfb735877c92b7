package simulate

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Availability is how many spot instances of one type there were in each zone, a row a
// step. What is lost is lost at once in all of a zone, and nothing replaces it while
// there is nothing.
type Availability struct {
	Name  string
	Step  time.Duration
	Zones []string
	Rows  [][]int // by step and zone
}

// mostSpotInstances bounds a number in a record.
const mostSpotInstances = 100000

// ReadAvailability reads CSV: the header second and a column a zone, then a row a step
// from 0 on, without gaps. Errors name the line.
func ReadAvailability(name string, r io.Reader) (*Availability, error) {
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(rows) < 3 || rows[0][0] != "second" || len(rows[0]) < 2 || len(rows[0]) > mostZones+1 {
		return nil, fmt.Errorf("%s: the header is second and 1 to %d zones, and two rows or more follow", name, mostZones)
	}
	out := &Availability{Name: name, Zones: rows[0][1:]}
	for i, row := range rows[1:] {
		at, err := strconv.Atoi(row[0])
		if i == 1 {
			out.Step = time.Duration(at) * time.Second
		}
		if err != nil || at != i*int(out.Step/time.Second) || i == 1 && at < 1 {
			return nil, fmt.Errorf("%s: line %d: second %q does not follow in steps of %s from 0", name, i+2, row[0], out.Step)
		}
		counts := make([]int, len(out.Zones))
		for z, v := range row[1:] {
			if counts[z], err = strconv.Atoi(v); err != nil || counts[z] < 0 || counts[z] > mostSpotInstances {
				return nil, fmt.Errorf("%s: line %d: %q in zone %s is not a number of instances, 0 to %d", name, i+2, v, out.Zones[z], mostSpotInstances)
			}
		}
		out.Rows = append(out.Rows, counts)
	}
	return out, nil
}

// valid is whether it can be played.
func (a *Availability) valid() bool {
	for _, row := range a.Rows {
		if len(row) != len(a.Zones) {
			return false
		}
	}
	return a.Step >= time.Second && len(a.Rows) > 0 && len(a.Zones) > 0 && len(a.Zones) <= mostZones
}

// Duration is how long it was recorded.
func (a *Availability) Duration() time.Duration { return a.Step * time.Duration(len(a.Rows)) }

// usdPerHour is the price of a spot instance that schemes are given; 0 means that they
// have none to choose.
func (s Spot) usdPerHour(onDemand float64) float64 {
	if s.Availability == nil {
		return 0
	}
	return s.PriceFactor * onDemand
}

// startSpot begins to follow recorded availability.
func (e *engine) startSpot(begin int64) {
	if a := e.cfg.Spot.Availability; a != nil {
		e.spotAlive = make([]int, len(a.Zones))
		e.events.push(event{at: begin, kind: spotChanges})
	}
}

// spotRow is what there is now, and when that changes next.
func (e *engine) spotRow() (row []int, until int64) {
	a := e.cfg.Spot.Availability
	step, all := a.Step.Microseconds(), a.Duration().Microseconds()
	at := (e.now - e.from + e.cfg.Spot.Offset.Microseconds()) % all
	if at < 0 {
		at += all
	}
	return a.Rows[at/step], e.now + step - at%step
}

// changeSpot takes back what there is no longer in each zone, drawn by chance.
func (e *engine) changeSpot() {
	if !e.live {
		return
	}
	row, until := e.spotRow()
	e.events.push(event{at: until, kind: spotChanges})
	for z, there := range row {
		for e.spotAlive[z] > there {
			e.loseOneIn(z)
		}
	}
}

// loseOneIn takes a spot instance back in a zone.
func (e *engine) loseOneIn(zone int) {
	n := e.interruptions.IntN(e.spotAlive[zone])
	for _, p := range e.pools {
		for i := range p.workers {
			w := &p.workers[i]
			if !w.inZone(zone) {
				continue
			}
			if n == 0 {
				e.takeBack(p, event{ref: int32(i), generation: w.generation})
				return
			}
			n--
		}
	}
}

// inZone is whether a worker is a spot instance of a zone that has not been drained.
func (w *worker) inZone(zone int) bool {
	return w.spot && int(w.zone) == zone && (w.state == booting || w.state == ready)
}

// releaseSpot gives the place of a spot instance that leaves back to its zone.
func (e *engine) releaseSpot(w *worker) {
	if w.spot && len(e.spotAlive) > 0 {
		e.spotAlive[w.zone]--
	}
}

// launchSpot starts a spot instance in the zone, of those that have one, that holds the
// fewest, as losses are correlated in a zone. It reports whether there was one.
func (e *engine) launchSpot(p *pool) bool {
	row, _ := e.spotRow()
	zone := -1
	for z, there := range row {
		if there > e.spotAlive[z] && (zone < 0 || e.spotAlive[z] < e.spotAlive[zone]) {
			zone = z
		}
	}
	if zone < 0 {
		return false
	}
	w := &p.workers[e.launchWorker(p, e.nextBootUS(p))]
	w.spot, w.zone = true, int8(zone)
	e.spotAlive[zone]++
	p.spotAlive++
	return true
}

// scaleMix brings workers on demand and spot instances to their numbers, spot instances
// only as far as there are any.
func (e *engine) scaleMix(p *pool, onDemand, spot int) {
	ready, booting := p.countSpot()
	haveSpot := ready + booting
	have := p.nReady + p.nBooting - haveSpot
	for ; have < onDemand; have++ {
		e.launchWorker(p, e.nextBootUS(p))
	}
	for haveSpot < spot && e.launchSpot(p) {
		haveSpot++
	}
	e.drainFirst(p, have-onDemand, func(w *worker) bool { return !w.spot })
	e.drainFirst(p, haveSpot-spot, func(w *worker) bool { return w.spot })
}

// countSpot counts the spot instances among the workers that are ready and that boot.
func (p *pool) countSpot() (nReady, nBooting int) {
	for i := range p.workers {
		w := &p.workers[i]
		switch {
		case w.spot && w.state == ready:
			nReady++
		case w.spot && w.state == booting:
			nBooting++
		}
	}
	return nReady, nBooting
}
