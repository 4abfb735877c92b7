package control_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/dispatch"
	engine "github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/overflow/overflowtest"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
	"github.com/paragon-serving/paragon/shared/serving"
)

// plan is what happens to a stage in the first minute: when workers die, freeze, drain or
// start, when capacity is lost, and which queries come.
type plan struct {
	Workers  int   // that should be there at first
	Overflow bool  // functions may be used
	Events   []int // by second: the index of what happens, -1 for nothing
	Asks     []asked
}

type asked struct {
	AtMS  int
	Class query.Class
	Held  bool // its caller waits
}

// The things that happen. Of deaths and freezes there is one each: a query that is in the
// hands of more may fail for that.
const (
	workerDies = iota
	workerFreezes
	workerDrains
	capacityLost
	capacityBack
)

// plans draws plans.
var plans = rapid.Custom(func(t *rapid.T) plan {
	p := plan{Workers: rapid.IntRange(0, 2).Draw(t, "workers"), Overflow: rapid.Bool().Draw(t, "overflow"), Events: make([]int, 60)}
	for i := range p.Events {
		p.Events[i] = -1
	}
	ask := func(fromMS, toMS int) {
		p.Asks = append(p.Asks, asked{
			AtMS: rapid.IntRange(fromMS, toMS).Draw(t, "at"), Held: rapid.Bool().Draw(t, "held"),
			Class: rapid.SampledFrom([]query.Class{query.Strict, query.Relaxed}).Draw(t, "class"),
		})
	}
	for _, e := range []struct{ what, from, of4 int }{ // in so many plans of 4
		{capacityBack, 40, 1}, {capacityLost, 5, 3}, {workerDrains, 15, 2}, {workerDies, 15, 3}, {workerFreezes, 15, 3},
	} {
		if rapid.IntRange(1, 4).Draw(t, "happens") > e.of4 {
			continue
		}
		at := rapid.IntRange(e.from, e.from+18).Draw(t, "second")
		p.Events[at] = e.what
		for range rapid.IntRange(0, 40).Draw(t, "at once") { // so that something waits then
			ask(at*1000+500, at*1000+1100)
		}
	}
	for range rapid.IntRange(10, 40).Draw(t, "queries") {
		ask(0, 59_999)
	}
	slices.SortFunc(p.Asks, func(a, b asked) int { return a.AtMS - b.AtMS })
	return p
})

// promised is a stage whose every part runs: intake, workers, dispatcher and controller.
type promised struct {
	*rig
	set   settings.Settings
	svc   *intake.Service
	parts sync.WaitGroup
	stop  context.CancelFunc
	ctx   context.Context

	mu       sync.Mutex
	capacity bool
	launched int
	members  map[string]*member
	worse    []time.Time    // when the last worker left, or no more were to be had
	taken    []query.Record // what was accepted, or answered
}

// member is a worker process.
type member struct {
	thawed chan struct{} // closed while it is not frozen
	stop   context.CancelFunc
}

func promisedCatalogue() *profile.Catalogue {
	c := overflowtest.Catalogue()
	c.Tasks[0].Labels = []string{"0", "1"}
	c.Models[0].Input, c.Models[0].Accuracy = &profile.Input{Width: 2, Height: 2, Channels: 1}, profile.Accuracy{Top1Percent: 90}
	c.Instances[0].Arch, c.Instances[0].MemoryMB, c.Instances[0].Speed = "x86_64", 4096, 1
	c.Functions[0].MBPerVCPU, c.Functions[0].Speed = 1769, 1
	return c
}

// fastFunctions answer everything.
type fastFunctions struct{}

func (fastFunctions) Invoke(context.Context, string, []byte) (platform.Invocation, error) {
	<-time.After(40 * time.Millisecond)
	payload, err := json.Marshal(inference.Response{Label: "1", Index: 1, ComputeMS: 40})
	return platform.Invocation{Payload: payload, BilledMS: 40}, err
}

