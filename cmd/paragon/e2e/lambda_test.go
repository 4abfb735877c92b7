package e2e_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/lambdaemulator"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
)

// lambdas are the functions' bootstraps over the Lambda Runtime API, with a
// local backend under them.
type lambdas struct {
	backend platform.Backend
	*lambdaemulator.Invoker
}

func startLambdas(t *testing.T) lambdas { return startLambdasOn(t, built(t, "inference")) }

// startLambdasOn starts them with a bootstrap of the inference functions.
func startLambdasOn(t *testing.T, bootstrap string) lambdas {
	t.Helper()
	c := profilestest.Shipped(t)
	functions := []lambdaemulator.Function{}
	for _, mb := range c.Functions[0].MemoryMB {
		functions = append(functions, lambdaemulator.Function{
			Name: inference.FunctionName("cnn", mb), Bootstrap: bootstrap, MemoryMB: mb,
			Env: []string{"PARAGON_MODEL=cnn"}, Timeout: time.Minute,
		})
	}
	models := hosted(t, functions)
	backend, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{Invoker: models})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.Close() })
	server := httptest.NewServer(sqlite.NewServer(backend))
	t.Cleanup(server.Close)
	var stage []lambdaemulator.Function
	for _, name := range []string{"api", "dispatcher"} {
		stage = append(stage, lambdaemulator.Function{
			Name: name, Bootstrap: built(t, name), MemoryMB: 512, Timeout: time.Minute,
			Env: []string{environment.LocalURL + "=" + server.URL + "/" + backend.Register(name), names.SigningKeys + `={"current":"MDEyMzQ1Njc4OWFiY2RlZg=="}`},
		})
	}
	return lambdas{backend.Platform(), hosted(t, stage)}
}

// hosted starts the functions when they are first invoked.
func hosted(t *testing.T, functions []lambdaemulator.Function) *lambdaemulator.Invoker {
	t.Helper()
	in, err := lambdaemulator.New(lambdaemulator.Options{Functions: functions, MaxConcurrency: 8, KeepAlive: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(context.Background()) })
	return in
}

// call invokes a function with an event as AWS would.
func (l lambdas) call(t *testing.T, function string, event, answer any) {
	t.Helper()
	payload, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	inv, err := l.Invoke(t.Context(), function, payload)
	if err != nil {
		t.Fatalf("invoke %s: %v", function, err)
	}
	if err := json.Unmarshal(inv.Payload, answer); err != nil {
		t.Fatalf("%s answered %s: %v", function, inv.Payload, err)
	}
}

// gateway is a request as API Gateway's HTTP API hands it over, signed by a
// caller of that ARN.
func gateway(method, path, arn, body string) events.APIGatewayV2HTTPRequest {
	r := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: path, Body: body,
		Headers: map[string]string{"content-type": "application/json", "host": "example.execute-api.us-east-1.amazonaws.com"},
	}
	r.RequestContext.HTTP.Method, r.RequestContext.HTTP.Path = method, path
	r.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
		IAM: &events.APIGatewayV2HTTPRequestContextAuthorizerIAMDescription{UserARN: arn},
	}
	return r
}

