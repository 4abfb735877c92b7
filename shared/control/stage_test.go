package control_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// stage is a stage in a bubble: the backend of one machine, workers that come and
// go as the controller asks, and load. A worker answers 20 queries a second.
type stage struct {
	*testing.T
	backend *sqlite.Backend
	cloud   platform.Backend
	tuned   *tuning.Source
	cs      []*control.Controller

	strict, relaxed float64 // queries a second
	evenly          bool    // ready workers share the load, and report how much of them it uses
	slower          float64 // how many times as long as its profile says a query takes, where workers share the load
	used            float64 // of the runners of a busy worker
	boot, dies      time.Duration
	capacity        int         // the most workers that can be had
	warmSince       []time.Time // of each place in the warm pool: when its instance is stopped
	warmBoot        time.Duration
	bootOf          map[string]time.Duration // by worker
	metrics         string
	late            time.Duration
	skew            atomic.Int64  // nanoseconds; a read of the traffic may outlast its tick
	overrun         time.Duration // of each look at the metrics
	mortal          *mortal
	launched        int
	readyAt         map[string]time.Time
	idleAt          map[string]time.Time
	read            map[string]decision.Record // the ticks' that were replayed, by id
}

func newStage(t *testing.T) *stage {
	t.Helper()
	h, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{})
	check(t, err)
	s := &stage{T: t, backend: h, cloud: h.Platform(), boot: 100 * time.Second, capacity: 1000, metrics: "fine", used: 0.9, slower: 1,
		mortal: &mortal{}, warmBoot: 40 * time.Second, bootOf: map[string]time.Duration{}, readyAt: map[string]time.Time{}, idleAt: map[string]time.Time{}, read: map[string]decision.Record{}}
	s.tuned = tuning.New(s.cloud.Settings)
	s.cs = []*control.Controller{s.controller("first")}
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *stage) controller(name string) *control.Controller {
	return control.New(control.Options{
		Holder: name, Pools: []control.Pool{{Name: pool, InstanceType: "c5.large"}}, Catalogue: stageCatalogue(), Arch: "x86_64",
		Records: s.cloud.Records, Fleet: dyingFleet{s.cloud.Fleet, s.mortal}, Queues: queues{s}, Metrics: metrics{s.cloud.Metrics, s},
		Groups: dyingGroups{s.cloud.Groups, s.mortal, s.warm}, DecisionLog: dyingLog{s.cloud.DecisionLog, s.mortal},
		Tuned: s.tuned.State, Now: func() time.Time { return time.Now().Add(time.Duration(s.skew.Load())) }, Log: slog.New(slog.DiscardHandler),
	})
}

func stageCatalogue() *profile.Catalogue {
	return &profile.Catalogue{
		Tasks: []profile.Task{{Name: "digits"}},
		Models: []profile.Model{{Name: "a", Task: "digits", File: "a.onnx", MemoryMB: 100, Latency: []profile.Latency{
			{Resource: "c5.large", Threads: 1, Batch: 1, MS: profile.Percentiles{P50: 100, P95: 110, P99: 120}},
			{Resource: "lambda-x86_64", MemoryMB: 1024, Threads: 1, Batch: 1, MS: profile.Percentiles{P50: 150, P95: 160, P99: 170}}}}},
		Instances: []profile.Instance{{Type: "c5.large", VCPUs: 2, USDPerHour: 0.085}},
		Functions: []profile.FunctionSizes{{Arch: "x86_64", MemoryMB: []int{1024}}},
		Prices:    profile.Prices{LambdaGBSecondX86: 1.66667e-5, LambdaPerRequest: 2e-7, LambdaGrainMS: 1},
	}
}

// pass lets a time go by: every second there is load and the fleet moves on,
// every tick_seconds the controllers tick.
func (s *stage) pass(d time.Duration) {
	s.Helper()
	for second := 1; second <= int(d/time.Second); second++ {
		<-time.After(time.Second)
		s.arrive()
		s.moveFleet()
		_ = s.tuned.Refresh(s.Context())
		if second%int(s.tuned.Current().TickSeconds) == 0 {
			for _, c := range s.cs {
				_ = c.Tick(s.Context()) // what it could not do is to be seen in the records
			}
		}
	}
}

// arrive writes the arrivals of a second, as intake does.
func (s *stage) arrive() {
	var points []platform.Point
	for class, n := range map[query.Class]float64{query.Strict: s.strict, query.Relaxed: s.relaxed} {
		if n > 0 {
			points = append(points, platform.Point{Metric: telemetry.Arrivals.Name,
				Dimensions: telemetry.TaskClass("digits", string(class)), At: time.Now(), Value: n})
		}
	}
	if len(points) > 0 {
		check(s.T, s.cloud.Metrics.Put(s.Context(), points...))
	}
}

