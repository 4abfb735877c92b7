// Package admin is what the people who run a stage see and do beyond its
// queries: they read and change settings, read the controller's decisions, and
// put dead letters back. On one machine the HTTP API serves it; in an account
// the command line works on the stage's backend itself, with its user's own
// permissions, so that no caller of the API can operate the stage.
package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/core/timeline"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
)

// What can be wrong with a request.
var (
	ErrUnknown    = errors.New("there is none")
	ErrBadSetting = errors.New("a setting cannot have this value")
	ErrChanged    = errors.New("the settings have changed since they were read")
	ErrBadQueue   = errors.New("queries cannot be sent to this queue")
)

// because is an error of one of these kinds whose own words say all.
type because struct {
	error
	kind error
}

func (b because) Is(target error) bool { return target == b.kind }

func (b because) Unwrap() error { return b.error }

// Service is where a stage is operated. Its methods are safe for concurrent use.
type Service struct {
	Backend platform.Backend
	// Tuned reads the settings in force.
	Tuned func(context.Context) (tuning.State, error)
	// Unpack reads what the decision log holds of a record.
	Unpack func(packed []byte) ([]byte, error)
	Pools  []string // the first one is meant where none is named; there is one
	// Keys sign the ids of queries that ask again for what dead letters asked.
	Keys   func(context.Context) (signed.Keys, error)
	Random io.Reader // for those ids
	Now    func() time.Time
	// PollWait is how long an empty queue is asked for dead letters: SQS asks all of
	// its servers only when it may wait.
	PollWait time.Duration
	// Timeline is where rows of the past are kept; nil where none are.
	Timeline timeline.Reader
}

// Read returns a Tuned that reads a backend's settings each time, for a process
// that keeps none current. A bad value shows as its default, and as a fault.
func Read(from tuning.Raw) func(context.Context) (tuning.State, error) {
	return func(ctx context.Context) (tuning.State, error) {
		raw, version, err := from.Raw(ctx)
		if err != nil {
			return tuning.State{}, fmt.Errorf("read the settings: %w", err)
		}
		s, fault := settings.Update(settings.Defaults(), raw)
		return tuning.State{Settings: s, Version: version, Fault: fault}, nil
	}
}

// Settings reads the settings in force.
func (d *Service) Settings(ctx context.Context) (api.Settings, error) {
	st, err := d.Tuned(ctx)
	if err != nil {
		return api.Settings{}, err
	}
	page := api.Settings{Version: st.Version, Faults: st.Faults()}
	values := st.Settings.Values()
	for _, f := range settings.Fields() {
		page.Settings = append(page.Settings, d.settingOf(f, values[f.Name]))
	}
	return page, nil
}

// settingOf describes a setting. Its default is the value that it has while no operator
// changed it: the deployment's, if that has one.
func (d *Service) settingOf(f settings.Field, value string) api.Setting {
	return api.Setting{Name: f.Name, Value: value, Default: cmp.Or(d.Backend.Deployed[f.Name], f.Default), Min: f.Min, Max: f.Max, OneOf: f.OneOf, Form: f.Form, Unit: f.Unit, Doc: f.Doc}
}

func field(name string) (settings.Field, error) {
	f, ok := settings.Lookup(name)
	if !ok {
		return f, fmt.Errorf("setting %.64q: %w", name, ErrUnknown)
	}
	return f, nil
}

// History lists what a setting was, newest first. ErrUnknown.
func (d *Service) History(ctx context.Context, name string, limit int) ([]api.Change, error) {
	if _, err := field(name); err != nil {
		return nil, err
	}
	changes, err := d.Backend.History.Changes(ctx, name, limit)
	out := make([]api.Change, len(changes))
	for i, c := range changes {
		out[i] = api.Change(c)
	}
	return out, err
}

// Decisions lists decisions, newest first; of the first pool when none is named.
func (d *Service) Decisions(ctx context.Context, q api.DecisionQuery) ([]api.Decision, error) {
	if q.Pool == "" && len(d.Pools) > 0 {
		q.Pool = d.Pools[0]
	}
	es, err := d.Backend.DecisionLog.Entries(ctx, platform.EntryQuery(q))
	out := make([]api.Decision, len(es))
	for i, e := range es {
		out[i] = decided(e)
	}
	return out, err
}

func decided(e platform.Entry) api.Decision {
	return api.Decision{ID: e.ID, Pool: e.Pool, At: e.At, Moves: e.Moves, Line: e.Line, Outcome: e.Outcome}
}

// Decision reads one decision, in words and with its record to the byte, so
// that it can be replayed. ErrUnknown, also when it is forgotten.
func (d *Service) Decision(ctx context.Context, id string) (api.Decision, error) {
	e, err := d.Backend.DecisionLog.Entry(ctx, id)
	if errors.Is(err, platform.ErrNotFound) {
		return api.Decision{}, because{fmt.Errorf("there is no decision %.64q, or it is no longer stored", id), ErrUnknown}
	}
	if err != nil {
		return api.Decision{}, err
	}
	raw, err := d.Unpack(e.Record)
	if err != nil {
		return api.Decision{}, err
	}
	rec, err := decision.Read(raw)
	if err != nil {
		return api.Decision{}, err
	}
	out := decided(e)
	out.Explanation, out.Record = rec.Explain(), raw
	return out, nil
}
