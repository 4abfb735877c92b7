package lambdaemulator

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"go.uber.org/goleak"
)

// The test binary is also the bootstrap of its functions.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv("TEST_PARENT") != "":
		beParent()
	case os.Getenv("AWS_LAMBDA_RUNTIME_API") != "":
		beBootstrap()
	default:
		goleak.VerifyTestMain(m)
	}
}

// request says what the bootstrap does with an event.
type request struct {
	Do   string `json:"do,omitempty"`
	Addr string `json:"addr,omitempty"` // where a gate is
	Text string `json:"text,omitempty"`
}

type reply struct {
	PID   int       `json:"pid"`
	Text  string    `json:"text,omitempty"` // the request's
	Env   []string  `json:"env,omitempty"`
	ARN   string    `json:"arn,omitempty"`
	Until time.Time `json:"until,omitzero"`
}

type oddError struct{}

func (*oddError) Error() string { return "that is odd" }

func beBootstrap() {
	switch os.Getenv("TEST_INIT") {
	case "once": // fails the first time
		if f, err := os.OpenFile(os.Getenv("TEST_MARKER"), os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			f.Close()
			os.Exit(7)
		}
	case "error":
		body := strings.NewReader(`{"errorType":"Init.NoModel","errorMessage":"the model is not there"}`)
		if _, err := http.Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/init/error", "application/json", body); err != nil {
			panic(err)
		}
		os.Exit(1)
	case "hang":
		select {}
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
	}
	if os.Getenv("TEST_INIT") == "extended" { // writes what is left at its end
		lambda.StartWithOptions(handle, lambda.WithEnableSIGTERM(func() {
			_ = os.WriteFile(os.Getenv("TEST_MARKER"), []byte("ended"), 0o600) // its absence is what the test looks for
			os.Exit(0)
		}))
	}
	fmt.Fprintln(os.Stderr, "hello from init")
	lambda.Start(bulk{lambda.NewHandler(handle)})
}

// bulk answers "large" to "large...", and "give N" with N bytes, without the
// cost of JSON; what else comes goes on.
type bulk struct{ lambda.Handler }

func (b bulk) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var n int
	if bytes.HasPrefix(payload, []byte("large")) {
		return []byte("large"), nil
	}
	if _, err := fmt.Sscanf(string(payload), "give %d", &n); err == nil {
		return make([]byte, n), nil
	}
	return b.Handler.Invoke(ctx, payload)
}

func handle(ctx context.Context, q request) (reply, error) {
	r := reply{PID: os.Getpid()}
	switch q.Do {
	case "":
		r.Text = q.Text
	case "panic":
		panic("no way on")
	case "exit":
		os.Exit(3)
	case "error":
		return r, &oddError{}
	case "hang":
		select {}
	case "env":
		r.Env = os.Environ()
		lc, _ := lambdacontext.FromContext(ctx)
		r.ARN = lc.InvokedFunctionArn
		r.Until, _ = ctx.Deadline()
	case "gate":
		return r, wait(q.Addr)
	}
	return r, nil
}

// wait says hello at a gate and waits until it opens.
func wait(addr string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprintln(conn, os.Getpid())
	if n, err := conn.Read(make([]byte, 1)); n == 0 {
		return errors.Join(errors.New("gate is gone"), err)
	}
	return nil
}

// beParent is a process that is killed while its function runs.
func beParent() {
	in, err := New(Options{Functions: []Function{self("f")}, MaxConcurrency: 1, KeepAlive: time.Hour})
	if err != nil {
		panic(err)
	}
	_, err = in.Invoke(context.Background(), "f", []byte(`{"do":"gate","addr":"`+os.Getenv("TEST_PARENT")+`"}`))
	panic(err)
}

// self is a function of this very binary.
func self(name string, env ...string) Function {
	return Function{Name: name, Bootstrap: os.Args[0], MemoryMB: 1024, Timeout: time.Hour, Env: append(env, "GORACE=atexit_sleep_ms=0")}
}

// gate holds events until the test opens it.
type gate struct{ net.Listener }

func newGate(t *testing.T) gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return gate{l}
}

func (g gate) request() []byte {
	q, _ := json.Marshal(request{Do: "gate", Addr: g.Addr().String()})
	return q
}

// visitor is an event that waits at a gate.
type visitor struct {
	net.Conn
	pid int
}

func (g gate) await(t *testing.T) visitor {
	t.Helper()
	conn, err := g.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	v := visitor{Conn: conn}
	if _, err := fmt.Sscan(line, &v.pid); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v visitor) open(t *testing.T) {
	t.Helper()
	if _, err := v.Write([]byte("!")); err != nil {
		t.Fatal(err)
	}
}

// gone returns once the process of the visitor has ended.
func (v visitor) gone() { io.Copy(io.Discard, v) }

// clock is real time plus what the test adds.
type clock struct {
	mu    sync.Mutex
	added time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.added)
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.added += d
}

// start returns an invoker of those functions.
func start(t testing.TB, o Options) *Invoker {
	t.Helper()
	if o.MaxConcurrency == 0 {
		o.MaxConcurrency = 4
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = time.Hour
	}
	in, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(context.Background()) })
	return in
}

// call invokes a function and reads its reply.
func call(t testing.TB, in *Invoker, name, do string) (reply, float64) {
	t.Helper()
	inv, err := in.Invoke(t.Context(), name, []byte(`{"do":"`+do+`"}`))
	if err != nil {
		t.Fatalf("%s: %v", do, err)
	}
	var r reply
	if err := json.Unmarshal(inv.Payload, &r); err != nil {
		t.Fatalf("%s: %v", do, err)
	}
	return r, inv.InitMS
}

// only returns the one environment that there is.
func (in *Invoker) only(t *testing.T) *environment {
	t.Helper()
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.environments) != 1 {
		t.Fatalf("%d environments, want 1", len(in.environments))
	}
	for _, e := range in.environments {
		return e
	}
	return nil
}
