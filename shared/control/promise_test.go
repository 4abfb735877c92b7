package control_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/dispatch"
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
	Workers  int  // that should be there at first
	Overflow bool // functions may be used
	Events   []event
	Asks     []asked
}

type asked struct {
	AtMS  int
	Class query.Class
	Held  bool // its caller waits
}

// event is something that happens. A death or a freeze comes at a call of a worker.
type event struct {
	AtMS   int
	What   occurrence
	Worker int    // which of those that are there
	Step   string // the call; none for at once
	After  bool   // the call has had its effect, and has not returned
	ForMS  int    // how long a freeze lasts
}

type occurrence string

const (
	workerDies    occurrence = "a worker dies"
	workerFreezes occurrence = "a worker freezes"
	workerDrains  occurrence = "a worker drains"
	capacityLost  occurrence = "capacity is lost"
	capacityBack  occurrence = "capacity is back"
)

// planOf draws a plan.
func planOf(seed uint64) plan {
	random := rand.New(rand.NewPCG(seed, 12))
	between := func(least, most int) int { return least + random.IntN(most-least+1) }
	p := plan{Workers: between(0, 3), Overflow: random.IntN(3) > 0}
	ask := func(fromMS, toMS int) {
		a := asked{AtMS: between(max(0, fromMS), toMS), Held: random.IntN(2) > 0, Class: query.Strict}
		if random.IntN(2) > 0 {
			a.Class = query.Relaxed
		}
		p.Asks = append(p.Asks, a)
	}
	for _, e := range []struct {
		what                  occurrence
		fromMS, least, atMost int
	}{
		{capacityBack, 40_000, 0, 1}, {capacityLost, 5000, 0, 1}, {workerDrains, 5000, 0, 2}, {workerDies, 5000, 1, 4}, {workerFreezes, 5000, 1, 5},
	} {
		for range between(e.least, e.atMost) {
			v := event{AtMS: between(e.fromMS, 58_000), What: e.what, Worker: random.IntN(3)}
			if e.what == workerDies || e.what == workerFreezes {
				v.Step, v.After = append([]string{""}, steps...)[random.IntN(len(steps)+1)], random.IntN(2) > 0
			}
			if e.what == workerFreezes {
				v.ForMS = []int{300, 1400, 2500, 6000, 11_000, 60_000}[random.IntN(6)]
			}
			p.Events = append(p.Events, v)
			for range between(0, 40) { // so that a worker has some of them in its hands then, and others wait
				ask(v.AtMS-400, v.AtMS+200)
			}
		}
	}
	for range between(10, 40) {
		ask(0, 59_999)
	}
	slices.SortStableFunc(p.Events, func(a, b event) int { return a.AtMS - b.AtMS })
	slices.SortStableFunc(p.Asks, func(a, b asked) int { return a.AtMS - b.AtMS })
	return p
}

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
	members  map[string]*process
	worse    []time.Time    // when the last worker left or was taken out, or no more were to be had
	hits     []time.Time    // when a worker died or froze
	taken    []query.Record // what was accepted, or answered
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
	s := &promised{rig: newRig(t), set: settings.Defaults(), capacity: true, members: map[string]*process{}}
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
	return s.answersLocked()
}

