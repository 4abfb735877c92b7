package machine

import (
	"context"
	"errors"
	"testing"

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

// Functions get the cores that neither workers nor other functions use; what
// finds none is refused as by a throttle.
func TestFunctionsRunOnFreeCoresAlone(t *testing.T) {
	for _, tc := range []struct {
		cores, busy int
		runs        int // of three invocations at once
	}{{4, 0, 3}, {4, 2, 2}, {2, 1, 1}, {2, 2, 0}, {2, 5, 0}, {1, 0, 1}} {
		h := held{make(chan struct{}), make(chan struct{})}
		c := &coreBound{Invoker: h, cores: tc.cores, busy: func(context.Context) (int, error) { return tc.busy, nil }}
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
		if c.running != 0 {
			t.Errorf("%+v: %d cores are still taken", tc, c.running)
		}
	}
}

func TestWithoutReportsNoFunctionTakesACore(t *testing.T) {
	away := errors.New("away")
	c := &coreBound{cores: 9, busy: func(context.Context) (int, error) { return 0, away }}
	if _, err := c.Invoke(t.Context(), "f", nil); !errors.Is(err, platform.ErrThrottled) || !errors.Is(err, away) {
		t.Error(err)
	}
}
