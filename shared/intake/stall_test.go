package intake

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/platformtest"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

// account is a stage whose intake asks no worker whether it answers: it sees the view alone.
type account struct {
	t       *testing.T
	backend platform.Backend
	records *platformtest.Memory
	heard   time.Time // the workers' last report
	mine    *counting // the functions that intakes invoke
	workers atomic.Bool
	pool    placement.Pool // as the view has it besides
}

// inAccount runs a test in an account with two runners whose workers answer.
func inAccount(t *testing.T, test func(*account)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		backend, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer backend.Close()
		onFunction := query.Outcome{State: query.Succeeded, RanOn: query.Runner{Kind: query.OnFunction, Name: "f"}, Result: &query.Result{Label: "1", Index: 1}}
		a := &account{t: t, backend: backend.Platform(), records: platformtest.NewMemory(time.Now), heard: time.Now(),
			mine: &counting{functions: functions(inference.Invoked{Outcome: &onFunction}), takes: 10 * time.Millisecond}}
		a.workers.Store(true)
		a.publish()
		var work sync.WaitGroup
		defer work.Wait()
		stop := make(chan struct{})
		defer close(stop)
		work.Go(func() { a.work(stop) })
		test(a)
	})
}

// publish publishes the view of a controller.
func (a *account) publish() {
	a.t.Helper()
	now := time.Now()
	p := a.pool
	p.Name, p.InstanceType, p.Workers, p.Runners, p.At, p.Heard = "general", "c5.large", 1, 2, now, a.heard
	if err := a.backend.Fleet.PublishView(a.t.Context(), platform.FleetView{Pools: []placement.Pool{p}, At: now}); err != nil {
		a.t.Fatal(err)
	}
}

// later has a controller publish a view, and processes read it; reports says whether a
// worker has reported until then.
func (a *account) later(reports bool, all ...testService) {
	a.t.Helper()
	<-time.After(time.Second)
	if reports {
		a.heard = time.Now()
	}
	a.publish()
	<-time.After(time.Second)
	for _, s := range all {
		s.refreshView(a.t.Context())
		s.Settle()
	}
}

// work answers what is on the strict work queue, while the workers are not stopped.
func (a *account) work(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(20 * time.Millisecond):
		}
		if !a.workers.Load() {
			continue
		}
		ds, err := a.backend.Queues.Receive(a.t.Context(), platform.WorkQueue("general", query.Strict), 10, time.Minute, 0)
		if err != nil {
			a.t.Error(err)
			return
		}
		for _, d := range ds {
			o := query.Outcome{State: query.Succeeded, FinishedAt: time.Now(), RanOn: query.Runner{Kind: query.OnWorker, Name: "w"}, Result: &query.Result{Label: "1", Index: 1}}
			if _, _, err := a.records.PutRecord(a.t.Context(), d.Message.Ended(o)); err != nil {
				a.t.Error(err)
			}
		}
	}
}

// process is the intake of one process of the api function.
func (a *account) process(change func(*Config)) testService {
	return newTestService(a.t, func(c *Config) {
		c.Now, c.Functions, c.Records = time.Now, a.mine, a.records
		c.Shared, c.Queues, c.Fleet = a.backend.Shared, a.backend.Queues, a.backend.Fleet
		if change != nil {
			change(c)
		}
	})
}

// ask sends a strict query with a bound and a wait, and returns what became of it.
func (a *account) ask(s testService, bound, wait time.Duration) query.Record {
	a.t.Helper()
	r := request(query.Milliseconds(bound))
	r.Class = query.Strict
	got, err := s.Take(a.t.Context(), "me", r, Terms{Wait: wait})
	if err != nil {
		a.t.Fatal(err)
	}
	return got.Record
}

// wantOn holds that a query was placed on a queue, and why.
func (a *account) wantOn(name string, r query.Record, queue platform.QueueName, why placement.Reason) {
	a.t.Helper()
	said := ""
	for _, step := range r.Trail {
		if step.Event == query.StepPlaced && said == "" {
			said = step.Why
		}
	}
	if r.Placement != string(queue) || why == placement.NoneAnswers && said != (placement.Choice{Reason: why}).String() {
		a.t.Fatalf("%s: placed on %s (%s), want %s", name, r.Placement, said, queue)
	}
}

var strictWork = platform.WorkQueue("general", query.Strict)

