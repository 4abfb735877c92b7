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

	"paragon/shared/api"
	"paragon/shared/core/calibration"
	"paragon/shared/core/tally"
	"paragon/shared/intake"
	"paragon/shared/intake/httpapi"
	"paragon/shared/stage"
	"paragon/shared/telemetry/debug"
	"paragon/shared/telemetry/tracing"
)

func main() {
	handler, err := wire(context.Background(), os.Getenv)
	if err != nil {
		slog.Error("the api function cannot start", "error", err)
		os.Exit(1)
	}
	debug.ServeEnv(os.Getenv, slog.Default())
	lambda.Start(newFunction(handler))
}

// wire builds the handler from the environment, which its errors explain.
func wire(ctx context.Context, env func(string) string) (http.Handler, error) {
	parts, traces, err := stage.OpenFunction(ctx, env, "api")
	if err != nil {
		return nil, err
	}
	own := intake.Config{
		Status: deployment, Counts: tally.NewBook(time.Now()), Reports: parts.Platform.Fleet, ID: "api-" + ulid.Make().String(),
	}
	if own.Keys, err = stage.Keys(ctx, env); err != nil {
		return nil, err
	}
	if own.Functions, err = parts.Dispatcher(nil, nil); err != nil {
		return nil, err
	}
	svc, err := parts.Intake(own)
	if err != nil {
		return nil, err
	}
	api, err := parts.Handler(svc, httpapi.Options{Owner: owners(stage.SharedRoles(env)), AnyHost: true})
	if err != nil {
		return nil, err
	}
	return settled(api, svc, traces), nil
}

// settled is the API of a process that is frozen once it has answered: nothing
// may be left for later.
func settled(api http.Handler, svc *intake.Service, traces *tracing.Source) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.ServeHTTP(w, r)
		svc.Settle()
		if err := svc.FlushDue(r.Context()); err != nil {
			slog.Warn("arrivals are not written yet", "error", err)
		}
		traces.Flush(r.Context())
	})
}

// deployment is what only a backend in an account knows of itself.
func deployment(context.Context) api.BackendStatus {
	return api.BackendStatus{Savings: &api.Savings{Verdict: calibration.Deployment()}}
}
