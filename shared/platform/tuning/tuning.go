// Package tuning keeps the settings of a running process current: it reads the
// raw values from the cloud, takes the good ones and reports the bad, of which
// the last good value stays in force.
package tuning

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// Raw reads the values that were set, by name, with the version of the whole.
// A platform.Settings is one.
type Raw interface {
	Raw(ctx context.Context) (map[string]string, int64, error)
}

// Source holds the settings in force. Its methods are safe for concurrent use.
type Source struct {
	raw   Raw
	mu    sync.Mutex // of Refresh, so that no older values replace newer ones
	state atomic.Pointer[State]
}

// State is what is in force, and what is wrong with what was set.
type State struct {
	Settings settings.Settings
	Version  int64
	// Fault names every bad value, or why the values could not be read; nil
	// when all is well.
	Fault error
}

// Faults lists what is wrong, a fault each; empty when all is well.
func (s State) Faults() []string {
	if s.Fault == nil {
		return []string{}
	}
	return strings.Split(s.Fault.Error(), "\n")
}

// New returns a source that holds the defaults until its first Refresh.
func New(raw Raw) *Source {
	s := &Source{raw: raw}
	s.state.Store(&State{Settings: settings.Defaults()})
	return s
}

// Current returns the settings in force.
func (s *Source) Current() settings.Settings { return s.state.Load().Settings }

// State returns the settings in force with their version and faults.
func (s *Source) State() State { return *s.state.Load() }

// Refresh reads the values once. A value that is unset falls back to its
// default; a bad one leaves the last good one.
func (s *Source) Refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.state.Load()
	raw, version, err := s.raw.Raw(ctx)
	if err != nil {
		err = fmt.Errorf("read settings: %w", err)
		s.state.Store(&State{Settings: last.Settings, Version: last.Version, Fault: err})
		return err
	}
	if version == last.Version && last.Fault == nil {
		return nil
	}
	next, fault := settings.Update(last.Settings, raw)
	s.state.Store(&State{Settings: next, Version: version, Fault: fault})
	return fault
}

// Run refreshes on every tick of the interval until ctx ends. Faults are kept
// in the state; they do not end it.
func (s *Source) Run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = s.Refresh(ctx) // the state shows it
		}
	}
}
