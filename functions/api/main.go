// The api Lambda takes queries in behind API Gateway. It wires; the work is in
// shared/intake and its httpapi.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"paragon/docs"
	"paragon/profiles"
	"paragon/shared/cloud/local"
	"paragon/shared/cloud/tuning"
	"paragon/shared/intake"
	"paragon/shared/intake/httpapi"
)

// settingsEvery is how often the settings are read anew.
const settingsEvery = 5 * time.Second

func main() {
	handler, err := wire(context.Background(), os.Getenv)
	if err != nil {
		slog.Error("the api function cannot start", "error", err)
		os.Exit(1)
	}
	lambda.Start(httpadapter.NewV2(handler).ProxyWithContext)
}

// wire builds the handler from the environment, which its errors explain.
func wire(ctx context.Context, env func(string) string) (http.Handler, error) {
	url := env("PARAGON_LOCAL_URL")
	if url == "" {
		return nil, errors.New("PARAGON_LOCAL_URL is not set: it is the address of the home that the machine's parent process serves; " +
			"PARAGON_CATALOGUE, PARAGON_PROFILES, PARAGON_POOL, PARAGON_INSTANCE_TYPE and PARAGON_ARCH have defaults")
	}
	home, err := local.Dial(url)
	if err != nil {
		return nil, fmt.Errorf("PARAGON_LOCAL_URL: %w", err)
	}
	set, err := profiles.Load(env("PARAGON_PROFILES"))
	if err != nil {
		return nil, fmt.Errorf("PARAGON_PROFILES: %w", err)
	}
	catalogue, err := set.Catalogue(or(env("PARAGON_CATALOGUE"), "fashion"))
	if err != nil {
		return nil, fmt.Errorf("PARAGON_CATALOGUE: %w", err)
	}
	tunables := tuning.New(home.Settings)
	svc, err := intake.New(intake.Config{
		Store: home.Store, Fleet: home.Fleet, Queues: home.Queues, Metrics: home.Metrics, Blobs: home.Blobs, Votes: home.Votes,
		Catalogue: catalogue, Settings: tunables.Current, Arch: or(env("PARAGON_ARCH"), "x86_64"),
		Pools: []intake.Pool{{Name: or(env("PARAGON_POOL"), "general"), InstanceType: or(env("PARAGON_INSTANCE_TYPE"), "c5.large")}},
	})
	if err != nil {
		return nil, err
	}
	go tunables.Run(ctx, settingsEvery)
	go svc.Run(ctx)
	return httpapi.New(svc, httpapi.Options{Owner: caller, AnyHost: true, OpenAPI: docs.OpenAPI})
}

// caller is the identity that signed the request, as API Gateway verified it;
// empty, which is refused, when it verified none.
func caller(r *http.Request) string {
	c, ok := core.GetAPIGatewayV2ContextFromContext(r.Context())
	if !ok || c.Authorizer == nil || c.Authorizer.IAM == nil {
		return ""
	}
	return c.Authorizer.IAM.UserARN
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
