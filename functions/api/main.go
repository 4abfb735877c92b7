// The api Lambda takes queries in behind API Gateway, or behind the load balancer
// while no worker is ready. It wires; the work is in
// shared/intake and its httpapi.
package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/oklog/ulid/v2"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/intake/httpapi"
	"github.com/paragon-serving/paragon/shared/stage"
	"github.com/paragon-serving/paragon/shared/telemetry/debug"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

func main() {
	handler, end, err := wire(context.Background(), os.Getenv)
	if err != nil {
		slog.Error("the api function cannot start", "error", err)
		os.Exit(1)
	}
	debug.ServeEnv(os.Getenv, slog.Default())
	// With this Lambda lets the process know of its end, so that little may wait in
	// memory for the next request: it registers an extension without events, which
	// costs nothing between start and end.
	lambda.StartWithOptions(newFunction(handler), lambda.WithEnableSIGTERM(end))
}

// endTime is what Lambda gives a process with such an extension for its end, less a
// margin (500 ms, AWS Lambda Developer Guide, "Shutdown phase").
const endTime = 450 * time.Millisecond

// wire builds the handler, and what is to be called at the end of the process, from
// the environment, which its errors explain.
func wire(ctx context.Context, env func(string) string) (handler http.Handler, end func(), err error) {
	parts, traces, err := stage.OpenFunction(ctx, env, "api")
	if err != nil {
		return nil, nil, err
	}
	own := intake.Config{
		Status: deployment, Viewed: parts.RefreshByViews(ctx), Counts: tally.NewBook(time.Now()), Reports: parts.Platform.Fleet, ID: "api-" + ulid.Make().String(),
	}
	if own.Keys, err = stage.Keys(ctx, env); err != nil {
		return nil, nil, err
	}
	if own.Functions, err = parts.Dispatcher(nil, nil); err != nil {
		return nil, nil, err
	}
	svc, err := parts.Intake(own)
	if err != nil {
		return nil, nil, err
	}
	api, err := parts.Handler(svc, httpapi.Options{Owner: owners(stage.SharedRoles(env)), AnyHost: true})
	if err != nil {
		return nil, nil, err
	}
	return settled(api, svc, traces), atEnd(svc), nil
}

// atEnd writes what the process has not written yet.
func atEnd(svc *intake.Service) func() {
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), endTime)
		defer cancel()
		svc.Close(ctx)
	}
}

// settled is the API of a process that is frozen once it has answered: nothing
// may be left for later.
func settled(api http.Handler, svc *intake.Service, traces *tracing.Source) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.ServeHTTP(w, r)
		svc.Settle()
		if err := svc.FlushDue(r.Context()); err != nil {
			slog.Warn("could not write arrivals; they are written later", "error", err)
		}
		traces.Flush(r.Context())
	})
}

// deployment is what only a backend in an account knows of itself.
func deployment(context.Context) api.BackendStatus {
	return api.BackendStatus{Savings: &api.Savings{Verdict: calibration.InAccount()}}
}
