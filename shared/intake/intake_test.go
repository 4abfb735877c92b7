package intake

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/cloud/local"
	"paragon/shared/core/placement"
	"paragon/shared/core/profile"
	"paragon/shared/core/query"
	"paragon/shared/core/settings"
	"paragon/shared/engine/preprocess"
)

// clock is a time that tests move.
type clock struct{ ms atomic.Int64 }

var start = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func (c *clock) now() time.Time          { return start.Add(time.Duration(c.ms.Load()) * time.Millisecond) }
func (c *clock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// desk is a Service over a home on one machine, at a time that tests move.
type desk struct {
	*Service
	cloud.Home
	clock *clock
}

func newDesk(t testing.TB, change func(*Config)) desk {
	t.Helper()
	d := desk{clock: &clock{}}
	home, err := local.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), local.Options{Now: d.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = home.Close() })
	d.Home = home.Cloud()
	c := Config{
		Store: d.Home.Store, Fleet: d.Home.Fleet, Queues: d.Home.Queues, Metrics: d.Home.Metrics, Blobs: d.Home.Blobs,
		Catalogue: catalogue(), Settings: settings.Defaults, Arch: "x86_64", Now: d.clock.now,
		Pools: []Pool{{Name: "general", Tasks: []string{"digits"}, InstanceType: "c5.large"}},
	}
	if change != nil {
		change(&c)
	}
	if d.Service, err = New(c); err != nil {
		t.Fatal(err)
	}
	return d
}

// publish makes the fleet look like an idle pool with that many runners.
func (d desk) publish(t testing.TB, runners int) {
	t.Helper()
	p := placement.Pool{Name: "general", InstanceType: "c5.large", Runners: runners, At: d.clock.now()}
	if err := d.Home.Fleet.PublishView(t.Context(), cloud.View{Pools: []placement.Pool{p}, At: p.At}); err != nil {
		t.Fatal(err)
	}
}

func catalogue() *profile.Catalogue {
	ms := profile.Percentiles{P50: 20, P95: 25, P99: 30}
	source := profile.Source{Kind: "measured"}
	return &profile.Catalogue{
		Tasks: []profile.Task{{Name: "digits", Labels: []string{"0", "1"}}},
		Models: []profile.Model{{
			Name: "net", Task: "digits", File: "net.onnx", MemoryMB: 100,
			Input: &profile.Input{Width: 2, Height: 2, Channels: 1}, Accuracy: profile.Accuracy{Top1Percent: 90},
			Latency: []profile.Latency{
				{Resource: "c5.large", Threads: 1, Batch: 1, MS: ms, Source: source},
				{Resource: "lambda-x86_64", MemoryMB: 1769, Threads: 1, Batch: 1, MS: ms, Source: source},
			},
		}},
		Instances: []profile.Instance{{Type: "c5.large", VCPUs: 2, MemoryMB: 4096, Arch: "x86_64", USDPerHour: 0.085, Speed: 1}},
		Functions: []profile.FunctionSizes{{Arch: "x86_64", MemoryMB: []int{1769}, MBPerVCPU: 1769, Speed: 1}},
		Prices:    profile.Prices{LambdaGBSecondX86: 0.0000166667, LambdaPerRequest: 0.0000002, LambdaGrainMS: 1},
	}
}

// request is a query with a latency bound; 0 leaves it out.
func request(latencyMS float64) Request {
	r := Request{Task: "digits", Input: query.Input{ContentType: preprocess.RawTensor}}
	for _, x := range []float32{0, 0.25, 0.5, 1} {
		r.Input.Data = binary.LittleEndian.AppendUint32(r.Input.Data, math.Float32bits(x))
	}
	if latencyMS > 0 {
		r.Bounds.LatencyMS = &latencyMS
	}
	return r
}

func (d desk) submit(t testing.TB, r Request) query.Record {
	t.Helper()
	rec, _, err := d.Submit(t.Context(), "me", "", r)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a service without a home was made")
	}
}

func TestIDsAreLowerCaseAndDiffer(t *testing.T) {
	a, b := NewID(), NewID()
	if a == b || !regexp.MustCompile(`^q[0-9a-z]{26}$`).MatchString(a) {
		t.Errorf("ids %s and %s", a, b)
	}
}

