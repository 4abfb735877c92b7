package fleet

import (
	"time"

	"paragon/shared/core/settings"
)

const (
	// MissedBeats is after how many heartbeats without a report a worker is
	// silent, and after how many without a view of the fleet nobody looks after it.
	MissedBeats = 3
	// DeadBeats is after how many heartbeats without a report a worker is dead:
	// as long again, in which a process that was only starved reports once more.
	DeadBeats = 2 * MissedBeats
)

// Silent says whether what was last heard at a time is more than MissedBeats
// heartbeats old, so that nothing may rest on it any more. It is the one rule on
// how old a worker's report, or a view of the fleet, may be. What is from the
// future, as clocks differ, is fresh.
func Silent(heardAt, now time.Time, set settings.Settings) bool {
	return now.Sub(heardAt) > SilentAfter(set)
}

// SilentAfter is the age that Silent allows.
func SilentAfter(set settings.Settings) time.Duration { return beats(MissedBeats, set) }

func beats(n float64, set settings.Settings) time.Duration {
	return time.Duration(n * set.HeartbeatSeconds * float64(time.Second))
}

// Judge says where a worker stands now: what it reports itself, but for one that
// has been silent (Stuck, and Dead after DeadBeats) and one that has been booting
// for longer than boot_limit_seconds (Dead). A draining worker is on its way out
// and judged by whoever waits for it.
func Judge(r Report, now time.Time, set settings.Settings) State {
	age := now.Sub(r.At)
	switch {
	case r.State == Booting && age.Seconds() > set.BootLimitSeconds:
		return Dead
	case r.State != Ready:
		return r.State
	case age > beats(DeadBeats, set):
		return Dead
	case Silent(r.At, now, set):
		return Stuck
	}
	return Ready
}

// Census is a pool's workers by where they stand, each list in the order given.
type Census struct {
	Ready, Booting, Draining, Stuck, Dead []Report
	// SilentReady counts those of Stuck and Dead that had been ready.
	SilentReady int
	// Oldest is the age of the oldest report of a ready worker.
	Oldest time.Duration
}

// Count takes a census of workers. Those that are gone are left out.
func Count(workers []Report, now time.Time, set settings.Settings) Census {
	var c Census
	for _, r := range workers {
		state := Judge(r, now, set)
		switch state {
		case Ready:
			c.Ready = append(c.Ready, r)
			c.Oldest = max(c.Oldest, now.Sub(r.At))
		case Booting:
			c.Booting = append(c.Booting, r)
		case Draining:
			c.Draining = append(c.Draining, r)
		case Stuck:
			c.Stuck = append(c.Stuck, r)
		case Dead:
			c.Dead = append(c.Dead, r)
		}
		if r.State == Ready && state != Ready {
			c.SilentReady++
		}
	}
	return c
}

// AllSilent says whether every worker that was ready has fallen silent at once:
// then it is not they who are dead, but the clock or the way to them.
func (c Census) AllSilent() bool { return c.SilentReady > 0 && len(c.Ready) == 0 }

// IDs are the names of workers, in their order; nil without any.
func IDs(workers []Report) []string {
	var out []string
	for _, r := range workers {
		out = append(out, r.ID)
	}
	return out
}
