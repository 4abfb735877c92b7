//go:build rehearse

package rehearse

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	paws "github.com/paragon-serving/paragon/shared/platform/aws"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/lambdaemulator"
)

const (
	stage    = "dev"
	pool     = "general"
	patience = 90 * time.Second
	caller   = "arn:aws:iam::123456789012:user/ann"
)

// play is a deployment that is played.
type play struct {
	ctx     context.Context // of the whole play
	t       *testing.T
	stack   synthesized
	moto    string // the test server itself
	url     string // the stand before it, which the binaries see
	stand   *stand
	made    map[string]string // physical ids of the stack's resources, by logical ones
	sdk     aws.Config
	backend platform.Backend
	api     *lambdaemulator.Invoker
	front   *front
	log     *functionLog

	collector *collector
	receiver  *receiver                 // of callbacks, where the play has any
	running   []lambdaemulator.Function // as they were registered
}

// newPlay makes the stack and starts what a deployment has running: nothing,
// until it is called.
func newPlay(t *testing.T) *play {
	t.Helper()
	p := &play{t: t, ctx: t.Context(), stack: readStack(t), moto: testserver.Start(t), log: &functionLog{}}
	p.stand = newStand(p.moto, t.Logf)
	for _, r := range p.stack.resources { // moto makes no warm pool, and has no hooks that wait
		p.stand.scaling.WarmPools = p.stand.scaling.WarmPools || r.Type == "AWS::AutoScaling::WarmPool"
		if hooks, ok := r.Properties["LifecycleHookSpecificationList"].([]any); ok {
			p.stand.scaling.LaunchHooks = slices.ContainsFunc(hooks, func(h any) bool {
				return h.(map[string]any)["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_LAUNCHING"
			})
		}
	}
	s := httptest.NewServer(p.stand)
	t.Cleanup(s.Close)
	p.url = s.URL
	for _, v := range testserver.Env(p.url) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	var err error
	p.sdk, err = awsconfig.LoadDefaultConfig(t.Context())
	must(t, err)
	p.extracts()
	p.stack.publish(t, p.sdk)
	p.publishProfiles()
	p.made = p.stack.create(t, p.moto)
	p.openCollector()
	p.startLambda()
	p.connect()
	p.openFront()
	return p
}

// env is what every binary needs to reach the stand, each with its own key.
func (p *play) env(who string) []string {
	return append(testserver.Env(p.url), "AWS_ACCESS_KEY_ID="+who)
}

// startLambda registers every function of the stack, as it was made.
func (p *play) startLambda() {
	p.t.Helper()
	var functions []lambdaemulator.Function
	bootstraps := p.bootstraps()
	pages := lambda.NewListFunctionsPaginator(lambda.NewFromConfig(p.sdk), &lambda.ListFunctionsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(p.t.Context())
		must(p.t, err)
		for _, f := range page.Functions {
			name := aws.ToString(f.FunctionName)
			env := append(p.env(strings.TrimPrefix(name, names.Prefix(stage))), "XDG_CACHE_HOME="+p.t.TempDir(), "SSL_CERT_FILE="+p.collector.certificate)
			for k, v := range f.Environment.Variables {
				env = append(env, k+"="+loopback(k, p.collector.env(v)))
			}
			functions = append(functions, lambdaemulator.Function{
				Name: name, Bootstrap: bootstraps[name], MemoryMB: int(aws.ToInt32(f.MemorySize)), Env: env,
				Timeout: time.Duration(aws.ToInt32(f.Timeout)) * time.Second,
			})
		}
	}
	var err error
	p.running = functions
	p.api, err = lambdaemulator.New(lambdaemulator.Options{Functions: functions, MaxConcurrency: 24, KeepAlive: time.Hour, Freeze: true, Logger: slog.New(p.log)})
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
	p.backend = h.Backend
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

// report says how the deployment stands, for the caller who looks into a failure.
func (p *play) report() {
	p.t.Helper()
	ctx := p.t.Context()
	p.t.Logf("ticks, newest first: %q", p.lines())
	p.t.Logf("workers that were found dead: %q", p.dead())
	for _, q := range []platform.QueueName{platform.Overflow, platform.DeadLetters, platform.WorkQueue(pool, query.Strict), platform.WorkQueue(pool, query.Relaxed)} {
		d, err := p.backend.Queues.Depth(ctx, q)
		p.t.Logf("queue %s: %+v, error %v", q, d, err)
	}
	ws, err := p.backend.Fleet.Workers(ctx, pool)
	p.t.Logf("workers: %+v, error %v", ws, err)
	rs, err := p.backend.Records.SampleRecords(ctx, time.Now().Add(-time.Hour), 3)
	p.t.Logf("newest samples: %+v, error %v", rs, err)
}

// dead is why workers were found dead at the last ticks, newest first.
func (p *play) dead() (out []string) {
	p.t.Helper()
	es, err := p.backend.DecisionLog.Entries(p.t.Context(), platform.EntryQuery{Pool: pool, Limit: 40})
	must(p.t, err)
	for _, e := range es {
		for _, s := range p.decided(e.ID).Case.Signals {
			if s.Name == "workers" && s.Note != "" {
				out = append(out, s.Note)
			}
		}
	}
	return slices.Compact(out)
}

// decided is the record of a tick.
func (p *play) decided(id string) decision.Record {
	p.t.Helper()
	e, err := p.backend.DecisionLog.Entry(p.t.Context(), id)
	must(p.t, err)
	raw, err := control.Unpack(e.Record)
	must(p.t, err)
	r, err := decision.Read(raw)
	must(p.t, err)
	return r
}

// until looks again and again, for as long as patience lasts.
func (p *play) until(what string, holds func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); !holds(); {
		if time.Now().After(end) {
			p.report()
			p.t.Fatalf("%v passed and not yet: %s", patience, what)
		}
		<-time.After(200 * time.Millisecond)
	}
}
