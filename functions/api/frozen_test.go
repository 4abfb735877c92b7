package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/paragon-serving/paragon/docs"
	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/intake/httpapi"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/rpc"
	"github.com/paragon-serving/paragon/shared/stage"
	"github.com/paragon-serving/paragon/shared/telemetry"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

// The test binary is also the bootstrap of the api function.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		if err := beBootstrap(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// clockHeader is the time of an event, by which the bootstrap goes.
const clockHeader = "X-Test-Unix-Ms"

// beBootstrap is the api function over the backend of the test's process, with its
// metrics in the log as in an account, and the time of its events.
func beBootstrap() error {
	cloud, err := rpc.Dial(os.Getenv(environment.LocalURL))
	if err != nil {
		return err
	}
	keys, err := signed.NewKeys([]byte("a key of at least sixteen bytes"))
	if err != nil {
		return err
	}
	catalogue, err := stage.Catalogue(context.Background(), os.Getenv, profiles.Load)
	if err != nil {
		return err
	}
	var now atomic.Int64
	svc, err := intake.New(intake.Config{
		Records: cloud.Records, Attempts: cloud.Attempts, Shared: cloud.Shared, Fleet: cloud.Fleet, Queues: cloud.Queues, Blobs: cloud.Blobs, Keys: keys,
		Metrics:   telemetry.Logged(cloud.Metrics, telemetry.Embedding{Namespace: names.Namespace, StageDimension: names.StageDimension, Stage: "s", Log: telemetry.OutputLog(os.Stdout)}),
		Catalogue: catalogue, Settings: settings.Defaults, Pools: []intake.Pool{{Name: "general", InstanceType: "c5.large"}},
		Now: func() time.Time { return time.UnixMilli(now.Load()) },
	})
	if err != nil {
		return err
	}
	api, err := httpapi.New(svc, httpapi.Options{Owner: func(*http.Request) string { return "me" }, AnyHost: true, OpenAPI: docs.OpenAPI})
	if err != nil {
		return err
	}
	traces := tracing.Open(os.Getenv, "api", slog.Default())
	answering := settled(api, svc, traces)
	end := atEnd(svc)
	lambda.StartWithOptions(newFunction(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ms int64
		if _, err := fmt.Sscan(r.Header.Get(clockHeader), &ms); err == nil {
			now.Store(ms)
		}
		answering.ServeHTTP(w, r)
	})), lambda.WithEnableSIGTERM(func() {
		end()
		os.Exit(0)
	}))
	return nil
}

// runtime is Lambda's Runtime API for one process, which it stops whenever
// that waits for an event, and continues with the event.
type runtime struct {
	t      *testing.T
	server *httptest.Server
	events chan []byte
	idle   chan struct{} // gets one when the process has answered and waits
	log    string        // its output
	cmd    *exec.Cmd
	failed atomic.Int64 // answers that were no 202
}

func startEnvironment(t *testing.T) *runtime {
	t.Helper()
	e := &runtime{t: t, events: make(chan []byte), idle: make(chan struct{}), log: filepath.Join(t.TempDir(), "log")}
	machine, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = machine.Close() })
	cloud := httptest.NewServer(sqlite.NewServer(machine))
	t.Cleanup(cloud.Close)
	e.server = httptest.NewServer(http.HandlerFunc(e.runtimeAPI))
	t.Cleanup(e.server.Close)
	out, err := os.Create(e.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	e.cmd = exec.Command(os.Args[0])
	e.cmd.Stdout, e.cmd.Stderr = out, os.Stderr
	e.cmd.Env = append(os.Environ(), "AWS_LAMBDA_RUNTIME_API="+e.server.Listener.Addr().(*net.TCPAddr).String(), "_LAMBDA_SERVER_PORT=",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128", environment.LocalURL+"="+cloud.URL+"/"+machine.Register("api"))
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = e.cmd.Process.Kill() // it may have ended
		_ = e.cmd.Wait()
	})
	e.freeze()
	return e
}

// runtimeAPI is what the bootstrap asks.
func (e *runtime) runtimeAPI(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.Contains(r.URL.Path, "/extension/register"):
		w.Header().Set("Lambda-Extension-Identifier", "id")
	case strings.Contains(r.URL.Path, "/extension/"): // it has registered for no event
		<-r.Context().Done()
	case strings.HasSuffix(r.URL.Path, "/next"):
		select {
		case e.idle <- struct{}{}:
		case <-r.Context().Done():
			return
		}
		select {
		case event := <-e.events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "id")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
			_, _ = w.Write(event)
		case <-r.Context().Done():
		}
	case strings.HasSuffix(r.URL.Path, "/response"):
		var answer struct{ StatusCode int }
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &answer); err != nil || answer.StatusCode != http.StatusAccepted {
			e.failed.Add(1)
			e.t.Logf("answered %s", body)
		}
		w.WriteHeader(http.StatusAccepted)
	default:
		body, _ := io.ReadAll(r.Body)
		e.failed.Add(1)
		e.t.Logf("%s: %s", r.URL.Path, body)
		w.WriteHeader(http.StatusAccepted)
	}
}