// A strict query comes in through the gateway's event, overflows for want of
// workers, is handed to the dispatcher as an SQS event, runs on an inference
// function, and its owner alone reads the answer: all by the deployed binaries.
func TestTheLambdasServeAQueryByAWSEvents(t *testing.T) {
	l := startLambdas(t)
	const ann, bob = "arn:aws:iam::123456789012:user/ann", "arn:aws:iam::123456789012:user/bob"
	pic := pictures(t)[0]
	body := fmt.Sprintf(`{"model":"cnn","class":"strict","constraints":{"latency_ms":30000},"input":{"content_type":"image/png","data":%q}}`,
		base64.StdEncoding.EncodeToString(pic.data))

	var accepted events.APIGatewayV2HTTPResponse
	l.call(t, "api", gateway("POST", "/v1/queries", ann, body), &accepted)
	location := accepted.Headers["Location"]
	if accepted.StatusCode != http.StatusAccepted || !strings.HasPrefix(location, "/v1/queries/") {
		t.Fatalf("the API answered %+v", accepted)
	}

	ds, err := l.backend.Queues.Receive(t.Context(), platform.Overflow, 10, time.Minute, patience)
	if err != nil || len(ds) != 1 {
		t.Fatalf("%d messages on the overflow queue, error %v", len(ds), err)
	}
	message, err := json.Marshal(ds[0].Message)
	if err != nil {
		t.Fatal(err)
	}
	var failed events.SQSEventResponse
	l.call(t, "dispatcher", events.SQSEvent{Records: []events.SQSMessage{{
		MessageId: "m1", ReceiptHandle: ds[0].Receipt, Body: string(message), EventSource: "aws:sqs",
		Attributes: map[string]string{"ApproximateReceiveCount": "1"},
	}}}, &failed)
	if len(failed.BatchItemFailures) > 0 {
		t.Fatalf("the dispatcher handed back %+v", failed.BatchItemFailures)
	}

	var got events.APIGatewayV2HTTPResponse
	l.call(t, "api", gateway("GET", location, ann, ""), &got)
	var q struct {
		State    query.State
		Result   query.Result
		ServedBy query.Runner `json:"served_by"`
	}
	if err := json.Unmarshal([]byte(got.Body), &q); err != nil {
		t.Fatal(err)
	}
	if q.State != query.Succeeded || q.Result.Index != pic.label || q.ServedBy.Kind != query.OnFunction {
		t.Errorf("the query reads %s", got.Body)
	}
	l.call(t, "api", gateway("GET", location, bob, ""), &got)
	if got.StatusCode != http.StatusNotFound {
		t.Errorf("another owner reads status %d: %s", got.StatusCode, got.Body)
	}
	l.votes(t, location+"/feedback", ann, bob)
	if d, err := l.backend.Queues.Depth(t.Context(), platform.Overflow); err != nil || d.Visible+d.InFlight > 0 {
		t.Errorf("the overflow queue still holds %+v, error %v", d, err)
	}
}

// publish publishes a view with a worker that counts as ready and was heard at a time.
func (l lambdas) publish(t *testing.T, heard time.Time) {
	t.Helper()
	now := time.Now()
	p := placement.Pool{Name: "general", InstanceType: "c5.large", Workers: 1, Runners: 2, At: now, Heard: heard}
	if err := l.backend.Fleet.PublishView(t.Context(), platform.FleetView{Pools: []placement.Pool{p}, At: now}); err != nil {
		t.Fatal(err)
	}
}

// submit sends a strict query whose caller waits for some seconds.
func (l lambdas) submit(t *testing.T, pic picture, seconds int) (q api.Query) {
	t.Helper()
	body := fmt.Sprintf(`{"model":"cnn","class":"strict","constraints":{"latency_ms":5000},"input":{"content_type":"image/png","data":%q}}`,
		base64.StdEncoding.EncodeToString(pic.data))
	event := gateway("POST", "/v1/queries", "arn:aws:iam::123456789012:user/ann", body)
	event.Headers["prefer"] = fmt.Sprint("wait=", seconds)
	var got events.APIGatewayV2HTTPResponse
	l.call(t, "api", event, &got)
	if err := json.Unmarshal([]byte(got.Body), &q); err != nil || got.StatusCode > http.StatusAccepted {
		t.Fatalf("answered %d: %s", got.StatusCode, got.Body)
	}
	return q
}