// startPromised starts a stage of a scheme.
func startPromised(t *testing.T, scheme string, p plan) *promised {
	t.Helper()
	s := &promised{rig: newRig(t), set: settings.Defaults(), capacity: true, members: map[string]*member{}}
	s.set.Scheme, s.set.MinWorkers, s.set.MaxWorkers = scheme, p.Workers, 4
	if !p.Overflow {
		s.set.MaxOverflowConcurrency = 0
	}
	s.ctx, s.stop = context.WithCancel(t.Context())
	current := func() settings.Settings { return s.set }
	quiet := slog.New(slog.DiscardHandler)
	keys, err := signed.NewKeys([]byte("the key of this test's stage"))
	check(t, err)
	s.svc, err = intake.New(intake.Config{
		Records: s.Records, Attempts: s.Attempts, Shared: s.Shared, Fleet: s.Fleet, Queues: s.Queues, Metrics: s.Metrics, Blobs: s.Blobs,
		Catalogue: promisedCatalogue(), Settings: current, Arch: "x86_64", Now: time.Now, Keys: keys, Answers: s.answers, Log: quiet,
		Pools: []intake.Pool{{Name: pool, Tasks: []string{"digits"}, InstanceType: "c5.large"}},
	})
	check(t, err)
	d, err := dispatch.New(dispatch.Options{Catalogue: promisedCatalogue(), Arch: "x86_64", Pool: pool, Queues: s.Queues, Records: s.Records,
		Invoker: fastFunctions{}, Blobs: s.Blobs, Settings: current, Now: time.Now, Log: quiet})
	check(t, err)
	s.Controller = control.New(control.Options{
		Holder: "me", Pools: []control.Pool{{Name: pool, InstanceType: "c5.large"}}, Catalogue: promisedCatalogue(), Arch: "x86_64",
		Records: s.Records, Fleet: s.Fleet, Queues: s.Queues, Metrics: s.Metrics, Groups: s.Groups, DecisionLog: s.DecisionLog, Shared: s.Shared, Answers: s.answers,
		Tuned: func() tuning.State { return tuning.State{Settings: s.set} }, Now: time.Now, Log: quiet,
	})
	s.parts.Go(func() { d.Pump(s.ctx) })
	s.parts.Go(func() { s.Controller.Run(s.ctx) })
	s.parts.Go(s.supervise)
	return s
}

// answers says whether some worker answers, as the balancer knows.
func (s *promised) answers(string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.members {
		if m.well() {
			return true
		}
	}
	return false
}

func (m *member) well() bool {
	select {
	case <-m.thawed:
		return true
	default:
		return false
	}
}

// supervise launches the workers that are missing, where there is capacity, and has the
// arrivals written, each second.
func (s *promised) supervise() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(time.Second):
		}
		_ = s.svc.FlushDue(s.ctx) // the next second tries again
		want, _ := s.backend.Desired(s.ctx, pool)
		s.mu.Lock()
		missing, capacity := want-len(s.members), s.capacity
		s.mu.Unlock()
		if missing > 0 && !capacity {
			_ = s.backend.LaunchFailed(s.ctx, pool, "no capacity")
		}
		for ; missing > 0 && capacity; missing-- {
			s.launch()
		}
	}
}

