// Package demo plays a trace against a whole Paragon on this machine in a
// fraction of its time, and reports what it cost, what it missed, and what other
// schemes would have cost.
//
// Time is compressed, rates are not: a second of the demonstration stands for
// N seconds of the trace, with the trace's mean rate. What is counted in seconds
// (ticks, boots, windows, idle times) is divided by N. Service times
// and latency bounds stay as they are.
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"

	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

// Config says what to play.
type Config struct {
	Trace     arrivals.Trace // as it was recorded
	TimeScale float64        // seconds of the trace in one second
	Scheme    string
	Workers   int // at the start
	// Functions reports whether there are inference functions; without them the
	// same load shows what they are for.
	Functions           bool
	StrictShare         float64
	StrictMS, RelaxedMS float64
	ServiceMS           float64 // what the model is made to take on a runner
	// Profiles is the folder of the catalogue that is played, empty for those that ship,
	// and Model the one of it that answers.
	Profiles, Catalogue, Model string
	Set                        map[string]string // settings that are not as the time scale makes them
	Seed                       uint64
	DataDir                    string // empty means a temporary one
	// Sender returns what sends queries to a server, and how many inputs it draws from.
	Sender func(url string) (load.Send, int, error)
	// Progress, when set, is called with how far it is.
	Progress func(at, of time.Duration, s api.Status)
	Log      *slog.Logger
}

// check refuses what cannot be played.
func (c Config) check() error {
	switch {
	case !(c.TimeScale >= 1 && c.TimeScale <= 60):
		return fmt.Errorf("time-scale is %v, not 1 to 60", c.TimeScale)
	case !(c.ServiceMS >= 1 && c.ServiceMS <= 10000):
		return fmt.Errorf("service-ms is %v, not 1 to 10000", c.ServiceMS)
	case !(c.StrictShare >= 0 && c.StrictShare <= 1):
		return fmt.Errorf("strict-share is %v, not 0 to 1", c.StrictShare)
	case c.Trace.Duration() < time.Minute:
		return fmt.Errorf("the trace lasts %v, a minute at least is needed", c.Trace.Duration())
	}
	return nil
}

// Crowd is an hour in which ten times as many come for a while: the rate in
// queries a second, between 20 and 38 minutes ten times it, with a minute's
// rise and fall.
func Crowd(rate float64, length time.Duration) arrivals.Trace {
	t := arrivals.Trace{Step: time.Second, Counts: make([]float64, int(length/time.Second))}
	for i := range t.Counts {
		at := float64(i) / float64(len(t.Counts)) * 60 // minutes of the hour
		rise, fall := min(1, max(0, at-20)), min(1, max(0, at-38))
		t.Counts[i] = rate * (1 + 9*(rise-fall))
	}
	return t
}

// Compressed is the trace as it is played: a step a second, each with the mean
// rate of the seconds that it stands for.
func (c Config) Compressed() arrivals.Trace {
	step := c.Trace.Step.Seconds()
	seconds := int(c.Trace.Duration().Seconds() / c.TimeScale)
	out := arrivals.Trace{Step: time.Second, Counts: make([]float64, seconds)}
	for i := range out.Counts {
		from, to := float64(i)*c.TimeScale, float64(i+1)*c.TimeScale
		for k := int(from / step); k < len(c.Trace.Counts) && float64(k)*step < to; k++ {
			overlap := min(to, float64(k+1)*step) - max(from, float64(k)*step)
			out.Counts[i] += c.Trace.Counts[k] / step * overlap / c.TimeScale
		}
	}
	return out
}

// Run plays the trace and reports.
func Run(ctx context.Context, c Config) (Report, error) {
	if err := c.check(); err != nil {
		return Report{}, err
	}
	dir, err := os.MkdirTemp(c.DataDir, "paragon-demo-")
	if err != nil {
		return Report{}, fmt.Errorf("make a folder for the demonstration: %w", err)
	}
	defer os.RemoveAll(dir)
	catalogue, err := c.writeProfiles(dir + "/profiles")
	if err != nil {
		return Report{}, err
	}
	m, err := machine.Start(ctx, c.machine(dir))
	if err != nil {
		return Report{}, err
	}
	defer m.Close()
	w, err := c.watch(ctx, m.URL())
	if err != nil {
		return Report{}, err
	}
	if err := w.ready(ctx, c.Workers); err != nil {
		return Report{}, err
	}
	r, err := c.play(ctx, w)
	if err != nil {
		return r, err
	}
	r.BootSeconds = m.BootSeconds()
	return r, errors.Join(r.addDecisions(ctx, w.client), r.addTicks(ctx, w.client), r.addOthers(ctx, c, catalogue))
}

// play sends the load and watches the fleet.
func (c Config) play(ctx context.Context, w *watcher) (Report, error) {
	send, inputs, err := c.Sender(w.client.Endpoint())
	if err != nil {
		return Report{}, err
	}
	if w.last, err = w.client.Status(ctx); err != nil {
		return Report{}, err
	}
	trace := c.Compressed()
	r := newReport(c, trace.Duration())
	r.begin(w.last)
	r.began = time.Now()
	watching, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); w.run(watching, &r) }()
	load.Run(ctx, load.Plan{
		Times: trace.Times(rand.New(rand.NewPCG(c.Seed, load.ArrivalStream))), StrictShare: c.StrictShare,
		StrictMS: c.StrictMS, RelaxedMS: c.RelaxedMS, Inputs: inputs, MaxOutstanding: 2000, Grace: 90 * time.Second, Seed: c.Seed,
	}, load.Clock{Now: time.Now, Sleep: client.Sleep}, send, r.add)
	stop()
	<-done
	r.end()
	return r, ctx.Err()
}
