package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/workload"
	"github.com/paragon-serving/paragon/shared/platform"
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
	census := fleet.Count(ws, now, tuned.Settings)
	in.Leaving, in.Dead = fleet.LeavingOrder(census, tuned.Settings.MaxStep), census.Replaced()
	in.Signals = append(in.Signals, signal(census, now))
	c.collectArrivals(ctx, &in, &after)
	c.collectCosts(p, &in, after)
	waiting := c.collectQueues(ctx, p, &in)
	work := workload.BacklogOf(waiting.Work(in.Snapshot.ServiceMS), census.Ready, in.Snapshot.ServiceMS, now)
	in.Snapshot.Pool = poolOf(census, c.runnersOf(p), work)
	n := needed(census.Ready, c.runnersOf(p), waiting.All())
	after.IdleTracking = before.IdleTracking.Observe(now, n, len(census.Ready))
	in.Snapshot.Pool.IdleSeconds = after.IdleTracking.Idle(now, n)
	c.collectGroup(ctx, p, &in)
	after.Warm = in.Group.Warm
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

// collectQueues returns what waits on the work queues.
func (c *Controller) collectQueues(ctx context.Context, p Pool, in *decision.Case) workload.Waiting {
	s := decision.Signal{Name: "queues"}
	w, err := c.waiting(ctx, p)
	if err != nil {
		s.Fault = err.Error()
	}
	in.Signals = append(in.Signals, s)
	c.mu.Lock()
	c.counted[p.Name] = w
	c.mu.Unlock()
	return w
}

// collectGroup reads the group's bounds. Without them nothing is asked for.
func (c *Controller) collectGroup(ctx context.Context, p Pool, in *decision.Case) {
	s := decision.Signal{Name: "group"}
	g, err := c.Groups.Group(ctx, p.Name)
	in.Group = decision.Group(g)
	if in.LaunchFailed() {
		s.Note = fmt.Sprintf("%d of %d workers are there: the newest launch failed: %s", in.Have(), g.Desired, g.LaunchFault)
	}
	switch {
	case errors.Is(err, platform.ErrLaunchesUnread): // the limits are known: the fleet need not stand still
		s.Note = err.Error()
	case err != nil:
		s.Fault = err.Error()
		in.Group = decision.Group{Max: in.Have(), Desired: in.Have()}
	}
	in.Signals = append(in.Signals, s)
}

// signal says how old the workers' reports are, and which workers are of no use.
func signal(c fleet.Census, now time.Time) decision.Signal {
	s := decision.Signal{Name: "workers", AgeSeconds: c.Oldest.Seconds(), Note: useless(c.Dead, now)}
	if c.AllSilent() {
		s.Fault = fmt.Sprintf("none of the %d ready workers has reported recently", c.SilentReady)
	}
	return s
}

// mostNamed bounds the dead workers that a record names with their reasons.
const mostNamed = 5

// useless says why workers are dead; empty without any.
func useless(dead []fleet.Report, now time.Time) string {
	var out []string
	for _, w := range dead[:min(mostNamed, len(dead))] {
		why := "silent for"
		if w.State == fleet.Booting {
			why = "not up after"
		}
		out = append(out, fmt.Sprintf("%s %s %.0f s", w.ID, why, now.Sub(w.At).Seconds()))
	}
	if more := len(dead) - mostNamed; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, ", ")
}

// poolOf is a pool as a scheme sees it.
func poolOf(c fleet.Census, runnersEach int, work workload.Backlog) procurement.Pool {
	p := procurement.Pool{Ready: len(c.Ready), Booting: len(c.Booting), Draining: len(c.Draining), RunnersEach: runnersEach, QueuedMS: work.WaitingMS}
	for i, w := range c.Ready {
		p.BusyRunners += w.Busy
		p.Used += w.Used / float64(len(c.Ready))
		if i == 0 || w.Used < p.UsedLeast {
			p.UsedLeast = w.Used
		}
	}
	return p
}

// needed is how many of the ready workers the load would fill, with some
// queries waiting on the queues.
func needed(ready []fleet.Report, runnersEach, waiting int) int {
	used := 0.0
	for _, w := range ready {
		waiting += w.Busy + w.Held()
		used += w.Used
	}
	return procurement.Needed(len(ready), runnersEach, waiting, used)
}
