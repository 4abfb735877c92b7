package simulate

// kind is what happens at an event.
type kind uint8

const (
	runEnds kind = iota
	workerBoots
	handOver
	heldIsDue
	environmentFree
	functionEnds
	spotNotice
	spotChanges
	warmPrepared
	tick
)

// event is something that will happen. ref and generation say to whom.
type event struct {
	at         int64
	ref        int32
	generation uint16
	pool       uint8
	kind       kind
}

// eventQueue is the events to come, the soonest first, as a four-way heap: its
// levels are few and lie close in memory.
type eventQueue []event

func (a *eventQueue) push(e event) {
	h := append(*a, e)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 4
		if h[up].at <= e.at {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = e
	*a = h
}

func (a *eventQueue) pop() event {
	h := *a
	top := h[0]
	last := h[len(h)-1]
	h = h[:len(h)-1]
	*a = h
	if len(h) > 0 {
		h.sink(last)
	}
	return top
}

// replace takes the soonest event out and puts another in.
func (a *eventQueue) replace(e event) { a.sink(e) }

func (a *eventQueue) sink(e event) {
	h, i := *a, 0
	for {
		first := 4*i + 1
		if first >= len(h) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(h)); c++ {
			if h[c].at < h[least].at {
				least = c
			}
		}
		if e.at <= h[least].at {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = e
}
