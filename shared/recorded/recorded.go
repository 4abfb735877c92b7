// Package recorded reads the arrivals that a backend has recorded, as a trace that the
// simulator plays.
package recorded

import (
	"context"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// Metrics is where arrivals are read.
type Metrics interface {
	Series(ctx context.Context, metric string, dimensions []string, from, to time.Time, step time.Duration) ([]platform.Sample, error)
}

// Load is what arrived.
type Load struct {
	From        time.Time      // where the trace starts
	Trace       arrivals.Trace // by the second, or by longer steps
	StrictShare float64        // of the queries, 0 to 1; 0 without any
}

// Read reads the accepted queries of some tasks, second by second in [from, to).
func Read(ctx context.Context, m Metrics, tasks []string, from, to time.Time) (Load, error) {
	return ReadBy(ctx, m, tasks, from, to, time.Second)
}

// ReadBy reads them by steps of a length, of whole seconds, as a backend that keeps
// seconds for a while only does: the steps begin at whole multiples of their
// length, the first with from or before it, the last ends with to or before it.
// A step without a value counts as one without arrivals.
func ReadBy(ctx context.Context, m Metrics, tasks []string, from, to time.Time, step time.Duration) (Load, error) {
	if step < time.Second || step%time.Second != 0 {
		return Load{}, fmt.Errorf("read arrivals: steps of %v are not of whole seconds", step)
	}
	from, to = from.Truncate(step), to.Truncate(step)
	l := Load{From: from, Trace: arrivals.Trace{Step: step, Counts: make([]float64, max(0, int(to.Sub(from)/step)))}}
	strict, all := 0.0, 0.0
	for _, task := range tasks {
		for _, class := range []query.Class{query.Strict, query.Relaxed} {
			series, err := m.Series(ctx, telemetry.Arrivals.Name, telemetry.TaskClass(task, string(class)), from, to, step)
			if err != nil {
				return Load{}, fmt.Errorf("read the arrivals of %s: %w", task, err)
			}
			sum := l.add(series)
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

// add counts samples in their steps, and returns how many queries they are.
func (l *Load) add(series []platform.Sample) float64 {
	sum := 0.0
	for _, s := range series {
		if i := int(s.At.Sub(l.From) / l.Trace.Step); !s.At.Before(l.From) && i < len(l.Trace.Counts) {
			l.Trace.Counts[i] += s.Sum
			sum += s.Sum
		}
	}
	return sum
}

// Trimmed is the load from its first step with a query to its last; empty
// when there is none.
func (l Load) Trimmed() Load {
	counts := l.Trace.Counts
	for len(counts) > 0 && counts[0] == 0 {
		counts = counts[1:]
		l.From = l.From.Add(l.Trace.Step)
	}
	for len(counts) > 0 && counts[len(counts)-1] == 0 {
		counts = counts[:len(counts)-1]
	}
	l.Trace.Counts = counts
	return l
}
