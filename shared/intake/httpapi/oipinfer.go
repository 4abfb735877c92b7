package httpapi

import (
	"fmt"
	"net/http"
	"time"

	"paragon/shared/core/query"
	"paragon/shared/engine/tensor"
	"paragon/shared/intake"
)

// oipInfer is POST /v2/models/{model}/infer: a query that is waited for. A
// task's name stands for the model that fits the constraints in the parameters.
func (a *server) oipInfer(w http.ResponseWriter, r *http.Request) error {
	owner, err := a.owner(r)
	if err != nil {
		return err
	}
	models, err := a.named(r)
	if err != nil {
		return err
	}
	call, err := a.inferCall(w, r)
	if err != nil {
		return err
	}
	if call.request.Input, err = call.input.query(inputShape(models)); err != nil {
		return err
	}
	call.request.Task = models[0].Task
	if models[0].Name == r.PathValue("model") {
		call.request.Model = models[0].Name
	}
	rec, _, err := a.svc.Submit(r.Context(), owner, r.Header.Get("Idempotency-Key"), call.request)
	if err != nil {
		return err
	}
	rec, waited, err := a.svc.Wait(r.Context(), rec, query.Duration(a.svc.Settings().MaxWaitSeconds*1000))
	if err != nil {
		return err
	}
	return a.answerInfer(w, r, call, rec, waited)
}

// answerInfer answers with the result, or says why there is none.
func (a *server) answerInfer(w http.ResponseWriter, r *http.Request, c inferCall, rec query.Record, waited bool) error {
	if rec.State == query.Succeeded && rec.Outcome != nil && rec.Outcome.Result != nil {
		return a.writeInfer(w, c, r.PathValue("model"), rec)
	}
	status := http.StatusGatewayTimeout
	text := fmt.Sprintf("no answer yet; GET /v1/queries/%s has it later", rec.ID)
	switch {
	case !rec.State.Terminal() && !waited:
		w.Header().Set("Retry-After", "1")
		status = http.StatusServiceUnavailable
		text = fmt.Sprintf("too many requests wait at once; GET /v1/queries/%s has the answer later", rec.ID)
	case rec.State.Terminal():
		status, text = failureStatus(rec)
	}
	a.write(w, status, oipError{text})
	return nil
}

// failureStatus tells a query's end without an answer in HTTP's terms.
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
	outputs       []oipWanted // in the order asked; all three when none is named
	binaryDefault bool
}

// oipWanted is an output that the caller asks for.
type oipWanted struct {
	name   string
	binary *bool // nil means the request's default
}

// query turns the one input tensor into the input of a query.
func (in oipInput) query(want []int64) (query.Input, error) {
	if in.datatype == bytesType {
		return in.picture()
	}
	if err := tensor.CheckShape(in.shape, want); err != nil {
		return query.Input{}, refuse(intake.BadInput, "inputs[0].shape", "%v", err)
	}
	return in.rawTensor()
}

// inferParameters tell how the answer came about.
type inferParameters struct {
	QueryID   string  `json:"query_id"`
	Model     string  `json:"model"`
	Class     string  `json:"class"`
	ServedBy  string  `json:"served_by"`
	QueueMS   float64 `json:"queue_ms"`
	ComputeMS float64 `json:"compute_ms"`
	LatencyMS float64 `json:"latency_ms"`
	MetSLO    bool    `json:"met_slo"`
	CostUSD   float64 `json:"cost_usd"`
}

func parametersOf(rec query.Record) inferParameters {
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
