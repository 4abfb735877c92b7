package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
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

// checkPaths sends queries by each path that there is now, and compares how long a path
// takes, without the model's own time, with the setting that selection subtracts.
func (a asker) checkPaths(ctx context.Context, ops settingsReader) ([]finding, error) {
	if !a.ask {
		return []finding{warning("", "run doctor without --queries=false", "no query was sent, so the times of the paths are unknown")}, nil
	}
	s, err := a.submission(ctx)
	if err != nil {
		return nil, err
	}
	var out []finding
	took := map[way][]float64{}
	s.Class, s.Constraints.LatencyMS = query.Strict, askedBoundMS
	for i := range 2 * strictAsked {
		waits := i%2 == 0
		q, ms, err := a.time(ctx, s, waits)
		if err != nil {
			return append(out, fault("", "`paragon logs` prints the logs of the api function and the workers", "a strict query: %v", err)), nil
		}
		if q.ServedBy.Cold {
			out = append(out, ok("", "a cold start on %s took %.0f ms, query included", q.ServedBy.Name, ms))
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
	return out, nil
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
		return warning("", "run `paragon get "+q.ID+"` in a minute", "a relaxed query is still %s after %s", q.State, askedWait)
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
		return q, ms, fmt.Errorf("the query is still %s after %s", q.State, askedWait)
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
		return warning("", "measure the p95 from within the region with `paragon-lab load`, and set "+setting+" to it",
			timesText, path, median, most, len(ms), setting, assumed)
	}
	return ok("", timesText, path, median, most, len(ms), setting, assumed)
}

const timesText = "answered by %s: median %.0f ms and at most %.0f ms from this machine (%d queries); the setting %s assumes %.0f ms"

// submission asks the first model of the stage that takes a picture or a text, with
// an empty one.
func (a asker) submission(ctx context.Context) (client.Submission, error) {
	models, err := a.queries.Models(ctx)
	if err != nil {
		return client.Submission{}, err
	}
	for _, m := range models {
		switch {
		case m.Takes == profile.Picture && m.Input != nil:
			var b bytes.Buffer
			if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, m.Input.Width, m.Input.Height))); err != nil {
				return client.Submission{}, err
			}
			return client.Submission{Task: m.Task, Input: query.Input{ContentType: "image/png", Data: b.Bytes()}}, nil
		case m.Takes == profile.TextIn:
			return client.Submission{Task: m.Task, Input: query.Input{ContentType: "text/plain", Data: []byte("doctor")}}, nil
		}
	}
	return client.Submission{}, fmt.Errorf("none of the stage's %d models takes a picture or a text, so doctor has no input for it: submit a query yourself", len(models))
}
