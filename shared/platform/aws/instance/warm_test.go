package instance

import (
	"context"
	"fmt"
	"testing"
)

// A machine of the warm pool is one by its target state, in whatever state of it.
func TestWarmedIsByTheTargetState(t *testing.T) {
	for state, want := range map[string]bool{
		"InService": false, "Terminated": false, "": false,
		"Warmed:Stopped": true, "Warmed:Running": true, "Warmed:Hibernated": true,
	} {
		m, md, _ := machine(t)
		md.set(targetState, state)
		if got, err := m.Warmed(t.Context()); err != nil || got != want {
			t.Errorf("%q: %v, error %v", state, got, err)
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
