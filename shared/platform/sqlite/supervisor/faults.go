package supervisor

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Faults are injected into launches while the fleet runs. The
// zero value injects nothing. Its methods may be called from many goroutines.
type Faults struct {
	mu     sync.Mutex
	active map[string]*ActiveFault
}

// ActiveFault is one fault in force.
type ActiveFault struct {
	Name  string
	Fault Fault
	// Launches is for how many launches more; 0 means until it is cleared.
	Launches int
}

// Set has a fault go wrong with every launch from now on, or with as many as t says. One
// of the same name is forgotten.
func (f *Faults) Set(t ActiveFault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.active == nil {
		f.active = map[string]*ActiveFault{}
	}
	f.active[t.Name] = &t
}

// Clear ends the fault of a name; all with an empty name.
func (f *Faults) Clear(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if name == "" {
		clear(f.active)
	}
	delete(f.active, name)
}

// List returns the faults in force, by name.
func (f *Faults) List() []ActiveFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]ActiveFault, 0, len(f.active))
	for _, t := range f.active {
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b ActiveFault) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Next is what goes wrong with the launch that is about to be: all that is in
// force, together with what was to go wrong with it anyway.
func (f *Faults) Next(anyway Fault) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, t := range f.active {
		anyway = anyway.with(t.Fault)
		if t.Launches == 1 {
			delete(f.active, name)
		}
		t.Launches = max(0, t.Launches-1)
	}
	return anyway
}

// with joins two faults: the sooner end, the longer boot.
func (f Fault) with(o Fault) Fault {
	return Fault{
		LaunchFails: f.LaunchFails || o.LaunchFails, NeverReady: f.NeverReady || o.NeverReady,
		SlowBoot: max(f.SlowBoot, o.SlowBoot), DiesAfter: sooner(f.DiesAfter, o.DiesAfter), SpotAfter: sooner(f.SpotAfter, o.SpotAfter),
	}
}

// sooner is the shorter of two times, of which 0 is never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Notice gives a worker whose process runs a spot notice. It fails for any
// other, as only a machine that is up can be taken back.
func (s *Supervisor) Notice(id string) error {
	for _, p := range s.pools {
		if w := p.worker(id); w != nil && w.started.Load() {
			w.notice()
			return nil
		}
	}
	return fmt.Errorf("no worker %q is running; paragon top lists the workers", id)
}