// freeze waits until the process waits for an event, and stops it.
func (e *runtime) freeze() {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), 20*time.Second)
	defer cancel()
	select {
	case <-e.idle:
	case <-ctx.Done():
		e.t.Fatal("the bootstrap does not come for an event")
	}
	if err := e.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		e.t.Fatal(err)
	}
}

// invoke continues the process for one event, and stops it when it has answered.
func (e *runtime) invoke(at time.Time, body []byte) {
	e.t.Helper()
	var event events.APIGatewayV2HTTPRequest
	event.RawPath, event.Body = "/v1/queries", string(body)
	event.RequestContext.HTTP.Method, event.RequestContext.DomainName = "POST", "abc.execute-api.us-east-1.amazonaws.com"
	event.Headers = map[string]string{"content-type": "application/json", clockHeader: fmt.Sprint(at.UnixMilli())}
	raw, err := json.Marshal(event)
	if err != nil {
		e.t.Fatal(err)
	}
	if err := e.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		e.t.Fatal(err)
	}
	e.events <- raw
	e.freeze()
}

// end continues the process as Lambda ends it, and waits for its end.
func (e *runtime) end() {
	e.t.Helper()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT} {
		if err := e.cmd.Process.Signal(signal); err != nil {
			e.t.Fatal(err)
		}
	}
	if err := e.cmd.Wait(); err != nil {
		e.t.Fatalf("the bootstrap ended: %v", err)
	}
}

// reported is how many arrivals the log reports by now, and its size in bytes.
func (e *runtime) reported() (n float64, size int) {
	e.t.Helper()
	log, err := os.ReadFile(e.log)
	if err != nil {
		e.t.Fatal(err)
	}
	for line := range bytes.Lines(log) {
		var out struct{ Arrivals float64 }
		if err := json.Unmarshal(line, &out); err != nil {
			e.t.Fatalf("%s: %v", line, err)
		}
		n += out.Arrivals
	}
	return n, len(log)
}

// However seldom requests come, and after a burst, a function that is stopped
// between them has reported 99 of 100 arrivals of the last two minutes whenever
// it is stopped.
func TestAFrozenFunctionHasReportedItsArrivals(t *testing.T) {
	body := aQuery(t)
	for _, tt := range []struct {
		name     string
		every    time.Duration // between two requests
		requests int
		burst    int
	}{
		{"1 a second", time.Second, 300, 30},
		{"0.1 a second", 10 * time.Second, 30, 30},
		{"0.03 a second", 33 * time.Second, 12, 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := startEnvironment(t)
			at := time.UnixMilli(1_700_000_000_000)
			var arrived []time.Time
			ask := func(after time.Duration) {
				at = at.Add(after)
				arrived = append(arrived, at)
				e.invoke(at, body)
				recent := 0.0
				for _, a := range arrived {
					if at.Sub(a) < 2*time.Minute {
						recent++
					}
				}
				n, _ := e.reported()
				if missing := float64(len(arrived)) - n; missing > recent/100 {
					t.Fatalf("frozen after %d arrivals, %v of the last %v are not reported", len(arrived), missing, recent)
				}
			}
			for range tt.requests {
				ask(tt.every)
			}
			for range tt.burst {
				ask(2 * time.Millisecond)
			}
			if n := e.failed.Load(); n > 0 {
				t.Errorf("%d requests were not accepted", n)
			}
			e.end()
			n, size := e.reported()
			if n != float64(len(arrived)) {
				t.Errorf("at the end %v of %d arrivals are reported", n, len(arrived))
			}
			t.Logf("%v of %d arrivals reported, %.0f bytes of log each", n, len(arrived), float64(size)/float64(len(arrived)))
		})
	}
}

// aQuery is the body of a query with a sample picture.
func aQuery(t *testing.T) []byte {
	t.Helper()
	set, err := profiles.Load("")
	if err != nil {
		t.Fatal(err)
	}
	png, err := samplePicture(set)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"task": "fashion", "input": map[string]any{"content_type": "image/png", "data": png}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}
