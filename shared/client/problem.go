package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
)

// Problem is an error that the server answered with. Programs switch on Type.
type Problem struct {
	api.Problem
	// RetryAfter is how long the server asks to stay away; 0 when it does not.
	RetryAfter time.Duration `json:"-"`
}

// Error describes the problem in one line.
func (p *Problem) Error() string {
	text := p.Title
	if p.Detail != "" {
		text = p.Detail
	}
	if p.Field != "" {
		text = p.Field + ": " + text
	}
	return fmt.Sprintf("%s (HTTP %d)", text, p.Status)
}

// Kind is the last part of the problem's type: "unknown-task".
func (p *Problem) Kind() string {
	return p.Type[strings.LastIndexAny(p.Type, "/:#")+1:]
}

// problem reads an error answer; one that is not problem+json, of a proxy in
// between say, becomes a Problem all the same.
func problem(resp *http.Response, body []byte) error {
	p := &Problem{}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind != "application/problem+json" || json.Unmarshal(body, p) != nil {
		p = &Problem{Problem: api.Problem{Type: "about:blank", Detail: said(resp.Status, body)}}
	}
	if p.Title == "" {
		p.Title = http.StatusText(resp.StatusCode)
	}
	p.Status = resp.StatusCode
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		p.RetryAfter = time.Duration(min(s, 3600)) * time.Second
	}
	return p
}

// said is an answer in words that is no problem+json. API Gateway has a message.
func said(status string, body []byte) string {
	var gateway struct{ Message string }
	if json.Unmarshal(body, &gateway) == nil && gateway.Message != "" && !strings.HasSuffix(status, gateway.Message) {
		return fmt.Sprintf("the server answered %s: %.300s", status, gateway.Message)
	}
	return "the server answered " + status + " without saying why"
}

// Unreachable means that no whole answer came back.
type Unreachable struct {
	Endpoint string
	Err      error
}

// Error reports where nothing answered.
func (u *Unreachable) Error() string {
	if errors.Is(u.Err, syscall.ECONNREFUSED) {
		return "nothing answers at " + u.Endpoint
	}
	return fmt.Sprintf("no answer from %s: %v", u.Endpoint, u.Err)
}

// Unwrap gives the cause.
func (u *Unreachable) Unwrap() error { return u.Err }

// passing reports whether another try may go better: not when the caller gave
// up, nor when the name of the host is unknown.
func (u *Unreachable) passing() bool {
	if errors.Is(u.Err, context.Canceled) || errors.Is(u.Err, context.DeadlineExceeded) {
		return false
	}
	var dns *net.DNSError
	return !errors.As(u.Err, &dns) || dns.IsTemporary
}
