package simulate

// functions are the inference functions, one a model: their environments that
// are warm and free.
type functions struct {
	coldStarts bool
	keepAlive  int64
	free       [][]int64 // by model: since when each environment is free, rising
	starts     []starts  // by model
}

// starts are the environments of a function that were started in a period.
type starts struct {
	from int64
	n    int
}

func newFunctions(c *Config, models int) *functions {
	return &functions{coldStarts: c.ColdStarts, keepAlive: int64(c.KeepAliveSeconds * float64(second)), free: make([][]int64, models), starts: make([]starts, models)}
}

// take reports whether a call of a model starts cold. The environment that came
// free last is taken, as Lambda does; when that one is too old, all are.
func (f *functions) take(model int, now int64) (cold bool) {
	if !f.coldStarts {
		return false
	}
	free := f.free[model]
	if !f.warm(model, now) {
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
