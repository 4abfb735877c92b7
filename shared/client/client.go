// Package client speaks Paragon's HTTP API: it submits queries, waits for
// their answers, cancels them and reads models and status. What goes wrong at
// the server comes back as a *Problem; a server that cannot be reached is an
// *Unreachable. Submissions carry an idempotency key, so that the client's own
// retries never run a query twice.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
)

// DefaultEndpoint is where `make run` answers.
const DefaultEndpoint = "http://127.0.0.1:8080"

// maxAnswer bounds what is read of one answer, in bytes.
const maxAnswer = 16 << 20

// Config says which server a Client speaks to, and how patiently.
type Config struct {
	Endpoint string // base URL; empty means DefaultEndpoint
	Token    string // sent as a bearer token when it is set
	// Operator gives the token of an operator for what operators alone may do; nil, or an
	// empty one, sends none. It is read at each call: a stage that starts anew has another.
	Operator func() string
	// Attempts bounds the tries of one call, the first included; 0 means 5.
	// With 1 nothing is retried and Submit makes up no key.
	Attempts int
	// HTTP does the requests; nil means one made by NewHTTP.
	HTTP *http.Client
	// Sleep waits between tries and ends early with the context; nil means a timer.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Client is a client of one server. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	cfg   Config
	sleep func(ctx context.Context, d time.Duration) error
}

// New returns a client, or an error when the endpoint is no HTTP address.
func New(c Config) (*Client, error) {
	if c.Endpoint == "" {
		c.Endpoint = DefaultEndpoint
	}
	base, err := url.Parse(c.Endpoint)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("endpoint %q is not of the form http://host:port", c.Endpoint)
	}
	if c.Attempts <= 0 {
		c.Attempts = 5
	}
	if c.HTTP == nil {
		c.HTTP = NewHTTP(64)
	}
	if c.Sleep == nil {
		c.Sleep = Sleep
	}
	return &Client{base: base, cfg: c, sleep: c.Sleep}, nil
}

// NewHTTP returns an HTTP client that keeps up to conns connections to its
// server, waits for one when all are busy, and never follows a redirect to
// another place with the caller's token.
func NewHTTP(conns int) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxConnsPerHost, t.MaxIdleConnsPerHost, t.MaxIdleConns = conns, conns, conns
	t.ResponseHeaderTimeout = time.Minute // above the longest wait for a result
	t.DisableCompression = true           // small JSON answers: not worth the processor
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Endpoint is the base URL of the server.
func (c *Client) Endpoint() string { return c.base.String() }

// operators matches the paths of what operators alone may do.
var operators = regexp.MustCompile(`^(local|v1/settings|v1/dead-letters|v1/usage/owners)(/|$)`)

// identify adds to a request of a path who sends it: the caller's token, and where
// operators alone may do it the operator's.
func (c *Client) identify(req *http.Request, path string) {
	if c.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	if c.cfg.Operator == nil || !operators.MatchString(path) {
		return
	}
	if token := c.cfg.Operator(); token != "" {
		req.Header.Set(api.OperatorHeader, token)
	}
}

// call is one request, sent again as it is on a retry.
type call struct {
	method, path string
	at           *url.URL // instead of path: another place, which gets no token
	query        url.Values
	body         []byte
	header       http.Header
}

// do sends a call until it is answered for good, and decodes the answer. What
// is not decisive is tried again: no connection, 429 and 503.
func (c *Client) do(ctx context.Context, r call, into any) error {
	for attempt := 1; ; attempt++ {
		err := c.once(ctx, r, into)
		wait, again := retry(err, attempt)
		if err == nil || !again || attempt >= c.cfg.Attempts {
			return err
		}
		if stopped := c.sleep(ctx, wait); stopped != nil {
			return err
		}
	}
}

func (c *Client) once(ctx context.Context, r call, into any) error {
	u := r.at
	if u == nil {
		u = c.base.JoinPath(r.path)
		u.RawQuery = r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), bytes.NewReader(r.body))
	if err != nil {
		return fmt.Errorf("make the request %s %s: %w", r.method, r.path, err)
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	if r.at == nil {
		c.identify(req, r.path)
	}
	resp, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return &Unreachable{Endpoint: c.Endpoint(), Err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return &Unreachable{Endpoint: c.Endpoint(), Err: err}
	}
	return decode(resp, body, into)
}

func decode(resp *http.Response, body []byte, into any) error {
	if len(body) > maxAnswer {
		return fmt.Errorf("the answer of %s is larger than %d bytes", resp.Request.URL.Path, maxAnswer)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return problem(resp, body)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read the answer of %s (is this a Paragon server?): %w", resp.Request.URL.Path, err)
	}
	return nil
}

// The waits between tries: they double from the first to the last, each drawn
// between its half and its whole, so that clients do not come back together.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 5 * time.Second
	mostAsked = 30 * time.Second // the longest Retry-After that is obeyed
)

// retry reports whether an error is worth another try, and after how long.
func retry(err error, attempt int) (time.Duration, bool) {
	backoff := min(lastWait, firstWait<<min(attempt-1, 10))
	backoff = backoff/2 + rand.N(backoff/2+1)
	switch e := err.(type) { // made by once, and never wrapped
	case *Unreachable:
		return backoff, e.passing()
	case *Problem:
		if e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable {
			return max(backoff, min(e.RetryAfter, mostAsked)), true
		}
	}
	return 0, false
}

// Sleep waits for a time, or until the context ends, which is an error.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// prefer asks the server to wait for a result (RFC 7240), in whole seconds.
func prefer(h http.Header, wait time.Duration) {
	if s := int(wait / time.Second); s > 0 {
		h.Set("Prefer", "wait="+strconv.Itoa(s))
	}
}
