package clienttest

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
)

// How much the fake has when it is large, and else.
const (
	manyModels, fewModels   = 50, 3
	manyWorkers, fewWorkers = 1000, 4
)

// otherSchemes are what a stage is compared with, the cheapest first.
var otherSchemes = []string{"plain function", "mixed", "util_aware", "hedged", "reactive", "mixed_predictive", "exascale", "kpa", "quantile", "target_tracking", "managed_instances"}

// history is what became of queries over the hours asked for: a swell, and a gap in
// which the stage was not up.
func (a *API) history(w http.ResponseWriter, r *http.Request) {
	hours, err := strconv.Atoi(r.URL.Query().Get("hours"))
	if err != nil {
		hours = 1
	}
	now := Instant
	if a.Now != nil {
		now = a.Now()
	}
	step := timeline.AnswerStep(time.Duration(hours) * time.Hour)
	h := api.History{From: now.Add(-time.Duration(hours) * time.Hour).Truncate(step), To: now.Truncate(time.Second), StepSeconds: int(step / time.Second), Models: a.modelLoads(), OthersUSD: map[string][]float64{}}
	var strict, relaxed api.Series
	steps, load := int(h.To.Sub(h.From)/step), int64(1)
	if a.Large.Load() {
		load = manyWorkers
	}
	for i := range steps {
		if i >= steps/3 && i < steps/3+steps/20 {
			continue
		}
		k := float64(min(i%48, 48-i%48)) // swells and ebbs
		h.AtUnixSeconds = append(h.AtUnixSeconds, h.From.Add(time.Duration(i)*step).Unix())
		strict, relaxed = addStep(strict, i, k, 20, load), addStep(relaxed, i, k/2, 400, load)
		h.WorkersReady, h.WorkersWanted = append(h.WorkersReady, 2+k/4), append(h.WorkersWanted, tally.Rounded(2+float64((i+3)%48)/6, 3))
		h.Queued, h.OldestMS = append(h.Queued, int(k)), append(h.OldestMS, 20*k)
		h.CostUSD = append(h.CostUSD, tally.Rounded(0.002+k/20000, 3))
		for j, scheme := range otherSchemes {
			h.OthersUSD[scheme] = append(h.OthersUSD[scheme], tally.Rounded((0.0018+k/22000)*(1+float64(j)/8), 3))
		}
	}
	h.Classes = map[query.Class]api.Series{query.Strict: strict, query.Relaxed: relaxed}
	write(w, http.StatusOK, h)
}

// addStep adds a step of a class whose median latency and load are given.
func addStep(s api.Series, i int, k, ms float64, load int64) api.Series {
	answered := load * int64(600+50*k)
	s.Answered, s.Met, s.Overflowed = append(s.Answered, answered), append(s.Met, answered-load*int64(k)), append(s.Overflowed, load*int64(3*k))
	s.Failed, s.Expired, s.Refused = append(s.Failed, int64(i%11/10)), append(s.Expired, 0), append(s.Refused, int64(i%29/28))
	s.ColdStarts = append(s.ColdStarts, int64(k/9))
	s.P50, s.P95, s.P99 = append(s.P50, ms+k), append(s.P95, 4*ms+5*k), append(s.P99, 9*ms+10*k)
	return s
}

// modelLoads are the models of the past, those with the most queries first.
func (a *API) modelLoads() (out []api.ModelLoad) {
	names, n := []string{"cnn-small", "mlp", "logistic"}, fewModels
	if a.Large.Load() {
		n = manyModels
	}
	for i := range n {
		name := fmt.Sprintf("efficientnet-lite-%02d-quantized-to-8-bits-and-compiled-on-arm", i) // 60 characters
		if i < len(names) {
			name = names[i]
		}
		for _, class := range []query.Class{query.Strict, query.Relaxed} {
			answered := int64(50_000 / (i + 1))
			l := traffic(answered, answered-answered/70, answered/9, tally.Quantiles{P50: 21.4 + float64(i), P95: 180, P99: 431}).Hour
			l.Failed = int64(i % 2 * 3)
			out = append(out, api.ModelLoad{Task: "fashion", Model: name, Class: class, Load: l})
		}
	}
	return out
}

// workers is a page of the workers.
func (a *API) workers(w http.ResponseWriter, r *http.Request) {
	total := fewWorkers
	if a.Large.Load() {
		total = manyWorkers
	}
	offset, _ := strconv.Atoi(r.URL.Query().Get("offset")) // 0 without one
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil {
		limit = 20
	}
	states := []string{"ready", "ready", "draining", "booting"}
	var all []api.Worker
	for i := range total {
		k := api.Worker{ID: fmt.Sprintf("general-%d", i+1), Pool: "main", InstanceType: "c5.large", State: states[i%len(states)], Runners: 2, Busy: i % 3, Used: 0.1 * float64(i%10), Queued: i % 5, Answered: int64(100 * i)}
		if state := r.URL.Query().Get("state"); state == "" || state == k.State {
			all = append(all, k)
		}
	}
	from := min(offset, len(all))
	write(w, http.StatusOK, api.Workers{Workers: append([]api.Worker{}, all[from:min(from+limit, len(all))]...), Total: len(all)})
}

// decision is one decision in full.
func decision(w http.ResponseWriter, r *http.Request) {
	write(w, http.StatusOK, api.Decision{ID: r.PathValue("id"), Pool: "main", At: Instant, Line: "keep 3 workers", Explanation: "pool       main\nwanted     3 workers\nweighed    2 workers: $0.11/h, 3 workers: $0.09/h\n"})
}
