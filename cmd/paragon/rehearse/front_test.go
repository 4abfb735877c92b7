//go:build rehearse

package rehearse

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/paragon-serving/paragon/shared/balancer"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

const (
	gatewayBytes = 10 << 20 // of a request's body
	targetBytes  = 1 << 20  // of a request to or from a function behind a load balancer
)

// front stands in for what is before the workers and the api function: API
// Gateway as the stack made it and, with the front of workers, the load balancer,
// whose rules and targets are those that the test server for AWS holds.
type front struct {
	p *play
	// Of the load balancer; empty where the gateway asks the api function itself.
	listener, workers string
	toWorkers, toAPI  *balancer.Balancer
	gone              atomic.Bool // the gateway's stage was deleted
}

// ownerKey is under what a request's context says who the gateway let through.
type ownerKey struct{}

// openFront reads what the stack made of the gateway and the load balancer.
func (p *play) openFront() {
	p.t.Helper()
	p.front = &front{p: p, listener: p.only("AWS::ElasticLoadBalancingV2::Listener"), workers: p.workersTarget()}
	if p.front.listener == "" {
		return
	}
	header, timeout := p.integration()
	o := balancer.Options{
		FailOpen: true, Timeout: timeout, Header: header, MaxBody: func(*http.Request) int64 { return gatewayBytes },
		HeaderValue: func(r *http.Request) string { owner, _ := r.Context().Value(ownerKey{}).(string); return owner },
	}
	p.front.toWorkers, p.front.toAPI = balancer.New(o), balancer.New(o)
	p.front.toAPI.SetTargets([]balancer.Target{{ID: "api", Handler: http.HandlerFunc(p.front.asTarget), MaxIn: targetBytes, MaxOut: targetBytes}})
}

// only is what the one resource of a type is called; empty when there is none.
func (p *play) only(kind string) string {
	for id, r := range p.stack.resources {
		if r.Type == kind {
			return p.made[id]
		}
	}
	return ""
}

// workersTarget is the target group that the groups register their machines in.
func (p *play) workersTarget() string {
	for id, r := range p.stack.resources {
		if r.Type == "AWS::ElasticLoadBalancingV2::TargetGroup" && r.Properties["TargetType"] == "instance" {
			return p.made[id]
		}
	}
	return ""
}

// integration is what the gateway does with every request: which header it
// overwrites, and how long it waits for an answer.
func (p *play) integration() (header string, timeout time.Duration) {
	p.t.Helper()
	for _, r := range p.stack.resources {
		if r.Type != "AWS::ApiGatewayV2::Integration" {
			continue
		}
		mapped, _ := r.Properties["RequestParameters"].(map[string]any)
		for name := range mapped {
			if h, ok := strings.CutPrefix(name, "overwrite:header."); ok {
				header = h
			}
		}
		ms, _ := r.Properties["TimeoutInMillis"].(float64)
		timeout = time.Duration(ms) * time.Millisecond
	}
	if header == "" || timeout == 0 {
		p.t.Fatalf("the gateway overwrites %q and waits %v", header, timeout)
	}
	return header, timeout
}

// serve hands on a request that the gateway has let through.
func (f *front) serve(w http.ResponseWriter, r *http.Request, owner string) {
	if f.gone.Load() {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if f.listener == "" {
		f.asEvent(w, r, owner)
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), ownerKey{}, owner))
	turned, err := f.turned(r.Context())
	switch {
	case err != nil:
		f.p.t.Errorf("the load balancer's state: %v", err)
		w.WriteHeader(http.StatusInternalServerError)
	case turned:
		f.toWorkers.ServeHTTP(w, r)
	default:
		f.toAPI.ServeHTTP(w, r)
	}
}

