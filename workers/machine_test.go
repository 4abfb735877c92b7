package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

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

func (v *vm) AwaitHook(context.Context) error {
	v.did = append(v.did, "await the hook")
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

// Whatever ends a worker, it drains the same way: it goes on answering until no
// more requests come. Who ends its machine differs.
func TestOnePathOut(t *testing.T) {
	broken := errors.New("broken")
	byOrders := func(context.Context) error { return nil }
	untilFenced := func(ctx context.Context) error { <-ctx.Done(); return nil }
	for _, tc := range []struct {
		name    string
		notice  instance.Notice
		sigterm bool
		run     func(context.Context) error
		did     []string
		err     error
	}{
		{"drained by the controller", "", false, byOrders, []string{"await the hook", "complete"}, nil},
		{"declared dead", "", false, func(context.Context) error { return platform.ErrRevoked }, []string{"await the hook", "complete"}, platform.ErrRevoked},
		{"a fault of its own", "", false, func(context.Context) error { return broken }, []string{"await the hook"}, broken},
		{"its group ends it", instance.Terminate, false, untilFenced, []string{"await the hook", "complete"}, nil},
		{"a spot notice", instance.Spot, false, untilFenced, []string{"deregister"}, nil},
		{"SIGTERM", "", true, untilFenced, []string{"await the hook"}, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			v := &vm{notice: make(chan instance.Notice, 1)}
			if tc.notice != "" {
				v.notice <- tc.notice
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tc.sigterm {
				cancel()
			}
			log := slog.New(slog.DiscardHandler)
			m := &machine{ec2: v}
			began, lingered := time.Now(), time.Duration(0)
			err := m.serve(ctx, func(ctx context.Context) error {
				err := tc.run(ctx)
				m.linger(log)(t.Context())
				lingered = time.Since(began)
				return err
			}, log)
			if !errors.Is(err, tc.err) || !slices.Equal(v.did, tc.did) {
				t.Errorf("%s: did %q, want %q; error %v", tc.name, v.did, tc.did, err)
			}
			if waits := tc.notice == instance.Spot; (lingered >= spotLinger) != waits {
				t.Errorf("%s: it lingered for %v", tc.name, lingered)
			}
		})
	}
}

// A group that never waits for its machine delays the drain for hookTime, and
// SIGTERM ends the wait.
func TestTheWaitForTheHookIsBounded(t *testing.T) {
	for name, sigterm := range map[string]bool{"no hook": false, "SIGTERM": true} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			m := &machine{ec2: never{&vm{}}, stopping: ctx.Done()}
			if sigterm {
				time.AfterFunc(time.Second, cancel)
			}
			began := time.Now()
			m.linger(slog.New(slog.DiscardHandler))(t.Context())
			want := hookTime
			if sigterm {
				want = time.Second
			}
			if took := time.Since(began); took != want {
				t.Errorf("%s: it waited for %v, want %v", name, took, want)
			}
		})
	}
}

// never is an instance whose group's hook never waits.
type never struct{ *vm }

func (never) AwaitHook(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func TestAMachineReportsWhatTheEnvironmentDoesNot(t *testing.T) {
	env := func(key string) string { return map[string]string{"PARAGON_POOL": "p", "PARAGON_RUNNERS": "7"}[key] }
	m := &machine{ec2: &vm{}, id: "i-1", kind: "c5.large"}
	values := m.environment(env)
	o, err := options(values)
	if err != nil || o.ID != "i-1" || o.InstanceType != "c5.large" || o.Pool != "p" || o.Runners != 7 {
		t.Errorf("%+v, error %v", o, err)
	}
}
