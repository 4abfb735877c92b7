// Package spock plays Spock's own rules and numbers (Gunasekaran et al., IEEE
// CLOUD 2019), as its published simulator has them, quirks and all, so that its
// cost cells can be compared before anything is claimed. What in it is a defect
// is named where it stands. Nothing else uses these rules.
package spock

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
)

// Its numbers. Times are in milliseconds; the three task types stand in order.
const (
	startMS     = 100_000
	idleMS      = 180_000
	monitorMS   = 180_000
	predictMS   = 100_000
	firstMS     = 60_000 // of monitor and prediction, after the first tasks
	probeMS     = 5
	sloMS       = 1000
	vmUSD       = 0.10 // an hour, billed by the millisecond
	callUSD     = 0.0000002
	gbSecondUSD = 0.00001667
	initial     = 10
	regression  = 500 // seconds of a type
)

var (
	slots    = [3]int{6, 5, 2}
	execMS   = [3]int64{400, 400, 950}
	memoryGB = [3]float64{2024.0 / 1024, 3024.0 / 1024, 3048.0 / 1024}
)

// Schemes are its schemes in the order of its table.
func Schemes() []string {
	return []string{"reactive", "reactive_buffer", "predictive", "mixed", "mixed_predictive", "instant"}
}

// vm is one of its machines.
type vm struct {
	kind     int
	start    int64
	end      int64
	lastIdle int64
	queued   int
	free     int
	idle     bool
	spinUp   bool
}

type eventKind int

// At equal times Python 2 ordered its events by the names of their classes.
const (
	periodic eventKind = iota
	scheduleVM
	taskArrival
	taskEnd
	vmCreate
	monitor
)

type event struct {
	at    int64
	kind  eventKind
	order int
	vm    *vm
	born  int64 // of the task
}

type eventQueue []event

func (a eventQueue) Len() int { return len(a) }
func (a eventQueue) Less(i, j int) bool {
	x, y := a[i], a[j]
	if x.at != y.at {
		return x.at < y.at
	}
	if x.kind != y.kind {
		return x.kind < y.kind
	}
	return x.order < y.order
}
func (a eventQueue) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *eventQueue) Push(e any)   { *a = append(*a, e.(event)) }
func (a *eventQueue) Pop() any {
	old := *a
	e := old[len(old)-1]
	*a = old[:len(old)-1]
	return e
}

// simulation is one run.
type simulation struct {
	scheme   string
	counts   []int
	kinds    []int // task type of each second: all tasks of a second have one
	second   int
	events   eventQueue
	order    int
	now      int64
	vms      [3][]*vm
	done     [3][]*vm
	seen     [3][][2]float64 // time and tasks of each second of a type
	lambdas  [3]int
	requests int
	missed   int
	random   *rand.Rand
	last     bool
}

// Run plays a trace under a scheme.
func Run(scheme string, t Seconds, seed uint64) (Row, error) {
	if !slices.Contains(Schemes(), scheme) {
		return Row{}, fmt.Errorf("spock: scheme %q is none of %v", scheme, Schemes())
	}
	s := &simulation{scheme: scheme, random: rand.New(rand.NewPCG(seed, 32)), counts: t.Tasks, kinds: t.Types}
	s.play()
	return s.row(), nil
}

func (s *simulation) play() {
	for range initial {
		for kind := range 3 {
			s.vms[kind] = append(s.vms[kind], &vm{kind: kind, free: slots[kind], idle: true})
		}
	}
	for s.second < len(s.counts)-1 && s.counts[s.second] == none {
		s.second++
	}
	start := int64(s.second+1) * 1000
	s.push(event{at: start, kind: taskArrival})
	s.push(event{at: start + firstMS, kind: periodic})
	s.push(event{at: start + firstMS, kind: monitor})
	for len(s.events) > 0 {
		e := heap.Pop(&s.events).(event)
		s.now = e.at
		switch e.kind {
		case taskArrival:
			s.arrive()
		case scheduleVM:
			s.work(e)
		case taskEnd:
			e.vm.free++
		case vmCreate:
			e.vm.spinUp = false
		case monitor:
			s.monitor()
		case periodic:
			s.predict()
		}
	}
}

func (s *simulation) push(e event) {
	s.order++
	e.order = s.order
	heap.Push(&s.events, e)
}

// arrive places the tasks of one second.
func (s *simulation) arrive() {
	kind, tasks := s.kinds[s.second], s.counts[s.second]
	s.requests += tasks
	s.seen[kind] = append(s.seen[kind], [2]float64{float64(s.now), float64(tasks)})
	for k := range s.vms {
		slices.SortStableFunc(s.vms[k], func(a, b *vm) int { return b.queued - a.queued })
	}
	for range tasks {
		if i, ok := s.room(kind); ok {
			s.schedule(s.vms[kind][i])
		} else {
			s.unplaced(kind, tasks, i)
		}
	}
	for s.second++; s.second < len(s.counts) && s.counts[s.second] == none; s.second++ {
	}
	if s.second == len(s.counts) {
		s.last = true
		return
	}
	s.push(event{at: int64(s.second+1) * 1000, kind: taskArrival})
}

