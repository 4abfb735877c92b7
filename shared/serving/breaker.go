package serving

import (
	"errors"

	"paragon/shared/core/query"
	"paragon/shared/engine/answer"
)

// judge tells a model's breaker how a run ended. What is the caller's or the store's
// fault, and what this process's end cut off, says nothing of the model.
func (w *Worker) judge(model string, answers []answer.Answered) {
	if anyAnswered(answers) {
		w.Breakers.Succeeded(model)
		return
	}
	for _, a := range answers {
		f, ok := errors.AsType[*answer.Fault](a.Err)
		if !ok || f.Code != query.ModelFault || w.life.Err() != nil {
			continue
		}
		count := w.Breakers.Failed
		if errors.Is(f, answer.ErrNotLoaded) {
			count = w.Breakers.NotLoaded
		}
		if count(model, f.Err.Error(), w.Now()) {
			w.Log.Error("a model's runs fail; its queries go elsewhere for a while", "worker", w.ID, "model", model, "error", f.Err)
		}
		return
	}
}
