package control

import (
	"context"
	"fmt"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/decision"
	"paragon/shared/core/query"
	"paragon/shared/core/settings"
)

// collect gathers what a pool's decision is made from, and what of it must be
// remembered. What cannot be had becomes a fault of its signal; without the
// workers there is nothing to decide, and it fails.
func (c *Controller) collect(ctx context.Context, p Pool, before memory) (decision.Case, memory, error) {
	tuned, now := c.Tuned(), c.Now()
	after := before
	after.Failed = ""
	in := decision.Case{
		At: now, Pool: p.Name, Settings: tuned.Settings, SettingsVersion: tuned.Version, SettingsFaults: tuned.Faults(), Before: before.State,
	}
	ws, err := c.Fleet.Workers(ctx, p.Name)
	if err != nil {
		return in, after, err
	}
	c.noteDraining(p.Name, ws)
	crew := muster(ws, now, tuned.Settings)
	in.Leaving, in.Stuck = crew.leaving, crew.stuck
	in.Signals = append(in.Signals, crew.signal())
	c.collectArrivals(ctx, &in, &after)
	c.collectCosts(p, &in, after)
	in.Snapshot.Pool = crew.pool(c.runnersOf(p), in.Snapshot.ServiceMS)
	needed := crew.needed(c.runnersOf(p), c.collectQueues(ctx, p, &in))
	after.Packing = before.Packing.See(now, needed, len(crew.ready))
	in.Snapshot.Pool.IdleSeconds = after.Packing.Idle(now, needed)
	c.collectGroup(ctx, p, &in)
	c.collectSpent(ctx, &in, &after, len(ws))
	if before.Failed != "" {
		in.Signals = append(in.Signals, decision.Signal{Name: "last action", Note: "failed: " + before.Failed})
	}
	return in, after, nil
}

func (c *Controller) runnersOf(p Pool) int {
	in, _ := c.Catalogue.Current().Instance(p.InstanceType)
	return in.VCPUs
}

// collectQueues adds what waits on the work queues, and returns how many do.
func (c *Controller) collectQueues(ctx context.Context, p Pool, in *decision.Case) (waiting int) {
	s := decision.Signal{Name: "queues"}
	for _, class := range []query.Class{query.Strict, query.Relaxed} {
		d, err := c.Queues.Depth(ctx, cloud.WorkQueue(p.Name, class))
		if err != nil {
			s.Fault = err.Error()
			break
		}
		waiting += d.Visible
		in.Snapshot.Pool.QueuedMS += float64(d.Visible) * in.Snapshot.ServiceMS
	}
	in.Signals = append(in.Signals, s)
	return waiting
}

// collectGroup reads the group's bounds. Without them nothing is asked for.
func (c *Controller) collectGroup(ctx context.Context, p Pool, in *decision.Case) {
	s := decision.Signal{Name: "group"}
	g, err := c.Groups.Group(ctx, p.Name)
	in.Group = decision.Group(g)
	if err != nil {
		s.Fault = err.Error()
		have := in.Snapshot.Pool.Ready + in.Snapshot.Pool.Booting
		in.Group = decision.Group{Max: have, Desired: have}
	}
	in.Signals = append(in.Signals, s)
}

// crew is a pool's workers, sorted out.
type crew struct {
	ready, booting, draining []cloud.WorkerReport
	leaving, stuck           []string
	silent                   int           // ready ones whose reports stopped
	oldest                   time.Duration // age of the oldest report of a ready worker
}

// signal tells how old the reports are. When all workers have fallen silent at
// once, it is not them who are gone: it is the clock, or the way here.
func (c crew) signal() decision.Signal {
	s := decision.Signal{Name: "workers", AgeSeconds: c.oldest.Seconds()}
	if c.silent > 0 && len(c.ready) == 0 {
		s.Fault = fmt.Sprintf("none of %d ready ones has reported lately", c.silent)
	}
	return s
}

// muster sorts workers out. One that boots for too long, or has fallen silent
// for as long, does not count any more and is to be replaced.
func muster(ws []cloud.WorkerReport, now time.Time, set settings.Settings) crew {
	var c crew
	alive := time.Duration(missedBeats * set.HeartbeatSeconds * float64(time.Second))
	for _, w := range ws {
		age := max(0, now.Sub(w.At))
		switch {
		case w.State == cloud.Draining:
			c.draining = append(c.draining, w)
		case w.State == cloud.Booting && age.Seconds() > set.BootLimitSeconds, w.State == cloud.Ready && age > 2*alive:
			c.stuck = append(c.stuck, w.ID)
			c.silent += count(w.State == cloud.Ready)
		case w.State == cloud.Booting:
			c.booting = append(c.booting, w)
		case age > alive:
			c.silent++
		default:
			c.ready = append(c.ready, w)
			c.oldest = max(c.oldest, age)
		}
	}
	c.leaving = leavers(c, set.MaxStep)
	return c
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