// turned reports whether requests go to the workers, and has the balancer of the
// workers know its targets.
func (f *front) turned(ctx context.Context) (bool, error) {
	c := elb.NewFromConfig(f.p.sdk)
	rules, err := c.DescribeRules(ctx, &elb.DescribeRulesInput{ListenerArn: &f.listener})
	if err != nil {
		return false, err
	}
	turned := false
	for _, r := range rules.Rules {
		if aws.ToString(r.Priority) == strconv.Itoa(names.WorkersPriority) {
			if len(r.Actions) != 1 || aws.ToString(r.Actions[0].TargetGroupArn) != f.workers {
				return false, fmt.Errorf("the first rule is %+v", r)
			}
			turned = true
		}
	}
	targets, err := c.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &f.workers})
	if err != nil {
		return false, err
	}
	var ts []balancer.Target
	for _, d := range targets.TargetHealthDescriptions {
		id := aws.ToString(d.Target.Id)
		ts = append(ts, balancer.Target{ID: id, Addr: f.p.stand.address(id), Unhealthy: d.TargetHealth.State != types.TargetHealthStateEnumHealthy})
	}
	f.toWorkers.SetTargets(ts)
	return turned, nil
}

// asTarget has the api function answer a request as a load balancer does.
func (f *front) asTarget(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err) // it was read before
	}
	e := events.ALBTargetGroupRequest{
		HTTPMethod: r.Method, Path: r.URL.EscapedPath(), Body: base64.StdEncoding.EncodeToString(body), IsBase64Encoded: true,
		MultiValueHeaders: map[string][]string{"host": {r.Host}}, MultiValueQueryStringParameters: map[string][]string{},
	}
	for name, values := range r.Header {
		e.MultiValueHeaders[strings.ToLower(name)] = values
	}
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") { // handed on as it came
		if name, value, _ := strings.Cut(pair, "="); name != "" {
			e.MultiValueQueryStringParameters[name] = append(e.MultiValueQueryStringParameters[name], value)
		}
	}
	e.RequestContext.ELB.TargetGroupArn = "arn:of:the:api"
	var got events.ALBTargetGroupResponse
	if err := f.ask(r.Context(), e, &got); err != nil {
		panic(err) // the balancer answers 502
	}
	for name, values := range got.MultiValueHeaders {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	answer(w, got.StatusCode, got.Body, got.IsBase64Encoded)
}

// asEvent has the api function answer a request as the gateway does.
func (f *front) asEvent(w http.ResponseWriter, r *http.Request, owner string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery,
		Body: base64.StdEncoding.EncodeToString(body), IsBase64Encoded: true,
		Headers: map[string]string{"host": "example.execute-api.us-east-1.amazonaws.com"},
	}
	for name, values := range r.Header {
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.Path = r.Method, r.URL.Path
	e.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
		IAM: &events.APIGatewayV2HTTPRequestContextAuthorizerIAMDescription{UserARN: owner},
	}
	var got events.APIGatewayV2HTTPResponse
	if err := f.ask(r.Context(), e, &got); err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	for name, value := range got.Headers {
		w.Header().Set(name, value)
	}
	answer(w, got.StatusCode, got.Body, got.IsBase64Encoded)
}

// ask has the api function answer an event.
func (f *front) ask(ctx context.Context, event, into any) error {
	payload, err := json.Marshal(event)
	if err != nil {
		return err
	}
	inv, err := f.p.api.Invoke(ctx, names.Function(stage, "api"), payload)
	if err != nil {
		return err
	}
	return json.Unmarshal(inv.Payload, into)
}

// answer passes a function's answer on.
func answer(w http.ResponseWriter, status int, body string, encoded bool) {
	data := []byte(body)
	if encoded {
		var err error
		if data, err = base64.StdEncoding.DecodeString(body); err != nil {
			panic(errors.Join(errors.New("the function's answer"), err))
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(data) // the caller may be gone
}

// request asks the API as a caller whose signature is good, with further headers.
func (p *play) request(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	p.t.Helper()
	return p.requestAs(caller, method, path, body, headers...)
}

// requestAs is request by anybody.
func (p *play) requestAs(owner, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	p.t.Helper()
	r := httptest.NewRequestWithContext(p.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(platform.OwnerHeader, "arn:aws:iam::123456789012:user/thief") // which nobody may believe
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	p.front.serve(w, r, owner)
	return w
}
