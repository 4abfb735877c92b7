package lambdaemulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

func TestColdThenWarm(t *testing.T) {
	in := start(t, Options{Functions: []Function{self("f")}})
	first, firstInit := call(t, in, "f", "")
	second, secondInit := call(t, in, "f", "")
	if firstInit <= 0 || secondInit != 0 || first.PID != second.PID {
		t.Errorf("init took %v and %v ms in processes %d and %d", firstInit, secondInit, first.PID, second.PID)
	}
	want := Stats{Function: "f", MemoryMB: 1024, Warm: 1, Invocations: 2, ColdStarts: 1}
	if got := in.Stats(); !slices.Equal(got, []Stats{want}) {
		t.Errorf("stats %+v", got)
	}
}

func TestWhatAFunctionSees(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hush")
	t.Setenv("PARAGON_LOCAL_URL", "hush")
	t.Setenv("PARAGON_ORT_LIB_SHA256", "abc")
	clock := &clock{}
	in := start(t, Options{Functions: []Function{self("f", "MODEL=cnn")}, Now: clock.now})
	before := clock.now()
	r, _ := call(t, in, "f", "env")
	for _, want := range []string{
		"AWS_LAMBDA_FUNCTION_NAME=f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1024", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"_HANDLER=bootstrap", "MODEL=cnn", "PARAGON_ORT_LIB_SHA256=abc", "PATH=" + os.Getenv("PATH"),
	} {
		if !slices.Contains(r.Env, want) {
			t.Errorf("the function does not see %s", want)
		}
	}
	if all := strings.Join(r.Env, " "); strings.Contains(all, "hush") {
		t.Errorf("the function sees %s", all)
	}
	if r.ARN != "arn:aws:lambda:local:000000000000:function:f" {
		t.Errorf("arn %s", r.ARN)
	}
	if r.Until.Before(before.Add(time.Hour).Truncate(time.Millisecond)) {
		t.Errorf("deadline %v is before the timeout", r.Until)
	}
}

// result is what one of several invocations gave.
type result struct {
	inv platform.Invocation
	err error
}

// begin invokes a function in the background of the test.
func begin(ctx context.Context, in *Invoker, name string, payload []byte) <-chan result {
	c := make(chan result, 1)
	go func() {
		inv, err := in.Invoke(ctx, name, payload)
		c <- result{inv, err}
	}()
	return c
}

func TestConcurrentEventsHaveEnvironmentsOfTheirOwn(t *testing.T) {
	in, g := start(t, Options{Functions: []Function{self("f")}, MaxConcurrency: 3}), newGate(t)
	pids := map[int]bool{}
	var results []<-chan result
	var visitors []visitor
	for range 3 {
		results = append(results, begin(t.Context(), in, "f", g.request()))
		v := g.await(t)
		visitors, pids[v.pid] = append(visitors, v), true
	}
	if len(pids) != 3 {
		t.Errorf("3 events in %d processes", len(pids))
	}
	if _, err := in.Invoke(t.Context(), "f", nil); !errors.Is(err, platform.ErrThrottled) {
		t.Errorf("beyond the bound: %v", err)
	}
	for i, v := range visitors {
		v.open(t)
		if r := <-results[i]; r.err != nil {
			t.Error(r.err)
		}
	}
	if r, _ := call(t, in, "f", ""); r.PID != visitors[2].pid {
		t.Errorf("ran in process %d, not in %d, which was used last", r.PID, visitors[2].pid)
	}
	want := Stats{Function: "f", MemoryMB: 1024, Warm: 3, Invocations: 4, ColdStarts: 3, Throttles: 1}
	if got := in.Stats(); !slices.Equal(got, []Stats{want}) {
		t.Errorf("stats %+v", got)
	}
}

func TestFaultsEndOneEventOnly(t *testing.T) {
	for do, want := range map[string]struct {
		fault    FunctionError
		survives bool
	}{
		"panic": {FunctionError{"f", "string", "no way on"}, false},
		"exit":  {FunctionError{"f", "Runtime.ExitError", "runtime exited with error: exit status 3"}, false},
		"error": {FunctionError{"f", "oddError", "that is odd"}, true},
	} {
		t.Run(do, func(t *testing.T) {
			in := start(t, Options{Functions: []Function{self("f")}, MaxConcurrency: 1})
			before, _ := call(t, in, "f", "")
			_, err := in.Invoke(t.Context(), "f", []byte(`{"do":"`+do+`"}`))
			var fault *FunctionError
			if !errors.Is(err, platform.ErrFault) || !errors.As(err, &fault) || *fault != want.fault {
				t.Errorf("got %v", err)
			}
			after, init := call(t, in, "f", "")
			if (after.PID == before.PID) != want.survives || (init == 0) != want.survives {
				t.Errorf("process %d, then %d, init %v ms", before.PID, after.PID, init)
			}
			if got := in.Stats()[0].Faults; got != 1 {
				t.Errorf("%d faults counted", got)
			}
		})
	}
}

