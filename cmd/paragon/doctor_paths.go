package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/modelcheck"
	"github.com/paragon-serving/paragon/shared/platform/aws/checkup"
)

// asker sends the first queries of a stage and times them.
type asker struct {
	queries interface {
		Models(ctx context.Context) ([]api.Model, error)
		Submit(ctx context.Context, s client.Submission, o client.Options) (api.Query, error)
		Await(ctx context.Context, q api.Query, wait time.Duration) (api.Query, error)
	}
	now func() time.Time
	ask bool
}

const (
	// strictAsked are how many strict queries are sent, the first of them perhaps to a
	// cold function.
	strictAsked = 6
	// askedBoundMS is their latency bound: a cold start keeps it.
	askedBoundMS = 20_000
	// askedWait bounds the wait for one answer.
	askedWait = 25 * time.Second
)

// checkPaths sends queries of one task by each path that there is now, and compares how long
// a path takes, without the model's own time, with the setting that selection subtracts. Of
// each other task it sends one.
func (a asker) checkPaths(ctx context.Context, ops settingsReader) ([]finding, error) {
	if !a.ask {
		return []finding{warning("", "run doctor without --queries=false", "no query was sent, so doctor does not know how long workers and functions take to answer")}, nil
	}
	firsts, err := a.firsts(ctx)
	if err != nil {
		return nil, err
	}
	s := firsts[0].Submission
	var out []finding
	took := map[way][]float64{}
	s.Class, s.Constraints.LatencyMS = query.Strict, askedBoundMS
	for i := range 2 * strictAsked {
		waits := i%2 == 0
		q, ms, err := a.time(ctx, s, waits)
		if err != nil {
			return append(out, firsts[0].unanswered(err)), nil
		}
		if q.ServedBy.Cold {
			out = append(out, ok("", "a query with a cold start on %s took %.0f ms", q.ServedBy.Name, ms))
			continue
		}
		by := way{q.ServedBy.Kind, waits}
		took[by] = append(took[by], ms-computed(q))
	}
	s.Class, s.Constraints.LatencyMS = query.Relaxed, 0
	out = append(out, a.relaxed(ctx, s))
	for _, p := range []struct {
		by            way
		path, setting string
	}{
		{way{query.OnWorker, true}, "a worker within the request", "path_ms"},
		{way{query.OnFunction, true}, "a function within the request", "overflow_path_ms"},
		{way{query.OnFunction, false}, "a function through the queue", "overflow_path_ms"},
	} {
		out = append(out, pathFinding(ctx, ops, p.path, p.setting, took[p.by]))
	}
	return append(out, a.others(ctx, firsts[1:])...), nil
}

// way is who answers a query, and whether its caller waits within the request: without
// a worker a function answers who waits at once, and all others by the queue.
type way struct {
	kind  query.RunnerKind
	waits bool
}

// relaxed sends a query whose caller does not wait, and waits for it.
func (a asker) relaxed(ctx context.Context, s client.Submission) finding {
	q, err := a.answer(ctx, s, false)
	switch {
	case err != nil:
		return warning("", "`503 no-capacity` means that no worker can be ready in time: `paragon tune set min_workers 1` keeps a worker ready", "a relaxed query: %v", err)
	case q.ServedBy == nil && q.Failure != nil:
		return warning("", "`paragon explain "+q.ID+"` shows why; `paragon tune set min_workers 1` keeps a worker ready", "a relaxed query ended as %s: %s", q.Failure.Code, q.Failure.Detail)
	case q.ServedBy == nil:
		return warning("", "run `paragon get "+q.ID+"` in a minute", "a relaxed query has no answer after %s; its state is %s", askedWait, q.State)
	}
	return ok("", "a relaxed query ran on %s", q.ServedBy.Name)
}

// time has a query answered, and returns how long that took in milliseconds.
func (a asker) time(ctx context.Context, s client.Submission, waits bool) (api.Query, float64, error) {
	from := a.now()
	q, err := a.answer(ctx, s, waits)
	ms := float64(a.now().Sub(from)) / float64(time.Millisecond)
	switch {
	case err != nil:
		return q, ms, err
	case q.ServedBy == nil && q.Failure != nil:
		return q, ms, fmt.Errorf("%s: %s", q.Failure.Code, q.Failure.Detail)
	case q.ServedBy == nil:
		return q, ms, fmt.Errorf("no answer after %s; the state of the query is %s", askedWait, q.State)
	}
	return q, ms, nil
}

