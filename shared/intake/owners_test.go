package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// wantOwnerLimit fails unless an error is the refusal of a caller at a setting.
func wantOwnerLimit(t testing.TB, err error, setting string, bound float64, wait time.Duration) {
	t.Helper()
	var no *Refusal
	if !errors.As(err, &no) || no.Kind != OverOwnerLimit || no.Bound == nil || *no.Bound != bound || !strings.Contains(no.Detail, setting) || no.RetryAfter != wait {
		t.Errorf("%+v, error %v, want a refusal by %s=%v for %v", no, err, setting, bound, wait)
	}
}

func withSettings(set *settings.Settings) func(*Config, *slots) {
	return func(c *Config, _ *slots) { c.Settings = func() settings.Settings { return *set } }
}

func TestTheRateOfACaller(t *testing.T) {
	set := settings.Defaults()
	set.OwnerRate, set.KeepShare = 2, 0
	d, _ := newFront(t, withSettings(&set))
	take := func(owner string) error {
		_, err := d.Take(t.Context(), owner, request(500), Terms{Wait: time.Second})
		return err
	}
	for range 2 {
		if err := take("me"); err != nil {
			t.Fatal(err)
		}
	}
	wantOwnerLimit(t, take("me"), "owner_rate", 2, 500*time.Millisecond)
	if err := take("you"); err != nil {
		t.Errorf("another caller: %v", err)
	}
	d.clock.advance(500 * time.Millisecond)
	if err := take("me"); err != nil {
		t.Errorf("half a second later: %v", err)
	}
	if d.arrived() != 4 {
		t.Errorf("%v arrivals are counted: a refused one would call for workers", d.arrived())
	}
	set.OwnerRate = 0
	for range 100 {
		if err := take("me"); err != nil {
			t.Fatal(err)
		}
	}
	d.wantNothingStored(t)
}

// arrived is how many arrivals are counted.
func (d testService) arrived() (n float64) {
	for _, a := range d.Service.arrivals.take() {
		n += a.Queries
	}
	return n
}

// Of many workers each lets its part of the rate through.
func TestTheRateIsSharedByWorkers(t *testing.T) {
	set := settings.Defaults()
	set.OwnerRate = 100
	d, _ := newFront(t, withSettings(&set))
	p := placement.Pool{Name: "general", InstanceType: "c5.large", Runners: 20, Workers: 10, At: d.clock.now()}
	if err := d.Backend.Fleet.PublishView(t.Context(), platform.FleetView{Pools: []placement.Pool{p}, At: p.At}); err != nil {
		t.Fatal(err)
	}
	d.clock.advance(2 * time.Second)
	d.refreshView(t.Context())
	let := 0
	for range 100 {
		if _, err := d.Take(t.Context(), "me", request(500), Terms{Wait: time.Second}); err == nil {
			let++
		}
	}
	if let != 20 {
		t.Errorf("one of ten workers lets %d a second through of 100, want twice a tenth", let)
	}
}

