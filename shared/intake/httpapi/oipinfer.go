package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/engine/tensor"
	"github.com/paragon-serving/paragon/shared/intake"
)

// oipInfer is POST /v2/models/{model}/infer: a query that is waited for. A
// task's name stands for the model that fits the constraints in the parameters.
func (a *server) oipInfer(w http.ResponseWriter, r *http.Request) error {
	owner, err := a.admit(r)
	if err != nil {
		return err
	}
	call, inputs, err := a.inferCall(w, r)
	if err != nil {
		return err
	}
	if err := call.checkClasses(); err != nil {
		return err
	}
	t := intake.Terms{Key: r.Header.Get("Idempotency-Key"), Wait: query.Duration(a.svc.Settings().MaxWaitSeconds * 1000), Since: takenAt(r), Died: diedOf(r)}
	answers, err := a.inferAll(r.Context(), owner, call.request, inputs, t)
	if err != nil {
		return err
	}
	return a.answerInfer(w, r, call, answers)
}

// inferCall reads what a request for inference asks, and its inputs.
func (a *server) inferCall(w http.ResponseWriter, r *http.Request) (call inferCall, inputs []query.Input, err error) {
	models, err := a.named(r)
	if err != nil {
		return call, nil, err
	}
	head, binary, err := a.inferBody(w, r)
	if err != nil {
		return call, nil, err
	}
	if call, inputs, err = callFor(models, head, binary); err != nil {
		return call, nil, err
	}
	inURL, err := inferFromURL(r.URL.RawQuery, call.ignore)
	if err != nil {
		return call, nil, err
	}
	call.request = completed(call.request, inURL)
	call.request.Task = models[0].Task
	if isModel(models, r.PathValue("model")) {
		call.request.Model = askedName(r)
	}
	return call, inputs, nil
}

