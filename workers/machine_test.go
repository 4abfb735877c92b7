package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/instance"
)

// vm is an instance that gives one notice and writes down how it was left.
type vm struct {
	notice chan instance.Notice
	mu     sync.Mutex
	did    []string
	warm   chan bool // whether it serves once it was prepared; nil when it is not in a warm pool
	ends   bool      // its group ends it
}

func (v *vm) does(what string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.did = append(v.did, what)
}

func (v *vm) Target(context.Context) (instance.Target, error) {
	switch {
	case v.ends:
		return instance.End, nil
	case v.warm != nil:
		return instance.Wait, nil
	}
	return instance.Serve, nil
}

func (v *vm) AwaitService(ctx context.Context) bool {
	select {
	case serves := <-v.warm:
		return serves
	case <-ctx.Done():
		return false
	}
}

func (v *vm) CompleteLaunch(context.Context) error {
	v.does("complete the launch")
	return nil
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
	v.does("await the hook")
	return nil
}

func (v *vm) Deregister(context.Context) error {
	v.does("deregister")
	return nil
}

func (v *vm) Complete(context.Context) error {
	v.does("complete")
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
			if serves, err := m.awaitService(ctx, log); !serves || err != nil {
				t.Fatalf("%s: it does not serve, error %v", tc.name, err)
			}
			began, lingered := time.Now(), time.Duration(0)
			err := m.serve(ctx, func(ctx context.Context) error {
				err := tc.run(ctx)
				m.linger(log)(t.Context())
				lingered = time.Since(began)
				return err
			}, log)
			did := slices.DeleteFunc(v.did, func(call string) bool { return call == "complete the launch" }) // it does so as it serves
			if !errors.Is(err, tc.err) || !slices.Equal(did, tc.did) {
				t.Errorf("%s: did %q, want %q; error %v", tc.name, did, tc.did, err)
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

// A machine that its group prepares for the warm pool does not run a worker: it
// completes the launch hook, and is stopped. Started again, it completes the hook once
// more while it serves. One that its group ends meanwhile completes the other hook.
func TestAMachineOfTheWarmPoolServesOnceItIsStartedAgain(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, tc := range []struct {
		name   string
		warm   bool
		next   func(v *vm, stop func()) // what becomes of it once it is prepared
		serves bool
		did    []string
	}{
		{"stopped", true, func(_ *vm, stop func()) { stop() }, false, []string{"complete the launch"}},
		{"ended", true, func(v *vm, _ func()) { v.warm <- false }, false, []string{"complete the launch", "complete"}},
		{"taken as it runs", true, func(v *vm, _ func()) { v.warm <- true }, true, []string{"complete the launch", "complete the launch"}},
		{"started again", false, nil, true, []string{"complete the launch"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			v := &vm{notice: make(chan instance.Notice, 1)}
			if tc.warm {
				v.warm = make(chan bool)
				go func() { synctest.Wait(); tc.next(v, stop) }()
			}
			m := &machine{ec2: v}
			serves, err := m.awaitService(ctx, log)
			if serves {
				err = errors.Join(err, m.serve(ctx, func(context.Context) error {
					synctest.Wait()
					v.mu.Lock()
					defer v.mu.Unlock()
					if !slices.Equal(v.did, tc.did) {
						t.Errorf("%s: as it serves it has done %q, want %q", tc.name, v.did, tc.did)
					}
					return errors.New("the test is over")
				}, log))
			}
			if serves != tc.serves || (err != nil) != tc.serves || !tc.serves && !slices.Equal(v.did, tc.did) {
				t.Errorf("%s: it serves: %v, did %q; error %v", tc.name, serves, v.did, err)
			}
		})
	}
}

// A machine that its group ends while it boots runs no worker, is not put into service,
// and has the group wait no longer than it takes to boot.
func TestAMachineThatEndsAsItBootsNeverServes(t *testing.T) {
	v := &vm{ends: true}
	serves, err := (&machine{ec2: v}).awaitService(t.Context(), slog.New(slog.DiscardHandler))
	if serves || err != nil || !slices.Equal(v.did, []string{"complete"}) {
		t.Errorf("it serves: %v, did %q; error %v", serves, v.did, err)
	}
}
