package process_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/paragon-serving/paragon/shared/platform/sqlite/process"
)

// The test binary is also the children of its tests: CHILD says which.
func TestMain(m *testing.M) {
	switch os.Getenv("CHILD") {
	case "":
		goleak.VerifyTestMain(m)
	case "talk":
		fmt.Print("one\ntwo\n\nlong" + strings.Repeat(".", 5000) + "\nlast")
		os.Exit(3)
	case "log":
		slog.New(slog.NewJSONHandler(os.Stdout, nil)).Warn("left a query", "query", "q1", "code", 7)
		slog.Error("cannot start", "error", "no model")
		fmt.Println(`{"level":"LOUD","msg":"no record of slog's"}`)
	case "env":
		fmt.Println(strings.Join(os.Environ(), " "))
	case "stay":
		stay()
	case "polite":
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		hello()
		<-signals
		fmt.Println("leaving")
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		stay()
	case "parent", "grandparent":
		parent()
	}
}

// hello shows the test that this process runs: by a connection, which ends with it.
func hello() net.Conn {
	conn, err := net.Dial("tcp", os.Getenv("TEST_ADDR"))
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(conn, os.Getenv("CHILD"))
	return conn
}

func stay() {
	io.Copy(io.Discard, hello())
	select {}
}

// parent starts a child and stays.
func parent() {
	env := []string{"TEST_ADDR=" + os.Getenv("TEST_ADDR"), "CHILD=stay"}
	if os.Getenv("CHILD") == "parent" {
		if _, err := process.NewSpawner().Start(process.Spec{Name: "child", Path: os.Args[0], Env: env}); err != nil {
			panic(err)
		}
	} else {
		cmd := exec.Command(os.Args[0]) // plainly: same group, no death signal
		cmd.Env = env
		if err := cmd.Start(); err != nil {
			panic(err)
		}
	}
	stay()
}

// greeter accepts hellos.
type greeter struct{ net.Listener }

func newGreeter(t *testing.T) greeter {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return greeter{l}
}

// await returns the connections of the processes that say hello, by what they are.
func (g greeter) await(t *testing.T, n int) map[string]net.Conn {
	conns := map[string]net.Conn{}
	for range n {
		conn, err := g.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		who, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		conns[strings.TrimSpace(who)] = conn
	}
	return conns
}

// gone returns once the process behind the connection has ended.
func gone(t *testing.T, conn net.Conn) {
	t.Helper()
	if conn == nil {
		t.Fatal("the process never said hello")
	}
	if n, _ := conn.Read(make([]byte, 1)); n != 0 {
		t.Fatal("the process spoke")
	}
}

func spawner(t *testing.T) *process.Spawner {
	s := process.NewSpawner()
	t.Cleanup(s.Close)
	return s
}

func (g greeter) spec(t *testing.T, child string, log *slog.Logger) process.Spec {
	env := []string{"CHILD=" + child, "GORACE=atexit_sleep_ms=0"}
	if testing.CoverMode() != "" {
		env = append(env, "GOCOVERDIR="+t.TempDir()) // or the child complains in its output
	}
	if g.Listener != nil {
		env = append(env, "TEST_ADDR="+g.Addr().String())
	}
	return process.Spec{Name: "kid", Path: os.Args[0], Env: env, Logger: log}
}

// journal keeps log messages.
type journal struct {
	mu    sync.Mutex
	texts []string
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		switch {
		case a.Key == process.Attribute:
			text = a.Value.String() + ": " + text
		case a.Key == "query" || a.Key == "code":
			text += " " + a.String()
		}
		return true
	})
	if r.Level > slog.LevelInfo {
		text = r.Level.String() + " " + text
	}
	j.texts = append(j.texts, text)
	return nil
}

func TestOutputIsLoggedLineByLine(t *testing.T) {
	j := &journal{}
	c, err := spawner(t).Start(greeter{}.spec(t, "talk", slog.New(j)))
	if err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if c.Err() == nil || c.Err().Error() != "exit status 3" {
		t.Errorf("ended with %v, want exit status 3", c.Err())
	}
	want := []string{"kid: one", "kid: two", "kid: long" + strings.Repeat(".", 4092), "kid: last", "WARN a child process ended unexpectedly"}
	if !slices.Equal(j.texts, want) {
		t.Errorf("logged %.200q", j.texts)
	}
}

