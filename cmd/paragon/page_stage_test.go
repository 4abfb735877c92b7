package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/intake/httpapi"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/stage"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// busyStage is the stage dev in an account whose API is the intake, assembled as the api
// function assembles it. It has everything that the page shows, and n counts its moves.
type busyStage struct {
	*testing.T
	platform.Backend
	workers []string // ids: the first two are ready, the third drains, and the fourth boots
	lease   platform.Lease
	n       int
}

func (s *busyStage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// newBusyStage makes the stage and all that it has done in the last hour.
func newBusyStage(t *testing.T) *busyStage {
	t.Helper()
	s := &busyStage{T: t}
	s.Backend = stageServing(t, func(b platform.Backend, where names.StageParameter) http.Handler {
		s.Backend = b
		s.makeParts()
		return s.intake(where)
	})
	s.must(s.Fleet.SetDesired(t.Context(), "general", 4))
	ws, err := s.Fleet.Workers(t.Context(), "general")
	s.must(err)
	for _, w := range ws {
		s.workers = append(s.workers, w.ID)
	}
	s.lease, err = s.DecisionLog.AcquireLease(t.Context(), "me", time.Hour)
	s.must(err)
	s.arrive()
	s.publish()
	s.must(s.move())
	return s
}

// makeParts makes what the stack makes besides tables and models: queues, the group of the
// pool, and the secret.
func (s *busyStage) makeParts() {
	ctx := s.Context()
	sdk, err := awsconfig.LoadDefaultConfig(ctx)
	s.must(err)
	for _, q := range []platform.QueueName{platform.Overflow, platform.DeadLetters, platform.CallbackQueue, platform.WorkQueue("general", query.Strict), platform.WorkQueue("general", query.Relaxed)} {
		_, err := sqs.NewFromConfig(sdk).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(names.Queue("dev", q))})
		s.must(err)
	}
	groups, name := autoscaling.NewFromConfig(sdk), aws.String(names.Group("dev", "general"))
	_, err = groups.CreateLaunchConfiguration(ctx, &autoscaling.CreateLaunchConfigurationInput{LaunchConfigurationName: name, ImageId: aws.String("ami-12c6146b"), InstanceType: aws.String("c5.large")})
	s.must(err)
	_, err = groups.CreateAutoScalingGroup(ctx, &autoscaling.CreateAutoScalingGroupInput{AutoScalingGroupName: name, LaunchConfigurationName: name, MinSize: aws.Int32(0), MaxSize: aws.Int32(10), AvailabilityZones: []string{"us-east-1a"}})
	s.must(err)
	_, err = secretsmanager.NewFromConfig(sdk).CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("keys"), SecretString: aws.String(`{"current":"` + strings.Repeat("QUJD", 16) + `"}`)})
	s.must(err)
}

// answering is inference functions that find a boot in every picture.
type answering struct{}

func (answering) Invoke(context.Context, string, []byte) (platform.Invocation, error) {
	raw, err := json.Marshal(inference.Response{Index: 9, Label: "Ankle boot", Top: []query.Score{{Label: "Ankle boot", Score: 0.97}, {Label: "Sneaker", Score: 0.02}}, ComputeMS: 4})
	return platform.Invocation{Payload: raw, BilledMS: 5}, err
}

// intake is the API of the stage, with these functions.
func (s *busyStage) intake(where names.StageParameter) http.Handler {
	s.must(s.Settings.Set(s.Context(), "overflow_path", "direct"))
	env := func(name string) string {
		return map[string]string{names.Stage: "dev", names.StateTable: where.StateTable, names.RecordsTable: where.RecordsTable, names.Bucket: where.Bucket, names.QueueURLPrefix: where.QueueURLPrefix,
			names.SigningSecret: where.SigningSecret, environment.Models: where.Models, names.FunctionMemory: "1024,1769"}[name]
	}
	parts, _, err := stage.OpenFunction(s.Context(), env, "api")
	s.must(err)
	parts.Platform = s.Backend
	parts.Platform.Invoker = answering{}
	own := intake.Config{Viewed: parts.RefreshByViews(s.Context()), Counts: tally.NewBook(time.Now()), Reports: s.Fleet, ID: "api-1",
		Status: func(context.Context) api.BackendStatus {
			return api.BackendStatus{Savings: &api.Savings{Verdict: calibration.InAccount()}}
		}}
	own.Keys, err = stage.Keys(s.Context(), env)
	s.must(err)
	own.Functions, err = parts.Dispatcher(nil, nil)
	s.must(err)
	svc, err := parts.Intake(own)
	s.must(err)
	s.Cleanup(func() { svc.Close(context.WithoutCancel(s.Context())) })
	h, err := parts.Handler(svc, httpapi.Options{Owner: func(*http.Request) string { return "arn:aws:iam::1:user/ann" }, AnyHost: true})
	s.must(err)
	return h
}

// arrive has 6 strict queries arrive in each second of the minutes around now.
func (s *busyStage) arrive() {
	var points []platform.Point
	for i := range 300 {
		points = append(points, platform.Point{Metric: telemetry.Arrivals.Name, Dimensions: telemetry.TaskClass("fashion", "strict"), At: time.Now().Add(time.Duration(i-60) * time.Second), Value: 6})
	}
	for some := range slices.Chunk(points, 60) { // the test server is slow
		s.must(s.Metrics.Put(s.Context(), some...))
	}
}

