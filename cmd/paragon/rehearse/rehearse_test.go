//go:build rehearse

package rehearse

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"paragon/shared/cloud"
	paws "paragon/shared/cloud/aws"
	"paragon/shared/cloud/aws/names"
	"paragon/shared/cloud/aws/standin"
	"paragon/shared/cloud/local/runtimeapi"
	"paragon/shared/core/query"
	"paragon/shared/telemetry"
)

const (
	stage    = "dev"
	pool     = "general"
	patience = 90 * time.Second
	caller   = "arn:aws:iam::123456789012:user/ann"
)

// play is a deployment that is played.
type play struct {
	t     *testing.T
	stack synthesized
	moto  string // the stand-in itself
	url   string // the stand before it, which the binaries see
	stand *stand
	sdk   aws.Config
	home  cloud.Home
	api   *runtimeapi.Invoker
}

// newPlay makes the stack and starts what a deployment has running: nothing,
// until it is called.
func newPlay(t *testing.T) *play {
	t.Helper()
	p := &play{t: t, stack: readStack(t), moto: standin.Start(t)}
	p.stand = newStand(p.moto, t.Logf)
	s := httptest.NewServer(p.stand)
	t.Cleanup(s.Close)
	p.url = s.URL
	for _, v := range standin.Env(p.url) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	var err error
	p.sdk, err = awsconfig.LoadDefaultConfig(t.Context())
	must(t, err)
	p.checkAssets()
	p.stack.publish(t, p.sdk)
	p.stack.create(t, p.moto)
	p.startLambda()
	p.connect()
	return p
}

// env is what every binary needs to reach the stand, each with its own key.
func (p *play) env(who string) []string {
	return append(standin.Env(p.url), "AWS_ACCESS_KEY_ID="+who)
}

// architecture is that of this machine, as AWS names it.
func architecture() string {
	return map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
}

// built is a binary of this machine's architecture. The stack's assets hold the
// same files: a test compares those of this architecture.
func (p *play) built(name string) string {
	return filepath.Join("..", "..", "..", "dist", architecture(), name, "bootstrap")
}

// checkAssets holds the stack's assets to what was built: the rehearsal runs
// the binaries of this machine's architecture, which may not be the stack's.
func (p *play) checkAssets() {
	p.t.Helper()
	built := map[[32]byte]string{}
	paths, err := filepath.Glob(filepath.Join("..", "..", "..", "dist", "*", "*", "bootstrap"))
	must(p.t, err)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		must(p.t, err)
		built[sha256.Sum256(data)] = path
	}
	for _, a := range p.stack.assets {
		if a.packaging != "zip" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(a.path, "bootstrap"))
		must(p.t, err)
		from := built[sha256.Sum256(data)]
		if from == "" {
			p.t.Errorf("asset %s is of no binary in dist: run `make synth`", a.path)
		}
		p.t.Logf("asset of %s", from)
	}
}

// startLambda registers every function of the stack, as it was made.
func (p *play) startLambda() {
	p.t.Helper()
	var functions []runtimeapi.Function
	pages := lambda.NewListFunctionsPaginator(lambda.NewFromConfig(p.sdk), &lambda.ListFunctionsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(p.t.Context())
		must(p.t, err)
		for _, f := range page.Functions {
			name := aws.ToString(f.FunctionName)
			kind, _, _ := strings.Cut(strings.TrimPrefix(name, names.Prefix(stage)), "-")
			env := p.env(kind)
			for k, v := range f.Environment.Variables {
				env = append(env, k+"="+v)
			}
			functions = append(functions, runtimeapi.Function{
				Name: name, Bootstrap: p.built(kind), MemoryMB: int(aws.ToInt32(f.MemorySize)), Env: env,
				Timeout: time.Duration(aws.ToInt32(f.Timeout)) * time.Second,
			})
		}
	}
	var err error
	p.api, err = runtimeapi.New(runtimeapi.Options{Functions: functions, MaxConcurrency: 8, KeepAlive: time.Hour})
	must(p.t, err)
	p.stand.functions = p.api
	p.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.api.Close(ctx)
	})
}

