package simulate

import "github.com/paragon-serving/paragon/shared/core/query"

// job is a query in the simulation.
type job struct {
	at       int64 // arrival
	deadline int64 // the latest end that keeps its bound
	handover int64 // the latest moment at which a function can still keep it
	service  int64 // how long it takes on a runner, alone
	model    int32
	ask      int32 // which of the run's asks it is, where there are any
	request  int32 // of the front; -1 when its part in it has ended
	strict   bool
	counted  bool
	accepted bool // its caller has a 202
}

func (j *job) class() query.Class {
	if j.strict {
		return query.Strict
	}
	return query.Relaxed
}

// queue holds jobs in the order of their handover times, as a ring. Bounds are
// few, so that nearly every job belongs at the end.
type queue struct {
	ring  []job // a power of two long
	head  int
	n     int
	workU int64 // service time of all, in microseconds
}

func (q *queue) at(i int) *job { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

func (q *queue) push(j job, service int64) {
	if q.n == len(q.ring) {
		q.grow()
	}
	i := q.n
	for i > 0 && q.at(i-1).handover > j.handover {
		*q.at(i) = *q.at(i - 1)
		i--
	}
	*q.at(i) = j
	q.n++
	q.workU += service
}

func (q *queue) grow() {
	bigger := make([]job, max(16, 2*len(q.ring)))
	for i := range q.n {
		bigger[i] = *q.at(i)
	}
	q.ring, q.head = bigger, 0
}

func (q *queue) pop(service []int64) job {
	j := *q.at(0)
	q.head++
	q.n--
	q.workU -= service[j.model]
	return j
}
