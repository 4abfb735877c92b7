package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/intake"
)

// KeepAfter is after how long without an answer from another process the service takes a
// request itself, by intake's rule: of a list or batch when the first of its items is due.
// It reads the request's body. It is false for a request that is refused.
func KeepAfter(svc *intake.Service, r *http.Request) (time.Duration, bool) {
	a := &server{svc: svc}
	if strings.HasPrefix(r.URL.Path, "/v2/") {
		return a.keepInferAfter(r)
	}
	wait, _ := a.waitAsked(r.Header)
	reqs, _, err := a.requests(nil, r)
	if err != nil {
		return 0, false
	}
	first, some := time.Duration(0), false
	for _, req := range reqs {
		if req.err != nil {
			continue
		}
		if after, ok := svc.KeepAfter(req.Request, wait); ok && (!some || after < first) {
			first, some = after, true
		}
	}
	return first, some
}

// keepInferAfter is KeepAfter of a request for inference, whose items are alike.
func (a *server) keepInferAfter(r *http.Request) (time.Duration, bool) {
	parts := strings.Split(r.URL.Path, "/") // "", v2, models, its name, then versions and one
	if len(parts) < 5 {
		return 0, false
	}
	r.SetPathValue("model", parts[3])
	if len(parts) > 6 {
		r.SetPathValue("version", parts[5])
	}
	call, inputs, err := a.inferCall(nil, r)
	if err != nil || len(inputs) == 0 {
		return 0, false
	}
	call.request.Input = inputs[0]
	return a.svc.KeepAfter(call.request, query.Duration(a.svc.Settings().MaxWaitSeconds*1000))
}
