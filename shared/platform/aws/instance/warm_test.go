package instance

import (
	"context"
	"fmt"
	"testing"
)

// What a group has a machine do is its target state, in the warm pool one of several.
func TestTheTargetIsByItsState(t *testing.T) {
	for state, want := range map[string]Target{
		"InService": Serve, "": Serve, "Terminated": End, "Warmed:Terminated": End,
		"Warmed:Stopped": Wait, "Warmed:Running": Wait, "Warmed:Hibernated": Wait,
	} {
		m, md, _ := machine(t)
		md.set(targetState, state)
		if got, err := m.Target(t.Context()); err != nil || got != want {
			t.Errorf("%q: %q, error %v", state, got, err)
		}
	}
}

// The launch hook begins late, twice in the life of a machine, and is another one
// than that of its end.
func TestTheLaunchHookIsCompleted(t *testing.T) {
	m, _, groups := machine(t)
	for range 2 {
		groups.late = 3
		if err := m.CompleteLaunch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := "[complete launch of paragon-dev-p: CONTINUE complete launch of paragon-dev-p: CONTINUE]"
	if got := fmt.Sprint(groups.calls); got != want {
		t.Errorf("calls %s, want %s", got, want)
	}
}

// A machine that is not stopped serves once its group says so, and never when it is
// to end.
func TestAWarmMachineWaitsForItsGroup(t *testing.T) {
	for _, tc := range []struct {
		state string
		want  bool
	}{{"InService", true}, {"Warmed:Terminated", false}, {"Terminated", false}} {
		m, md, _ := machine(t)
		md.set(targetState, "Warmed:Stopped")
		got := make(chan bool, 1)
		go func() { got <- m.AwaitService(t.Context()) }()
		md.set(targetState, tc.state)
		if serves := <-got; serves != tc.want {
			t.Errorf("%s: it serves: %v", tc.state, serves)
		}
	}
	m, md, _ := machine(t)
	md.set(targetState, "Warmed:Stopped")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if m.AwaitService(ctx) {
		t.Error("a machine that is stopped serves")
	}
}
