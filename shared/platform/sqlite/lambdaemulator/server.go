package lambdaemulator

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	headerRequestID = "Lambda-Runtime-Aws-Request-Id"
	headerDeadline  = "Lambda-Runtime-Deadline-Ms"
	headerARN       = "Lambda-Runtime-Invoked-Function-Arn"
	headerErrorType = "Lambda-Runtime-Function-Error-Type"
	headerErrorBody = "Lambda-Runtime-Function-Error-Body" // a trailer, in base64

	maxErrorBody    = 256 << 10 // bytes read of a reported error
	maxErrorMessage = 1 << 10   // bytes kept of its message
)

// FunctionError is why an event failed in its function. It is a platform.ErrFault.
type FunctionError struct {
	Function string
	Type     string // the runtime's class of error, such as "Runtime.ExitError"
	Message  string
}

// Error describes it in a sentence.
func (e *FunctionError) Error() string {
	return fmt.Sprintf("function %s: %s: %s", e.Function, e.Type, e.Message)
}

// Unwrap makes it a platform.ErrFault.
func (e *FunctionError) Unwrap() error { return platform.ErrFault }

// newServer returns the Runtime API of all environments, each below its own
// secret path: other processes of the machine can reach the port.
func (in *Invoker) newServer() *http.Server {
	mux := http.NewServeMux()
	const api = "/{sandbox}/2018-06-01/runtime/"
	mux.HandleFunc("GET "+api+"invocation/next", in.with(next))
	mux.HandleFunc("POST "+api+"invocation/{id}/response", in.with(response))
	mux.HandleFunc("POST "+api+"invocation/{id}/error", in.with(failure))
	mux.HandleFunc("POST "+api+"init/error", in.with(initFailure))
	const extensions = "/{sandbox}/2020-01-01/extension/"
	mux.HandleFunc("POST "+extensions+"register", in.with(register))
	mux.HandleFunc("GET "+extensions+"event/next", in.with(nextForExtension))
	return &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 2 << 20, // aws-lambda-go puts up to 1 MiB of X-Ray cause into one
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // connections of killed processes
	}
}

// with finds the environment that a path belongs to.
func (in *Invoker) with(h func(*environment, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		in.mu.Lock()
		e := in.environments[r.PathValue("sandbox")]
		in.mu.Unlock()
		if e == nil {
			refuse(w, http.StatusForbidden, "InvalidSandbox")
			return
		}
		h(e, w, r)
	}
}

// register takes an extension of the process, which gets no events: it is how a
// process learns of its end.
func register(e *environment, w http.ResponseWriter, _ *http.Request) {
	e.extended.Store(true)
	w.Header().Set("Lambda-Extension-Identifier", e.sandbox)
	w.WriteHeader(http.StatusOK)
}

// nextForExtension never answers: the extension has registered for no event.
func nextForExtension(_ *environment, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// next hands the next event out once there is one.
func next(e *environment, w http.ResponseWriter, r *http.Request) {
	select {
	case e.polls <- struct{}{}:
	default: // it asked before
	}
	select {
	case ev := <-e.events:
		h := w.Header()
		h.Set(headerRequestID, ev.id)
		h.Set(headerDeadline, strconv.FormatInt(ev.deadline.UnixMilli(), 10))
		h.Set(headerARN, "arn:aws:lambda:local:000000000000:function:"+e.f.Name)
		h.Set("Content-Type", "application/json")
		h.Set("Content-Length", strconv.Itoa(len(ev.payload)))
		_, _ = w.Write(ev.payload) // a process that is gone is noticed as such
	case <-e.gone:
		refuse(w, http.StatusGone, "SandboxGone")
	case <-r.Context().Done():
	}
}

// response takes the answer of the event that runs.
func response(e *environment, w http.ResponseWriter, r *http.Request) {
	ev := e.running(r)
	if ev == nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestID")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		e.finish(ev, answer{err: &FunctionError{e.f.Name, "Function.ResponseSizeTooLarge", fmt.Sprintf("response above %d bytes", maxPayload)}})
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge")
		return
	}
	if err != nil {
		return // the connection broke, and what will end the event with it
	}
	a := answer{payload: body}
	if kind := r.Trailer.Get(headerErrorType); kind != "" { // it failed while it streamed
		detail, _ := base64.StdEncoding.DecodeString(r.Trailer.Get(headerErrorBody))
		a = answer{err: reported(e.f.Name, kind, detail)}
	}
	accept(w, e.finish(ev, a))
}

// failure takes the error of the event that runs.
func failure(e *environment, w http.ResponseWriter, r *http.Request) {
	ev := e.running(r)
	if ev == nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestID")
		return
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxErrorBody)) // half of an error is one too
	accept(w, e.finish(ev, answer{err: reported(e.f.Name, r.Header.Get(headerErrorType), body)}))
}

// initFailure takes the reason of a start that failed.
func initFailure(e *environment, w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxErrorBody))
	select {
	case e.initErr <- reported(e.f.Name, r.Header.Get(headerErrorType), body):
	default: // said before
	}
	accept(w, true)
}

// running returns the event that a request names, if it is the one that runs.
func (e *environment) running(r *http.Request) *event {
	if ev := e.current.Load(); ev != nil && ev.id == r.PathValue("id") {
		return ev
	}
	return nil
}

// finish answers an event; the first answer counts.
func (e *environment) finish(ev *event, a answer) bool {
	if !e.current.CompareAndSwap(ev, nil) {
		return false
	}
	ev.answer <- a
	return true
}

// reported reads an error as runtimes report it.
func reported(name, kind string, body []byte) *FunctionError {
	var said struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal(body, &said) != nil {
		said.Message = "the error that it reported cannot be read"
	}
	if said.Type == "" {
		said.Type = kind
	}
	if said.Type == "" {
		said.Type = "Runtime.Unknown"
	}
	return &FunctionError{name, cut(said.Type), cut(said.Message)}
}

func cut(s string) string { return s[:min(len(s), maxErrorMessage)] }

func accept(w http.ResponseWriter, ok bool) {
	if !ok {
		refuse(w, http.StatusBadRequest, "InvalidRequestID")
		return
	}
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func refuse(w http.ResponseWriter, status int, kind string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errorMessage":%q,"errorType":%q}`, kind, kind)
}
