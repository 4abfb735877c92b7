package schedule

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// loop is callers who each send a query when the one before is answered, and a
// worker, in virtual time.
type loop struct {
	q         *Queue[queued]
	batch     int
	random    *rand.Rand
	tookMS    func(busy, answered int) float64 // median of a run now
	answered  int
	busy      []busy
	now       time.Time
	predicted []float64 // predicted and measured, in milliseconds
	took      []float64
}

type queued struct {
	at          time.Time
	predictedMS float64
}

type busy struct {
	run Run[queued]
	end time.Time
}

const profileMS = 5.0

func (l *loop) ask() {
	w := Work{Class: query.Relaxed, Model: "m", DeadlineAt: l.now.Add(time.Minute), P50MS: profileMS, P99MS: 1.5 * profileMS}
	if l.batch > 1 {
		w.BatchMax, w.BatchEachMS = l.batch, 0.6*profileMS
	}
	p := l.q.Predict(l.now, w)
	l.q.Add(w, queued{l.now, query.Milliseconds(p.EndsAt.Sub(l.now))})
}

func (l *loop) start() {
	for {
		r, ok := l.q.Start(l.now, l.batch)
		if !ok {
			return
		}
		ms := l.tookMS(len(l.busy)+1, l.answered) * math.Exp(0.17*l.random.NormFloat64())
		if n := len(r.Items); n > 1 {
			ms *= 0.6 * float64(n)
		}
		l.busy = append(l.busy, busy{r, l.now.Add(query.Duration(ms))})
	}
}

// play runs until the given number of queries were answered.
func (l *loop) play(callers, until int) {
	for range callers {
		l.ask()
		l.start()
	}
	for l.answered < until {
		slices.SortStableFunc(l.busy, func(a, b busy) int { return a.end.Compare(b.end) })
		first := l.busy[0]
		l.busy, l.now = l.busy[1:], first.end
		l.q.Done(first.run.Ticket, l.now)
		for _, a := range first.run.Items {
			l.answered++
			l.predicted, l.took = append(l.predicted, a.predictedMS), append(l.took, query.Milliseconds(l.now.Sub(a.at)))
		}
		l.start()
		for range first.run.Items {
			l.ask()
			l.start()
		}
	}
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

// What is predicted is within 30 % of what is measured, in the mean and for
// most queries, on a machine as in the profile and on others.
func TestPredictionsKeepToLiveRuns(t *testing.T) {
	for _, tc := range []struct {
		name   string
		batch  int
		tookMS func(busy, answered int) float64
	}{
		{"as in the profile", 1, func(int, int) float64 { return profileMS }},
		{"ten times slower", 1, func(int, int) float64 { return 10 * profileMS }},
		{"twice as fast", 1, func(int, int) float64 { return profileMS / 2 }},
		{"runners in each other's way", 1, func(busy, _ int) float64 { return profileMS * (1 + 2*float64(busy-1)) }},
		{"slow from some time on", 1, func(_, answered int) float64 { return profileMS * cmp.Or(float64(answered/300)*4, 1) }},
		{"in batches", 8, func(int, int) float64 { return profileMS }},
		{"in batches, four times slower", 8, func(int, int) float64 { return 4 * profileMS }},
	} {
		for _, callers := range []int{2, 8, 32} {
			t.Run(fmt.Sprintf("%s/%d", tc.name, callers), func(t *testing.T) {
				l := &loop{q: NewQueue[queued](2), batch: tc.batch, random: rand.New(rand.NewPCG(1, 2)), tookMS: tc.tookMS, now: t0}
				l.play(callers, 590)
				predicted, took := l.predicted[400:], l.took[400:]
				errs := make([]float64, len(predicted))
				for i := range predicted {
					errs[i] = math.Abs(predicted[i]/took[i] - 1)
				}
				slices.Sort(errs)
				if got := mean(predicted) / mean(took); math.Abs(got-1) > 0.3 || errs[len(errs)/2] > 0.3 {
					t.Errorf("predicted %.1f ms, measured %.1f; half of the queries are off by more than %.0f %%", mean(predicted), mean(took), 100*errs[len(errs)/2])
				}
				t.Logf("predicted/measured %.2f, median error %.0f %%, p90 %.0f %%", mean(predicted)/mean(took), 100*errs[len(errs)/2], 100*errs[len(errs)*9/10])
			})
		}
	}
}

// A pace is a quarter to 16 times the profile and grows by 38 % a run at most;
// ten runs bring ten times to within 30 %; what nobody confirms is forgotten; a
// model without a service time has no pace.
func TestPace(t *testing.T) {
	ran := func(ms ...float64) *pace {
		p := &pace{}
		for _, m := range ms {
			p.measure(t0, m, 0, 1)
		}
		return p
	}
	long := slices.Repeat([]float64{1e6}, 200)
	for _, tc := range []struct {
		name  string
		pace  *pace
		at    time.Time
		ratio float64
	}{
		{"of no model", nil, t0, 1},
		{"never measured", ran(), t0, 1},
		{"one run", ran(2), t0, 1.125},
		{"one odd run", ran(1000), t0, 1.375},
		{"ten runs", ran(slices.Repeat([]float64{10}, 10)...), t0, 7.0938969},
		{"bounded above", ran(long...), t0, 16},
		{"bounded below", ran(make([]float64, 200)...), t0, 0.25},
		{"half forgotten", ran(1000), t0.Add(paceHalfLife), 1.1875},
		{"forgotten", ran(long...), t0.Add(time.Hour), 1},
		{"asked about before", ran(1000), t0.Add(-time.Second), 1.375},
	} {
		if got := tc.pace.ratio(tc.at); math.Abs(got-tc.ratio) > 1e-6 {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.ratio)
		}
	}
	p := &pace{}
	p.measure(t0, 5, 0, 0)
	if got := p.ratio(t0); got != 1 {
		t.Errorf("without a service time: %v", got)
	}
}

