//go:build !race

package control_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
)

// Fifty models in two classes, with times of every length, leave the value that the
// controllers share within what an item may have.
func TestThePastOfFiftyModelsFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		fleet, shared, past := &counted{tallies: map[string]map[string]tally.Snapshot{}}, &values{}, newRows(t)
		c, book, random := r.recorder(fleet, shared, past, withTotals), tally.NewBook(time.Now()), rand.New(rand.NewPCG(1, 2))
		largest := 0
		for range 30 {
			for model := range 50 {
				for _, class := range []query.Class{query.Strict, query.Relaxed} {
					for range 40 {
						ms := random.ExpFloat64() * 200 * random.ExpFloat64()
						book.Ended(tally.Key{Task: "t", Model: fmt.Sprint("model-", model), Class: class, Resource: "c5.large"}, tally.Observation{State: query.Succeeded, LatencyMS: ms, WaitMS: ms / 3, ComputeMS: ms / 2})
					}
				}
			}
			fleet.report(pool, "w", book)
			r.publish(c, fleet)
			largest = max(largest, len(shared.value))
			<-time.After(time.Minute)
		}
		if got, _ := past.sums(10 * time.Minute); largest > 390<<10 || got < 50*2*40*20 {
			t.Errorf("the value took %d bytes; rows hold %d answers", largest, got)
		}
	})
}
