package client_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/feedback"
)

func TestFeedbackSendsTheReceiptWithTheOpinion(t *testing.T) {
	var got string
	cl, _ := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.URL.Path + " " + string(body)
		w.WriteHeader(http.StatusNoContent)
	}), client.Config{})
	for receipt, want := range map[string]string{
		"abc": `POST /v1/queries/q1/feedback {"label":"bag","receipt":"abc"}`,
		"":    `POST /v1/queries/q1/feedback {"label":"bag"}`,
	} {
		if err := cl.Feedback(t.Context(), "q1", receipt, feedback.Opinion{Label: "bag"}); err != nil || got != want {
			t.Errorf("sent %s, error %v, want %s", got, err, want)
		}
	}
}
