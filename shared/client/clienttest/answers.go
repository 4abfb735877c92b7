package clienttest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/staleness"
	"github.com/paragon-serving/paragon/shared/core/tally"
)

// Labels are those of the task that the fake serves.
var Labels = []string{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"}

// run makes what becomes of a submission.
func (a *API) run(id string, s client.Submission) api.Query {
	now := Instant
	if a.Now != nil {
		now = a.Now()
	}
	bound := s.Constraints.LatencyMS
	if bound == 0 {
		bound = 10000
	}
	q := api.Query{
		ID: id, State: query.Accepted, Task: "fashion", Model: "cnn-small", Class: s.Class,
		AcceptedAt: now, DeadlineAt: now.Add(query.Duration(bound)), Placement: "work-relaxed-main",
	}
	if s.Model != "" {
		q.Model = s.Model
	}
	if q.Class == "" {
		q.Class = query.Need{Constraints: s.Constraints}.ClassOf(2000)
	}
	switch {
	case bytes.Contains(s.Input.Data, []byte(Pends)):
		q.Trail = query.Trail{{At: now, Event: query.StepPlaced, Where: q.Placement, Why: "relaxed queries wait for a worker"}}
		return q
	case bytes.Contains(s.Input.Data, []byte(Fails)):
		return fail(q)
	}
	return succeed(q, s)
}

func fail(q api.Query) api.Query {
	q = finish(q, query.Failed, 4)
	q.Failure = &query.Failure{Code: query.ModelFault, Detail: "the model cannot be run"}
	q.Trail = query.Trail{{At: q.AcceptedAt, Event: query.StepPlaced, Where: q.Placement, Why: "relaxed queries wait for a worker"}}
	return q
}

func finish(q api.Query, s query.State, latencyMS float64) api.Query {
	at := q.AcceptedAt.Add(query.Duration(latencyMS))
	met := s == query.Succeeded && !at.After(q.DeadlineAt)
	q.State, q.FinishedAt, q.MetSLO, q.LatencyMS = s, &at, &met, &latencyMS
	return q
}

// succeed answers on a worker, and strict queries on a function.
func succeed(q api.Query, s client.Submission) api.Query {
	sum := sha256.Sum256(s.Input.Data)
	best := int(sum[0]) % len(Labels)
	scores := make([]float32, len(Labels))
	for i := range scores {
		scores[i] = 0.01
	}
	scores[best] = 0.91
	q = finish(q, query.Succeeded, 12.5)
	result := query.NewResult(scores, Labels).Trim(s.AllScores)
	if bytes.Contains(s.Input.Data, []byte(Embeds)) {
		result = query.Result{Embedding: make([]float32, 2048)}
		for i := range result.Embedding {
			result.Embedding[i] = 1 / float32(i+3)
		}
	}
	q.Result = &result
	q.QueueMS, q.ComputeMS, q.CostUSD = new(3.25), new(8.5), 2.4e-7
	q.ServedBy = &query.Runner{Kind: query.OnWorker, Name: "worker-1", Resource: "c5.large", Paced: true}
	where, why := q.Placement, "relaxed queries wait for a worker"
	if q.Class == query.Strict {
		q.Placement, where, why = "overflow", "overflow", "a worker would take about 1210 ms, longer than the time that is left"
		q.CostUSD = 1.9e-6
		q.ServedBy = &query.Runner{Kind: query.OnFunction, Name: "inference-1024", Resource: "lambda-x86_64", MemoryMB: 1024, Cold: true}
	}
	q.Trail = query.Trail{{At: q.AcceptedAt, Event: query.StepPlaced, Where: where, Why: why}}
	if bytes.Contains(s.Input.Data, []byte(Declined)) {
		q.Trail[0].Where, q.Trail[0].Why = "work-strict-main", "a worker answers in about 40 ms"
		q.Trail = q.Trail.Add(query.Step{At: q.AcceptedAt.Add(2 * time.Millisecond), Event: query.StepDeclined, Where: "worker-1",
			Why: "it would start 130 ms too late here"})
	}
	q.Trail = q.Trail.Add(query.Step{At: q.AcceptedAt.Add(3250 * time.Microsecond), Event: query.StepRan, Where: q.ServedBy.Name})
	return q
}

// unfinished is a query as it was before it ran.
func unfinished(q api.Query) api.Query {
	return api.Query{
		ID: q.ID, State: query.Accepted, Task: q.Task, Model: q.Model, Class: q.Class,
		AcceptedAt: q.AcceptedAt, DeadlineAt: q.DeadlineAt, Placement: q.Placement, Trail: q.Trail[:1],
	}
}

func models(w http.ResponseWriter, _ *http.Request) {
	source := profile.Source{Kind: "measured"}
	model := func(name string, accuracy float64, mb int, ms float64) api.Model {
		at := func(kind query.RunnerKind, name string, mb int, ms float64) api.Resource {
			return api.Resource{
				Resource: selection.Resource{Kind: kind, Name: name, MemoryMB: mb},
				MS:       profile.Percentiles{P50: ms, P95: ms * 1.2, P99: ms * 1.5}, Source: source,
			}
		}
		return api.Model{
			Name: name, Task: "fashion", Kind: profile.Classify, Takes: profile.Picture, Input: &profile.Input{Width: 28, Height: 28, Channels: 1, Layout: "nchw"}, Accuracy: profile.Accuracy{Top1Percent: accuracy, Source: source}, MemoryMB: mb, Labels: Labels,
			Resources: []api.Resource{
				at(query.OnWorker, "c5.large", 0, ms),
				at(query.OnFunction, "lambda-x86_64", 512, 3*ms), at(query.OnFunction, "lambda-x86_64", 1769, ms),
			},
		}
	}
	write(w, http.StatusOK, map[string]any{"models": []api.Model{
		model("logistic", 84.39, 60, 0.2), model("mlp", 89.71, 62, 0.8), model("cnn-small", 92.5, 70, 8),
	}})
}

// status moves a little with every poll, as a live one does, and the same way
// in every run. The cost stays below the $0.10 from which on it is shown in cents, so
// that each poll changes what is shown.
func (a *API) status(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.polls++
	now := Instant.Add(time.Duration(a.polls) * time.Second)
	if a.Now != nil {
		now = a.Now()
	}
	strict, relaxed, dead := 98.7, 100.0, len(a.letters("").Letters)
	st := api.Status{
		At: now, OperatorToken: a.Locked.Load() && r.Header.Get(api.OperatorHeader) != OperatorToken, ObjectivePercent: tally.ObjectivePercent,
		Pools: []api.PoolStatus{{
			Name: "main", InstanceType: "c5.large", Booting: 1, Ready: 2, Draining: 1,
			Runners: 4, Busy: a.polls % 5, Queued: 3, Answered: int64(12000 + 40*a.polls), Overflowed: 17,
		}},
		Queues: map[string]api.QueueStatus{
			"work-strict-main": {Visible: 2, InFlight: 4, OldestMS: 18.4}, "work-relaxed-main": {Visible: 140 + 3*a.polls, InFlight: 6, OldestMS: 4200},
			"overflow": {Visible: 0, InFlight: 5}, "dead-letters": {Visible: dead},
		},
		Classes: map[query.Class]api.ClassStatus{
			query.Strict: {ArrivalsPerSecond: 21.5, Recent: 310, Met: 306, Attainment: &strict, Burn: api.BurnRate{FiveMinutes: new(0.4), Hour: new(1.3)}, LastMinute: wave(a.polls, 21, 9),
				Traffic: traffic(310, 306, 61, tally.Quantiles{P50: 21.4, P95: 180, P99: 431})},
			query.Relaxed: {ArrivalsPerSecond: 18.2, Recent: 190, Met: 190, Attainment: &relaxed, Burn: api.BurnRate{FiveMinutes: new(0.0), Hour: new(0.0)}, LastMinute: wave(a.polls+20, 18, 6),
				Traffic: traffic(190, 190, 0, tally.Quantiles{P50: 900, P95: 4200, P99: 7100})},
		},
		Overflow: api.OverflowStatus{Answered: 500, OnFunctions: 61, Share: 0.122},
		BackendStatus: api.BackendStatus{
			Desired: map[string]int{"main": 3}, CostUSD: 0.0412 + 0.0003*float64(a.polls%100), CostSince: Instant, Paced: true,
			Savings: a.savings(now), SettingsVersion: 4,
			Rollouts: []profile.Rollout{{Model: "cnn", Served: "cnn", Newest: 2, History: []profile.RolloutEvent{
				{At: Instant, Action: profile.VersionRolledBack, Version: "cnn@2", By: profile.ByRule, Why: "errors: 9 of 9 runs failed"},
			}}, {Model: "mlp", Served: "mlp", Canary: "mlp@2", Share: 0.1, Shadow: true, Newest: 2}},
		},
		Shadows: []tally.Shadow{{Version: "mlp@2", Runs: 200, Faults: 3, Agreed: 190, Compute: tally.Quantiles{P50: 3.1, P95: 4, P99: 5}, Served: tally.Quantiles{P50: 4.2, P95: 5, P99: 6}}},
		Drifted: []feedback.Drifted{{Task: "fashion", Model: "cnn", Points: -10, Posterior: feedback.Posterior{Right: 90, Wrong: 30, Votes: 120, Profile: 92.5}}},
		Profiles: []staleness.Warning{{
			Kind: staleness.Old, Task: "fashion", Model: "mlp", Resources: []string{"c5.large"}, Figure: "fashion/latency.json name=mlp", ProfileMS: 1,
			Text: "the profile of mlp on c5.large is 100 days old",
		}},
	}
	if a.Faulty.Load() {
		st.StoreFault = "no space left on device"
		st.Pools[0].Stuck = 1
		st.Withheld = []api.WithheldModel{{Model: "mlp", Why: "its file is damaged"}}
		for kind, name := range map[query.RunnerKind]string{query.OnWorker: "w-1", query.OnFunction: ""} {
			st.Broken = append(st.Broken, api.BrokenModel{Open: breaker.Open{Model: "cnn-small", Until: Instant, Why: "no such operator"}, Kind: kind, Name: name})
		}
	}
	write(w, http.StatusOK, st)
}

// traffic is what became of the given number of queries, the same in the last minute and hour.
func traffic(answered, met, overflowed int64, latency tally.Quantiles) api.Traffic {
	percent := 100 * float64(met) / float64(answered)
	l := api.Load{Arrived: answered, Answered: answered, Met: met, Overflowed: overflowed, Attainment: &percent, CostUSD: 0.001, Latency: &latency}
	return api.Traffic{Minute: l, Hour: l}
}

// savings are quoted unless the fake is off its calibration.
func (a *API) savings(now time.Time) *api.Savings {
	if a.Uncalibrated.Load() {
		return &api.Savings{Verdict: calibration.InAccount()}
	}
	return &api.Savings{
		Verdict: calibration.Verdict{Quoted: true, ErrorPercent: 2.1, Why: "on 2 traces, calibrated on 2026-05-01 under paragon, the simulation was off by at most 2.1 % in cost and 1.4 % in mean workers"},
		CostUSD: 0.04, FixedUSD: 0.0005, From: Instant, To: now, Others: []api.SchemeCost{{Scheme: "plain function", CostUSD: 0.032, LowUSD: 0.032, HighUSD: 0.032},
			{Scheme: "mixed", Simulated: true, CostUSD: 0.0404, LowUSD: 0.0396, HighUSD: 0.0413, MissedPercent: new(0.5)},
			{Scheme: "hedged", Simulated: true, CostUSD: 0.045, LowUSD: 0.0441, HighUSD: 0.046, MissedPercent: new(0.1)}, {Scheme: "reactive", Simulated: true, CostUSD: 0.05, LowUSD: 0.049, HighUSD: 0.0511, MissedPercent: new(4.5)},
			{Scheme: "kpa", Simulated: true, CostUSD: 0.06, LowUSD: 0.0588, HighUSD: 0.0613, MissedPercent: new(0.0)}},
	}
}

// wave is a minute of counts around a mean.
func wave(shift int, mean, swing float64) []float64 {
	out := make([]float64, 60)
	for i := range out {
		k := (i + shift) % 24
		out[i] = mean + swing*float64(min(k, 24-k)-6)/6
	}
	return out
}

// decisions are three ticks, of which the first moved the fleet, and 37 more in a large
// stage; those before an id where one is asked for.
func (a *API) decisions(w http.ResponseWriter, r *http.Request) {
	ticks := []api.Decision{
		{ID: "20260504T115950.000Z-main", Pool: "main", At: Instant.Add(-10 * time.Second), Line: "keep 3 workers: 50.0 queries/s, 20.00 a worker: 3 workers"},
		{ID: "20260504T115945.000Z-main", Pool: "main", At: Instant.Add(-15 * time.Second), Line: "keep 3 workers: 41.0 queries/s, 20.00 a worker: 3 workers"},
		{ID: "20260504T115940.000Z-main", Pool: "main", At: Instant.Add(-20 * time.Second), Moves: true, Outcome: "done",
			Line: "grow from 2 to 3 workers: 60.0 queries/s, 20.00 a worker: 3 workers"},
	}
	for i := 3; a.Large.Load() && i < 40; i++ {
		at := Instant.Add(-10 * time.Second * time.Duration(i+1))
		ticks = append(ticks, api.Decision{ID: at.Format("20060102T150405.000Z") + "-main", Pool: "main", At: at, Moves: true, Outcome: "done",
			Line: fmt.Sprintf("grow from %d to %d workers: %d.0 queries/s expected within the next 120 s (forecast by moving average, ±35), 20.00 a worker at the latency bounds of the models that are asked for", 970+i, 971+i, 20*(971+i))})
	}
	if before := r.URL.Query().Get("before"); before != "" {
		ticks = slices.DeleteFunc(ticks, func(d api.Decision) bool { return d.ID >= before })
	}
	if limit, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil {
		ticks = ticks[:min(limit, len(ticks))]
	}
	write(w, http.StatusOK, map[string][]api.Decision{"decisions": ticks})
}
