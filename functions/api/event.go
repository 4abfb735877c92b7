package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
)

// function answers the events of API Gateway, where the gateway asks it, and
// those of a load balancer whose target it is. It is a lambda.Handler.
type function struct {
	gateway  *httpadapter.HandlerAdapterV2
	balancer *httpadapter.HandlerAdapterALB
}

func newFunction(h http.Handler) function {
	return function{gateway: httpadapter.NewV2(h), balancer: httpadapter.NewALB(h)}
}

// origin is what distinguishes the kinds of events. Both services write it
// themselves: no caller can.
type origin struct {
	RequestContext struct {
		HTTP *struct{}
		ELB  *struct{}
	}
}

var errUnknownEvent = errors.New("the event is neither an HTTP API's nor a load balancer's")

// Invoke answers one event.
func (f function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var from origin
	if err := json.Unmarshal(payload, &from); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnknownEvent, err)
	}
	switch {
	case from.RequestContext.ELB != nil && from.RequestContext.HTTP == nil:
		return answer(ctx, payload, func(ctx context.Context, e events.ALBTargetGroupRequest) (events.ALBTargetGroupResponse, error) {
			return f.balancer.ProxyWithContext(ctx, decoded(e))
		})
	case from.RequestContext.HTTP != nil && from.RequestContext.ELB == nil:
		return answer(ctx, payload, f.gateway.ProxyWithContext)
	}
	return nil, errUnknownEvent
}

// answer has an event of one kind answered.
func answer[E, A any](ctx context.Context, payload []byte, by func(context.Context, E) (A, error)) ([]byte, error) {
	var e E
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, fmt.Errorf("read the event: %w", err)
	}
	a, err := by(ctx, e)
	if err != nil {
		return nil, err
	}
	return json.Marshal(a)
}

// decoded is an event with its query parameters decoded: a load balancer hands
// them on as they were sent, and the adapter encodes them again. What cannot be
// decoded is taken as it is.
func decoded(e events.ALBTargetGroupRequest) events.ALBTargetGroupRequest {
	all := url.Values{}
	for name, values := range e.MultiValueQueryStringParameters {
		for _, v := range values {
			all.Add(unescaped(name), unescaped(v))
		}
	}
	for name, v := range e.QueryStringParameters { // of a target group without several values
		if len(e.MultiValueQueryStringParameters) == 0 {
			all.Add(unescaped(name), unescaped(v))
		}
	}
	e.MultiValueQueryStringParameters, e.QueryStringParameters = all, nil
	return e
}

func unescaped(text string) string {
	if out, err := url.QueryUnescape(text); err == nil {
		return out
	}
	return text
}