// launch starts a worker.
func (s *promised) launch() {
	s.mu.Lock()
	s.launched++
	id := fmt.Sprint("w", s.launched)
	ctx, stop := context.WithCancel(s.ctx)
	m := &member{thawed: make(chan struct{}), stop: stop}
	close(m.thawed)
	s.members[id] = m
	s.mu.Unlock()
	c := s.backend.As(id)
	w, err := serving.New(serving.Options{
		ID: id, Pool: pool, InstanceType: "c5.large", Runners: 1, Arch: "x86_64", Paced: true, Catalogue: promisedCatalogue(), Answerer: frozenOr{s, m},
		Queues: c.Queues, Records: c.Records, Fleet: c.Fleet, Blobs: c.Blobs, PollWait: 20 * time.Second,
		Settings: func() settings.Settings { return s.set }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.Error(err)
		return
	}
	s.parts.Go(func() {
		_ = w.Run(ctx) // one that was declared dead ends with an error
		s.gone(id, s.backend.NoteEnd)
	})
}

// gone takes a worker off the list.
func (s *promised) gone(id string, how func(context.Context, string) error) {
	s.mu.Lock()
	delete(s.members, id)
	if len(s.members) == 0 {
		s.worse = append(s.worse, time.Now())
	}
	s.mu.Unlock()
	if err := how(context.WithoutCancel(s.ctx), id); err != nil && !errors.Is(err, platform.ErrUnavailable) {
		s.Error(err)
	}
}

// frozenOr answers when its worker is not frozen.
type frozenOr struct {
	*promised
	m *member
}

func (f frozenOr) Answer(ctx context.Context, _ string, in []query.Input) ([]engine.Answered, error) {
	f.mu.Lock()
	thawed := f.m.thawed
	f.mu.Unlock()
	select {
	case <-thawed:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	out := make([]engine.Answered, len(in))
	for i := range out {
		out[i].Result = query.Result{Label: "1", Index: 1}
	}
	return out, nil
}

// occur has something occur to the first worker.
func (s *promised) occur(what int) {
	s.mu.Lock()
	ids := make([]string, 0, len(s.members))
	for id := range s.members {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if what == capacityLost || what == capacityBack {
		s.capacity = what == capacityBack
		s.worse = append(s.worse, time.Now())
		ids = nil
	}
	if len(ids) == 0 {
		s.mu.Unlock()
		return
	}
	id, m := ids[0], s.members[ids[0]]
	if what == workerFreezes {
		m.thawed = make(chan struct{})
	}
	s.mu.Unlock()
	switch what {
	case workerDies:
		s.gone(id, s.backend.NoteEnd)
		m.stop()
	case workerDrains:
		check(s.T, s.Fleet.Drain(s.ctx, pool, id))
	case workerFreezes: // its checks fail from the next on, and ten of them have it replaced
		s.parts.Go(func() {
			<-time.After(1500 * time.Millisecond)
			_ = s.backend.Suspend(s.ctx, id)
			<-time.After(10 * time.Second)
			s.gone(id, s.backend.MarkGone)
			m.stop()
		})
	}
}

// ask has one query taken in.
func (s *promised) ask(a asked) {
	latencyMS := 10_000.0
	if a.Class == query.Strict {
		latencyMS = 2000
	}
	r := intake.Request{Task: "digits", Class: a.Class, Input: query.Input{ContentType: preprocess.RawTensor}}
	r.Bounds.LatencyMS = &latencyMS
	for range 4 {
		r.Input.Data = binary.LittleEndian.AppendUint32(r.Input.Data, math.Float32bits(0.5))
	}
	terms := intake.Terms{}
	if a.Held {
		terms.Wait = 20 * time.Second
	}
	got, err := s.svc.Take(s.ctx, "me", r, terms)
	if no, refused := errors.AsType[*intake.Refusal](err); refused && no.Kind == intake.NoCapacity {
		return // at once, and nothing was promised
	} else if err != nil {
		s.Errorf("%+v: %v", a, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, got.Record)
}

// play plays a plan, and waits until whatever was accepted has ended or expired.
func (s *promised) play(p plan) {
	began := time.Now()
	asks := p.Asks
	for second, what := range p.Events {
		for len(asks) > 0 && asks[0].AtMS < (second+1)*1000 {
			<-time.After(time.Until(began.Add(time.Duration(asks[0].AtMS) * time.Millisecond)))
			a := asks[0]
			s.parts.Go(func() { s.ask(a) })
			asks = asks[1:]
		}
		<-time.After(time.Until(began.Add(time.Duration(second+1) * time.Second)))
		if what >= 0 {
			s.occur(what)
		}
	}
	<-time.After(2 * time.Minute)
}

// close ends every part.
func (s *promised) close() {
	s.stop()
	s.parts.Wait()
	s.svc.Settle()
	s.rig.close()
}

// nobodyFor is since when nobody was there for a query that ended so: its acceptance, or the
// last time before its end at which that became worse.
func (s *promised) nobodyFor(r query.Record) time.Time {
	since := r.AcceptedAt
	for _, at := range s.worse {
		if at.After(since) && at.Before(r.Outcome.FinishedAt) {
			since = at
		}
	}
	return since
}

// mayOverflow says whether a scheme always lets queries of a class overflow.
func mayOverflow(scheme string, class query.Class) bool {
	if class == query.Relaxed {
		return scheme == "mixed" || scheme == "mixed_predictive"
	}
	return !slices.Contains([]string{"reactive", "util_aware", "exascale"}, scheme)
}

// Over every scheme, both classes, callers that wait and that do not, workers that die,
// freeze, drain and start, and capacity that is lost: nothing that was accepted expires.
// Where scheme and settings let it overflow it is answered, else it is or ends for want of
// capacity, within a tick, and the views that show it, of the moment since which nobody was
// there.
func TestNothingAcceptedExpires(t *testing.T) {
	plansOfEach := 8
	if testing.Short() {
		plansOfEach = 2
	}
	for _, scheme := range procurement.Names() {
		for seed := range plansOfEach {
			p := plans.Example(seed)
			t.Run(fmt.Sprint(scheme, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := startPromised(t, scheme, p)
					defer s.close()
					s.play(p)
					for _, r := range s.taken {
						now, err := s.svc.Get(t.Context(), "me", r.ID)
						check(t, err)
						overflows := p.Overflow && mayOverflow(scheme, now.Class)
						noCapacity := now.State == query.Failed && now.Outcome.Failure.Code == query.NoCapacity
						if noCapacity && now.Outcome.FinishedAt.After(s.nobodyFor(now).Add(query.Duration(1000*(s.set.TickSeconds+2*s.set.ViewSeconds)))) {
							t.Errorf("%s query of %v ended for want of capacity at %v, and nobody was there since %v\nplan %+v", now.Class, now.AcceptedAt, now.Outcome.FinishedAt, s.nobodyFor(now), p)
						}
						if now.State != query.Succeeded && (overflows || !noCapacity) {
							t.Errorf("%s query of %v is %s (%+v): %+v\nplan %+v", now.Class, now.AcceptedAt, now.State, now.Outcome, now.Outcome.Trail, p)
						}
					}
					if len(s.taken) == 0 && p.Overflow && mayOverflow(scheme, query.Strict) {
						t.Error("nothing was accepted: the property would hold of nothing")
					}
				})
			})
		}
	}
}
