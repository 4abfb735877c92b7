package grpcapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// passedOn are the headers of a call that its HTTP request has too: whose it is, what
// its repeats have in common, its trace, and whether a web page sent it.
var passedOn = []string{"Authorization", "Idempotency-Key", "Traceparent", "Origin", "Sec-Fetch-Site"}

// exchange has the API answer a request, which is cut short when ctx ends.
func (s *service) exchange(ctx context.Context, method, path string, header http.Header, body io.Reader, length int) (*answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, path, body)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "the call cannot be passed on as an HTTP request: %v", err)
	}
	r.RequestURI, r.Header, r.ContentLength = path, header, int64(length)
	sent, _ := metadata.FromIncomingContext(ctx)
	for _, name := range passedOn {
		for _, value := range sent.Get(name) {
			r.Header.Add(name, value)
		}
	}
	if host := sent.Get(":authority"); len(host) == 1 {
		r.Host = host[0]
	}
	a := &answer{header: http.Header{}}
	s.api.ServeHTTP(a, r)
	if err := ctx.Err(); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	return a, nil
}

// answer keeps what the API answers.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(data []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(data)
}

// into decodes an answer in JSON; another than 200 is an error.
func (a *answer) into(v any) error {
	if a.status != http.StatusOK {
		return a.refusal()
	}
	if err := json.Unmarshal(a.body.Bytes(), v); err != nil {
		return status.Errorf(codes.Internal, "the answer cannot be read: %v", err)
	}
	return nil
}

// refusal is an error of the HTTP API as one of gRPC.
func (a *answer) refusal() error {
	var said struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(a.body.Bytes(), &said) // without words the status has to do
	text := cmp.Or(said.Error, http.StatusText(a.status), "there is no answer")
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	if err != nil {
		return status.Error(codeOf(a.status), text)
	}
	return retryable(codeOf(a.status), text, time.Duration(seconds)*time.Second)
}

// retryable is an error with how long to wait before the next try.
func retryable(code codes.Code, text string, wait time.Duration) error {
	s := status.New(code, text)
	if with, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)}); err == nil {
		s = with
	}
	return s.Err()
}

// codeOf is the code of an HTTP status that is no success.
func codeOf(status int) codes.Code {
	switch status {
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound, http.StatusGone:
		return codes.NotFound
	case http.StatusConflict:
		return codes.Aborted
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case http.StatusServiceUnavailable, http.StatusBadGateway:
		return codes.Unavailable
	case http.StatusGatewayTimeout:
		return codes.DeadlineExceeded
	}
	if status >= 400 && status < 500 {
		return codes.InvalidArgument
	}
	return codes.Internal
}

// modelPath is the path of a model, in a version if it is named. What is no part of
// a path names no model.
func modelPath(name, version string) (string, error) {
	path := "/v2/models/"
	for i, part := range []string{name, version} {
		switch {
		case i > 0 && part == "":
			return path, nil
		case part == "" || part == "." || part == "..":
			return "", status.Errorf(codes.NotFound, "there is no model or version %q", part)
		case i > 0:
			path += "/versions/"
		}
		path += url.PathEscape(part)
	}
	return path, nil
}
