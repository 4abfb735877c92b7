package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/platform"
)

// The kinds of problem that HTTP adds to the intake's own.
const (
	noBody         intake.Kind = "no-body"
	bodyTooLarge   intake.Kind = "body-too-large"
	badJSON        intake.Kind = "bad-json"
	tooDeep        intake.Kind = "json-too-deep"
	unknownField   intake.Kind = "unknown-field"
	duplicateField intake.Kind = "duplicate-field"
	badField       intake.Kind = "bad-field"
	badBase64      intake.Kind = "bad-base64"
	wrongType      intake.Kind = "wrong-content-type"
	wrongMethod    intake.Kind = "method-not-allowed"
	wrongHost      intake.Kind = "wrong-host"
	noOwner        intake.Kind = "unauthenticated"
	brokenBody     intake.Kind = "broken-body"
	busy           intake.Kind = "busy"
	internal       intake.Kind = "internal"
)

// kinds gives each kind its status and title.
var kinds = map[intake.Kind]struct {
	status int
	title  string
}{
	noBody:                  {http.StatusBadRequest, "The request has no body"},
	brokenBody:              {http.StatusBadRequest, "The body cannot be read"},
	badJSON:                 {http.StatusBadRequest, "The body is not JSON"},
	tooDeep:                 {http.StatusBadRequest, "The JSON is nested too deeply"},
	unknownField:            {http.StatusBadRequest, "A field does not exist"},
	duplicateField:          {http.StatusBadRequest, "A field is given twice"},
	badField:                {http.StatusBadRequest, "A field has the wrong type"},
	badBase64:               {http.StatusBadRequest, "The data is not base64"},
	intake.BadKey:           {http.StatusBadRequest, "The idempotency key cannot be used"},
	noOwner:                 {http.StatusUnauthorized, "The request is not authenticated"},
	wrongHost:               {http.StatusForbidden, "Requests to this host name or from this origin are not allowed"},
	notOperator:             {http.StatusForbidden, "Only operators may send this request"},
	intake.NotFound:         {http.StatusNotFound, "Not found"},
	wrongMethod:             {http.StatusMethodNotAllowed, "The method is not allowed"},
	intake.Finished:         {http.StatusConflict, "The query has already ended"},
	intake.AnsweredDirectly: {http.StatusGone, "The query was answered directly and was not stored"},
	intake.Gone:             {http.StatusGone, "The query was deleted after its retention time"},
	intake.NoCapacity:       {http.StatusServiceUnavailable, "No worker and no function can answer in time"},
	intake.AlreadyVoted:     {http.StatusConflict, "The query already has a vote"},
	intake.OverOwnerLimit:   {http.StatusTooManyRequests, "The caller has reached one of its limits"},
	intake.OverBudget:       {http.StatusTooManyRequests, "The hour's budget is spent"},
	intake.NoAnswer:         {http.StatusConflict, "The query has no answer"},
	intake.BadReceipt:       {http.StatusUnprocessableEntity, "The receipt is not valid for this query"},
	intake.UnknownLabel:     {http.StatusUnprocessableEntity, "The label does not exist"},
	bodyTooLarge:            {http.StatusRequestEntityTooLarge, "The body is too large"},
	intake.InputTooLarge:    {http.StatusRequestEntityTooLarge, "The input is too large"},
	wrongType:               {http.StatusUnsupportedMediaType, "The content type is not accepted"},
	intake.UnsupportedInput: {http.StatusUnsupportedMediaType, "The input's content type is not accepted"},
	intake.UnknownTask:      {http.StatusUnprocessableEntity, "The task does not exist"},
	intake.UnknownModel:     {http.StatusUnprocessableEntity, "The model does not exist"},
	intake.BadClass:         {http.StatusUnprocessableEntity, "The SLO class does not exist"},
	intake.BadBound:         {http.StatusUnprocessableEntity, "A bound is not valid"},
	intake.BelowFloor:       {http.StatusUnprocessableEntity, "The latency bound is below the shortest that this stage can keep"},
	intake.Unsatisfiable:    {http.StatusUnprocessableEntity, "No model meets these bounds"},
	intake.BadObjective:     {http.StatusUnprocessableEntity, "The quantity to optimize is not valid"},
	intake.BadCallback:      {http.StatusUnprocessableEntity, "The callback URL is not allowed"},
	intake.BadInput:         {http.StatusUnprocessableEntity, "The input cannot be used"},
	intake.UnknownUpload:    {http.StatusUnprocessableEntity, "The upload does not exist"},
	intake.KeyReused:        {http.StatusUnprocessableEntity, "The idempotency key was used for another request"},
	changed:                 {http.StatusConflict, "The settings have changed since you read them"},
	badSetting:              {http.StatusUnprocessableEntity, "The setting cannot have this value"},
	badQueue:                {http.StatusUnprocessableEntity, "Queries cannot be sent to this queue"},
	internal:                {http.StatusInternalServerError, "Internal server error"},
	busy:                    {http.StatusServiceUnavailable, "The server is busy: try again in a moment"},
}

