package simulate

// functions are the inference functions, one a model: their environments that
// are warm and free.
type functions struct {
	coldStarts bool
	keepAlive  int64
	free       [][]int64 // by model: since when each environment is free, rising
}

func newFunctions(c *Config, models int) *functions {
	return &functions{coldStarts: c.ColdStarts, keepAlive: int64(c.KeepAliveSeconds * float64(second)), free: make([][]int64, models)}
}

// take tells whether a call of a model starts cold. The environment that came
// free last is taken, as Lambda does; when that one is too old, all are.
func (f *functions) take(model int, now int64) (cold bool) {
	if !f.coldStarts {
		return false
	}
	free := f.free[model]
	if len(free) == 0 {
		return true
	}
	if now-free[len(free)-1] > f.keepAlive {
		f.free[model] = free[:0]
		return true
	}
	f.free[model] = free[:len(free)-1]
	return false
}

// warm tells whether a call of a model would start warm now.
func (f *functions) warm(model int, now int64) bool {
	free := f.free[model]
	return !f.coldStarts || len(free) > 0 && now-free[len(free)-1] <= f.keepAlive
}

// release gives an environment back.
func (f *functions) release(model int, now int64) { f.free[model] = append(f.free[model], now) }
