package cli

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// AtOnce bounds the queries of one command that are in progress together.
const AtOnce = 16

// LongestWait is the most that one request asks the server to wait; the
// gateway in front of it gives up at 30 s.
const LongestWait = 25 * time.Second

// Place reports which stage and which endpoint were named; either may be empty.
// Flags count before the environment, so that --endpoint alone leaves
// PARAGON_STAGE aside. An endpoint without a scheme, as 127.0.0.1:8080, is one of http.
func (t *Terminal) Place() (stage, endpoint string) {
	if stage, endpoint = t.Stage, t.Endpoint; stage == "" && endpoint == "" {
		stage, endpoint = t.Env(names.Stage), t.Env("PARAGON_ENDPOINT")
	}
	if endpoint != "" && !strings.Contains(endpoint, "://") {
		endpoint = "http://" + endpoint
	}
	return stage, endpoint
}

// Connect returns a client of the server or the stage that was named.
func (t *Terminal) Connect(ctx context.Context, c client.Config) (*client.Client, error) {
	stage, endpoint := t.Place()
	c.Endpoint, c.Token = endpoint, cmp.Or(t.Token, t.Env("PARAGON_TOKEN"))
	if err := t.enter(ctx, stage, &c); err != nil {
		return nil, err
	}
	if stage == "" {
		c.Operator = t.operatorToken(cmp.Or(c.Endpoint, client.DefaultEndpoint))
	}
	cl, err := client.New(c)
	if err != nil {
		return nil, Usagef("%v", err)
	}
	return cl, nil
}

// operatorToken gives the token that the environment has, else that of the stage at an
// endpoint on this machine.
func (t *Terminal) operatorToken(endpoint string) func() string {
	if given := t.Env("PARAGON_OPERATOR_TOKEN"); given != "" {
		return func() string { return given }
	}
	return operator.At(endpoint)
}

// enter finds a stage's API, and has the client sign what it asks where the API
// knows its callers by that: as the stage says, or, without a stage, of an
// endpoint that API Gateway named when there is no token.
func (t *Terminal) enter(ctx context.Context, stage string, c *client.Config) error {
	var keys discovery.Keys
	region, named := discovery.Region(c.Endpoint)
	switch {
	case stage != "":
		s, err := discovery.Open(ctx, stage)
		if err != nil {
			return err
		}
		c.Endpoint, keys = cmp.Or(c.Endpoint, s.Endpoint), s.Keys()
		if s.Authorizer == names.ByKeys {
			if c.Token == "" {
				return Usagef("stage %s asks for a key: give yours with --token or PARAGON_TOKEN", stage)
			}
			return nil
		}
	case named && c.Token == "":
		var err error
		if keys, err = discovery.Find(ctx, region); err != nil {
			return err
		}
	default:
		return nil
	}
	if c.HTTP == nil {
		c.HTTP = client.NewHTTP(AtOnce)
	}
	var err error
	c.HTTP, err = keys.Sign(c.HTTP, c.Endpoint, t.Now)
	c.Token, t.signed = "", true
	return err
}

// ServerCommand adds to a command what all that speak to a server have.
func (t *Terminal) ServerCommand(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&t.Endpoint, "endpoint", "", "URL of the server (default PARAGON_ENDPOINT, else "+client.DefaultEndpoint+")")
	c.Flags().StringVar(&t.Stage, "stage", "", "stage in an account (default PARAGON_STAGE)")
	c.Flags().StringVar(&t.Token, "token", "", "bearer token (default PARAGON_TOKEN)")
	c.Flags().BoolVar(&t.JSON, "json", false, "print JSON")
	return c
}