// inferAll takes every item of a batch in, side by side. The first that is
// refused refuses the batch.
func (a *server) inferAll(ctx context.Context, owner string, req intake.Request, inputs []query.Input, t intake.Terms) ([]intake.Answer, error) {
	if len(inputs) == 1 {
		req.Input = inputs[0]
		got, err := a.svc.Take(ctx, owner, req, t)
		return []intake.Answer{got}, err
	}
	answers, errs := make([]intake.Answer, len(inputs)), make([]error, len(inputs))
	var all sync.WaitGroup
	for i, in := range inputs {
		mine, terms := req, t
		mine.Input, terms.Item = in, i+1
		all.Go(func() { answers[i], errs[i] = a.svc.Take(ctx, owner, mine, terms) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// answerInfer answers with the results, or says why one is missing.
func (a *server) answerInfer(w http.ResponseWriter, r *http.Request, c inferCall, answers []intake.Answer) error {
	for _, got := range answers {
		if rec := got.Record; rec.State != query.Succeeded || rec.Outcome == nil || rec.Outcome.Result == nil {
			return a.noInference(w, got)
		}
	}
	return a.writeInfer(w, c, r.PathValue("model"), answers)
}

// noInference says why there is no answer in time.
func (a *server) noInference(w http.ResponseWriter, got intake.Answer) error {
	rec := got.Record
	status := http.StatusGatewayTimeout
	text := fmt.Sprintf("the query has no answer yet; GET /v1/queries/%s returns the answer later", rec.ID)
	switch {
	case !rec.State.Terminal() && got.Busy:
		w.Header().Set("Retry-After", "1")
		status = http.StatusServiceUnavailable
		text = fmt.Sprintf("too many requests wait for answers; GET /v1/queries/%s returns the answer later", rec.ID)
	case rec.State.Terminal():
		status, text = failureStatus(rec)
	}
	a.write(w, status, oipError{text})
	return nil
}

// failureStatus gives a query's end without an answer in HTTP's terms.
func failureStatus(rec query.Record) (int, string) {
	f := query.Failure{Code: query.ModelFault, Detail: "the query ended without an answer"}
	if rec.Outcome != nil && rec.Outcome.Failure != nil {
		f = *rec.Outcome.Failure
	}
	text := fmt.Sprintf("query %s: %s: %s", rec.ID, f.Code, f.Detail)
	switch f.Code {
	case query.BadInput, query.InputIsGone:
		return http.StatusBadRequest, text
	case query.TimedOut:
		return http.StatusGatewayTimeout, text
	case query.CallerGone:
		return http.StatusConflict, text
	case query.NoCapacity:
		return http.StatusServiceUnavailable, text
	}
	return http.StatusInternalServerError, text
}

// inferCall is an inference request of the protocol.
type inferCall struct {
	id            string
	request       intake.Request
	input         oipInput
	names         tensorNames
	own           []string    // names of the model's own outputs, where it is answered with those
	outputs       []oipWanted // in the order asked; all of them when none is named
	binaryDefault bool
	ignored       []string // parameters that are not known here
}

// oipWanted is an output that the caller asks for.
type oipWanted struct {
	name   string
	binary *bool // nil means the request's default
	top    int   // this many of the best classes instead of every score; 0 means every score
}

// wantsScores reports whether the caller gets the score of every class.
func (c inferCall) wantsScores() bool {
	for _, o := range c.outputs {
		if o.name == scoresName || o.name == c.names.scores {
			return true
		}
	}
	return len(c.outputs) == 0
}

// queries turns the one input tensor into the inputs of queries: one an item of
// its first dimension.
func (in oipInput) queries(want []int64) ([]query.Input, error) {
	if in.datatype == bytesType {
		return in.pictures()
	}
	want = append([]int64{-1}, want[1:]...)
	if err := tensor.CheckShape(in.shape, want); err != nil {
		return nil, refuse(intake.BadInput, "inputs[0].shape", "%v", err)
	}
	if n := in.shape[0]; n > maxItems {
		return nil, refuse(intake.BadInput, "inputs[0].shape", "has %d items: send at most %d", n, maxItems)
	}
	return in.rawTensors(), nil
}

// inferParameters report how the answer came about: of a batch, of the item that
// took longest, with what all items cost.
type inferParameters struct {
	QueryID   string  `json:"query_id"`
	QueryIDs  string  `json:"query_ids,omitempty"` // of the items of a batch, parted by commas
	Receipt   string  `json:"receipt,omitempty"`   // of the only item
	Receipts  string  `json:"receipts,omitempty"`  // of the items of a batch, likewise
	Model     string  `json:"model"`
	Class     string  `json:"class"`
	ServedBy  string  `json:"served_by"`
	QueueMS   float64 `json:"queue_ms"`
	ComputeMS float64 `json:"compute_ms"`
	LatencyMS float64 `json:"latency_ms"`
	MetSLO    bool    `json:"met_slo"`
	CostUSD   float64 `json:"cost_usd"`
	Ignored   string  `json:"ignored,omitempty"` // parameters that are not known here, parted by commas
}

func parametersOf(answers []intake.Answer) inferParameters {
	if len(answers) == 1 {
		p := itemParameters(answers[0].Record)
		p.Receipt = answers[0].Receipt
		return p
	}
	var slowest inferParameters
	var ids, receipts []string
	met, costUSD := true, 0.0
	for _, got := range answers {
		p := itemParameters(got.Record)
		ids, receipts = append(ids, p.QueryID), append(receipts, got.Receipt)
		met, costUSD = met && p.MetSLO, costUSD+p.CostUSD
		if slowest.QueryID == "" || p.LatencyMS > slowest.LatencyMS {
			slowest = p
		}
	}
	slowest.QueryIDs, slowest.Receipts = strings.Join(ids, ","), strings.Join(receipts, ",")
	slowest.MetSLO, slowest.CostUSD = met, costUSD
	return slowest
}

func itemParameters(rec query.Record) inferParameters {
	o := rec.Outcome
	since := func(t time.Time) float64 {
		if t.IsZero() {
			return 0
		}
		return max(0, query.Milliseconds(t.Sub(rec.AcceptedAt)))
	}
	return inferParameters{
		QueryID: rec.ID, Model: rec.Model, Class: string(rec.Class), ServedBy: o.RanOn.Name,
		QueueMS: since(o.StartedAt), ComputeMS: o.ComputeMS, LatencyMS: since(o.FinishedAt),
		MetSLO: rec.Met(), CostUSD: o.CostUSD,
	}
}
