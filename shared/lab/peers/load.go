package peers

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// warmShare of a measurement's length goes before it, uncounted.
	warmShare = 0.25
	// rateLength is how many times as long as one of throughput a measurement
	// at the common rate takes: a p99 needs hundreds of queries.
	rateLength = 2
	// rateConnections are the callers that share a common rate. A query for
	// which none is free waits, and its wait counts.
	rateConnections = 64
)

// Load is what one measurement found.
type Load struct {
	Connections int     `json:"connections"`
	PerSecond   float64 `json:"per_second"` // queries answered
	P50MS       float64 `json:"p50_ms"`
	P99MS       float64 `json:"p99_ms"`
	CPUMSAQuery float64 `json:"cpu_ms_a_query"` // the server's, user and system
	Queries     int     `json:"queries"`
}

// throughput drives a server with callers that each wait for their answer
// before they ask again (a closed loop).
func (c Config) throughput(ctx context.Context, r Running, w *Workload, connections int) (Load, error) {
	length := time.Duration(c.Seconds * float64(time.Second))
	return drive(ctx, r, w, connections, length, func(int) time.Duration { return 0 })
}

// latency drives a server at a fixed rate: each query has its time, and its
// latency counts from then, whether or not a caller was free (an open loop).
func (c Config) latency(ctx context.Context, r Running, w *Workload, rate float64) (Load, error) {
	length := time.Duration(rateLength * c.Seconds * float64(time.Second))
	return drive(ctx, r, w, rateConnections, length, func(n int) time.Duration {
		return time.Duration(float64(n) / rate * float64(time.Second))
	})
}

// drive warms a server up and then measures it. due is when the nth query of a
// measurement is to be sent; 0 means at once.
func drive(ctx context.Context, r Running, w *Workload, connections int, length time.Duration, due func(n int) time.Duration) (Load, error) {
	conns := make([]Conn, connections)
	for i := range conns {
		var err error
		if conns[i], err = r.Connect(); err != nil {
			return Load{}, fmt.Errorf("connect: %w", err)
		}
		defer conns[i].Close()
	}
	warm := time.Duration(warmShare * float64(length))
	if _, _, err := callers(ctx, conns, len(w.Inputs), warm, due); err != nil {
		return Load{}, err
	}
	before, err := r.Usage()
	if err != nil {
		return Load{}, err
	}
	times, took, err := callers(ctx, conns, len(w.Inputs), length, due)
	if err != nil {
		return Load{}, err
	}
	after, err := r.Usage()
	if err != nil {
		return Load{}, err
	}
	slices.Sort(times)
	return Load{
		Connections: connections, Queries: len(times),
		PerSecond: float64(len(times)) / took.Seconds(),
		P50MS:     milliseconds(quantile(times, 0.5)), P99MS: milliseconds(quantile(times, 0.99)),
		CPUMSAQuery: milliseconds(after.CPU-before.CPU) / float64(len(times)),
	}, nil
}

// callers has each connection ask until the length has passed. It returns the
// latency of each query and how long it took until the last was answered.
func callers(ctx context.Context, conns []Conn, inputs int, length time.Duration, due func(n int) time.Duration) ([]time.Duration, time.Duration, error) {
	var (
		next    atomic.Int64
		running sync.WaitGroup
		times   = make([][]time.Duration, len(conns))
		errs    = make([]error, len(conns))
		start   = time.Now()
	)
	for i, conn := range conns {
		running.Go(func() {
			for errs[i] == nil {
				n := int(next.Add(1)) - 1
				sent, ok := wait(ctx, start, due(n), length)
				if !ok {
					return
				}
				errs[i] = conn.Call(ctx, n%inputs)
				times[i] = append(times[i], time.Since(start)-sent)
			}
		})
	}
	running.Wait()
	took := time.Since(start)
	all := slices.Concat(times...)
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return nil, 0, err
	}
	if len(all) == 0 {
		return nil, 0, fmt.Errorf("nothing was asked within %v", length)
	}
	return all, took, nil
}

// wait waits until a query is due and returns from when its latency counts,
// since start; it is not ok when the measurement has ended by then.
func wait(ctx context.Context, start time.Time, due, length time.Duration) (time.Duration, bool) {
	now := time.Since(start)
	if due == 0 {
		return now, now < length && ctx.Err() == nil
	}
	if due >= length {
		return 0, false
	}
	if ahead := due - now; ahead > 0 {
		timer := time.NewTimer(ahead)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return 0, false
		}
	}
	return due, true
}

// quantile returns a quantile of sorted durations: the least that is no less
// than that share of them.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, max(0, int(math.Ceil(q*float64(len(sorted))))-1))]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
