package simulate

import (
	"math/rand/v2"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
)

// stream yields the arrivals of a trace in order, in microseconds since its
// start, one second in memory at a time.
type stream struct {
	trace  arrivals.Trace
	random *rand.Rand
	at     int64 // start of the part of a step that is loaded
	end    int64
	times  []int64
	sums   []float64 // room for scatter
	next   int
}

func newStream(t arrivals.Trace, from, end int64, random *rand.Rand) *stream {
	return &stream{trace: t, random: random, at: from - second, end: end}
}

// peek returns when the next query arrives, and false after the last.
func (s *stream) peek() (int64, bool) {
	for s.next == len(s.times) {
		if s.at += second; s.at >= s.end {
			return 0, false
		}
		s.load()
	}
	return s.times[s.next], true
}

// load draws the arrivals of one second. Of a trace of seconds the count is
// kept and falls anywhere in its second; a longer step is a Poisson process.
func (s *stream) load() {
	s.times, s.next = s.times[:0], 0
	step := s.trace.Step.Microseconds()
	count := s.trace.Counts[s.at/step]
	if step > second {
		s.poisson(count * float64(second) / float64(step))
		return
	}
	n := int(count)
	if part := count - float64(n); part > 0 && s.random.Float64() < part {
		n++
	}
	s.scatter(n)
}

// scatter puts n arrivals anywhere in the second, in order: the gaps of n
// uniform values are exponential ones that fill the second.
func (s *stream) scatter(n int) {
	if n == 0 {
		return
	}
	sum := 0.0
	s.sums = s.sums[:0]
	for range n + 1 {
		sum += s.random.ExpFloat64()
		s.sums = append(s.sums, sum)
	}
	for _, v := range s.sums[:n] {
		s.times = append(s.times, s.at+int64(v/sum*float64(second)))
	}
}

func (s *stream) poisson(perSecond float64) {
	if perSecond <= 0 {
		return
	}
	for at := s.random.ExpFloat64() / perSecond; at < 1; at += s.random.ExpFloat64() / perSecond {
		s.times = append(s.times, s.at+int64(at*float64(second)))
	}
}
