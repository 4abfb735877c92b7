package httpapi

import (
	"encoding/json"
	"net/http"

	"github.com/paragon-serving/paragon/shared/core/feedback"
)

// feedback is POST /v1/queries/{id}/feedback.
func (a *server) feedback(w http.ResponseWriter, r *http.Request) error {
	owner, err := a.owner(r)
	if err != nil {
		return err
	}
	o, receipt, err := a.opinion(w, r)
	if err != nil {
		return err
	}
	if err := a.svc.Feedback(r.Context(), owner, r.PathValue("id"), receipt, o); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// opinion reads the body: correct or label, and not both, and the receipt.
func (a *server) opinion(w http.ResponseWriter, r *http.Request) (o feedback.Opinion, receipt string, err error) {
	err = readObject(w, r, fields{"label": text("label", &o.Label), "receipt": text("receipt", &receipt), "correct": func(raw json.RawMessage) error {
		var correct bool
		if json.Unmarshal(raw, &correct) != nil {
			return refuse(badField, "correct", "is neither true nor false")
		}
		o.Correct = &correct
		return nil
	}})
	if err == nil && (o.Correct == nil) == (o.Label == "") {
		err = refuse(badField, "", "send either correct or label")
	}
	return o, receipt, err
}
