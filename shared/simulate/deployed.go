package simulate

import (
	"time"

	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// AsDeployed plays a run as a stage runs, rather than the schemes by their
// definitions. The controller decides with the guard (steps, waits before scale-in,
// caps) and reads its workers' state at each tick: a worker is idle while the load
// would not have filled it at these ticks, where by definition it is idle since it
// last ran anything. Workers have run queues of their own and admit queries
// themselves, where by definition they share one queue.
type AsDeployed struct {
	// BootSeconds is from asking for a worker to its first report, as measured;
	// 0 means vm_boot_seconds.
	BootSeconds float64
	GroupMax    int // of each pool's group; 0 means no bound
	// Warm are the instances of each pool that are prepared and stopped, the next
	// workers; WarmUSDPerHour is what each takes all the time, its disk.
	Warm           int
	WarmUSDPerHour float64
	// ListItems is how many queries come in one request; 0 and 1 mean one.
	ListItems int
}

// manyWorkers stands for a group without a bound.
const manyWorkers = 1 << 20

// deployedControl is what the controller of a run as deployed remembers besides.
type deployedControl struct {
	before  decision.State
	idle    procurement.IdleTracking
	desired int // what was asked for last
	use     useWindows
}

// useWindows reports the use of runners as workers do: over the window that is
// being filled and the one before.
type useWindows struct {
	at, busy, had     int64 // when the window began; runner time used and there
	lastBusy, lastHad int64 // of the window before
}

// add takes the runner time since the last look, and returns the share in use.
func (u *useWindows) add(now, busy, had int64) float64 {
	u.busy += busy
	u.had += had
	share := 0.0
	if all := u.had + u.lastHad; all > 0 {
		share = min(1, float64(u.busy+u.lastBusy)/float64(all))
	}
	if now-u.at >= procurement.UseWindow.Microseconds() {
		*u = useWindows{at: now, lastBusy: u.busy, lastHad: u.had}
	}
	return share
}

// observe is a pool as the backend's controller sees it.
func (p *pool) observe(now int64, s procurement.Pool) procurement.Pool {
	h := &p.control.deployed
	used := h.use.add(now, p.busyUS, p.readyUS)
	needed := procurement.Needed(s.Ready, s.RunnersEach, p.running+p.strict.n+p.relaxed.n+p.held, used*float64(s.Ready))
	h.idle = h.idle.Observe(moment(now), needed, s.Ready)
	s.Used, s.UsedLeast, s.IdleSeconds = used, used, h.idle.Idle(moment(now), needed)
	return s
}

// decideAsDeployed is a tick of the backend's controller: what the scheme wants, and
// how many workers that comes to.
func (e *engine) decideAsDeployed(p *pool, s procurement.Snapshot) (procurement.Decision, int, int) {
	h := &p.control.deployed
	set := e.cfg.Settings
	set.Scheme, set.Fleet = e.cfg.Scheme.Name(), settings.FleetMoving
	if h.before.TickedAt.IsZero() {
		h.desired = s.Pool.Ready + s.Pool.Booting
	}
	most := e.cfg.AsDeployed.GroupMax
	if most == 0 {
		most = manyWorkers
	}
	r, after := decision.MakeBy(e.cfg.Scheme, decision.Case{
		At: moment(e.now), Pool: p.cfg.Name, Snapshot: s, Settings: set, Before: h.before,
		Group: decision.Group{Max: most, Desired: h.desired, Warm: p.warm},
	})
	h.before, h.desired = after, r.Action.To
	d := procurement.Decision{
		Outcome: r.Outcome, Workers: r.Wanted, Strict: r.Action.Strict, Relaxed: r.Action.Relaxed, Reason: r.Reason, Candidates: r.Candidates,
		PeakToMedian: r.PeakToMedian, Dynamic: r.Dynamic, StaticSeconds: r.StaticSeconds,
	}
	return d, r.Action.To, r.Action.Spot
}

// moment is a time of the simulation as schemes speak of it.
func moment(us int64) time.Time { return epoch.Add(time.Duration(us) * time.Microsecond) }

// phaseUS is by how much ticks miss the whole seconds. Arrivals are counted by
// these, so that a tick that always met them would know half a second more than
// one that comes at any time, in the mean.
func (e *engine) phaseUS() int64 {
	if e.cfg.AsDeployed == nil {
		return 0
	}
	return second / 2
}

// bootUS is how long a worker that is asked for takes to come.
func (e *engine) bootUS() int64 {
	s := e.cfg.Settings.VMBootSeconds
	if e.cfg.AsDeployed != nil && e.cfg.AsDeployed.BootSeconds > 0 {
		s = e.cfg.AsDeployed.BootSeconds
	}
	return int64(s * float64(second))
}
