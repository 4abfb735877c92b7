// The authorizer Lambda answers the gateway whose key a request carries, where a
// stage asks for keys instead of signatures. It wires; the work is in
// shared/platform/aws/keys.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/paragon-serving/paragon/shared/platform/aws/keys"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/telemetry/debug"
)

func main() {
	h, err := wire(context.Background(), os.Getenv)
	if err != nil {
		slog.Error("the authorizer cannot start", "error", err)
		os.Exit(1)
	}
	debug.ServeEnv(os.Getenv, slog.Default())
	lambda.Start(h.handle)
}

// owners finds whose key an Authorization header carries.
type owners interface {
	Owner(ctx context.Context, header string) (string, error)
}

type handler struct{ owners }

// wire reads the stage from the environment.
func wire(ctx context.Context, env func(string) string) (handler, error) {
	stage := env(names.Stage)
	if err := names.CheckStage(stage); err != nil {
		return handler{}, fmt.Errorf("%s: %w", names.Stage, err)
	}
	sdk, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return handler{}, fmt.Errorf("configure the AWS SDK: %w", err)
	}
	return handler{keys.New(ssm.NewFromConfig(sdk), names.KeysPath(stage), time.Now)}, nil
}

// handle lets a request with somebody's key through, and says whose it is.
func (h handler) handle(ctx context.Context, r events.APIGatewayV2CustomAuthorizerV2Request) (events.APIGatewayV2CustomAuthorizerSimpleResponse, error) {
	owner, err := h.Owner(ctx, r.Headers["authorization"])
	if err != nil || owner == "" {
		return events.APIGatewayV2CustomAuthorizerSimpleResponse{}, err
	}
	return events.APIGatewayV2CustomAuthorizerSimpleResponse{IsAuthorized: true, Context: map[string]any{names.KeyOwner: owner}}, nil
}
