package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/intake"
)

// KeepAfter is after how long without an answer from another process the service answers
// a request itself, by intake's rule. It reads the request's body. It is false for a list
// or batch, and for a request that is refused.
func KeepAfter(svc *intake.Service, r *http.Request) (time.Duration, bool) {
	a := &server{svc: svc}
	if !strings.HasPrefix(r.URL.Path, "/v2/") {
		wait, _ := a.waitAsked(r.Header)
		reqs, list, err := a.requests(nil, r)
		if err != nil || list || reqs[0].err != nil {
			return 0, false
		}
		return svc.KeepAfter(reqs[0].Request, wait)
	}
	parts := strings.Split(r.URL.Path, "/") // "", v2, models, its name, then versions and one
	if len(parts) < 5 {
		return 0, false
	}
	r.SetPathValue("model", parts[3])
	if len(parts) > 6 {
		r.SetPathValue("version", parts[5])
	}
	call, inputs, err := a.inferCall(nil, r)
	if err != nil || len(inputs) != 1 {
		return 0, false
	}
	call.request.Input = inputs[0]
	return svc.KeepAfter(call.request, query.Duration(svc.Settings().MaxWaitSeconds*1000))
}
