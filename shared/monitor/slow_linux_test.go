package monitor

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Played as the program that calls Slow: it says which slack its threads have, and what it was given.
func TestMain(m *testing.M) {
	if os.Getenv("SLOW_TEST") == "" {
		os.Exit(m.Run())
	}
	fmt.Printf("pid %d\n", os.Getpid())
	Slow()
	fmt.Printf("args %q mark %q\n", os.Args[1:], os.Getenv(mark))
	var mu sync.Mutex
	var all, done sync.WaitGroup
	all.Add(threads)
	for range threads {
		done.Go(func() {
			runtime.LockOSThread()
			mu.Lock()
			fmt.Println("thread", has())
			mu.Unlock()
			all.Done()
			all.Wait()
		})
	}
	done.Wait()
}

// play runs this test's binary as the program, with variables.
func play(t *testing.T, env ...string) []string {
	t.Helper()
	c := exec.Command(os.Args[0], "up", "--addr", "a b")
	c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, mark) }), append(env, "SLOW_TEST=1")...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func TestTheProgramExecutesItselfOnce(t *testing.T) {
	got := play(t)
	if len(got) < 3 || got[0] != got[1] || !strings.HasPrefix(got[0], "pid ") {
		t.Fatalf("it did not start twice with one process id: %q", got)
	}
	if want := `args ["up" "--addr" "a b"] mark ""`; got[2] != want {
		t.Errorf("the second start has %s, want %s", got[2], want)
	}
}

func TestThreadsOfGoroutinesKeepTheUsualSlack(t *testing.T) {
	count := map[string]int{}
	for _, line := range play(t) {
		count[line]++
	}
	if n := count["thread "+usual.String()]; n < threads-4 { // the monitor may have made some
		t.Errorf("%d of %d threads have the usual slack: %v", n, threads, count)
	}
}

// A program that the kernel gave no slack, though it is marked, goes on: it does not execute itself for ever.
func TestAMarkedProgramGoesOn(t *testing.T) {
	got := play(t, mark+"=1")
	if len(got) < 2 || strings.HasPrefix(got[1], "pid ") || !strings.Contains(got[1], `mark ""`) {
		t.Fatalf("got %q", got)
	}
}

func TestSetSaysWhatTheKernelTook(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := has()
	defer set(before)
	if !set(3*time.Millisecond) || has() != 3*time.Millisecond {
		t.Errorf("the slack is %s after it was set to 3 ms", has())
	}
}