// moveFleet does what a cloud does within a second.
func (s *stage) moveFleet() {
	ctx, now := s.Context(), time.Now()
	desired, err := s.backend.Desired(ctx, pool)
	check(s.T, err)
	ws, err := s.cloud.Fleet.Workers(ctx, pool)
	check(s.T, err)
	busy, staying := int(math.Ceil((s.strict+s.relaxed)/20)), 0
	if s.evenly {
		ready := 0
		for _, w := range ws {
			if w.State == platform.Ready {
				ready++
			}
		}
		busy, s.used = len(ws), min(1, s.slower*(s.strict+s.relaxed)/20/float64(max(1, ready)))
	}
	for _, w := range ws {
		switch {
		case w.State == platform.Draining, s.dies > 0 && w.State == platform.Ready && now.Sub(s.readyAt[w.ID]) >= s.dies:
			check(s.T, s.backend.MarkGone(ctx, w.ID))
			continue
		case w.State == platform.Booting && now.Sub(w.At) >= s.bootOf[w.ID]:
			s.readyAt[w.ID], s.idleAt[w.ID] = now, now
			w.State = platform.Ready // its last report is as old as its boot
		}
		staying++
		if w.State == platform.Ready {
			s.work(w, busy > 0)
			busy--
		}
	}
	for ; staying < min(desired, s.capacity); staying++ {
		s.launch()
	}
}

// launch starts a warm instance while there is one, which is replaced by an instance
// that boots and is stopped, and else a new machine.
func (s *stage) launch() string {
	s.launched++
	id := "w" + strconv.Itoa(s.launched)
	s.bootOf[id] = s.boot
	for i, since := range s.warmSince {
		if !since.After(time.Now()) {
			s.bootOf[id], s.warmSince[i] = s.warmBoot, time.Now().Add(s.boot)
			break
		}
	}
	check(s.T, s.backend.Launch(s.Context(), platform.WorkerReport{ID: id, Pool: pool, State: platform.Booting, At: time.Now(), Runners: 2}))
	return id
}

// warm counts the instances that are stopped.
func (s *stage) warm() (n int) {
	for _, since := range s.warmSince {
		if !since.After(time.Now()) {
			n++
		}
	}
	return n
}

// reportEvery is how often a worker reports that nothing changed.
const reportEvery = 5 * time.Second

// work lets a ready worker work for a second, or idle. It reports a change at once.
func (s *stage) work(w platform.WorkerReport, busy bool) {
	if busy {
		s.idleAt[w.ID] = time.Now()
	}
	if busy != (w.Busy > 0) || time.Since(w.At) >= reportEvery || !s.readyAt[w.ID].Before(time.Now()) {
		s.report(w, busy)
	}
}

func (s *stage) report(w platform.WorkerReport, busy bool) {
	w.At, w.Busy, w.Used, w.IdleSince = time.Now(), 0, 0, s.idleAt[w.ID]
	if busy {
		w.Busy, w.Used, w.IdleSince = 2, s.used, time.Time{}
	}
	if _, err := s.cloud.Fleet.Report(s.Context(), w); err != nil {
		s.Fatal(err)
	}
}

// begin makes n workers ready at once.
func (s *stage) begin(n int) {
	check(s.T, s.cloud.Fleet.SetDesired(s.Context(), pool, n))
	for range n {
		id := s.launch()
		s.readyAt[id], s.idleAt[id] = time.Now(), time.Now()
		s.report(platform.WorkerReport{ID: id, Pool: pool, State: platform.Ready, Runners: 2}, true)
	}
}

// records returns the ticks so far, oldest first, each of which must replay.
func (s *stage) records() []decision.Record {
	s.Helper()
	es, err := s.cloud.DecisionLog.Entries(s.Context(), platform.EntryQuery{Pool: pool, Limit: 1000})
	check(s.T, err)
	out := make([]decision.Record, len(es))
	for i, listed := range es {
		if r, ok := s.read[listed.ID]; ok { // a record stays as it was written
			out[len(es)-1-i] = r
			continue
		}
		e, err := s.cloud.DecisionLog.Entry(s.Context(), listed.ID)
		check(s.T, err)
		raw, err := control.Unpack(e.Record)
		check(s.T, err)
		if _, same, err := decision.Replay(raw); err != nil || !same {
			s.Fatalf("tick %s does not replay (error %v): %s", e.ID, err, raw)
		}
		r, err := decision.Read(raw)
		check(s.T, err)
		s.read[listed.ID], out[len(es)-1-i] = r, r
	}
	return out
}

var errDead = errors.New("the controller is dead")

// mortal dies at the nth step: whatever it touches from then on fails.
type mortal struct {
	steps, dies int
	unread      bool // the groups' launches cannot be read
}

func (m *mortal) step() error {
	m.steps++
	if m.dies > 0 && m.steps >= m.dies {
		return errDead
	}
	return nil
}

type dyingFleet struct {
	platform.Fleet
	*mortal
}

func (f dyingFleet) SetDesired(ctx context.Context, p string, n int) error {
	return errors.Join(f.step(), alive(f.mortal, func() error { return f.Fleet.SetDesired(ctx, p, n) }))
}