// room looks for the most loaded machine with room. A machine that still
// starts ends the search, also when a later one has room: a defect of theirs.
func (s *simulation) room(kind int) (int, bool) {
	for i, v := range s.vms[kind] {
		if v.queued < slots[kind] {
			return i, !v.spinUp || s.scheme == "instant"
		}
	}
	return len(s.vms[kind]), false
}

func (s *simulation) schedule(v *vm) {
	v.queued++
	s.push(event{at: s.now, kind: scheduleVM, vm: v, born: s.now})
}

// unplaced is what a scheme does with a task that no machine has room for.
func (s *simulation) unplaced(kind, tasks, i int) {
	short := len(s.vms[kind])*slots[kind] < tasks
	switch s.scheme {
	case "mixed":
		s.lambdas[kind]++
		if short {
			s.launch(kind, true)
		}
	case "mixed_predictive":
		s.lambdas[kind]++
	case "reactive":
		if short {
			s.launch(kind, true)
		}
		s.behind(kind, i)
	case "reactive_buffer":
		if short {
			for n := int(float64(tasks/slots[kind])*1.2) - len(s.vms[kind]); n > 0; n-- {
				s.launch(kind, true)
			}
		}
		s.behind(kind, i)
	case "predictive":
		s.schedule(s.vms[kind][s.random.IntN(len(s.vms[kind]))])
	case "instant":
		s.schedule(s.launch(kind, false))
	}
}

func (s *simulation) launch(kind int, starting bool) *vm {
	v := &vm{kind: kind, start: s.now, lastIdle: s.now, free: slots[kind], idle: true, spinUp: starting}
	s.vms[kind] = append(s.vms[kind], v)
	if starting {
		s.push(event{at: s.now + startMS, kind: vmCreate, vm: v})
	}
	return v
}

// behind queues a task behind a random machine of the first half. One that
// still starts takes it too, and counts as started from then on: a defect of
// theirs.
func (s *simulation) behind(kind, i int) {
	n := len(s.vms[kind])/2 + 1
	k := s.random.IntN(n)
	for k == i && n > 1 {
		k = s.random.IntN(n)
	}
	s.schedule(s.vms[kind][k])
}

// work runs a task on its machine, or tries again when all slots are taken.
// Each try adds to what seems queued and only a start takes from it, so that a
// machine that was once late never seems idle again: a defect of theirs.
func (s *simulation) work(e event) {
	v := e.vm
	v.idle, v.spinUp = false, false
	if v.free == 0 {
		v.queued++
		s.push(event{at: s.now + execMS[v.kind] + 10, kind: scheduleVM, vm: v, born: e.born})
		return
	}
	v.free--
	v.queued--
	end := s.now + probeMS + execMS[v.kind]
	if end-e.born > sloMS {
		s.missed++
	}
	s.push(event{at: end, kind: taskEnd, vm: v})
}

// monitor closes machines that were idle for long. It passes over one for each
// that is idle: a defect of theirs.
func (s *simulation) monitor() {
	for kind := range s.vms {
		width := len(s.vms[kind])
		for k := 0; k < width; k++ {
			v := s.vms[kind][k]
			if v.spinUp || v.turnedIdle(s.now) || !v.idle {
				continue
			}
			if s.now-v.lastIdle > idleMS {
				v.end = s.now
				s.done[kind] = append(s.done[kind], v)
				s.vms[kind] = slices.Delete(s.vms[kind], k, k+1)
			}
			width--
		}
	}
	if len(s.events) > 1 && !s.last {
		s.push(event{at: s.now + monitorMS, kind: monitor})
	}
}

func (v *vm) turnedIdle(now int64) bool {
	if v.idle || v.queued != 0 {
		return false
	}
	v.idle, v.lastIdle = true, now
	return true
}

// predict extends a line through the last seconds of each type.
func (s *simulation) predict() {
	factor := 1.0
	if s.scheme == "predictive" {
		factor = 1.2
	}
	for kind := range s.vms {
		if s.scheme != "predictive" && s.scheme != "mixed_predictive" {
			continue
		}
		expected := int(factor * line(s.seen[kind], float64(s.now+startMS)))
		if have := len(s.vms[kind]) * slots[kind]; expected > have {
			for range (expected - have) / slots[kind] {
				s.launch(kind, true)
			}
		}
	}
	if len(s.events) > 1 && !s.last {
		s.push(event{at: s.now + predictMS, kind: periodic})
	}
}

// line is the least-squares line through the last points, at x.
func line(points [][2]float64, x float64) float64 {
	points = points[max(0, len(points)-regression):]
	if len(points) == 0 {
		return 0
	}
	var mx, my, xx, xy float64
	for _, p := range points {
		mx += p[0] / float64(len(points))
		my += p[1] / float64(len(points))
	}
	for _, p := range points {
		xx += (p[0] - mx) * (p[0] - mx)
		xy += (p[0] - mx) * (p[1] - my)
	}
	if xx == 0 {
		return my
	}
	return my + xy/xx*(x-mx)
}
