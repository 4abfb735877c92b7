package answer

import (
	"context"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// RespondAny answers a request of any model of the catalogue, whose file the request
// pins: where another is known, or none, the catalogue is read anew first. The model
// is loaded before, if it is not, and the response says how long that took.
func (a *Answerer) RespondAny(ctx context.Context, req inference.Request) inference.Response {
	began := time.Now()
	if err := a.pinned(req); err != nil {
		return failed(&Fault{query.ModelFault, err})
	}
	loading := a.Prepare(req.Model) > 0
	if err := a.Warm(ctx, req.Model); err != nil {
		return failed(&Fault{query.ModelFault, err})
	}
	loadMS := query.Milliseconds(time.Since(began))
	res := a.Respond(ctx, req.Model, req)
	if loading {
		res.LoadMS = loadMS
	}
	return res
}

// pinned holds a request to the file that it pins.
func (a *Answerer) pinned(req inference.Request) error {
	if req.SHA256 == "" {
		return fmt.Errorf("the request does not name the file (SHA-256) of model %q", req.Model)
	}
	if a.has(req.Model, req.SHA256) {
		return nil
	}
	if err := profile.Reread(a.catalogue); err != nil {
		return fmt.Errorf("model %q with digest %s is not known, and the catalogue cannot be read again: %w", req.Model, req.SHA256, err)
	}
	if a.has(req.Model, req.SHA256) {
		return nil
	}
	return fmt.Errorf("catalogue %s has no model %q with digest %s", a.catalogue.Current().Name, req.Model, req.SHA256)
}

// has says whether the catalogue has a model with a file.
func (a *Answerer) has(model, sha256 string) bool {
	m, ok := a.catalogue.Current().Model(model)
	return ok && m.SHA256 == sha256
}

// failed is the response of an error.
func failed(err error) inference.Response {
	f := Failure(err)
	return inference.Response{Error: &f}
}

// Respond answers an inference function's request with the one model that the
// function is of. Whatever is wrong is part of the response.
func (a *Answerer) Respond(ctx context.Context, model string, req inference.Request) inference.Response {
	if req.Model != model {
		return inference.Response{Error: &query.Failure{Code: query.ModelFault,
			Detail: fmt.Sprintf("this function runs model %q, not %q", model, req.Model)}}
	}
	began := time.Now()
	out, err := a.Answer(ctx, model, []query.Input{req.Input})
	if err == nil {
		err = out[0].Err
	}
	if err != nil {
		return failed(err)
	}
	res := inference.Answered(out[0].Result.Trim(req.AllScores), query.Milliseconds(time.Since(began)))
	if m, ok := a.catalogue.Current().Model(model); ok && a.threadsOf(m) > 1 {
		res.Threads = a.threadsOf(m)
	}
	return res
}