func TestARecordIsForgottenHoursAfterItExpires(t *testing.T) {
	d := newDesk(t, nil)
	rec := d.submit(t, request(500))
	if rec.ExpiresAt != start.Add(time.Minute) || rec.ForgetAt != rec.ExpiresAt.Add(24*time.Hour) {
		t.Errorf("expires %v, forgotten %v", rec.ExpiresAt, rec.ForgetAt)
	}
}

// counted is a fleet whose reads of the view can be held up and are counted.
type counted struct {
	Fleet
	reads atomic.Int64
	err   atomic.Pointer[error]
	hold  chan struct{}
}

func (c *counted) View(ctx context.Context) (cloud.View, error) {
	c.reads.Add(1)
	if c.hold != nil {
		<-c.hold
	}
	if err := c.err.Load(); err != nil {
		return cloud.View{}, *err
	}
	return c.Fleet.View(ctx)
}

func TestTheViewIsReadOnceATimeHoweverManyCome(t *testing.T) {
	f := &counted{hold: make(chan struct{})}
	d := newDesk(t, func(c *Config) { f.Fleet = c.Fleet; c.Fleet = f })
	d.publish(t, 2)
	var all sync.WaitGroup
	var onWorkers atomic.Int64
	for range 10 {
		all.Go(func() {
			if d.submit(t, request(1000)).Placement == "work-strict-general" {
				onWorkers.Add(1)
			}
		})
	}
	close(f.hold)
	all.Wait()
	if f.reads.Load() != 1 || onWorkers.Load() != 10 {
		t.Errorf("%d reads; %d of 10 found the pool that was there", f.reads.Load(), onWorkers.Load())
	}
	d.submit(t, request(1000))
	d.clock.advance(time.Second)
	d.submit(t, request(1000))
	if f.reads.Load() != 2 {
		t.Errorf("%d reads after view_seconds", f.reads.Load())
	}
}

func TestAViewThatCannotBeReadStaysUntilItIsTooOld(t *testing.T) {
	f := &counted{}
	d := newDesk(t, func(c *Config) { f.Fleet = c.Fleet; c.Fleet = f })
	d.publish(t, 2)
	d.submit(t, request(1000))
	broken := errors.New("the store is away")
	f.err.Store(&broken)
	d.clock.advance(30 * time.Second)
	if rec := d.submit(t, request(1000)); rec.Placement != "work-strict-general" {
		t.Errorf("with a view of 30 s it went to %s", rec.Placement)
	}
	d.clock.advance(time.Second)
	if rec := d.submit(t, request(1000)); rec.Placement != string(cloud.Overflow) {
		t.Errorf("nobody looks after the fleet, and it went to %s", rec.Placement)
	}
}

func TestStrictWorkSentCountsUntilItIsWorkedOff(t *testing.T) {
	d := newDesk(t, nil)
	d.publish(t, 1)
	fits := 0 // each takes 30 ms; a budget of 100-15 ms holds two of them
	for d.submit(t, request(100)).Placement == "work-strict-general" {
		fits++
	}
	if fits != 2 {
		t.Errorf("%d queries fit, want 2", fits)
	}
	d.clock.advance(30 * time.Millisecond)
	if rec := d.submit(t, request(100)); rec.Placement != "work-strict-general" {
		t.Errorf("after one was worked off, it went to %s", rec.Placement)
	}
}

// A crash between storing and sending is mended by the repeat: it accepts the
// very same record and message again.
func TestARepeatOffersTheSameMessageAgain(t *testing.T) {
	st := &recording{}
	d := newDesk(t, func(c *Config) { st.Store = c.Store; c.Store = st })
	for range 2 {
		if _, _, err := d.Submit(t.Context(), "me", "key", request(500)); err != nil {
			t.Fatal(err)
		}
		d.clock.advance(time.Second)
	}
	if len(st.sent) != 2 || st.sent[0].AcceptedAt != st.sent[1].AcceptedAt || string(st.sent[0].Input.Data) != string(st.sent[1].Input.Data) {
		t.Errorf("sent %+v", st.sent)
	}
}

type recording struct {
	Store
	sent []query.Message
}

func (r *recording) Accept(ctx context.Context, rec query.Record, to cloud.QueueName, m query.Message) (query.Record, bool, error) {
	r.sent = append(r.sent, m)
	return r.Store.Accept(ctx, rec, to, m)
}