// connect reaches the stage as a person would.
func (p *play) connect() {
	p.t.Helper()
	out, err := lambda.NewFromConfig(p.sdk).GetFunctionConfiguration(p.t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: aws.String(names.Function(stage, "api"))})
	must(p.t, err)
	c, err := paws.FromEnv(func(key string) string { return out.Environment.Variables[key] })
	must(p.t, err)
	h, err := paws.New(p.t.Context(), c)
	must(p.t, err)
	p.home = h.Home
}

// call runs a function with an event as AWS would.
func (p *play) call(function string, event, answer any) {
	p.t.Helper()
	payload, err := json.Marshal(event)
	must(p.t, err)
	inv, err := p.api.Invoke(p.t.Context(), names.Function(stage, function), payload)
	if err != nil {
		p.t.Fatalf("invoke %s: %v", function, err)
	}
	if inv.InitMS > 0 {
		p.t.Logf("cold start of %s: %.0f ms", function, inv.InitMS)
	}
	if answer != nil {
		must(p.t, json.Unmarshal(inv.Payload, answer))
	}
}

// gateway is a request as API Gateway's HTTP API hands it over.
func gateway(method, path, body string) events.APIGatewayV2HTTPRequest {
	r := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: path, Body: body,
		Headers: map[string]string{"content-type": "application/json", "host": "example.execute-api.us-east-1.amazonaws.com"},
	}
	r.RequestContext.HTTP.Method, r.RequestContext.HTTP.Path = method, path
	r.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
		IAM: &events.APIGatewayV2HTTPRequestContextAuthorizerIAMDescription{UserARN: caller},
	}
	return r
}

// picture is one that is in the test set.
func (p *play) picture() []byte {
	p.t.Helper()
	paths, err := filepath.Glob("../../../profiles/fashion/testdata/*-trouser.png")
	must(p.t, err)
	data, err := os.ReadFile(paths[0])
	must(p.t, err)
	return data
}

// submit hands a query with its picture in and returns where to ask for it.
func (p *play) submit(class query.Class) string {
	p.t.Helper()
	return p.ask(class, fmt.Sprintf(`"data":%q`, base64.StdEncoding.EncodeToString(p.picture())))
}

// ask hands a query in.
func (p *play) ask(class query.Class, input string) string {
	p.t.Helper()
	body := fmt.Sprintf(`{"model":"logistic","class":%q,"constraints":{"latency_ms":20000},"input":{"content_type":"image/png",%s}}`, class, input)
	var got events.APIGatewayV2HTTPResponse
	p.call("api", gateway("POST", "/v1/queries", body), &got)
	if got.StatusCode != http.StatusAccepted {
		p.t.Fatalf("the API answered %+v", got)
	}
	return got.Headers["Location"]
}

// upload puts the picture where the API says, and returns its name.
func (p *play) upload() string {
	p.t.Helper()
	data := p.picture()
	var got events.APIGatewayV2HTTPResponse
	p.call("api", gateway("POST", "/v1/uploads", fmt.Sprintf(`{"content_type":"image/png","bytes":%d}`, len(data))), &got)
	var place cloud.Upload
	must(p.t, json.Unmarshal([]byte(got.Body), &place))
	r, err := http.NewRequestWithContext(p.t.Context(), place.Method, place.URL, bytes.NewReader(data))
	must(p.t, err)
	for name, value := range place.Headers {
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	must(p.t, err)
	must(p.t, res.Body.Close())
	if res.StatusCode != http.StatusOK {
		p.t.Fatalf("the upload was answered %s", res.Status)
	}
	return place.URI
}

// answered is what the API says of a query.
type answered struct {
	State    query.State
	Result   query.Result
	ServedBy query.Runner `json:"served_by"`
}

// read asks for a query until it is terminal.
func (p *play) read(location string) answered {
	p.t.Helper()
	var q answered
	p.until("the query "+location+" is answered", func() bool {
		var got events.APIGatewayV2HTTPResponse
		p.call("api", gateway("GET", location, ""), &got)
		must(p.t, json.Unmarshal([]byte(got.Body), &q))
		return q.State.Terminal()
	})
	if q.State != query.Succeeded || q.Result.Label == "" {
		p.t.Errorf("the query %s reads %+v", location, q)
	}
	return q
}

// tell says how the deployment stands, for whoever looks into a failure.
func (p *play) tell() {
	p.t.Helper()
	ctx := p.t.Context()
	p.t.Logf("ticks, newest first: %q", p.lines())
	for _, q := range []cloud.QueueName{cloud.Overflow, cloud.DeadLetters, cloud.WorkQueue(pool, query.Strict), cloud.WorkQueue(pool, query.Relaxed)} {
		d, err := p.home.Queues.Depth(ctx, q)
		p.t.Logf("queue %s: %+v, error %v", q, d, err)
	}
	ws, err := p.home.Fleet.Workers(ctx, pool)
	p.t.Logf("workers: %+v, error %v", ws, err)
	rs, err := p.home.Store.Recent(ctx, "", 3)
	p.t.Logf("newest queries: %+v, error %v", rs, err)
}

// until looks again and again, for as long as patience lasts.
func (p *play) until(what string, holds func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); !holds(); {
		if time.Now().After(end) {
			p.tell()
			p.t.Fatalf("%v passed and not yet: %s", patience, what)
		}
		<-time.After(200 * time.Millisecond)
	}
}

