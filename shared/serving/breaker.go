package serving

import (
	"errors"

	"paragon/shared/core/query"
	"paragon/shared/core/schedule"
	"paragon/shared/core/tally"
	"paragon/shared/engine/answer"
)

// judge tells a model's breaker how a run ended. What is the caller's or the store's
// fault, and what this process's end cut off, says nothing of the model.
func (w *Worker) judge(r schedule.Run[*lease], answers []answer.Answered) {
	model := r.Works[0].Model
	for i, a := range answers {
		if m := r.Items[i].d.Message; w.modelFault(a) != nil {
			w.Counts.Faulted(tally.Key{Task: m.Task, Model: model, Class: m.Class})
		}
	}
	if anyAnswered(answers) {
		w.Breakers.Succeeded(model)
		return
	}
	for _, a := range answers {
		f := w.modelFault(a)
		if f == nil {
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

// modelFault is the fault of a run that is the model's own; nil of any other end.
func (w *Worker) modelFault(a answer.Answered) *answer.Fault {
	f, ok := errors.AsType[*answer.Fault](a.Err)
	if !ok || f.Code != query.ModelFault || w.life.Err() != nil {
		return nil
	}
	return f
}