// answer sends a query and waits for it, within its request or after it.
func (a asker) answer(ctx context.Context, s client.Submission, waits bool) (api.Query, error) {
	if waits {
		return a.queries.Submit(ctx, s, client.Options{Wait: askedWait})
	}
	q, err := a.queries.Submit(ctx, s, client.Options{})
	if err == nil {
		q, err = a.queries.Await(ctx, q, askedWait)
	}
	return q, err
}

func computed(q api.Query) float64 {
	if q.ComputeMS == nil {
		return 0
	}
	return *q.ComputeMS
}

// pathFinding compares the slowest of some times with a setting.
func pathFinding(ctx context.Context, ops settingsReader, path, setting string, ms []float64) finding {
	if len(ms) == 0 {
		return warning("", "to time a worker, run `paragon tune set min_workers 1`; to time a function, run `paragon tune set max_workers 0`; then run doctor again", "no query was answered by %s", path)
	}
	assumed, err := settingOf(ctx, ops, setting)
	if err != nil {
		return finding{Level: checkup.Warning, Found: err.Error()}
	}
	slices.Sort(ms)
	median, most := ms[len(ms)/2], ms[len(ms)-1]
	if median > assumed {
		return warning("", "measure this time at p95 from within the stage's region with `paragon-lab load`, and set "+setting+" to it",
			timesText, path, median, most, len(ms), setting, assumed)
	}
	return ok("", timesText, path, median, most, len(ms), setting, assumed)
}

const timesText = "answered by %s: without the inference, median %.0f ms and at most %.0f ms from this machine (%d queries); the setting %s assumes %.0f ms"

// firsts are a query for each task of the stage: of its first model, with the sample input
// that other commands make up, too. A picture or a text comes first, which any model can
// answer; not every one of tensors can answer zeros.
func (a asker) firsts(ctx context.Context) ([]first, error) {
	models, err := a.queries.Models(ctx)
	if err != nil {
		return nil, err
	}
	var out []first
	for _, m := range models {
		made := m.Takes == profile.TextIn || m.Takes == profile.Picture && m.Input != nil || m.Takes == profile.TensorsIn && m.Signature != nil
		if !made || slices.ContainsFunc(out, func(f first) bool { return f.Task == m.Task }) {
			continue
		}
		in, err := modelcheck.Sample(m.Takes, m.Input, m.Signature)
		if err != nil {
			return nil, err
		}
		out = append(out, first{client.Submission{Task: m.Task, Input: in}, m.Takes})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("none of the stage's %d models states its kind of input, so doctor cannot make an input: submit a query yourself", len(models))
	}
	slices.SortStableFunc(out, func(a, b first) int { return cmp.Compare(rank(a.takes), rank(b.takes)) })
	return out, nil
}

// first is the first query of a task.
type first struct {
	client.Submission
	takes profile.InputKind
}

func rank(takes profile.InputKind) int {
	if takes == profile.TensorsIn {
		return 1
	}
	return 0
}

// unanswered is the finding of a strict query that has no answer.
func (f first) unanswered(err error) finding {
	if f.takes == profile.TensorsIn {
		return warning("", "doctor sends inputs of zeros, and this model may be unable to answer them: submit a query of your own; `paragon logs` prints the logs", "a strict query of task %s: %v", f.Task, err)
	}
	return fault("", "`paragon logs` prints the logs of the api function and the workers", "a strict query of task %s: %v", f.Task, err)
}

// others asks a query of each other task.
func (a asker) others(ctx context.Context, firsts []first) (out []finding) {
	for _, f := range firsts {
		f.Class, f.Constraints.LatencyMS = query.Strict, askedBoundMS
		q, ms, err := a.time(ctx, f.Submission, true)
		if err != nil {
			out = append(out, f.unanswered(err))
			continue
		}
		out = append(out, ok("", "a strict query of task %s was answered by model %s on %s in %.0f ms", f.Task, q.Model, q.ServedBy.Name, ms))
	}
	return out
}