func (s *promised) answersLocked() bool {
	for _, p := range s.members {
		if !p.suspended {
			return true
		}
	}
	return false
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
	ctx, stop := context.WithCancel(s.ctx)
	s.mu.Lock()
	s.launched++
	id := fmt.Sprintf("w%03d", s.launched)
	p := newProcess(stop)
	s.members[id] = p
	s.mu.Unlock()
	c := s.backend.As(id)
	w, err := serving.New(serving.Options{
		ID: id, Pool: pool, InstanceType: "c5.large", Runners: 1, Arch: "x86_64", Paced: true, Catalogue: promisedCatalogue(), Answerer: answersOf{p},
		Queues: queuesOf{c.Queues, p}, Records: recordsOf{c.Records, p}, Fleet: fleetOf{c.Fleet, p}, Blobs: c.Blobs, PollWait: 20 * time.Second,
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

// gone ends a worker and takes it off the list, unless that was done before.
func (s *promised) gone(id string, how func(context.Context, string) error) {
	s.mu.Lock()
	p, is := s.members[id]
	delete(s.members, id)
	s.noteWorseLocked()
	s.mu.Unlock()
	if !is {
		return
	}
	p.kill()
	if err := how(context.WithoutCancel(s.ctx), id); err != nil && !errors.Is(err, platform.ErrUnavailable) {
		s.Error(err)
	}
}

// noteWorseLocked notes the time where nobody answers.
func (s *promised) noteWorseLocked() {
	if !s.answersLocked() {
		s.worse = append(s.worse, time.Now())
	}
}

// occur has something occur.
func (s *promised) occur(e event) {
	s.mu.Lock()
	if e.What == capacityLost || e.What == capacityBack {
		s.capacity = e.What == capacityBack
		s.worse = append(s.worse, time.Now())
		s.mu.Unlock()
		return
	}
	ids := slices.Sorted(maps.Keys(s.members))
	if len(ids) == 0 {
		s.mu.Unlock()
		return
	}
	id := ids[e.Worker%len(ids)]
	p := s.members[id]
	s.mu.Unlock()
	switch e.What {
	case workerDies:
		s.at(p, e, func() {
			p.kill()
			s.parts.Go(func() { s.gone(id, s.backend.NoteEnd) })
		})
	case workerDrains:
		check(s.T, s.Fleet.Drain(s.ctx, pool, id))
	case workerFreezes:
		s.at(p, e, func() {
			if p.freeze() {
				s.parts.Go(func() { s.watch(id, p, time.Duration(e.ForMS)*time.Millisecond) })
			}
		})
	}
}

// at has something occur at a call of a worker, or in a second where it makes no such call.
func (s *promised) at(p *process, e event, act func()) {
	hit := func() {
		s.mu.Lock()
		s.hits = append(s.hits, time.Now())
		s.mu.Unlock()
		act()
	}
	if e.Step == "" {
		hit()
		return
	}
	once := sync.OnceFunc(hit)
	p.catch(e.Step, e.After, once)
	s.parts.Go(func() {
		<-time.After(time.Second)
		once()
	})
}

// A frozen worker is noticed by its first check that fails, and hopeless by the tenth.
const noticed, hopeless = 1500 * time.Millisecond, 11500 * time.Millisecond

// watch is what happens to a worker that is frozen for a time: its checks fail, so that it is
// taken out, until one passes again or ten have failed and it is replaced.
func (s *promised) watch(id string, p *process, frozen time.Duration) {
	<-time.After(min(frozen, noticed))
	if frozen <= noticed {
		p.thaw()
		return
	}
	_ = s.backend.Suspend(s.ctx, id)
	s.suspended(p, true)
	<-time.After(min(frozen, hopeless) - noticed)
	if frozen >= hopeless {
		s.gone(id, s.backend.MarkGone)
		return
	}
	p.thaw()
	<-time.After(time.Second / 2)
	s.suspended(p, false)
	_ = s.backend.Resume(s.ctx, id)
}

func (s *promised) suspended(p *process, is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.suspended = is
	s.noteWorseLocked()
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
	until := func(ms int) { <-time.After(time.Until(began.Add(time.Duration(ms) * time.Millisecond))) }
	events := p.Events
	for _, a := range append(slices.Clone(p.Asks), asked{AtMS: 60_000}) {
		for len(events) > 0 && events[0].AtMS <= a.AtMS {
			until(events[0].AtMS)
			s.occur(events[0])
			events = events[1:]
		}
		until(a.AtMS)
		if a.Class != "" {
			s.parts.Go(func() { s.ask(a) })
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
func (s *promised) nobodyFor(r query.Record, end time.Time) time.Time {
	since := r.AcceptedAt
	for _, at := range s.worse {
		if at.After(since) && at.Before(end) {
			since = at
		}
	}
	return since
}

// hitsDuring is how many workers died or froze while a query was under way.
func (s *promised) hitsDuring(r query.Record, end time.Time) (n int) {
	for _, at := range s.hits {
		if !at.Before(r.AcceptedAt) && !at.After(end) {
			n++
		}
	}
	return n
}

// mayOverflow says whether a scheme always lets queries of a class overflow.
func mayOverflow(scheme string, class query.Class) bool {
	if class == query.Relaxed {
		return scheme == "mixed" || scheme == "mixed_predictive"
	}
	return !slices.Contains([]string{"reactive", "util_aware", "exascale"}, scheme)
}

// check reports what a plan's queries came to that breaks the promise.
func (s *promised) check(scheme string, p plan) {
	s.Helper()
	for _, r := range s.taken {
		now, err := s.svc.Get(s.Context(), "me", r.ID)
		check(s.T, err)
		overflows := p.Overflow && mayOverflow(scheme, r.Class)
		code := query.FailureCode("")
		if now.State == query.Failed {
			code = now.Outcome.Failure.Code
		}
		switch {
		case now.State == query.Succeeded:
			if by := r.DeadlineAt.Add(noticed + query.Duration(2000*s.set.ViewSeconds)); r.Class == query.Strict && overflows && now.Outcome.FinishedAt.After(by) {
				s.Errorf("a strict query of %v with its bound at %v was answered at %v: %+v\nplan %+v", r.AcceptedAt, r.DeadlineAt, now.Outcome.FinishedAt, now.Trail, p)
			}
		case code == query.TooOften && s.hitsDuring(r, now.Outcome.FinishedAt) >= query.MostDeaths: // it may be what ends them
		case code == query.NoCapacity && !overflows:
			if within := query.Duration(1000 * (s.set.TickSeconds + 2*s.set.ViewSeconds)); now.Outcome.FinishedAt.After(s.nobodyFor(r, now.Outcome.FinishedAt).Add(within)) {
				s.Errorf("%s query of %v ended for want of capacity at %v, and nobody was there since %v\nplan %+v", r.Class, r.AcceptedAt, now.Outcome.FinishedAt, s.nobodyFor(r, now.Outcome.FinishedAt), p)
			}
		default:
			s.Errorf("%s query of %v is %s (%+v): %+v\nplan %+v", r.Class, r.AcceptedAt, now.State, now.Outcome, now.Trail, p)
		}
	}
}

// Over every scheme, both classes, callers that wait and that do not, workers that drain and
// start, that die and freeze at any of their calls, several times, and capacity that is lost:
// nothing that was accepted expires. Where scheme and settings let it overflow it is answered, a
// strict one soon after its bound at the latest; else it is or ends for want of capacity, within
// a tick, and the views that show it, of the moment since which nobody was there.
func TestNothingAcceptedExpires(t *testing.T) {
	plansOfEach := 8
	if testing.Short() {
		plansOfEach = 2
	}
	if !whole {
		plansOfEach = 1
	}
	for _, scheme := range procurement.Names() {
		for seed := range plansOfEach {
			p := planOf(uint64(seed))
			t.Run(fmt.Sprint(scheme, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := startPromised(t, scheme, p)
					defer s.close()
					s.play(p)
					s.check(scheme, p)
					if len(s.taken) == 0 && p.Overflow && mayOverflow(scheme, query.Strict) {
						t.Error("nothing was accepted: the property would hold of nothing")
					}
				})
			})
		}
	}
}
