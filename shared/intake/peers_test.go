package intake

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

// peers are the other workers, which answer, have no slot, or break.
type peers struct {
	err   error
	asked []string // addresses
	got   []query.Message
}

func (p *peers) Answer(_ context.Context, addr string, m query.Message, _ time.Time) (query.Outcome, error) {
	p.asked, p.got = append(p.asked, addr), append(p.got, m)
	return query.Outcome{State: query.Succeeded, RanOn: query.Runner{Kind: query.OnWorker, Name: addr}, Result: &query.Result{Label: "1"}}, p.err
}

// offered counts the offers of a book, and those that were taken.
func offered(b *tally.Book) (made, taken int64) {
	for _, t := range b.Snapshot(start).Tallies {
		made, taken = made+t.Offered, taken+t.Taken
	}
	return made, taken
}

// newFullWorker is a worker's process without a slot, with peers whose last reports had
// the given numbers of free ones.
func newFullWorker(t *testing.T, fault error, free ...platform.Peer) (testService, *peers, *tally.Book) {
	t.Helper()
	ps, book := &peers{}, tally.NewBook(start)
	d, _ := newFront(t, func(c *Config, w *slots) {
		c.Peers, c.Addr, c.Counts = ps, "self:1", book
		w.fault = fault
	})
	v := platform.FleetView{At: d.clock.now(), Pools: []placement.Pool{{Name: "general", InstanceType: "c5.large", Runners: 2, At: d.clock.now()}}, Peers: free}
	if err := d.Backend.Fleet.PublishView(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	return d, ps, book
}

var full = &schedule.NoSlot{PredictedMS: 900}

func free(name string, n int) platform.Peer {
	return platform.Peer{ID: name, Pool: "general", Addr: name + ":1", Free: n}
}

// A strict query without a slot is offered once, to the peer with the most free
// slots that is not this worker, and is answered in its request: nothing overflows.
func TestAPeerAnswersWhatHasNoSlotHere(t *testing.T) {
	d, _, book := newFullWorker(t, full, free("self", 9), free("a", 1), free("b", 3), platform.Peer{ID: "x", Pool: "other", Addr: "x:1", Free: 8})
	var went []string
	for range 4 {
		got, err := d.Take(t.Context(), "me", request(500), Terms{Wait: time.Second})
		if err != nil || got.Record.Placement != placedDirect || got.Receipt == "" {
			t.Fatalf("%+v, error %v", got, err)
		}
		went = append(went, got.Record.Outcome.RanOn.Name)
	}
	if want := []string{"b:1", "b:1", "a:1", "b:1"}; !slices.Equal(went, want) {
		t.Errorf("offered to %v, want %v", went, want)
	}
	if made, taken := offered(book); made != 4 || taken != 4 {
		t.Errorf("%d offers counted, %d taken", made, taken)
	}
	if n := d.sent(t); n > 0 {
		t.Errorf("%d messages were sent", n)
	}
	// All slots that the last reports had are taken: the next one overflows.
	if got, _ := d.Take(t.Context(), "me", request(500), Terms{Wait: time.Millisecond}); got.Record.Placement != string(platform.Overflow) {
		t.Errorf("a fifth one: %+v", got.Record)
	}
}

// Whatever a peer says but an answer, the query goes on as without one, and to no
// other peer.
func TestAnOfferIsMadeOnce(t *testing.T) {
	for name, fault := range map[string]error{"no slot": &schedule.NoSlot{PredictedMS: 5000}, "broken": errors.New("connection reset")} {
		d, ps, book := newFullWorker(t, full, free("a", 2), free("b", 2))
		ps.err = fault
		got, err := d.Take(t.Context(), "me", request(500), Terms{Wait: time.Millisecond})
		if err != nil || got.Record.Placement != string(platform.Overflow) || len(ps.asked) != 1 {
			t.Errorf("%s: %+v after %v, error %v", name, got.Record, ps.asked, err)
		}
		if made, taken := offered(book); made != 1 || taken != 0 {
			t.Errorf("%s: %d offers counted, %d taken", name, made, taken)
		}
	}
}

// Of relaxed queries the items of a list are offered, one that came alone is not;
// and nothing is for which this worker has a slot.
func TestWhatIsOffered(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault error
		ms    float64
		item  int
		want  int
	}{{"strict", full, 500, 0, 1}, {"strict item", full, 500, 2, 1}, {"relaxed item", full, 10000, 2, 1}, {"relaxed", full, 10000, 0, 0}, {"slot", nil, 500, 0, 0}} {
		d, ps, _ := newFullWorker(t, tc.fault, free("a", 2))
		if _, err := d.Take(t.Context(), "me", request(tc.ms), Terms{Wait: time.Millisecond, Item: tc.item}); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if len(ps.asked) != tc.want {
			t.Errorf("%s: %d offers, want %d", tc.name, len(ps.asked), tc.want)
		}
	}
}

// stopped are peers that take an offer and never answer.
type stopped struct{ asked []string }

func (p *stopped) Answer(ctx context.Context, addr string, _ query.Message, _ time.Time) (query.Outcome, error) {
	p.asked = append(p.asked, addr)
	<-ctx.Done()
	return query.Outcome{}, ctx.Err()
}

// A peer that is stopped holds a strict query for as long as a function keeps its bound, and
// is offered nothing more for as long as it counts as ready.
func TestAStoppedPeerHoldsOneQueryAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps := &stopped{}
		d, _, _ := newFullWorker(t, full, free("a", 3), free("b", 1))
		d.Service.Peers = ps
		for i, want := range [][]string{{"a:1"}, {"a:1", "b:1"}, {"a:1", "b:1"}} {
			got, err := d.Take(t.Context(), "me", request(400), Terms{Wait: 410 * time.Millisecond})
			if err != nil || got.Record.Placement != string(platform.Overflow) || !slices.Equal(ps.asked, want) {
				t.Errorf("query %d: %+v after %v, error %v", i, got.Record, ps.asked, err)
			}
		}
		d.clock.advance(time.Minute) // it would be out of the view by now, or has reported
		d.publish(t, 2)
		if p, ok := d.offers.to(platform.FleetView{Peers: []platform.Peer{free("a", 3)}}, "general", "self:1", d.clock.now()); !ok || p.ID != "a" {
			t.Errorf("a minute later: %+v", p)
		}
	})
}

// A peer has as long for a strict query as leaves a function its time, and the whole bound
// where there is none.
func TestHowLongAPeerHasTime(t *testing.T) {
	for name, tc := range map[string]struct {
		boundMS float64
		off     bool
		class   query.Class
		leaves  bool // time for a function
	}{
		"strict":                       {1000, false, query.Strict, true},
		"strict, without overflow":     {1000, true, query.Strict, false},
		"strict, no time for two runs": {40, false, query.Strict, false},
		"relaxed":                      {10_000, false, query.Relaxed, false},
	} {
		d, _, _ := newFullWorker(t, full)
		r := request(tc.boundMS)
		r.Class = tc.class
		set := d.Service.Settings()
		if tc.off {
			set.MaxOverflowConcurrency = 0
		}
		q, err := d.prepare(t.Context(), "me", r, Terms{Wait: time.Minute}, set)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.offerUntil(q, q.by()); got.Before(q.by()) != tc.leaves || got.After(q.by()) {
			t.Errorf("%s: until %v of %v", name, got, q.by())
		}
	}
}