// Concurrency holds for all processes together, and ends with the answer.
func TestTheConcurrencyOfACaller(t *testing.T) {
	set := settings.Defaults()
	set.OwnerConcurrency = 3
	block := make(chan struct{})
	started := make(chan struct{}, 10)
	d, all := newCrowd(t, 3, func(c *Config) {
		c.Settings = func() settings.Settings { return set }
		c.Worker = blocking{block, started}
	})
	d.publish(t, 2)
	var held sync.WaitGroup
	take := func(i int, owner string) error {
		_, err := all[i%len(all)].Take(t.Context(), owner, request(60000), Terms{Wait: 20 * time.Second})
		return err
	}
	for i := range 3 {
		held.Go(func() {
			if err := take(i, "me"); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		<-started
	}
	wantOwnerLimit(t, take(0, "me"), "owner_concurrency", 3, time.Second)
	held.Go(func() {
		if err := take(1, "you"); err != nil {
			t.Errorf("another caller: %v", err)
		}
	})
	<-started
	close(block)
	held.Wait()
	d.clock.advance(time.Second)
	if err := take(2, "me"); err != nil {
		t.Errorf("after they were answered: %v", err)
	}
}

// A caller more than are kept costs another its leases, and not all others theirs.
func TestOwnersAreBounded(t *testing.T) {
	d := newTestService(t, nil)
	for i := range mostOwners + 3 {
		d.taker(t.Context(), ownerName("owner", fmt.Sprint(i)))
		if n, want := len(d.owners.of), min(i+1, mostOwners); n != want {
			t.Fatalf("%d are kept after %d, want %d", n, i+1, want)
		}
	}
}

// Repeats of a query that is under way take none of its caller's places.
func TestRepeatsTakeNoPlace(t *testing.T) {
	set := settings.Defaults()
	set.OwnerConcurrency = 2
	d := newTestService(t, func(c *Config) { c.Settings = func() settings.Settings { return set } })
	d.publish(t, 2)
	var id string
	for i := range 5 {
		a, err := d.Take(t.Context(), "me", request(9000), Terms{Key: "k"})
		if err != nil || a.Record.State != query.Accepted || i > 0 && a.Record.ID != id {
			t.Fatalf("request %d: %+v, error %v", i, a.Record, err)
		}
		id = a.Record.ID
	}
	if _, err := d.Take(t.Context(), "me", request(9000), Terms{}); err != nil {
		t.Errorf("the second query: %v", err)
	}
	_, err := d.Take(t.Context(), "me", request(9000), Terms{})
	wantOwnerLimit(t, err, "owner_concurrency", 2, time.Second)
}

// blocking is a worker that answers when it may.
type blocking struct{ block, started chan struct{} }

func (b blocking) Load() (int, float64) { return 2, 0 }

func (b blocking) Answer(_ context.Context, m query.Message, _ time.Time) (query.Outcome, error) {
	b.started <- struct{}{}
	<-b.block
	return query.Outcome{State: query.Succeeded, FinishedAt: m.AcceptedAt, RanOn: query.Runner{Kind: query.OnWorker},
		Result: &query.Result{Label: "1", Index: 1}}, nil
}

// What a caller's queries cost in an hour is bounded, refused ones cost nothing, and
// the next hour begins anew. One that goes on without its caller keeps its place.
func TestTheBudgetOfACaller(t *testing.T) {
	set := settings.Defaults()
	d := newTestService(t, func(c *Config) { c.Settings = func() settings.Settings { return set } })
	d.publish(t, 2)
	q, err := d.prepare(t.Context(), "me", request(9000), Terms{}, set)
	if err != nil {
		t.Fatal(err)
	}
	set.OwnerHourlyBudgetUSD = 3.5 * q.chosen.PriceUSD
	for range 3 {
		d.submit(t, request(9000))
	}
	for range 2 {
		_, err = d.Take(t.Context(), "me", request(9000), Terms{})
		wantOwnerLimit(t, err, "owner_hourly_budget_usd", set.OwnerHourlyBudgetUSD, time.Hour)
	}
	if _, err := d.Take(t.Context(), "you", request(9000), Terms{}); err != nil {
		t.Errorf("another caller: %v", err)
	}
	d.clock.advance(time.Hour)
	d.publish(t, 2)
	d.submit(t, request(9000))
}

// A caller makes a bounded number of places for uploads within an hour.
func TestPlacesForUploadsAreBounded(t *testing.T) {
	set := settings.Defaults()
	set.OwnerUploads = 5
	d := newTestService(t, func(c *Config) { c.Settings = func() settings.Settings { return set } })
	made := func(owner string) error {
		_, err := d.NewUpload(t.Context(), owner, "image/png", 100)
		return err
	}
	for range 5 {
		if err := made("me"); err != nil {
			t.Fatal(err)
		}
	}
	wantOwnerLimit(t, made("me"), "owner_uploads", 5, time.Minute)
	if err := made("you"); err != nil {
		t.Errorf("another caller: %v", err)
	}
	d.clock.advance(time.Hour + 5*time.Minute)
	if err := made("me"); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

// With the limits off nothing is called for them.
func TestLimitsThatAreOffCostNothing(t *testing.T) {
	counts := &countingShared{}
	set := keeping(0)
	d, _ := newFront(t, func(c *Config, _ *slots) { c.Settings, c.Shared = set, counts })
	for range 20 {
		if _, err := d.Take(t.Context(), "me", request(500), Terms{Wait: time.Second}); err != nil {
			t.Fatal(err)
		}
	}
	if counts.calls != 0 {
		t.Errorf("%d calls", counts.calls)
	}
}

// countingShared fails every call, and counts them.
type countingShared struct {
	platform.Shared
	calls int
}

func (c *countingShared) ReadShared(context.Context, string) ([]byte, int64, error) {
	c.calls++
	return nil, 0, platform.ErrUnavailable
}

func (c *countingShared) SwapShared(context.Context, string, []byte, int64) (int64, error) {
	c.calls++
	return 0, platform.ErrUnavailable
}

// Without the store a caller's limits hold up nobody: an answer needs none.
func TestWithoutTheStoreCallersAreServed(t *testing.T) {
	set := settings.Defaults()
	set.OwnerConcurrency, set.KeepShare = 1, 0
	d, _ := newFront(t, func(c *Config, _ *slots) {
		c.Settings, c.Shared = func() settings.Settings { return set }, &countingShared{}
	})
	if _, err := d.Take(t.Context(), "me", request(500), Terms{Wait: time.Second}); err != nil {
		t.Error(err)
	}
}