func (f dyingFleet) Drain(ctx context.Context, p string, ids ...string) error {
	return errors.Join(f.step(), alive(f.mortal, func() error { return f.Fleet.Drain(ctx, p, ids...) }))
}

func (f dyingFleet) Replace(ctx context.Context, p string, workers int, ids ...string) error {
	return errors.Join(f.step(), alive(f.mortal, func() error { return f.Fleet.Replace(ctx, p, workers, ids...) }))
}

func (f dyingFleet) Workers(ctx context.Context, p string) ([]platform.WorkerReport, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	return f.Fleet.Workers(ctx, p)
}

func alive(m *mortal, do func() error) error {
	if m.dies > 0 && m.steps >= m.dies {
		return errDead
	}
	return do()
}

type dyingGroups struct {
	platform.Groups
	*mortal
	warm func() int
}

func (g dyingGroups) Group(ctx context.Context, p string) (platform.Group, error) {
	if err := g.step(); err != nil {
		return platform.Group{}, err
	}
	read, err := g.Groups.Group(ctx, p)
	read.Warm = g.warm()
	if g.unread {
		err = errors.Join(platform.ErrLaunchesUnread, err)
	}
	return read, err
}

type dyingLog struct {
	platform.DecisionLog
	*mortal
}

func (l dyingLog) AcquireLease(ctx context.Context, holder string, d time.Duration) (platform.Lease, error) {
	if err := l.step(); err != nil {
		return platform.Lease{}, err
	}
	return l.DecisionLog.AcquireLease(ctx, holder, d)
}

func (l dyingLog) Commit(ctx context.Context, lease platform.Lease, m []byte, e platform.Entry) error {
	if err := l.step(); err != nil {
		return err
	}
	return l.DecisionLog.Commit(ctx, lease, m, e)
}

// queues hold a query while there is load, and the stage's own dead letters.
type queues struct{ s *stage }

func (q queues) Receive(ctx context.Context, name platform.QueueName, limit int, lease, wait time.Duration) ([]platform.Delivery, error) {
	if err := q.s.mortal.step(); err != nil {
		return nil, err
	}
	return q.s.cloud.Queues.Receive(ctx, name, limit, lease, wait)
}

func (q queues) Extend(ctx context.Context, d platform.Delivery, lease time.Duration) error {
	return errors.Join(q.s.mortal.step(), alive(q.s.mortal, func() error { return q.s.cloud.Queues.Extend(ctx, d, lease) }))
}

func (q queues) Delete(ctx context.Context, ds ...platform.Delivery) error {
	return errors.Join(q.s.mortal.step(), alive(q.s.mortal, func() error { return q.s.cloud.Queues.Delete(ctx, ds...) }))
}

func (q queues) Release(ctx context.Context, ds ...platform.Delivery) error {
	return errors.Join(q.s.mortal.step(), alive(q.s.mortal, func() error { return q.s.cloud.Queues.Release(ctx, ds...) }))
}

func (q queues) Move(ctx context.Context, d platform.Delivery, to platform.QueueName, m query.Message) error {
	return errors.Join(q.s.mortal.step(), alive(q.s.mortal, func() error { return q.s.cloud.Queues.Move(ctx, d, to, m) }))
}

func (q queues) Depth(_ context.Context, name platform.QueueName) (platform.Depth, error) {
	if err := q.s.mortal.step(); err != nil {
		return platform.Depth{}, err
	}
	if q.s.strict+q.s.relaxed > 0 && name == platform.WorkQueue(pool, query.Strict) {
		return platform.Depth{Visible: 1}, nil
	}
	return platform.Depth{}, nil
}

// metrics spoil what is read, in the ways that are set.
type metrics struct {
	platform.Metrics
	s *stage
}

func (m metrics) Put(ctx context.Context, ps ...platform.Point) error {
	if err := m.s.mortal.step(); err != nil || m.s.metrics == "missing" {
		return err
	}
	if m.s.metrics == "refused" {
		return fmt.Errorf("put metrics: %w", platform.ErrUnavailable)
	}
	return m.Metrics.Put(ctx, ps...)
}

func (m metrics) Series(ctx context.Context, name string, dims []string, from, to time.Time, period time.Duration) ([]platform.Sample, error) {
	if err := m.s.mortal.step(); err != nil {
		return nil, err
	}
	if name == telemetry.Pulse.Name && m.s.overrun > 0 {
		<-time.After(m.s.overrun)
	}
	if m.s.metrics == "missing" {
		return nil, nil
	}
	all, err := m.Metrics.Series(ctx, name, dims, from, to, period)
	out := all[:0]
	for _, p := range all {
		if name == telemetry.Arrivals.Name {
			spoil := map[string]float64{"NaN": math.NaN(), "negative": -1, "doubled": 2 * p.Sum, "zero": 0}
			if v, ok := spoil[m.s.metrics]; ok {
				p.Sum = v
			}
		}
		if m.s.late == 0 || !p.At.After(time.Now().Add(-m.s.late)) {
			out = append(out, p)
		}
	}
	return out, err
}
