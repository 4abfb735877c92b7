package tutorial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// DefaultAddr is the address in the commands of the page.
const DefaultAddr = "127.0.0.1:8080"

// stopsWithin is how long commands may take to end in order.
const stopsWithin = 30 * time.Second

// Walk says how the examples are done.
type Walk struct {
	Repository string        // its folder
	Commit     string        // that is cloned
	Addr       string        // of the API, in place of DefaultAddr
	Limit      time.Duration // of one example
	Log        io.Writer     // what is done, a line each
}

// Took is the time of an example, from the clone on.
type Took struct {
	Example            string  `json:"example"`
	PreparedSeconds    float64 `json:"prepared_seconds"`     // until the first server is started
	FirstAnswerSeconds float64 `json:"first_answer_seconds"` // until the first right answer; 0 without one
	Answer             string  `json:"answer"`               // the first one
	Error              string  `json:"error,omitempty"`
}

// Do does an example and returns how long it took; where it fails, with the reason in it.
func (w Walk) Do(ctx context.Context, e Example) Took {
	took := Took{Example: e.Title}
	start := time.Now()
	limited, cancel := context.WithTimeout(ctx, w.Limit)
	defer cancel()
	err := w.do(limited, e, &took)
	switch {
	case ctx.Err() != nil:
		took.Error = "interrupted"
	case limited.Err() != nil:
		took.Error = fmt.Sprintf("it takes more than the limit of %v", w.Limit)
	case err != nil:
		took.Error = err.Error()
	}
	if took.Error != "" {
		fmt.Fprintf(w.Log, "%4.0f s  %s: fails: %s\n", time.Since(start).Seconds(), e.Title, took.Error)
	}
	return took
}

func (w Walk) do(ctx context.Context, e Example, took *Took) (err error) {
	dir, err := os.MkdirTemp("", "paragon-tutorial-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	start := time.Now()
	seconds := func() float64 { return time.Since(start).Seconds() }
	t := terminal{dir: filepath.Join(dir, "clone"), env: environment(filepath.Join(dir, "caches"), w.Addr)}
	for _, args := range [][]string{
		{"clone", "--quiet", "--no-checkout", w.Repository, t.dir},
		{"-C", t.dir, "checkout", "--quiet", "--detach", w.Commit},
	} {
		if out, err := exec.CommandContext(ctx, "git", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, tail(out))
		}
	}
	var server *command
	defer func() { server.stop() }()
	for _, s := range e.Steps {
		if s.Serve != "" {
			server.stop()
			fmt.Fprintf(w.Log, "%4.0f s  %s: prepares %q\n", seconds(), e.Title, first(s.Prepare+s.Serve))
			if _, err := t.run(ctx, s.Prepare); err != nil {
				return err
			}
			if took.PreparedSeconds == 0 {
				took.PreparedSeconds = seconds()
			}
			serve := strings.TrimSpace(s.Serve)
			if w.Addr != DefaultAddr {
				serve += " --addr " + w.Addr
			}
			fmt.Fprintf(w.Log, "%4.0f s  %s: starts %q\n", seconds(), e.Title, serve)
			if server, err = t.serve(ctx, serve); err != nil {
				return err
			}
			continue
		}
		printed, err := t.run(ctx, strings.ReplaceAll(s.Ask, DefaultAddr, w.Addr))
		if err != nil {
			return err
		}
		if !matches(s.Answer, printed) {
			return fmt.Errorf("%s\nprints\n%s\nand not\n%s", strings.TrimSpace(s.Ask), tail([]byte(printed)), strings.TrimSpace(s.Answer))
		}
		if took.FirstAnswerSeconds == 0 {
			took.FirstAnswerSeconds, took.Answer = seconds(), first(printed)
		}
		fmt.Fprintf(w.Log, "%4.0f s  %s: right answer %q\n", seconds(), e.Title, first(printed))
	}
	return nil
}

// environment is that of this process, with caches of its own, and without what make, or
// Paragon's settings, would change in the commands.
func environment(caches, addr string) (env []string) {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case strings.HasPrefix(name, "PARAGON_"), strings.HasPrefix(name, "MAKE"), name == "MFLAGS":
		default:
			env = append(env, v)
		}
	}
	env = append(env, "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -modcacherw"),
		"GOMODCACHE="+filepath.Join(caches, "modules"), "GOCACHE="+filepath.Join(caches, "go"),
		"npm_config_cache="+filepath.Join(caches, "npm"), "PIP_CACHE_DIR="+filepath.Join(caches, "pip"), "XDG_CACHE_HOME="+filepath.Join(caches, "xdg"))
	if addr != DefaultAddr {
		env = append(env, "PARAGON_ENDPOINT=http://"+addr)
	}
	return env
}

// terminal types commands in a folder.
type terminal struct {
	dir string
	env []string
}

// command is one that runs, with all that it starts.
type command struct {
	*exec.Cmd
	out    *output
	ended  chan struct{} // closed once err is set
	err    error
	cancel context.CancelFunc
}

// start begins commands; they are ended with what they started when ctx ends.
func (t terminal) start(ctx context.Context, script string) (*command, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &command{exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script), &output{}, make(chan struct{}), nil, cancel}
	c.Dir, c.Env, c.Stdout, c.Stderr = t.dir, t.env, c.out, &c.out.errors
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }
	c.WaitDelay = stopsWithin
	if err := c.Start(); err != nil {
		cancel()
		return nil, err
	}
	go func() {
		c.err = c.Wait()
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // what it left
		cancel()
		close(c.ended)
	}()
	return c, nil
}

// stop ends a command; it may be nil.
func (c *command) stop() {
	if c != nil {
		c.cancel()
		<-c.ended
	}
}

// run runs commands to their end and returns what they print.
func (t terminal) run(ctx context.Context, script string) (string, error) {
	c, err := t.start(ctx, script)
	if err != nil {
		return "", err
	}
	<-c.ended
	if c.err != nil {
		return "", fmt.Errorf("%s\nfails (%w):\n%s", strings.TrimSpace(script), c.err, c.out.tail())
	}
	return c.out.String(), nil
}

// serve starts the command that serves, and returns once it says that it does.
func (t terminal) serve(ctx context.Context, script string) (*command, error) {
	c, err := t.start(ctx, "exec "+script)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains("\n"+c.out.String(), "\nparagon serves ") {
		select {
		case <-c.ended:
			return nil, fmt.Errorf("%s ends (%w):\n%s", script, errors.Join(c.err, ctx.Err()), c.out.tail())
		case <-tick.C:
		}
	}
	return c, nil
}

// output is what a command prints, which may be read while it runs.
type output struct {
	buffer
	errors buffer
}

type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// tail is the end of what was printed, with the errors.
func (o *output) tail() string { return tail([]byte(o.String() + o.errors.String())) }

// mostLines are those of a command's output that an error has.
const mostLines = 20

func tail(printed []byte) string {
	lines := strings.Split(strings.TrimSpace(string(printed)), "\n")
	return strings.Join(lines[max(0, len(lines)-mostLines):], "\n")
}

// mostCharacters bounds a line that is reported.
const mostCharacters = 120

// first is the first line of a text.
func first(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if r := []rune(line); len(r) > mostCharacters {
		return string(r[:mostCharacters]) + "…"
	}
	return line
}