// overflow hands what waits on the overflow queue to the dispatcher, as its
// event source does.
func (p *play) overflow() {
	p.t.Helper()
	ds, err := p.home.Queues.Receive(p.t.Context(), cloud.Overflow, 10, time.Minute, 5*time.Second)
	must(p.t, err)
	if len(ds) != 1 {
		p.t.Fatalf("%d messages on the overflow queue, want 1", len(ds))
	}
	message, err := json.Marshal(ds[0].Message)
	must(p.t, err)
	_, handle, _ := strings.Cut(ds[0].Receipt, " ")
	var failed events.SQSEventResponse
	p.call("dispatcher", events.SQSEvent{Records: []events.SQSMessage{{
		MessageId: "m1", ReceiptHandle: handle, Body: string(message), EventSource: "aws:sqs",
		Attributes: map[string]string{"ApproximateReceiveCount": "1"},
	}}}, &failed)
	if len(failed.BatchItemFailures) > 0 {
		p.t.Fatalf("the dispatcher handed back %+v", failed.BatchItemFailures)
	}
}

// shifts runs the controller again and again, as the schedule does, until the
// test ends.
func (p *play) shifts() {
	go func() {
		for p.t.Context().Err() == nil {
			if _, err := p.api.Invoke(p.t.Context(), names.Function(stage, "controller"), []byte("{}")); err != nil && p.t.Context().Err() == nil {
				p.t.Errorf("a shift of the controller: %v", err)
				return
			}
		}
	}()
}

func (p *play) group() cloud.Group {
	p.t.Helper()
	g, err := p.home.Groups.Group(p.t.Context(), pool)
	must(p.t, err)
	return g
}

// lines are what the newest ticks decided, in words, newest first.
func (p *play) lines() (out []string) {
	p.t.Helper()
	es, err := p.home.Ledger.Entries(p.t.Context(), cloud.EntryQuery{Pool: pool, Limit: 10})
	must(p.t, err)
	for _, e := range es {
		out = append(out, e.Line)
	}
	return out
}

// arrive puts so many arrivals a second until the returned function is called.
func (p *play) arrive(perSecond float64) (stop func()) {
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case at := <-tick.C:
				if err := p.home.Metrics.Put(ctx, asked(at, perSecond)...); err != nil && ctx.Err() == nil {
					p.t.Error(err)
				}
			}
		}
	}()
	return func() { cancel(); <-done }
}

// asked are the points of so many relaxed queries in a second: each takes 10 ms
// of a runner, or $2 a million on a function, and may wait for 5 s.
func asked(at time.Time, queries float64) []cloud.Point {
	return []cloud.Point{
		{Metric: telemetry.Arrivals.Name, Dimensions: telemetry.TaskClass("fashion", "relaxed"), At: at, Value: queries},
		{Metric: telemetry.ArrivalWork.Name, At: at, Value: 10 * queries},
		{Metric: telemetry.ArrivalFunctionUSD.Name, At: at, Value: 2e-6 * queries},
		{Metric: telemetry.ArrivalDefer.Name, At: at, Value: 5000 * queries},
	}
}

