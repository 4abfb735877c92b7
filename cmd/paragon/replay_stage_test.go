package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
	"github.com/paragon-serving/paragon/shared/intake/httpapi"
	"github.com/paragon-serving/paragon/shared/platform"
	paws "github.com/paragon-serving/paragon/shared/platform/aws"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// stageWith makes an account with the stage dev, which saw twelve queries a
// second, a quarter of them strict, for some seconds from each moment on.
func stageWith(t *testing.T, seconds int, from ...time.Time) {
	t.Helper()
	backend := stageDev(t)
	var points []platform.Point
	for _, at := range from {
		for i := range seconds {
			for class, n := range map[string]float64{"strict": 3, "relaxed": 9} {
				points = append(points, platform.Point{
					Metric: telemetry.Arrivals.Name, Dimensions: telemetry.TaskClass("fashion", class), At: at.Add(time.Duration(i) * time.Second), Value: n,
				})
			}
		}
	}
	for some := range slices.Chunk(points, 60) { // the test server is slow
		if err := backend.Metrics.Put(t.Context(), some...); err != nil {
			t.Fatal(err)
		}
	}
}

// stageDev makes an account with the stage dev, which has a pool of c5.large, and opens it. Its
// API is a fake.
func stageDev(t *testing.T) platform.Backend {
	return stageServing(t, func(platform.Backend, names.StageParameter) http.Handler {
		return watched(&clienttest.API{Now: time.Now})
	})
}

// stageServing makes an account with the stage dev, whose API is what serve returns for the
// stage's backend and for where its parts are.
func stageServing(t *testing.T, serve func(platform.Backend, names.StageParameter) http.Handler) platform.Backend {
	t.Helper()
	testserver.Bucket(t, "models")
	testserver.Table(t, "s", names.StateKey, names.StateSort)
	testserver.Table(t, "r", names.RecordKey, names.RecordSort)
	where := names.StageParameter{Authorizer: names.ByIAM, Pools: []string{"general"}, Groups: []names.PoolGroup{{InstanceType: "c5.large", Max: 10}}, StateTable: "s", RecordsTable: "r", Bucket: "b",
		QueueURLPrefix: os.Getenv("AWS_ENDPOINT_URL") + "/" + testserver.Account + "/" + names.Prefix("dev"), Models: "s3://models/" + names.ModelsPrefix, Catalogue: "fashion", FunctionArch: "x86_64", FunctionMB: []int{1024, 1769}, SigningSecret: "keys"}
	backend, err := paws.New(t.Context(), paws.Config{Stage: "dev", StateTable: where.StateTable, RecordsTable: where.RecordsTable, Bucket: where.Bucket, QueueURLPrefix: where.QueueURLPrefix, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	gateway := httptest.NewServer(guarded(t, serve(backend.Backend, where)))
	t.Cleanup(gateway.Close)
	where.Endpoint = gateway.URL
	text, err := json.Marshal(where)
	if err != nil {
		t.Fatal(err)
	}
	sdk, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ssm.NewFromConfig(sdk).PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: aws.String(names.StageParameterPath("dev")), Value: aws.String(string(text)), Type: types.ParameterTypeString,
	}); err != nil {
		t.Fatal(err)
	}
	return backend.Backend
}

// watched serves an API and, as the api function does, many of its parts by one request.
func watched(stage http.Handler) http.Handler {
	live := httpapi.NewLive(stage, httpapi.Streams{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/live" {
			stage.ServeHTTP(w, r)
		} else if err := live.Serve(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
}

// replayed are the rows of a replay at a moment.
func replayed(t *testing.T, now time.Time, args ...string) []comparison.Row {
	t.Helper()
	term := newTerminal(t, http.NotFoundHandler())
	term.Now = func() time.Time { return now }
	if code := term.Run(t.Context(), append([]string{"replay", "--task", "fashion", "--uncalibrated", "--json"}, args...)); code != cli.ExitOK {
		t.Fatalf("%v: exit %d: %s", args, code, term.Err.String())
	}
	var rows []comparison.Row
	if err := json.Unmarshal(term.Out.Bytes(), &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// What a stage has seen is read from CloudWatch as finely as it has it: by the
// second while that is kept, by the minute later. Only the span counts, and
// what came before it warms up.
func TestReplayOfAStage(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Hour)
	recent, older := now.Add(-time.Hour), now.Add(-26*time.Hour)
	stageWith(t, 120, recent, older)
	for _, c := range []struct {
		name, scaling string
		args          []string
		queries       int64
	}{
		{"by the second", "multiply 1", []string{"--stage", "dev", "--since", "2h"}, 120 * 12},
		{"a span of it", "multiply 1", []string{"--stage", "dev", "--from", recent.Add(30 * time.Second).Format(time.RFC3339), "--to", "59m"}, 30 * 12},
		{"the day before, by the minute", "multiply 1, spread within steps of 1m0s",
			[]string{"--stage", "dev", "--from", "26h", "--to", "25h"}, 120 * 12},
	} {
		rows := replayed(t, now, append(c.args, "--scheme", "reactive")...)
		r := rows[0]
		off := max(r.Queries-c.queries, c.queries-r.Queries)
		if len(rows) != 1 || r.Settings.StrictShare != 0.25 || r.Settings.Scaling != c.scaling || off > c.queries/10 || off > 0 && !strings.Contains(c.scaling, "spread") {
			t.Errorf("%s: %d queries, want %d: %+v", c.name, r.Queries, c.queries, r)
		}
	}
	// What was calibrated on a machine does not vouch for the stage, whose own past is missing.
	folder, term := t.TempDir(), newTerminal(t, http.NotFoundHandler())
	calibrate(t, folder, 1.5)
	term.Now = func() time.Time { return now }
	code := term.Run(t.Context(), []string{"replay", "--stage", "dev", "--task", "fashion", "--since", "2h", "--data", folder})
	if code != cli.ExitFailure || !strings.Contains(term.Err.String(), "in the compared time, the stage had costs for less than 1 h") {
		t.Errorf("savings of a stage: exit %d: %s", code, term.Err.String())
	}
}

func TestWhatCannotBeReplayed(t *testing.T) {
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"--cloudwatch", "--stage or PARAGON_STAGE", cli.ExitUsage},
		{"--stage dev --since 12000h", "keeps metrics for 455 days", cli.ExitUsage},
		{"--from yesterday", "neither a moment", cli.ExitUsage},
		{"--from 1h --since 2h", "not both", cli.ExitUsage},
		{"--from 1h --to 2h", "no arrivals can be read", cli.ExitUsage},
		{"--to 2090-01-01T00:00:00Z", "no arrivals can be read", cli.ExitUsage},
	} {
		term := newTerminal(t, http.NotFoundHandler())
		code := term.Run(t.Context(), append([]string{"replay", "--task", "fashion"}, strings.Fields(c.args)...))
		if code != c.code || !strings.Contains(term.Err.String(), c.want) {
			t.Errorf("%s: exit %d, %q", c.args, code, term.Err.String())
		}
	}
}