// What a child logs keeps its level and its attributes.
func TestRecordsKeepTheirLevel(t *testing.T) {
	j := &journal{}
	c, err := spawner(t).Start(greeter{}.spec(t, "log", slog.New(j)))
	if err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	want := []string{"WARN kid: left a query code=7 query=q1", `ERROR kid: cannot start error="no model"`, `kid: {"level":"LOUD","msg":"no record of slog's"}`}
	if !slices.Equal(j.texts, want) {
		t.Errorf("logged %q", j.texts)
	}
}

// Only a death that nobody asked for is a warning.
func TestAskedToEndIsNoWarning(t *testing.T) {
	g := newGreeter(t)
	for _, end := range []func(*process.Child){(*process.Child).Terminate, (*process.Child).Kill} {
		j := &journal{}
		c, err := spawner(t).Start(g.spec(t, "stay", slog.New(j)))
		if err != nil {
			t.Fatal(err)
		}
		g.await(t, 1)
		end(c)
		<-c.Done()
		if c.Err() == nil || len(j.texts) > 0 {
			t.Errorf("ended with %v and logged %q", c.Err(), j.texts)
		}
	}
}

func TestNothingIsInherited(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hush")
	j := &journal{}
	spec := greeter{}.spec(t, "env", slog.New(j))
	c, err := spawner(t).Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if !slices.Equal(j.texts, []string{"kid: " + strings.Join(spec.Env, " ")}) {
		t.Errorf("the child's environment: %q", j.texts)
	}
}

func TestBasics(t *testing.T) {
	environ := []string{"PATH=/bin", "PATHS=no", "PARAGON_ORT_LIB=1", "PARAGON_ORT_LIB_SHA256=2=3", "AWS_SECRET_ACCESS_KEY=hush", "PARAGON_LOCAL_URL=hush"}
	got := process.Basics(environ)
	if want := []string{"PATH=/bin", "PARAGON_ORT_LIB=1", "PARAGON_ORT_LIB_SHA256=2=3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStopAsksFirst(t *testing.T) {
	g, j := newGreeter(t), &journal{}
	c, err := spawner(t).Start(g.spec(t, "polite", slog.New(j)))
	if err != nil {
		t.Fatal(err)
	}
	g.await(t, 1)
	c.Stop(t.Context())
	if c.Err() != nil || !slices.Equal(j.texts, []string{"kid: leaving"}) {
		t.Errorf("ended with %v having said %q", c.Err(), j.texts)
	}
	c.Kill() // of one that has ended harms nothing
	c.Terminate()
}

func TestStopKillsWhenItsTimeIsOver(t *testing.T) {
	g := newGreeter(t)
	c, err := spawner(t).Start(g.spec(t, "deaf", nil))
	if err != nil {
		t.Fatal(err)
	}
	g.await(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.Stop(ctx)
	if c.Err() == nil || c.Err().Error() != "signal: killed" {
		t.Errorf("ended with %v", c.Err())
	}
}

func TestKillReachesGrandchildren(t *testing.T) {
	g := newGreeter(t)
	c, err := spawner(t).Start(g.spec(t, "grandparent", nil))
	if err != nil {
		t.Fatal(err)
	}
	conns := g.await(t, 2)
	c.Kill()
	gone(t, conns["stay"])
	<-c.Done()
}

func TestChildrenDieWithTheirParent(t *testing.T) {
	g := newGreeter(t)
	c, err := spawner(t).Start(g.spec(t, "parent", nil))
	if err != nil {
		t.Fatal(err)
	}
	conns := g.await(t, 2)
	if err := syscall.Kill(c.PID(), syscall.SIGKILL); err != nil { // the parent alone, not its group
		t.Fatal(err)
	}
	gone(t, conns["stay"])
	<-c.Done()
}

func TestAClosedSpawnerStartsNothing(t *testing.T) {
	s := process.NewSpawner()
	s.Close()
	s.Close()
	if _, err := s.Start(greeter{}.spec(t, "talk", nil)); err == nil {
		t.Error("started")
	}
}

func TestAMissingBinaryIsAnError(t *testing.T) {
	var buf bytes.Buffer
	_, err := spawner(t).Start(process.Spec{Name: "kid", Path: "/no/such/binary", Logger: slog.New(slog.NewTextHandler(&buf, nil))})
	if err == nil || !strings.HasPrefix(err.Error(), "start kid: ") {
		t.Errorf("got %v", err)
	}
}