// set puts a setting as a person at the console does.
func (p *play) set(name, value string) {
	p.t.Helper()
	_, err := ssm.NewFromConfig(p.sdk).PutParameter(p.t.Context(), &ssm.PutParameterInput{
		Name: aws.String(names.SettingsPath(stage) + name), Value: &value, Overwrite: aws.Bool(true),
	})
	must(p.t, err)
}

// looksAround asks the API for what else it tells.
func (p *play) looksAround() {
	p.t.Helper()
	for _, path := range []string{"/v1/status", "/v1/models", "/v1/queries"} {
		var got events.APIGatewayV2HTTPResponse
		p.call("api", gateway("GET", path, ""), &got)
		if got.StatusCode != http.StatusOK {
			p.t.Errorf("GET %s: %d %s", path, got.StatusCode, got.Body)
		}
	}
}

func TestRehearse(t *testing.T) {
	p := newPlay(t)

	// No worker is there: what is strict overflows to a function.
	strict := p.submit(query.Strict)
	p.overflow()
	if q := p.read(strict); q.ServedBy.Kind != query.OnFunction {
		t.Errorf("the first strict query was served by %+v, want a function", q.ServedBy)
	}

	// The controller holds for want of arrivals. With every queue empty, arrivals
	// put to CloudWatch alone raise the group.
	p.shifts()
	p.until("a tick holds without arrivals", func() bool {
		return slices.ContainsFunc(p.lines(), func(l string) bool { return strings.Contains(l, "hold") })
	})
	if g := p.group(); g.Desired != 0 {
		t.Errorf("without arrivals the group desires %d", g.Desired)
	}
	stop := p.arrive(100)
	p.until("the arrivals raise the group", func() bool { return p.group().Desired > 0 })
	stop()
	t.Logf("ticks, newest first: %q", p.lines())

	// A setting put to SSM changes the next tick: the fleet is left alone now.
	p.set("fleet", "fixed")
	p.until("a tick has the setting", func() bool { return strings.Contains(p.lines()[0], "the fleet is fixed") })

	// A machine of the group comes up. Once the view knows its worker, it answers
	// relaxed queries and strict ones.
	ws, err := p.home.Fleet.Workers(t.Context(), pool)
	must(t, err)
	if len(ws) == 0 || ws[0].State != cloud.Booting {
		t.Fatalf("workers %+v, want one that boots", ws)
	}
	before := p.group().Desired
	worker := p.startWorker(ws[0].ID)
	for _, class := range []query.Class{query.Relaxed, query.Strict} {
		p.until("a "+string(class)+" query runs on the worker", func() bool {
			by := p.read(p.submitAny(class)).ServedBy
			return by.Kind == query.OnWorker && by.Name == ws[0].ID
		})
	}

	// An input that is too large for a message goes by way of the bucket.
	if by := p.read(p.ask(query.Relaxed, fmt.Sprintf(`"uri":%q`, p.upload()))).ServedBy; by.Kind != query.OnWorker {
		t.Errorf("the query with an upload was served by %+v", by)
	}

	// Told to drain, the worker leaves by its own hand, and its place goes with it.
	must(t, p.home.Fleet.Drain(t.Context(), pool, ws[0].ID))
	select {
	case err := <-worker.done:
		must(t, err)
	case <-time.After(patience):
		t.Fatal("the drained worker is still there")
	}
	if g := p.group(); g.Desired != before-1 {
		t.Errorf("the group desires %d after its worker left, want one less than %d", g.Desired, before)
	}
	p.looksAround()
	p.checkPermissions()
}

// submitAny submits a query and serves the overflow, should it go there.
func (p *play) submitAny(class query.Class) string {
	p.t.Helper()
	location := p.submit(class)
	d, err := p.home.Queues.Depth(p.t.Context(), cloud.Overflow)
	must(p.t, err)
	if d.Visible > 0 {
		p.overflow()
	}
	return location
}
