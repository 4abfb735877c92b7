package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/shared/api"
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
	c.Endpoint, c.Token = endpoint, t.callerToken()
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

// callerToken is the caller's own, where one was given.
func (t *Terminal) callerToken() string { return cmp.Or(t.Token, t.Env("PARAGON_TOKEN")) }

// Relay answers requests as the API of the stage in an account does that was named, which
// it asks in this terminal's name.
func (t *Terminal) Relay(ctx context.Context) (http.Handler, error) {
	stage, endpoint := t.Place()
	c := client.Config{Endpoint: endpoint, Token: t.callerToken(), HTTP: client.NewHTTP(AtOnce)}
	if err := t.enter(ctx, stage, &c); err != nil {
		return nil, err
	}
	to, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, Usagef("the endpoint %q is not a URL", c.Endpoint)
	}
	return &httputil.ReverseProxy{Transport: c.HTTP.Transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Header = http.Header{}
		for _, name := range relayed {
			if v := r.In.Header.Values(name); len(v) > 0 {
				r.Out.Header[name] = v
			}
		}
		if c.Token != "" {
			r.Out.Header.Set("Authorization", "Bearer "+c.Token)
		}
	}, ModifyResponse: t.explainRefusal, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
		p := api.Problem{Type: "urn:paragon:problem:unreachable", Title: "The stage's API does not answer", Status: http.StatusBadGateway, Detail: t.Sentence(err)}
		w.Header().Set("Content-Type", problemType)
		w.WriteHeader(p.Status)
		_ = json.NewEncoder(w).Encode(p) // the caller may be gone
	}}, nil
}

const problemType = "application/problem+json"

// explainRefusal says, where the gateway refuses these credentials, what to do about it: its
// own answer has no more than "Forbidden".
func (t *Terminal) explainRefusal(r *http.Response) error {
	hint := t.hint(&client.Problem{Problem: api.Problem{Status: r.StatusCode}})
	if r.StatusCode != http.StatusForbidden || hint == "" || r.Header.Get("Content-Type") == problemType {
		return nil
	}
	text, err := json.Marshal(api.Problem{Type: "urn:paragon:problem:not-permitted", Title: "The stage's API refuses these credentials", Status: r.StatusCode, Detail: hint})
	_ = r.Body.Close() // which is replaced
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	r.Header.Set("Content-Type", problemType)
	r.Header.Set("Content-Length", strconv.Itoa(len(text)))
	return err
}

// relayed are the headers of requests that the stage's API reads.
var relayed = []string{"Accept", "Content-Type", "Idempotency-Key", "Prefer"}

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
				return Usagef("stage %s needs a key: give your key with --token or PARAGON_TOKEN", stage)
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
	c.Flags().StringVar(&t.Stage, "stage", "", "name of a stage (a deployment) in an AWS account (default PARAGON_STAGE)")
	c.Flags().StringVar(&t.Token, "token", "", "bearer token (default PARAGON_TOKEN)")
	c.Flags().BoolVar(&t.JSON, "json", false, "print JSON")
	t.CompleteStage(c)
	return c
}
