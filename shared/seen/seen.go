// Package seen reads the arrivals that a home has recorded, as a trace that the
// simulator plays.
package seen

import (
	"context"
	"fmt"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/arrivals"
	"paragon/shared/core/query"
	"paragon/shared/telemetry"
)

// Metrics is where arrivals are read.
type Metrics interface {
	Series(ctx context.Context, metric string, dimensions []string, from, to time.Time, step time.Duration) ([]cloud.Sample, error)
}

// Load is what arrived.
type Load struct {
	Trace       arrivals.Trace // by the second
	StrictShare float64        // of the queries, 0 to 1; 0 without any
}

// Read reads the accepted queries of some tasks, second by second in [from, to).
func Read(ctx context.Context, m Metrics, tasks []string, from, to time.Time) (Load, error) {
	from = from.Truncate(time.Second)
	l := Load{Trace: arrivals.Trace{Step: time.Second, Counts: make([]float64, max(0, int(to.Sub(from)/time.Second)))}}
	strict, all := 0.0, 0.0
	for _, task := range tasks {
		for _, class := range []query.Class{query.Strict, query.Relaxed} {
			series, err := m.Series(ctx, telemetry.Arrivals.Name, telemetry.TaskClass(task, string(class)), from, to, time.Second)
			if err != nil {
				return Load{}, fmt.Errorf("read the arrivals of %s: %w", task, err)
			}
			sum := l.add(series, from)
			all += sum
			if class == query.Strict {
				strict += sum
			}
		}
	}
	if all > 0 {
		l.StrictShare = strict / all
	}
	return l, nil
}

// add counts samples in their seconds, and returns how many queries they are.
func (l *Load) add(series []cloud.Sample, from time.Time) float64 {
	sum := 0.0
	for _, s := range series {
		if i := int(s.At.Sub(from) / time.Second); i >= 0 && i < len(l.Trace.Counts) {
			l.Trace.Counts[i] += s.Sum
			sum += s.Sum
		}
	}
	return sum
}

// Trimmed is the load from its first second with a query to its last; empty
// when there is none.
func (l Load) Trimmed() Load {
	counts := l.Trace.Counts
	for len(counts) > 0 && counts[0] == 0 {
		counts = counts[1:]
	}
	for len(counts) > 0 && counts[len(counts)-1] == 0 {
		counts = counts[:len(counts)-1]
	}
	l.Trace.Counts = counts
	return l
}