// depth counts what is on a queue.
func (l lambdas) depth(t *testing.T, q platform.QueueName) int {
	t.Helper()
	d, err := l.backend.Queues.Depth(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return d.Visible + d.InFlight
}

// The workers are stopped, and the view has them as ready. The strict query that they get is
// answered by a function while its caller waits, the next one overflows at once, and when a
// worker has reported again strict queries go to the workers.
func TestTheLambdasDoNotRelyOnStoppedWorkers(t *testing.T) {
	l := startLambdas(t)
	pic, strict := pictures(t)[0], platform.WorkQueue("general", query.Strict)
	heard := time.Now()
	l.publish(t, heard)
	if q := l.submit(t, pic, 20); q.State != query.Succeeded || q.ServedBy == nil || q.ServedBy.Kind != query.OnFunction || l.depth(t, strict) != 1 {
		t.Fatalf("the first query, of %d on the work queue: %+v", l.depth(t, strict), q)
	}
	l.publish(t, heard)
	if q := l.submit(t, pic, 0); l.depth(t, platform.Overflow) != 1 || l.depth(t, strict) != 1 {
		t.Fatalf("the second query: %+v", q)
	}
	l.publish(t, time.Now())
	for began := time.Now(); l.depth(t, strict) == 1; { // the view is read once a second
		if l.submit(t, pic, 0); time.Since(began) > patience {
			t.Fatal("no strict query goes to the workers, of which one has reported")
		}
	}
}

// dispatch hands what is on the overflow queue to the dispatcher, message by message.
func (l lambdas) dispatch(t *testing.T) {
	t.Helper()
	for {
		ds, err := l.backend.Queues.Receive(t.Context(), platform.Overflow, 1, time.Minute, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(ds) == 0 {
			return
		}
		message, err := json.Marshal(ds[0].Message)
		if err != nil {
			t.Fatal(err)
		}
		l.call(t, "dispatcher", events.SQSEvent{Records: []events.SQSMessage{{
			MessageId: "m", ReceiptHandle: ds[0].Receipt, Body: string(message), Attributes: map[string]string{"ApproximateReceiveCount": "1"},
		}}}, new(events.SQSEventResponse))
	}
}

// The functions of a model fail. What one process of the dispatcher has seen reaches the view
// by its report, and with it the api function: no query is sent there, and readiness and the
// status say why.
func TestTheLambdasObeyABreakerOfTheDispatcher(t *testing.T) {
	l := startLambdasOn(t, "/bin/false")
	pic := pictures(t)[0]
	for range 5 {
		l.submit(t, pic, 0)
		l.dispatch(t)
	}
	c := control.New(control.Options{
		Holder: "me", Pools: []control.Pool{{Name: "general", InstanceType: "c5.large"}}, Catalogue: profilestest.Shipped(t), Arch: "x86_64",
		Records: l.backend.Records, Fleet: l.backend.Fleet, Queues: l.backend.Queues, Metrics: l.backend.Metrics, Groups: l.backend.Groups, DecisionLog: l.backend.DecisionLog,
		Tuned: func() tuning.State { return tuning.State{Settings: settings.Defaults()} }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	var status struct {
		Broken []api.BrokenModel `json:"broken"`
	}
	for began := time.Now(); len(status.Broken) == 0; { // the view is read when a query comes
		if err := c.PublishView(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got events.APIGatewayV2HTTPResponse
		l.call(t, "api", gateway("GET", "/v2/models/cnn/ready", "arn:aws:iam::123456789012:user/ann", ""), &got)
		l.call(t, "api", gateway("GET", "/v1/status", "arn:aws:iam::123456789012:user/ann", ""), &got)
		if err := json.Unmarshal([]byte(got.Body), &status); err != nil {
			t.Fatalf("%v: %s", err, got.Body)
		}
		if time.Since(began) > patience {
			t.Fatalf("the status says nothing: %s", got.Body)
		}
	}
	var ready events.APIGatewayV2HTTPResponse
	l.call(t, "api", gateway("GET", "/v2/models/cnn/ready", "arn:aws:iam::123456789012:user/ann", ""), &ready)
	if ready.StatusCode == http.StatusOK {
		t.Errorf("the model counts as ready: %s", ready.Body)
	}
	if b := status.Broken[0]; b.Model != "cnn" || b.Kind != query.OnFunction || b.Why == "" {
		t.Errorf("the status says %+v", b)
	}
}

// votes holds that the answer's owner alone has a vote on it, and one.
func (l lambdas) votes(t *testing.T, path, owner, stranger string) {
	t.Helper()
	for _, try := range []struct {
		by     string
		status int
	}{{stranger, http.StatusNotFound}, {owner, http.StatusNoContent}, {owner, http.StatusConflict}} {
		var got events.APIGatewayV2HTTPResponse
		l.call(t, "api", gateway("POST", path, try.by, `{"correct":true}`), &got)
		if got.StatusCode != try.status {
			t.Errorf("feedback of %s was answered %d: %s, want %d", try.by, got.StatusCode, got.Body, try.status)
		}
	}
	vs, _, err := l.backend.Votes.VotesAfter(t.Context(), 0, 10)
	if err != nil || len(vs) != 1 || vs[0].Owner != owner || !vs[0].Correct {
		t.Errorf("the backend holds the votes %+v, error %v", vs, err)
	}
}