// problemBase is what every problem's type begins with. The last part is the kind.
const problemBase = "urn:paragon:problem:"

func refuse(k intake.Kind, field, format string, args ...any) *intake.Refusal {
	return &intake.Refusal{Kind: k, Field: field, Detail: fmt.Sprintf(format, args...)}
}

// fail answers a request with why it was not done: as a problem, or as the
// Open Inference Protocol has it below /v2.
func (a *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if ended := r.Context().Err(); ended != nil && errors.Is(err, ended) {
		return // nobody listens any more
	}
	ref := a.refusal(r, err)
	k := kinds[ref.Kind]
	if k.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	if s := math.Ceil(ref.RetryAfter.Seconds()); s > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(s)))
	}
	if r.URL.Path == "/v2" || strings.HasPrefix(r.URL.Path, "/v2/") {
		a.failOIP(w, k.status, ref)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	a.write(w, k.status, a.problem(r, ref))
}

// problem is a refusal as the API answers it.
func (a *server) problem(r *http.Request, ref *intake.Refusal) api.Problem {
	k := kinds[ref.Kind]
	return api.Problem{
		Type: problemBase + string(ref.Kind), Title: k.title, Status: k.status, Detail: ref.Detail,
		Instance: r.URL.Path, Field: ref.Field, Bound: ref.Bound, Nearest: ref.Nearest, Possible: ref.Possible,
	}
}

// refusal finds out what an error means to the caller. What is no refusal is
// ours: it is logged, and the caller learns no more than whether to come again.
func (a *server) refusal(r *http.Request, err error) *intake.Refusal {
	var ref *intake.Refusal
	if errors.As(err, &ref) {
		return ref
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		bound := float64(large.Limit)
		return &intake.Refusal{Kind: bodyTooLarge, Bound: &bound,
			Detail: fmt.Sprintf("the body is larger than %d bytes; send a large input by POST /v1/uploads", large.Limit)}
	}
	a.Log.Error("a request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	if store, ok := errors.AsType[*platform.StoreFault](err); ok {
		return refuse(busy, "", "%v", store)
	}
	if errors.Is(err, platform.ErrThrottled) || errors.Is(err, platform.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		return refuse(busy, "", "the database is not available at this moment")
	}
	if a.Advice != nil {
		return refuse(internal, "", "%s", a.Advice(err))
	}
	return refuse(internal, "", "the server's log has the cause")
}

// write sends a JSON value. The content type is application/json unless it was set.
func (a *server) write(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		a.Log.Error("an answer cannot be encoded", "error", err)
		http.Error(w, "the answer cannot be encoded", http.StatusInternalServerError)
		return
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	sendWhole(w, status, append(body, '\n'))
}

// sendWhole answers with a body whose length goes before it: it is then passed on
// in one piece.
func sendWhole(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller may be gone
}

// clip bounds what is echoed of a caller's own words.
func clip(text string) string {
	const most = 64
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