func TestOneCallerCannotTakeEveryPlaceToWait(t *testing.T) {
	var w waiters
	for i := range 6 {
		if !w.enter("greedy", 8) {
			t.Fatalf("refused at %d of 8", i)
		}
	}
	if w.enter("greedy", 8) || !w.enter("modest", 8) || !w.enter("modest", 8) || w.enter("modest", 8) {
		t.Error("the places were not shared")
	}
	w.leave("greedy")
	if !w.enter("greedy", 8) || w.enter("nobody", 0) {
		t.Error("a place that was left is not free, or one of none was taken")
	}
	for range 6 {
		w.leave("greedy")
	}
	if w.leave("modest"); len(w.of) != 1 {
		t.Errorf("who left is kept: %v", w.of)
	}
}

func TestWaitEndsWithTheResultOrTheTime(t *testing.T) {
	d := newDesk(t, nil)
	rec := d.submit(t, request(500))
	if r, waited, err := d.Wait(t.Context(), rec, time.Millisecond); err != nil || !waited || r.State != query.Placed {
		t.Errorf("%+v, %v, %v", r, waited, err)
	}
	done := make(chan query.Record)
	go func() {
		r, _, _ := d.Wait(t.Context(), rec, 20*time.Second)
		done <- r
	}()
	if _, _, err := d.Home.Store.Finish(t.Context(), rec.ID, query.Outcome{State: query.Expired}); err != nil {
		t.Fatal(err)
	}
	if r := <-done; r.State != query.Expired {
		t.Errorf("waited for %+v", r)
	}
}

// failing is metrics that cannot be written.
type failing struct{ cloud.Metrics }

func (failing) Put(context.Context, ...cloud.Point) error { return cloud.ErrUnavailable }

func TestArrivalsAreCountedBySecondAndKeptUntilWritten(t *testing.T) {
	d := newDesk(t, nil)
	for range 3 {
		d.submit(t, request(500))
	}
	d.submit(t, request(0))
	if _, _, err := d.Submit(t.Context(), "me", "", Request{}); err == nil {
		t.Error("an empty request was taken")
	}
	good := d.Home.Metrics
	d.Service.Metrics = failing{}
	if err := d.Flush(t.Context()); !errors.Is(err, cloud.ErrUnavailable) {
		t.Errorf("flush: %v", err)
	}
	d.Service.Metrics = good
	for range 2 { // the second has nothing to write
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for class, want := range map[query.Class]float64{query.Strict: 3, query.Relaxed: 1} {
		got, err := good.Series(t.Context(), MetricArrivals, ArrivalDimensions("digits", class), start, start.Add(time.Second), time.Second)
		if err != nil || len(got) != 1 || got[0].Sum != want {
			t.Errorf("%s arrivals %+v, %v", class, got, err)
		}
	}
}

func TestArrivalsThatCannotBeWrittenAreBounded(t *testing.T) {
	var a arrivals
	for i := range 2 * maxSeconds {
		a.count(start.Add(time.Duration(i)*time.Second), "digits", query.Strict)
	}
	if n := len(a.take()); n != maxSeconds {
		t.Errorf("%d counts are kept", n)
	}
}

// collected is metrics that keep what is put.
type collected struct {
	cloud.Metrics
	mu     sync.Mutex
	points []cloud.Point
}

func (c *collected) Put(_ context.Context, ps ...cloud.Point) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.points = append(c.points, ps...)
	return nil
}

func TestRunWritesEverySecondAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &collected{}
		s := &Service{Config: Config{Metrics: m, Now: time.Now}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { s.Run(ctx); close(ended) }()
		s.arrivals.count(time.Now(), "digits", query.Strict)
		<-time.After(flushEvery + time.Millisecond) // synthetic: the bubble's clock jumps
		synctest.Wait()
		if len(m.points) != 1 {
			t.Errorf("after a second %+v", m.points)
		}
		s.arrivals.count(time.Now(), "digits", query.Relaxed)
		cancel()
		<-ended
		if len(m.points) != 2 {
			t.Errorf("at the end %+v", m.points)
		}
	})
}

func BenchmarkSubmit(b *testing.B) {
	d := newDesk(b, nil)
	d.publish(b, 1000)
	r := request(1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := d.Submit(b.Context(), "me", "", r); err != nil {
			b.Fatal(err)
		}
	}
}