// Workers that stop while the view has them as ready for half a minute yet: each process
// gives them one strict query, which a function answers within its bound, and none after
// that until a worker reports again.
func TestStoppedWorkersGetOneStrictQueryOfAProcess(t *testing.T) {
	const processes = 40
	inAccount(t, func(a *account) {
		var all []testService
		for range processes {
			all = append(all, a.process(nil))
		}
		each := func(name string, queue platform.QueueName, why placement.Reason, by query.RunnerKind) {
			t.Helper()
			var asking sync.WaitGroup
			records := make([]query.Record, len(all))
			for i, s := range all {
				asking.Go(func() { records[i] = a.ask(s, 1500*time.Millisecond, 3*time.Second) })
				<-time.After(50 * time.Millisecond) // the two runners have the time for each
			}
			asking.Wait()
			for _, r := range records {
				a.wantOn(name, r, queue, why)
				if r.Outcome == nil || r.Outcome.RanOn.Kind != by || !r.Met() {
					t.Fatalf("%s: %s by %+v", name, r.State, r.Outcome)
				}
			}
		}
		each("before", strictWork, "", query.OnWorker)
		a.workers.Store(false)
		each("the first of each", strictWork, "", query.OnFunction)
		a.publish() // the last report is as old as it was
		each("the second of each", platform.Overflow, placement.NoneAnswers, query.OnFunction)
		a.workers.Store(true)
		a.later(true, all...)
		each("when they go on", strictWork, "", query.OnWorker)
	})
}

// About a second after the answer of a strict query was due the pool is no longer relied on,
// also where no function can answer it in its place.
func TestAPoolIsReliedOnForASecond(t *testing.T) {
	inAccount(t, func(a *account) {
		s := a.process(func(c *Config) { c.Functions = nil })
		a.workers.Store(false)
		var first sync.WaitGroup
		first.Go(func() { a.ask(s, 10*time.Second, 10*time.Second) })
		<-time.After(900 * time.Millisecond)
		a.wantOn("before", a.ask(s, time.Second, time.Millisecond), strictWork, "")
		<-time.After(300 * time.Millisecond)
		a.wantOn("after", a.ask(s, time.Second, time.Millisecond), platform.Overflow, placement.NoneAnswers)
		a.workers.Store(true)
		first.Wait() // it was answered late
		a.wantOn("a worker has answered", a.ask(s, time.Second, time.Second), strictWork, "")
	})
}

// Workers that stop just after an answer are relied on for a second after it, and no longer,
// though no query is overdue after the one that was just then.
func TestWorkersThatStopAfterAnAnswer(t *testing.T) {
	inAccount(t, func(a *account) {
		s := a.process(func(c *Config) { c.Functions = nil })
		a.workers.Store(false)
		var first sync.WaitGroup
		first.Go(func() { a.ask(s, 10*time.Second, 10*time.Second) })
		<-time.After(900 * time.Millisecond)
		s.fleet.answered("general", time.Now()) // another query
		<-time.After(900 * time.Millisecond)
		a.wantOn("before", a.ask(s, time.Second, time.Millisecond), strictWork, "")
		<-time.After(200 * time.Millisecond)
		a.wantOn("after", a.ask(s, time.Second, time.Millisecond), platform.Overflow, placement.NoneAnswers)
		a.workers.Store(true)
		first.Wait()
	})
}

// A pool that moves is relied on: whatever its workers answer, in time or not at all for want
// of a caller who waits for it.
func TestAPoolThatMovesIsReliedOn(t *testing.T) {
	inAccount(t, func(a *account) {
		s := a.process(nil)
		for range 5 {
			a.wantOn("waits", a.ask(s, time.Second, 5*time.Second), strictWork, "")
			a.wantOn("does not wait", a.ask(s, time.Second, 0), strictWork, "")
			a.later(false, s)
		}
		if n := a.mine.calls.Load(); n != 0 {
			t.Errorf("%d invocations", n)
		}
	})
}

// No function answers what stopped workers have where strict queries may not overflow, or where
// a worker might well answer later than the last moment at which one can.
func TestStoppedWorkersKeepTheirQueries(t *testing.T) {
	for name, tc := range map[string]struct {
		pool placement.Pool
		off  bool
	}{
		"by the setting":           {placement.Pool{}, true},
		"by the scheme":            {placement.Pool{NoStrictOverflow: true}, false},
		"no time for a second run": {placement.Pool{StrictMS: 2 * 1350}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inAccount(t, func(a *account) {
				a.workers.Store(false)
				a.pool = tc.pool
				a.publish()
				set := settings.Defaults()
				if tc.off {
					set.MaxOverflowConcurrency = 0
				}
				s := a.process(func(c *Config) { c.Settings = func() settings.Settings { return set } })
				if r := a.ask(s, 1500*time.Millisecond, 1400*time.Millisecond); r.Placement != string(strictWork) || r.State != query.Accepted {
					t.Errorf("%s on %s", r.State, r.Placement)
				}
				if n := a.mine.calls.Load(); n != 0 {
					t.Errorf("%d invocations", n)
				}
			})
		})
	}
}
