package machine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/paragon-serving/paragon/shared/platform"
)

// held is an invoker whose functions run until they are let go.
type held struct {
	began, release chan struct{}
}

func (h held) Invoke(context.Context, string, []byte) (platform.Invocation, error) {
	h.began <- struct{}{}
	<-h.release
	return platform.Invocation{BilledMS: 1}, nil
}

// reporting is a fleet of ready workers, with busy runs in progress.
func reporting(ready, busy int) func(context.Context) (int, int, error) {
	return func(context.Context) (int, int, error) { return ready, busy, nil }
}

// Functions get the cores that neither workers nor other functions use; what
// finds none is refused as by a throttle.
func TestFunctionsRunOnFreeCoresAlone(t *testing.T) {
	for _, tc := range []struct {
		cores, busy int
		runs        int // of three invocations at once
	}{{4, 0, 3}, {4, 2, 2}, {2, 1, 1}, {2, 2, 0}, {2, 5, 0}, {1, 0, 1}} {
		h := held{make(chan struct{}), make(chan struct{})}
		c := newCoreBound(h, tc.cores, reporting(1, tc.busy))
		ended := make(chan error, 3)
		for range 3 {
			go func() { _, err := c.Invoke(t.Context(), "f", nil); ended <- err }()
		}
		for range tc.runs {
			<-h.began
		}
		for range 3 - tc.runs {
			if err := <-ended; !errors.Is(err, platform.ErrThrottled) {
				t.Errorf("%+v: %v, want a throttle", tc, err)
			}
		}
		close(h.release)
		for range tc.runs {
			if err := <-ended; err != nil {
				t.Errorf("%+v: %v", tc, err)
			}
		}
		if !c.free.TryAcquire(int64(tc.cores)) {
			t.Errorf("%+v: a core is still taken", tc)
		}
	}
}

// named is an invoker that says which function began, and runs it until it is let go.
type named struct {
	began   chan string
	release chan struct{}
}

func (n named) Invoke(_ context.Context, function string, _ []byte) (platform.Invocation, error) {
	n.began <- function
	<-n.release
	return platform.Invocation{}, nil
}

// While no worker is ready, nobody else would answer what is refused: a function waits for a
// core, in the order of arrival, until its caller leaves.
func TestWithoutWorkersFunctionsWaitForACore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := named{make(chan string, 4), make(chan struct{})}
		c := newCoreBound(n, 2, reporting(0, 0))
		ended := make(chan error, 4)
		invoke := func(ctx context.Context, function string) {
			go func() { _, err := c.Invoke(ctx, function, nil); ended <- err }()
			synctest.Wait()
		}
		invoke(t.Context(), "first")
		invoke(t.Context(), "second")
		leaving, leave := context.WithCancel(t.Context())
		invoke(leaving, "leaves")
		for _, name := range []string{"third", "fourth"} {
			invoke(t.Context(), name)
		}
		leave()
		if err := <-ended; !errors.Is(err, platform.ErrThrottled) || !errors.Is(err, context.Canceled) {
			t.Errorf("whose caller left: %v", err)
		}
		if len(n.began) != 2 {
			t.Fatalf("%d run on two cores", len(n.began))
		}
		for _, want := range []string{"first", "second", "third", "fourth"} {
			if got := <-n.began; got != want {
				t.Errorf("%s began, want %s", got, want)
			}
			n.release <- struct{}{}
			synctest.Wait()
		}
		for range 4 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestWithoutReportsNoFunctionTakesACore(t *testing.T) {
	away := errors.New("away")
	c := newCoreBound(nil, 9, func(context.Context) (int, int, error) { return 0, 0, away })
	if _, err := c.Invoke(t.Context(), "f", nil); !errors.Is(err, platform.ErrThrottled) || !errors.Is(err, away) {
		t.Error(err)
	}
}
