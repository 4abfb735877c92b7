package simulate

import "github.com/paragon-serving/paragon/shared/core/sizing"

// functions are the inference functions, one a model: their environments that
// are warm and free.
type functions struct {
	coldStarts bool
	keepAlive  int64
	free       [][]int64 // by model: since when each environment is free, rising
	starts     []starts  // by model
	lately     []lately  // by model
}

// lately is how often a function was called in the last minute, and how often that was cold.
type lately struct {
	slot        int64 // that of the last call
	calls, cold [latelySlots]int64
}

// A minute of full slots and the one that is not over, as the controller's history of a minute has.
const (
	latelySlots  = 7
	latelySlotUS = 10 * second
)

// saw counts a call.
func (l *lately) saw(now int64, cold bool) {
	l.forget(now)
	l.calls[l.slot%latelySlots]++
	if cold {
		l.cold[l.slot%latelySlots]++
	}
}

// forget drops the slots that are over.
func (l *lately) forget(now int64) {
	for slot := now / latelySlotUS; l.slot < slot; {
		l.slot = max(l.slot+1, slot-latelySlots+1)
		l.calls[l.slot%latelySlots], l.cold[l.slot%latelySlots] = 0, 0
	}
}

// mostlyWarm reports whether a model's function counts as warm, as production's view says.
func (f *functions) mostlyWarm(model int, now int64) bool {
	if !f.coldStarts {
		return true
	}
	l, calls, cold := &f.lately[model], int64(0), int64(0)
	l.forget(now)
	for i := range l.calls {
		calls, cold = calls+l.calls[i], cold+l.cold[i]
	}
	return sizing.MostlyWarm(calls, cold)
}

// starts are the environments of a function that were started in a period.
type starts struct {
	from int64
	n    int
}

func newFunctions(c *Config, models int) *functions {
	return &functions{coldStarts: c.ColdStarts, keepAlive: int64(c.KeepAliveSeconds * float64(second)), free: make([][]int64, models), starts: make([]starts, models), lately: make([]lately, models)}
}

// take reports whether a call of a model starts cold. The environment that came
// free last is taken, as Lambda does; when that one is too old, all are.
func (f *functions) take(model int, now int64) (cold bool) {
	if !f.coldStarts {
		return false
	}
	free, cold := f.free[model], !f.warm(model, now)
	f.lately[model].saw(now, cold)
	if cold {
		f.free[model] = free[:0]
		f.started(model, now)
		return true
	}
	f.free[model] = free[:len(free)-1]
	return false
}

// started counts an environment that a call starts.
func (f *functions) started(model int, now int64) {
	s := &f.starts[model]
	if now-s.from >= lambdaStartIn {
		*s = starts{from: now}
	}
	s.n++
}

// throttled reports whether a call of a model is refused now: it would need an
// environment, and as many as Lambda starts at once have been started.
func (f *functions) throttled(model int, now int64) bool {
	s := f.starts[model]
	return s.n >= lambdaStarts && now-s.from < lambdaStartIn && !f.warm(model, now)
}

// warm reports whether a call of a model would start warm now.
func (f *functions) warm(model int, now int64) bool {
	free := f.free[model]
	return !f.coldStarts || len(free) > 0 && now-free[len(free)-1] <= f.keepAlive
}

// release gives an environment back.
func (f *functions) release(model int, now int64) { f.free[model] = append(f.free[model], now) }
