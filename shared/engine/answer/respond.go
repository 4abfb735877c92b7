package answer

import (
	"context"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/query"
)

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
		f := Failure(err)
		return inference.Response{Error: &f}
	}
	return inference.Answered(out[0].Result.Trim(req.AllScores), query.Milliseconds(time.Since(began)))
}
