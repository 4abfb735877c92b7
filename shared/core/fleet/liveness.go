package fleet

import (
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// MissedBeats is after how many heartbeats without a report a worker is silent,
// and after how many a view of the fleet is too old to rest on.
const MissedBeats = 3

// Silent says whether what was last heard at a time is more than MissedBeats
// heartbeats old, so that nothing may rest on it any more. It is the one rule on
// how old a worker's report, or a view of the fleet, may be. What is from the
// future, as clocks differ, is fresh.
func Silent(heardAt, now time.Time, set settings.Settings) bool {
	return now.Sub(heardAt) > SilentAfter(set)
}

// RestSeconds is how long nobody may look at a stage at rest: the schedule starts the
// controller once a minute, and a run that finds nothing to do ends at once.
const RestSeconds = 60

// Outdated is Silent for a view of a pool. That of a pool at rest, which has no worker and
// expects none, is good until the next run of the controller has had its time.
func Outdated(viewedAt time.Time, rests bool, now time.Time, set settings.Settings) bool {
	age := now.Sub(viewedAt)
	if rests {
		age -= RestSeconds * time.Second
	}
	return age > SilentAfter(set)
}

// SilentAfter is the age that Silent allows.
func SilentAfter(set settings.Settings) time.Duration {
	return seconds(MissedBeats * set.HeartbeatSeconds)
}

// deadAfter is the age of its last report at which a worker is dead:
// silent_limit_seconds, and never less than SilentAfter.
func deadAfter(set settings.Settings) time.Duration {
	return max(seconds(set.SilentLimitSeconds), SilentAfter(set))
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// judge says where a worker stands now: what it reports itself, but for one that
// has been silent (Stuck, and Dead after silent_limit_seconds) and one that has been booting
// for longer than boot_limit_seconds (Dead). One that does not answer is Stuck at once.
// A draining worker is on its way out
// and judged by the process that waits for it.
func judge(r Report, now time.Time, set settings.Settings) State {
	age := now.Sub(r.At)
	switch {
	case r.State == Booting && age.Seconds() > set.BootLimitSeconds:
		return Dead
	case r.State != Ready:
		return r.State
	case age > deadAfter(set):
		return Dead
	case r.Suspended || Silent(r.At, now, set):
		return Stuck
	}
	return Ready
}

// Census is a pool's workers by where they stand, each list in the order given.
type Census struct {
	Ready, Booting, Draining, Stuck, Dead []Report
	// SilentReady counts those of Stuck and Dead that had been ready, and are not known
	// not to answer.
	SilentReady int
	// Oldest is the age of the oldest report of a ready worker.
	Oldest time.Duration
}

// Count takes a census of workers. Those that are gone are left out.
func Count(workers []Report, now time.Time, set settings.Settings) Census {
	var c Census
	for _, r := range workers {
		state := judge(r, now, set)
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
		if r.State == Ready && state != Ready && !r.Suspended {
			c.SilentReady++
		}
	}
	return c
}

// AllSilent says whether several workers that were ready have fallen silent at
// once and none reports: then it is not they who are dead, but the clock or the
// way to them. A single worker is judged by itself.
func (c Census) AllSilent() bool { return c.SilentReady > 1 && len(c.Ready) == 0 }

// replacedShare bounds the workers that are ended in a tick for their health, as
// a share of all: a fault of the observer must not end the fleet.
const replacedShare = 0.1

// Replaced names the dead workers that are ended and replaced now: at most a
// tenth of all workers, and one at least, in the order of the census.
func (c Census) Replaced() []string {
	all := len(c.Ready) + len(c.Booting) + len(c.Draining) + len(c.Stuck) + len(c.Dead)
	return idsOf(c.Dead[:min(len(c.Dead), max(1, int(replacedShare*float64(all))))])
}

// idsOf are the names of workers, in their order; nil without any.
func idsOf(workers []Report) []string {
	var out []string
	for _, r := range workers {
		out = append(out, r.ID)
	}
	return out
}