func TestAKilledProcessIsAFaultAtOnce(t *testing.T) {
	in, g := start(t, Options{Functions: []Function{self("f")}}), newGate(t)
	pending := begin(t.Context(), in, "f", g.request())
	if err := syscall.Kill(g.await(t).pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var fault *FunctionError
	if r := <-pending; !errors.As(r.err, &fault) || fault.Message != "runtime exited with error: signal: killed" {
		t.Errorf("got %v", r.err)
	}
	call(t, in, "f", "")
}

func TestAnIdleEnvironmentThatDiesIsReplaced(t *testing.T) {
	in := start(t, Options{Functions: []Function{self("f")}, MaxConcurrency: 1})
	call(t, in, "f", "")
	e := in.only(t)
	if err := syscall.Kill(e.child.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-e.gone
	if _, init := call(t, in, "f", ""); init == 0 {
		t.Error("no cold start")
	}
}

func TestTimeout(t *testing.T) {
	f := self("f")
	f.Timeout = 50 * time.Millisecond
	in := start(t, Options{Functions: []Function{f}})
	_, err := in.Invoke(t.Context(), "f", []byte(`{"do":"hang"}`))
	var fault *FunctionError
	if !errors.Is(err, platform.ErrFault) || !errors.As(err, &fault) || fault.Type != "Sandbox.Timedout" {
		t.Errorf("got %v", err)
	}
	if got := in.Stats()[0]; got.Warm != 0 || got.Busy != 0 {
		t.Errorf("stats %+v", got)
	}
}

func TestFailedStarts(t *testing.T) {
	missing := self("missing")
	missing.Bootstrap = "/no/such/bootstrap"
	in := start(t, Options{MaxConcurrency: 1, Functions: []Function{
		self("once", "TEST_INIT=once", "TEST_MARKER="+t.TempDir()+"/marker"), self("error", "TEST_INIT=error"), missing,
	}})
	for name, want := range map[string]string{
		"once": "Runtime.ExitError", "error": "Init.NoModel", "missing": "Runtime.InvalidEntrypoint",
	} {
		_, err := in.Invoke(t.Context(), name, nil)
		var fault *FunctionError
		if !errors.Is(err, platform.ErrFault) || !errors.As(err, &fault) || fault.Type != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
	call(t, in, "once", "")
}

func TestAStartMayTakeTooLong(t *testing.T) {
	f := self("f", "TEST_INIT=hang")
	f.Timeout = 10 * time.Millisecond
	in := start(t, Options{Functions: []Function{f}})
	in.allowance = 10 * time.Millisecond
	_, err := in.Invoke(t.Context(), "f", nil)
	var fault *FunctionError
	if !errors.As(err, &fault) || fault.Message != "task timed out after 0.02 seconds" {
		t.Errorf("got %v", err)
	}
}

func TestEnvironmentsAreKeptForAWhile(t *testing.T) {
	clock := &clock{}
	in := start(t, Options{Functions: []Function{self("f"), self("g")}, KeepAlive: 5 * time.Minute, Now: clock.now})
	call(t, in, "f", "")
	e := in.only(t)
	clock.add(4 * time.Minute)
	if _, init := call(t, in, "f", ""); init != 0 {
		t.Error("cold before its time was over")
	}
	clock.add(5 * time.Minute)
	call(t, in, "g", "") // any event sees to it, and a ticker does
	<-e.child.Done()
	if _, init := call(t, in, "f", ""); init == 0 {
		t.Error("warm after its time was over")
	}
}

func TestATickerExpiresToo(t *testing.T) {
	in := start(t, Options{Functions: []Function{self("f")}, KeepAlive: 100 * time.Millisecond})
	g := newGate(t)
	pending := begin(t.Context(), in, "f", g.request())
	v := g.await(t)
	e := in.only(t)
	v.open(t)
	if r := <-pending; r.err != nil {
		t.Fatal(r.err)
	}
	<-e.child.Done()
}

func TestTheLongestIdleMakesRoom(t *testing.T) {
	clock := &clock{}
	in := start(t, Options{Functions: []Function{self("a"), self("b"), self("c")}, MaxConcurrency: 2, Now: clock.now})
	call(t, in, "b", "")
	first := in.only(t)
	clock.add(time.Second)
	call(t, in, "a", "")
	clock.add(time.Second)
	call(t, in, "c", "") // in place of b's
	<-first.child.Done()
	if _, init := call(t, in, "a", ""); init != 0 {
		t.Error("the wrong one was evicted")
	}
	warm := 0
	for _, s := range in.Stats() {
		warm += s.Warm
	}
	if warm != 2 {
		t.Errorf("%d warm", warm)
	}
}

func TestPacing(t *testing.T) {
	type ask struct {
		function string
		cold     bool
	}
	var asked []ask
	var held []time.Duration
	now := time.Now()
	in := start(t, Options{
		Functions: []Function{self("f")}, MaxConcurrency: 1, Now: func() time.Time { return now },
		Pace: func(function string, _ []byte, cold bool) time.Duration {
			asked = append(asked, ask{function, cold})
			return 3 * time.Second
		},
	})
	in.after = func(d time.Duration) <-chan time.Time {
		if _, err := in.Invoke(t.Context(), "f", nil); !errors.Is(err, platform.ErrThrottled) {
			t.Errorf("an environment that is held took an event: %v", err)
		}
		held = append(held, d)
		now = now.Add(d)
		return time.After(0)
	}
	for range 2 {
		inv, err := in.Invoke(t.Context(), "f", []byte(`{}`))
		if err != nil || inv.BilledMS != 3000 {
			t.Errorf("billed %v ms, %v", inv.BilledMS, err)
		}
	}
	if !slices.Equal(asked, []ask{{"f", true}, {"f", false}}) || !slices.Equal(held, []time.Duration{3 * time.Second, 3 * time.Second}) {
		t.Errorf("asked %v, held %v", asked, held)
	}
}

func TestACallerMayLeave(t *testing.T) {
	in, g := start(t, Options{Functions: []Function{self("f")}, MaxConcurrency: 1}), newGate(t)
	ctx, cancel := context.WithCancel(t.Context())
	pending := begin(ctx, in, "f", g.request())
	v := g.await(t)
	cancel()
	if r := <-pending; !errors.Is(r.err, context.Canceled) {
		t.Errorf("got %v", r.err)
	}
	if _, err := in.Invoke(ctx, "f", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("began for a caller that had left: %v", err)
	}
	v.open(t)
	for in.Stats()[0].Busy > 0 {
		runtime.Gosched()
	}
	if r, _ := call(t, in, "f", ""); r.PID != v.pid {
		t.Error("its environment did not live on")
	}
}

func TestSizes(t *testing.T) {
	in := start(t, Options{Functions: []Function{self("f")}})
	if _, err := in.Invoke(t.Context(), "f", make([]byte, maxPayload+1)); !errors.Is(err, platform.ErrTooLarge) {
		t.Errorf("a large event: %v", err)
	}
	if _, err := in.Invoke(t.Context(), "f", append([]byte("large"), make([]byte, maxPayload-5)...)); err != nil {
		t.Errorf("the largest event: %v", err)
	}
	_, err := in.Invoke(t.Context(), "f", fmt.Appendf(nil, "give %d", maxPayload+1))
	var fault *FunctionError
	if !errors.As(err, &fault) || fault.Type != "Function.ResponseSizeTooLarge" {
		t.Errorf("a large response: %v", err)
	}
	inv, err := in.Invoke(t.Context(), "f", fmt.Appendf(nil, "give %d", maxPayload))
	if err != nil || len(inv.Payload) != maxPayload {
		t.Errorf("the largest response: %d bytes, %v", len(inv.Payload), err)
	}
}

func TestUnknownFunction(t *testing.T) {
	if _, err := start(t, Options{}).Invoke(t.Context(), "f", nil); !errors.Is(err, platform.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]Options{
		"a concurrency below zero": {KeepAlive: 1, MaxConcurrency: -1},
		"no keep-alive":            {MaxConcurrency: 1},
		"twice":                    {MaxConcurrency: 1, KeepAlive: 1, Functions: []Function{self("f"), self("f")}},
		"no timeout":               {MaxConcurrency: 1, KeepAlive: 1, Functions: []Function{{Name: "f", MemoryMB: 1}}},
		"no name":                  {MaxConcurrency: 1, KeepAlive: 1, Functions: []Function{self("")}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLogsHoldWhatFunctionsPrintAndNoPayload(t *testing.T) {
	var log bytes.Buffer
	in := start(t, Options{Functions: []Function{self("f")}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, payload := range []string{`{"text":"secret"}`, `{"do":"exit","text":"secret"}`} {
		_, _ = in.Invoke(t.Context(), "f", []byte(payload))
	}
	in.Close(t.Context())
	if got := log.String(); !strings.Contains(got, `msg="hello from init" process=f`) || strings.Contains(got, "secret") {
		t.Errorf("log: %s", got)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	in, g := start(t, Options{Functions: []Function{self("f"), self("deaf", "TEST_INIT=deaf")}}), newGate(t)
	call(t, in, "f", "")
	idle := in.only(t)
	pending := begin(t.Context(), in, "deaf", g.request())
	g.await(t)
	ctx, cancel := context.WithCancel(t.Context())
	closed := make(chan error)
	go func() { closed <- in.Close(ctx) }()
	<-idle.child.Done() // by SIGTERM
	cancel()            // the deaf one by SIGKILL
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if r := <-pending; !errors.Is(r.err, platform.ErrFault) {
		t.Errorf("an event that ran: %v", r.err)
	}
	if _, err := in.Invoke(t.Context(), "f", nil); !errors.Is(err, platform.ErrUnavailable) {
		t.Errorf("an event after it: %v", err)
	}
}

func TestFunctionsDieWithAKilledParent(t *testing.T) {
	g := newGate(t)
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "TEST_PARENT="+g.Addr().String())
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	v := g.await(t)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	v.gone()
	_ = parent.Wait()
}
