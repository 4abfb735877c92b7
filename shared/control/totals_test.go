package control_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// Whatever of two controllers that overlap dies, and whenever a write is lost: the totals
// that are handed on never go back, and have each answer once in the end. One that was idle
// for hours hands nothing on that another has surpassed.
func TestTotalsHaveEachAnswerOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		fleet, shared := &counted{tallies: map[string]map[string]tally.Snapshot{}}, &values{}
		var last telemetry.Totals
		handed := 0
		take := func(o *control.Options) {
			o.Totals = func(now telemetry.Totals) {
				if handed++; last.At.After(now.At) || answers(now) < answers(last) || !last.Since.IsZero() && !last.Since.Equal(now.Since) {
					t.Errorf("%d answers since %v at %v, after %d since %v at %v", answers(now), now.Since, now.At, answers(last), last.Since, last.At)
				}
				last = now
			}
		}
		a, b := r.recorder(fleet, shared, nil, take), r.recorder(fleet, shared, nil, take)
		random, book, total := rand.New(rand.NewPCG(7, 8)), tally.NewBook(time.Now()), int64(0)
		r.publish(a, fleet)
		for step := range 400 { // 10 s each
			n := random.IntN(4)
			answer(book, n)
			total += int64(n)
			fleet.report(pool, "w", book)
			<-time.After(10 * time.Second)
			r.publish(a, fleet)
			if random.IntN(3) > 0 && step < 300 { // b is idle at the end
				r.publish(b, fleet)
			}
			switch random.IntN(30) {
			case 0:
				a = r.recorder(fleet, shared, nil, take)
			case 1:
				shared.fail = errors.New("the answer was lost")
			default:
				shared.fail = nil
			}
		}
		shared.fail = nil
		delete(fleet.tallies, pool) // the worker has left
		for range 130 {
			<-time.After(time.Minute)
			r.publish(a, fleet)
		}
		if got := answers(last); got != total || handed < 150 {
			t.Errorf("totals were handed on %d times and have %d answers, want %d", handed, got, total)
		}
		r.publish(b, fleet)
		<-time.After(time.Minute)
		r.publish(b, fleet)
	})
}

// answers are those in totals.
func answers(all telemetry.Totals) (n int64) {
	for _, t := range all.Tallies {
		n += t.Answered
	}
	return n
}

// withTotals has a controller keep totals.
func withTotals(o *control.Options) { o.Totals = func(telemetry.Totals) {} }

// What is written of a stage at rest is what the bill counts for totals: of three models in
// two classes. Without them nothing is.
func TestTotalsTakeWhatTheBillCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		fleet, shared, random := &counted{tallies: map[string]map[string]tally.Snapshot{}}, &values{}, rand.New(rand.NewPCG(1, 2))
		c, book := r.recorder(fleet, shared, nil, withTotals), tally.NewBook(time.Now())
		r.publish(c, fleet)
		for i := range 6000 {
			key := tally.Key{Task: "t", Model: fmt.Sprint("model-", i%3), Class: []query.Class{query.Strict, query.Relaxed}[i%2], Resource: "c5.large"}
			book.Ended(key, tally.Observation{State: query.Succeeded, Met: true, LatencyMS: 20 + 30*random.ExpFloat64(), WaitMS: 10 * random.ExpFloat64(), ComputeMS: 10 + random.ExpFloat64(), CostUSD: 1.2e-6})
		}
		fleet.report(pool, "i-0123456789abcdef0", book)
		rest := func(minutes int) {
			for range minutes {
				<-time.After(time.Minute)
				r.publish(c, fleet)
			}
		}
		rest(2)
		delete(fleet.tallies, pool)
		rest(130)
		writes := shared.writes
		rest(10)
		priced := pricing.AtRest(pricing.Deployment{Tasks: 1, Pools: 1, TickSeconds: 10, ViewSeconds: 1, Collector: true})
		const keysBytes = 100
		if units := (len(shared.value) + keysBytes + 1023) / 1024; float64(units) != priced.CollectorUnitsPerMinute || shared.writes != writes+10 {
			t.Errorf("%d units in %d writes of 10 minutes, the bill counts %v", units, shared.writes-writes, priced.CollectorUnitsPerMinute)
		}
	})
}
