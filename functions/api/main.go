// The api Lambda takes queries in behind API Gateway, or behind the load balancer
// while no worker is ready. It wires; the work is in
// shared/intake and its httpapi.
package main

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/oklog/ulid/v2"

	"paragon/docs"
	"paragon/functions/home"
	"paragon/profiles"
	"paragon/shared/api"
	"paragon/shared/cloud/aws/names"
	"paragon/shared/cloud/tuning"
	"paragon/shared/core/calibration"
	"paragon/shared/core/tally"
	"paragon/shared/dispatch"
	"paragon/shared/intake"
	"paragon/shared/intake/httpapi"
	"paragon/shared/stage"
	"paragon/shared/telemetry/debug"
	"paragon/shared/telemetry/tracing"
)

// settingsEvery is how often the settings are read anew.
const settingsEvery = 5 * time.Second

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
	cloud, err := home.ConnectFunction(ctx, env, os.Stdout)
	if err != nil {
		return nil, err
	}
	pools, err := home.Pools(env)
	if err != nil {
		return nil, err
	}
	catalogue, err := home.Catalogue(ctx, env, profiles.Load)
	if err != nil {
		return nil, err
	}
	tunables := tuning.New(cloud.Settings)
	if err := tunables.Refresh(ctx); err != nil {
		slog.Warn("starting on default settings", "error", err)
	}
	traces, err := tracing.Open(ctx, env, "api")
	if err != nil {
		return nil, err
	}
	keys, err := stage.Keys(ctx, env)
	if err != nil {
		return nil, err
	}
	arch := cmp.Or(env("PARAGON_ARCH"), "x86_64")
	functions, err := dispatch.New(dispatch.Options{
		Catalogue: catalogue, Arch: arch, Pool: pools[0].Name, Queues: cloud.Queues, Records: cloud.Records, Invoker: cloud.Invoker,
		Blobs: cloud.Blobs, Settings: tunables.Current, Traces: traces.Tracing(), Now: time.Now, Log: slog.Default(),
	})
	if err != nil {
		return nil, err
	}
	svc, err := intake.New(intake.Config{
		Records: cloud.Records, Attempts: cloud.Attempts, Shared: cloud.Shared, Fleet: cloud.Fleet, Queues: cloud.Queues, Metrics: cloud.Metrics,
		Blobs: cloud.Blobs, Votes: cloud.Votes, Keys: keys, Functions: functions,
		Catalogue: catalogue, Settings: tunables.Current, Arch: arch,
		Pools: poolsOf(pools), Status: deployment, Traces: traces.Tracing(),
		Counts: tally.NewBook(time.Now()), Reports: cloud.Fleet, ID: "api-" + ulid.Make().String(),
	})
	if err != nil {
		return nil, err
	}
	go tunables.Run(ctx, settingsEvery)
	api, err := httpapi.New(svc, httpapi.Options{Owner: owners(strings.Fields(env(names.SharedRoles))), AnyHost: true, OpenAPI: docs.OpenAPI})
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

// deployment is what only a home in an account knows of itself.
func deployment(context.Context) api.HomeStatus {
	return api.HomeStatus{Savings: &api.Savings{Verdict: calibration.Deployment()}}
}

func poolsOf(list []home.Pool) (out []intake.Pool) {
	for _, p := range list {
		out = append(out, intake.Pool{Name: p.Name, InstanceType: p.InstanceType})
	}
	return out
}