// publish has the controller say what was counted in the last hour.
func (s *busyStage) publish() {
	key := tally.Key{Class: query.Strict}
	counts := tally.Counts{Arrived: 310, Answered: 310, Met: 306, Overflowed: 62, CostUSD: 0.002}
	load := []tally.Load{{Key: key, Counts: counts, Latency: tally.Quantiles{P50: 21, P95: 180, P99: 431}}}
	s.must(s.Fleet.PublishView(s.Context(), platform.FleetView{At: time.Now(), Pools: []placement.Pool{{Name: "general", InstanceType: "c5.large"}}, Traffic: tally.Summary{
		At: time.Now(), Since: time.Now().Add(-time.Hour), Hour: load, Minute: load, FiveMinutes: []tally.ClassCounts{{Class: query.Strict, Counts: counts}},
	}}))
}

// byModel is what three models have answered in a minute, times the factor.
func byModel(times int64) (out []tally.Tally) {
	for i, name := range []string{"cnn-small", "mlp", "logistic"} {
		for _, class := range []query.Class{query.Strict, query.Relaxed} {
			n := times * int64(10*(3-i))
			out = append(out, tally.Tally{Key: tally.Key{Task: "fashion", Model: name, Class: class}, Latency: tally.NewHistogram(20, 20, 20, 90),
				Counts: tally.Counts{Arrived: n, Answered: n, Met: n - times, Overflowed: times, CostUSD: 1e-6 * float64(n)}})
		}
	}
	return out
}

// move changes every part that the page shows, by one: what workers report, what a minute has
// answered, a decision, and a dead letter.
func (s *busyStage) move() error {
	ctx, now := s.Context(), time.Now().UTC()
	s.n++
	var errs []error
	for i, state := range []platform.WorkerState{platform.Ready, platform.Ready, platform.Draining} {
		_, err := s.Fleet.Report(ctx, platform.WorkerReport{ID: s.workers[i], Pool: "general", InstanceType: "c5.large", State: state, At: now, Runners: 2, Busy: i, Used: 0.25, Answered: int64(1000*i + s.n)})
		errs = append(errs, err)
	}
	e, err := moved(s.n, now)
	return errors.Join(append(errs, err,
		s.Timeline.PutTimeline(ctx, timeline.Stored{Step: time.Minute, Row: timeline.Row{At: now.Truncate(time.Minute), Tallies: byModel(int64(s.n)), Samples: 6, Ready: 12, Wanted: 18, Queued: s.n, OldestMS: 40, CostUSD: 0.01}}),
		s.DecisionLog.Commit(ctx, s.lease, nil, e),
		s.Queues.Send(ctx, platform.DeadLetters, query.Message{ID: fmt.Sprintf("q%d", s.n), Owner: "anna", Task: "fashion", Model: "cnn-small", Class: query.Strict, AcceptedAt: now, DeadlineAt: now.Add(time.Second), Input: query.Input{ContentType: "image/png", Data: []byte("boot")}}))...)
}

// moved is the entry of a decision that raises the number of workers by one.
func moved(workers int, now time.Time) (platform.Entry, error) {
	r, _, err := decision.Make(decision.Case{At: now, Pool: "general", Settings: settings.Defaults(), Group: decision.Group{Max: 9}, Snapshot: procurement.Snapshot{CoveredTo: now, ServiceMS: 100, Pool: procurement.Pool{Ready: 1, RunnersEach: 2}}})
	if err != nil {
		return platform.Entry{}, err
	}
	raw, err := r.Bytes()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, wrote := z.Write(raw)
	err = errors.Join(err, wrote, z.Close())
	return platform.Entry{ID: r.ID, Pool: "general", At: now, Moves: true, Outcome: "done", Record: packed.Bytes(), ForgetAt: now.Add(time.Hour), Line: fmt.Sprintf("grow from %d to %d workers: 60.0 queries/s", workers, workers+1)}, err
}

// The page of a stage in an account shows in a browser what the stage's API and this machine
// answer, with the cost under other schemes, which this machine has simulated.
func TestThePageOfAStageInABrowser(t *testing.T) {
	const chromium = "/usr/bin/chromium"
	s, now := newBusyStage(t), time.Now().UTC()
	arrivedInTheHour(t, s.Backend, now)
	term := newTerminal(t, http.NotFoundHandler())
	// The hour that is compared is that of one moment, also where the minute turns in between.
	term.Now, term.Stage = func() time.Time { return now }, "dev"
	hourCost(t, s.Backend, now, 1.1*simulatedHour(t, term, s.Backend, now).SimulatedUSD, byModel(1)...)
	if compareForPage(t.Context(), term.Terminal.Terminal, 0) != nil {
		t.Error("the page compares although it is to compare nothing")
	}
	compared := compareNow(t.Context(), term.Terminal.Terminal, "dev", time.Hour)
	if !compared.Quoted || len(compared.Others) == 0 {
		t.Fatalf("compared is %+v", compared)
	}
	term.Now = time.Now
	h, err := pageHandler(t.Context(), term.Terminal.Terminal, operator.Token("mine"), func() *api.Savings { return &compared })
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", h)
	mux.HandleFunc("POST /test/move", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.move(); err != nil {
			t.Error(err)
		}
		_ = json.NewEncoder(w).Encode(s.n) // to this test's browser
	})
	mux.HandleFunc("GET /test/axe.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "../../node_modules/axe-core/axe.min.js")
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	cmd := exec.CommandContext(t.Context(), "node", "--test", "--test-reporter=spec", "page_test.mjs")
	cmd.Env = append(os.Environ(), "PAGE_URL="+server.URL, "CHROMIUM="+chromium)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: chromium and node_modules are there after `make test`\n%s", err, out)
	}
	t.Logf("%s", out)
}
