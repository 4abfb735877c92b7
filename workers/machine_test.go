package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"paragon/shared/platform"
	"paragon/shared/platform/aws/instance"
)

// vm is an instance that gives one notice and writes down how it was left.
type vm struct {
	notice chan instance.Notice
	did    []string
}

func (v *vm) Watch(ctx context.Context) instance.Notice {
	select {
	case n := <-v.notice:
		return n
	case <-ctx.Done():
		return ""
	}
}

func (v *vm) Leave(_ context.Context, shrink bool) error {
	v.did = append(v.did, fmt.Sprint("leave, shrink ", shrink))
	return nil
}

func (v *vm) Deregister(context.Context) error {
	v.did = append(v.did, "deregister")
	return nil
}

func (v *vm) Complete(context.Context) error {
	v.did = append(v.did, "complete")
	return nil
}

// Whoever fences a worker, it drains the same way; how its machine ends differs.
func TestOnePathOut(t *testing.T) {
	broken := errors.New("broken")
	untilFenced := func(ctx context.Context) error { <-ctx.Done(); return nil }
	for _, tc := range []struct {
		name    string
		notice  instance.Notice
		sigterm bool
		run     func(context.Context) error
		did     []string
		err     error
	}{
		{"drained by the controller", "", false, func(context.Context) error { return nil }, []string{"leave, shrink true"}, nil},
		{"declared dead", "", false, func(context.Context) error { return platform.ErrRevoked }, []string{"leave, shrink false"}, platform.ErrRevoked},
		{"a fault of its own", "", false, func(context.Context) error { return broken }, nil, broken},
		{"its group ends it", instance.Terminate, false, untilFenced, []string{"complete"}, nil},
		{"a spot notice", instance.Spot, false, untilFenced, []string{"deregister"}, nil},
		{"SIGTERM", "", true, untilFenced, nil, nil},
	} {
		v := &vm{notice: make(chan instance.Notice, 1)}
		if tc.notice != "" {
			v.notice <- tc.notice
		}
		ctx, cancel := context.WithCancel(t.Context())
		if tc.sigterm {
			cancel()
		}
		err := machine{ec2: v}.serve(ctx, tc.run, slog.New(slog.DiscardHandler))
		cancel()
		if !errors.Is(err, tc.err) || !slices.Equal(v.did, tc.did) {
			t.Errorf("%s: did %q, want %q; error %v", tc.name, v.did, tc.did, err)
		}
	}
}

func TestAMachineTellsWhatTheEnvironmentDoesNot(t *testing.T) {
	env := func(key string) string { return map[string]string{"PARAGON_POOL": "p", "PARAGON_RUNNERS": "7"}[key] }
	told := machine{ec2: &vm{}, id: "i-1", kind: "c5.large"}.environment(env)
	o, err := options(told)
	if err != nil || o.ID != "i-1" || o.InstanceType != "c5.large" || o.Pool != "p" || o.Runners != 7 {
		t.Errorf("%+v, error %v", o, err)
	}
}
