// Package peers compares Paragon with other model servers: the same network,
// inputs and client on the same cores, one server at a time, in interleaved
// rounds, each answer compared with that of the library called in a bare loop.
package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Server is a system that is measured.
type Server interface {
	// Name is short and unique, such as "fastapi".
	Name() string
	// Start brings it up for a workload and returns once it answers.
	Start(ctx context.Context, w *Workload) (Running, error)
}

// Running is a server that answers.
type Running interface {
	// Connect returns a connection for one caller, who may keep it.
	Connect() (Conn, error)
	// Usage is what the server's processes have used so far.
	Usage() (Usage, error)
	// Stop ends all its processes.
	Stop()
}

// Conn is one caller's connection. It is used by one goroutine at a time.
type Conn interface {
	// Call sends an input of the workload by its number and waits for the
	// answer; any end but an answer to this input is an error.
	Call(ctx context.Context, input int) error
	// Answer reads the answer to the last call.
	Answer() (Answer, error)
	Close()
}

// Answer is what a server made of an input.
type Answer struct {
	Index int     // of the best class
	Score float64 // of that class
	// Scores are those of all classes where the server gives them.
	Scores []float32 `json:"-"`
}

// Usage is what processes have used.
type Usage struct {
	CPU      time.Duration // user and system, ended children included
	MemoryMB float64       // resident, shared pages counted once
}

// Config says what is measured, and how long.
type Config struct {
	Workloads   []*Workload
	Bare        Server   // the limit: its answers are the right ones
	Servers     []Server // in the order of a round; Bare may be among them
	Reference   string   // name of the server to whose best throughput the common rate is half
	Connections []int    // callers at once, rising
	Rounds      int
	Seconds     float64 // of one throughput measurement; one at the common rate takes twice that
	AtRate      bool    // measure latency at the common rate too
	// Keep is a file that holds the results after every turn. A run that was cut
	// off goes on from it, and measures what is missing. Empty keeps nothing.
	Keep string
	Log  io.Writer
	Now  func() time.Time
}

// maxConnections bounds the callers of one measurement.
const maxConnections = 1024

// Check names the first field that cannot be used, and its bounds.
func (c Config) Check() error {
	switch {
	case len(c.Workloads) == 0:
		return fmt.Errorf("models is empty: name one at least")
	case len(c.Servers) == 0:
		return fmt.Errorf("peers is empty: name one at least")
	case c.Rounds < 1 || c.Rounds > 100:
		return fmt.Errorf("rounds is %d, not within 1 to 100", c.Rounds)
	case !(c.Seconds >= 0.05 && c.Seconds <= 600):
		return fmt.Errorf("seconds is %v, not within 0.05 to 600", c.Seconds)
	case len(c.Connections) == 0:
		return fmt.Errorf("connections is empty: name one number at least")
	}
	for i, n := range c.Connections {
		if n < 1 || n > maxConnections || i > 0 && n <= c.Connections[i-1] {
			return fmt.Errorf("connections holds %d: they rise, from 1 to %d", n, maxConnections)
		}
	}
	return nil
}

// Run measures every workload in every round and returns what was found. A
// server that cannot be started or answers wrongly stands in the report with
// its error; Run itself fails only when ctx ends or the limit cannot be run.
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	r, err := c.begin()
	if err != nil {
		return nil, err
	}
	for i, w := range c.Workloads {
		if err := errors.Join(c.prepare(ctx, w, &r.Workloads[i]), ctx.Err()); err != nil {
			return nil, err
		}
	}
	for round := range c.Rounds {
		for i, w := range c.Workloads {
			for j, s := range c.Servers {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				if r.Workloads[i].Servers[j].has(round + 1) {
					continue
				}
				c.turn(ctx, s, w, &r.Workloads[i], &r.Workloads[i].Servers[j], round)
				if err := c.keep(r); err != nil {
					return nil, err
				}
			}
		}
	}
	return r, nil
}

// prepare learns the right answers and the common rate of a workload.
func (c Config) prepare(ctx context.Context, w *Workload, into *WorkloadReport) error {
	running, err := c.Bare.Start(ctx, w)
	if err != nil {
		return fmt.Errorf("run %s in a bare loop: %w", w, err)
	}
	defer running.Stop()
	if w.want, err = answers(ctx, running, len(w.Inputs)); err != nil {
		return fmt.Errorf("run %s in a bare loop: %w", w, err)
	}
	if !c.AtRate || into.RatePerSecond > 0 {
		return nil
	}
	for j, s := range c.Servers {
		if s.Name() == c.Reference {
			return c.findRate(ctx, s, w, into, &into.Servers[j])
		}
	}
	return nil
}

// findRate makes the common rate half of the reference's best throughput.
func (c Config) findRate(ctx context.Context, s Server, w *Workload, into *WorkloadReport, at *ServerReport) error {
	c.logf("%s: %s alone, to find the common rate", w, s.Name())
	running, err := s.Start(ctx, w)
	if err != nil {
		at.Error = err.Error()
		return ctx.Err()
	}
	defer running.Stop()
	for _, n := range c.Connections {
		l, err := c.throughput(ctx, running, w, n)
		if err != nil {
			at.Error = err.Error()
			return ctx.Err()
		}
		into.RatePerSecond = max(into.RatePerSecond, l.PerSecond/2)
	}
	return nil
}

// turn measures one server once. One that fails has its turn again in the next round.
func (c Config) turn(ctx context.Context, s Server, w *Workload, of *WorkloadReport, at *ServerReport, round int) {
	m, err := c.measure(ctx, s, w, of.RatePerSecond)
	if err != nil {
		at.Error = err.Error()
		c.logf("round %d of %d, %s, %s: %v", round+1, c.Rounds, w, s.Name(), err)
		return
	}
	m.Number = round + 1
	at.Rounds = append(at.Rounds, m)
	c.logf("round %d of %d, %s, %s: %s", round+1, c.Rounds, w, s.Name(), m)
}

// measure starts a server, holds its answers to the right ones, and measures
// its throughput, then its latency at the common rate.
func (c Config) measure(ctx context.Context, s Server, w *Workload, rate float64) (Round, error) {
	var m Round
	running, err := s.Start(ctx, w)
	if err != nil {
		return m, err
	}
	defer running.Stop()
	got, err := answers(ctx, running, len(w.Inputs))
	if err == nil {
		err = w.agree(got)
	}
	if err != nil {
		return m, err
	}
	for _, n := range c.Connections {
		l, err := c.throughput(ctx, running, w, n)
		if err != nil {
			return m, err
		}
		m.Loads = append(m.Loads, l)
	}
	if rate > 0 {
		l, err := c.latency(ctx, running, w, rate)
		if err != nil {
			return m, err
		}
		m.AtRate = &l
	}
	u, err := running.Usage()
	m.MemoryMB = u.MemoryMB
	return m, err
}

// answers asks for each input once.
func answers(ctx context.Context, r Running, inputs int) ([]Answer, error) {
	conn, err := r.Connect()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	out := make([]Answer, inputs)
	for i := range out {
		if err := conn.Call(ctx, i); err != nil {
			return nil, err
		}
		if out[i], err = conn.Answer(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c Config) logf(format string, args ...any) {
	fmt.Fprintf(c.Log, c.Now().Format("15:04:05 ")+format+"\n", args...)
}
