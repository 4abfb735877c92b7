package schedule

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// BenchmarkOverload offers a worker of two runners twice what they can do, of
// queries of 6 ms within a second, and lets it hand over what would be late.
func BenchmarkOverload(b *testing.B) {
	for _, owners := range []int{1, 8} {
		b.Run(fmt.Sprint(owners, " owners"), func(b *testing.B) {
			random := rand.New(rand.NewPCG(1, 2))
			q, next := NewQueue[int](2), t0
			var running []Run[int]
			var ends []time.Time
			admitted, held := 0, 0
			b.ReportAllocs()
			for i := range b.N {
				now := next
				next = now.Add(time.Duration(random.ExpFloat64() * 1.5e6))
				for k := 0; k < len(ends); {
					if ends[k].After(now) {
						k++
						continue
					}
					q.Done(running[k].Ticket, ends[k])
					running, ends = append(running[:k], running[k+1:]...), append(ends[:k], ends[k+1:]...)
					q.evictStrict(now)
					q.evictRelaxed(now)
				}
				w := Work{Class: query.Strict, Owner: owner(i % owners), Model: "m", P50MS: 6, P99MS: 9, DeadlineAt: now.Add(time.Second)}
				if _, ok := q.Admit(now, w, w.DeadlineAt, i); ok {
					admitted++
				}
				for {
					r, ok := q.Start(now, 1)
					if !ok {
						break
					}
					running, ends = append(running, r), append(ends, now.Add(6*time.Millisecond))
				}
				held += q.Len(query.Strict)
			}
			b.ReportMetric(float64(admitted)/float64(b.N), "admitted")
			b.ReportMetric(float64(held)/float64(b.N), "held")
		})
	}
}

func owner(i int) string { return string(rune('a' + i)) }