// A slow machine is seen in everything that is predicted: admission, lateness,
// room and the work that is reported. A run that was aborted says nothing.
func TestSlowRunsCountEverywhere(t *testing.T) {
	slow := func(end func(q *Queue[int], ticket int)) *Queue[int] {
		q := NewQueue[int](1)
		for range 60 {
			q.Add(strictWork(1000, 10, 10), 0)
			r, _ := q.Start(t0, 1)
			end(q, r.Ticket)
		}
		return q
	}
	by := after(35)
	for _, tc := range []struct {
		name  string
		q     *Queue[int]
		admit bool
	}{
		{"slow", slow(func(q *Queue[int], ticket int) { q.Done(ticket, after(40)) }), false},
		{"aborted", slow(func(q *Queue[int], ticket int) { q.Abort(ticket, t0) }), true},
	} {
		tc.q.Add(strictWork(20, 10, 10), 1)
		tc.q.Add(strictWork(30, 10, 10), 2)
		if _, ok := tc.q.Admit(after(0), strictWork(35, 10, 10), by, 3); ok != tc.admit {
			t.Errorf("%s: admitted %v", tc.name, ok)
		}
		if n, _ := tc.q.Room(query.Strict, after(0), 30*time.Millisecond, 10); (n > 0) != tc.admit {
			t.Errorf("%s: room for %d", tc.name, n)
		}
		if ms := tc.q.WorkMS(query.Strict, after(0)); (ms < 40) != tc.admit {
			t.Errorf("%s: %v ms of work", tc.name, ms)
		}
		if late := tc.q.evictStrict(after(0)); (len(late) == 0) != tc.admit {
			t.Errorf("%s: %d late", tc.name, len(late))
		}
	}
	if took := slow(func(*Queue[int], int) {}).Done(77, t0); took != 0 {
		t.Errorf("an unknown run took %v", took)
	}
}

// Pictures that are decoded in the background take as long as other programs let them:
// the other queries of their model are as fast as before, and are not thought late.
func TestLargePicturesSlowNobodyElse(t *testing.T) {
	q, now := NewQueue[int](2), time.Unix(0, 0)
	of := func(large bool) Work {
		w := Work{Class: query.Strict, Owner: "a", Model: "m", DeadlineAt: now.Add(time.Hour), P50MS: 2, P99MS: 3}
		if large {
			w.Large, w.P50MS, w.P99MS = true, 500, 600
		}
		return w
	}
	for range 10 {
		q.Add(of(true), 0)
		r, _ := q.Start(now, 1)
		now = now.Add(5 * time.Second)
		q.Done(r.Ticket, now)
	}
	if p := q.Predict(now, of(false)); p.LatestAt.Sub(now) != query.Duration(3) {
		t.Errorf("a small one is predicted to take %s", p.LatestAt.Sub(now))
	}
	if p := q.Predict(now, of(true)); p.LatestAt.Sub(now) < 2*time.Second {
		t.Errorf("a large one is predicted to take %s", p.LatestAt.Sub(now))
	}
	if n, _ := q.Room(query.Strict, now, query.Duration(50), 2); n < 40 {
		t.Errorf("there is room for %d", n)
	}
}
