package arrivals

import "time"

// Unknown is what StaticLeft says where the trace ends before the load moves.
const Unknown time.Duration = -1

// StaticLeft reports how much longer the load stays static, as only the whole
// trace can show: at each moment, a step of every apart from time zero on, the
// time to the first moment, that one included, at which the peak-to-median
// ratio of the window before it is above a threshold. It is Unknown where no
// such moment follows. Both lengths are whole seconds, every is above 0.
func (t Trace) StaticLeft(window, every time.Duration, threshold float64) []time.Duration {
	out := make([]time.Duration, int(t.Duration()/every)+1)
	next := Unknown
	for i := len(out) - 1; i >= 0; i-- {
		at := time.Duration(i) * every
		if PeakToMedian(t.seconds(max(0, at-window), at)) > threshold {
			next = at
		}
		out[i] = Unknown
		if next != Unknown {
			out[i] = next - at
		}
	}
	return out
}

// seconds are the arrivals of each second of [from, to), at the mean rate of a
// longer step.
func (t Trace) seconds(from, to time.Duration) []float64 {
	first, last := int(from/time.Second), int(to/time.Second)
	if t.Step == time.Second {
		return t.Counts[first:last]
	}
	out := make([]float64, last-first)
	for i := range out {
		out[i] = t.Counts[time.Duration(first+i)*time.Second/t.Step] / t.Step.Seconds()
	}
	return out
}
