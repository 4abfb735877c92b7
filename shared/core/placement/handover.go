package placement

// LastMoment is the latest moment at which an inference function that takes so
// long still keeps a deadline; with cold, one that must be started first. A
// relaxed query that may overflow waits for a runner until then and no longer.
// All are in one unit, counted from one moment: microseconds in the simulator,
// milliseconds since acceptance in production.
func LastMoment[T ~int64 | ~float64](deadline, takes, coldAdds T, cold bool) T {
	if cold {
		return deadline - takes - coldAdds
	}
	return deadline - takes
}
