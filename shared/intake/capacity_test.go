package intake

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

// publishPool publishes a view of the pool.
func (d testService) publishPool(t testing.TB, p placement.Pool) {
	t.Helper()
	p.Name, p.InstanceType, p.At = "general", "c5.large", d.clock.now()
	if err := d.Backend.Fleet.PublishView(t.Context(), platform.FleetView{Pools: []placement.Pool{p}, At: p.At}); err != nil {
		t.Fatal(err)
	}
}

// No query waits for nobody: one that may not overflow is refused where no worker
// is up or on its way before it expires.
func TestNoQueryWaitsForNobody(t *testing.T) {
	off := func(s *settings.Settings) { s.MaxOverflowConcurrency = 0 }
	never := placement.Pool{NoStrictOverflow: true}
	strict, relaxed, long := strictly(), request(10_000), request(3_600_000)
	none := Kind("")
	for name, tc := range map[string]struct {
		pool placement.Pool
		tune func(*settings.Settings)
		r    Request
		want Kind // of the refusal; empty when it is sent to the pool
	}{
		"strict, by the scheme":                {never, nil, strict, NoCapacity},
		"strict, overflow is off":              {placement.Pool{}, off, strict, NoCapacity},
		"relaxed, by the scheme":               {placement.Pool{}, nil, relaxed, NoCapacity},
		"relaxed, overflow is off":             {placement.Pool{RelaxedOverflow: true}, off, relaxed, NoCapacity},
		"relaxed, the budget is spent":         {placement.Pool{RelaxedOverflow: true}, func(s *settings.Settings) { s.HourlyBudgetUSD = 1e-9 }, relaxed, NoCapacity},
		"strict, a worker boots":               {placement.Pool{NoStrictOverflow: true, Booting: 1}, nil, strict, none},
		"relaxed, a worker boots":              {placement.Pool{Booting: 1}, nil, relaxed, none},
		"strict, a worker serves":              {placement.Pool{NoStrictOverflow: true, Workers: 1, Runners: 2}, nil, strict, none},
		"relaxed, a worker serves":             {placement.Pool{Workers: 1, Runners: 2}, nil, relaxed, none},
		"strict, a worker does not answer":     {placement.Pool{NoStrictOverflow: true, Suspended: 1}, nil, strict, none},
		"relaxed, a worker does not answer":    {placement.Pool{Suspended: 1}, nil, relaxed, none},
		"relaxed, a worker can come in time":   {placement.Pool{}, nil, long, none},
		"relaxed, the launch brought nobody":   {placement.Pool{Unfilled: true}, nil, long, NoCapacity},
		"relaxed, no worker is allowed":        {placement.Pool{}, func(s *settings.Settings) { s.MaxWorkers = 0 }, long, NoCapacity},
		"relaxed, the fleet is fixed":          {placement.Pool{}, func(s *settings.Settings) { s.Fleet = settings.FleetFixed }, long, NoCapacity},
		"strict, a worker that boots at once":  {never, func(s *settings.Settings) { s.VMBootSeconds = 1 }, strict, none},
		"strict, a worker in most of its time": {never, func(s *settings.Settings) { s.VMBootSeconds = 30 }, strict, none},
		"relaxed, a worker that boots at once": {placement.Pool{}, func(s *settings.Settings) { s.VMBootSeconds = 1 }, relaxed, none},
	} {
		t.Run(name, func(t *testing.T) {
			set, counts := settings.Defaults(), tally.NewBook(start)
			if tc.tune != nil {
				tc.tune(&set)
			}
			d := newTestService(t, func(c *Config) { c.Counts, c.Settings = counts, func() settings.Settings { return set } })
			d.publishPool(t, tc.pool)
			got, err := d.Take(t.Context(), "me", tc.r, Terms{})
			if tc.want == none {
				if err != nil || got.Record.State != query.Accepted || got.Record.Placement != string(platform.WorkQueue("general", got.Record.Class)) {
					t.Fatalf("%+v, error %v", got.Record, err)
				}
				return
			}
			var no *Refusal
			if !errors.As(err, &no) || no.Kind != tc.want || no.RetryAfter != 10*time.Second {
				t.Fatalf("%+v, error %v", got.Record, err)
			}
			if n := d.sent(t); n != 0 {
				t.Errorf("%d sent", n)
			}
			// It counts as an arrival, so that a tick may launch a worker for the next.
			if ts := counts.Snapshot(d.clock.now()).Tallies; len(ts) != 1 || ts[0].Arrived != 1 || ts[0].Refused != 1 {
				t.Errorf("counted %+v", ts)
			}
		})
	}
}

// The refusal names the setting that keeps workers and functions from answering.
func TestARefusalSaysWhyNobodyAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		fleet string
		pool  placement.Pool
		r     Request
		want  []string
	}{
		"strict, by the scheme":       {settings.FleetMoving, placement.Pool{NoStrictOverflow: true}, strictly(), []string{"in time", "scheme hedged sends no strict query"}},
		"relaxed, by the scheme":      {settings.FleetMoving, placement.Pool{}, request(10_000), []string{"in time", "scheme hedged sends no relaxed query"}},
		"relaxed, the fleet is fixed": {settings.FleetFixed, placement.Pool{}, request(10_000), []string{"fleet is fixed", "scheme hedged sends no relaxed query"}},
	} {
		t.Run(name, func(t *testing.T) {
			set := settings.Defaults()
			set.Fleet = tc.fleet
			d := newTestService(t, func(c *Config) { c.Settings = func() settings.Settings { return set } })
			d.publishPool(t, tc.pool)
			_, err := d.Take(t.Context(), "me", tc.r, Terms{})
			var no *Refusal
			if !errors.As(err, &no) {
				t.Fatal(err)
			}
			for _, words := range tc.want {
				if !strings.Contains(no.Detail, words) {
					t.Errorf("%q does not contain %q", no.Detail, words)
				}
			}
		})
	}
}

// Where no view says how the fleet stands, a worker may be there.
func TestWithoutAViewAQueryWaits(t *testing.T) {
	set := settings.Defaults()
	set.MaxOverflowConcurrency = 0
	d := newTestService(t, func(c *Config) { c.Settings = func() settings.Settings { return set } })
	d.submit(t, request(10_000))
	d.publishPool(t, placement.Pool{})
	d.clock.advance(time.Minute)
	d.submit(t, strictly())
}

// A repeat of an accepted query has its first message waiting, and is not refused.
func TestARepeatIsNotRefusedForWantOfWorkers(t *testing.T) {
	d := newTestService(t, nil)
	d.publishPool(t, placement.Pool{Booting: 1})
	for range 2 {
		if _, err := d.Take(t.Context(), "me", request(10_000), Terms{Key: "key"}); err != nil {
			t.Fatal(err)
		}
		d.clock.advance(2 * time.Second)
		d.publishPool(t, placement.Pool{})
		d.refreshView(t.Context())
		d.Settle()
	}
}

// Workers that do not answer, and those of an old report, are as good as none, and the
// query's trail and the candidates say which it is.
func TestWorkersThatDoNotAnswerAreNotTrusted(t *testing.T) {
	answers := true
	d := newTestService(t, func(c *Config) { c.Answers = func(pool string) bool { return answers || pool != "general" } })
	newer := func(p placement.Pool) {
		d.clock.advance(time.Minute)
		d.publishPool(t, p)
		d.refreshView(t.Context())
		d.Settle()
	}
	d.publishPool(t, placement.Pool{Workers: 1, Runners: 2})
	for _, tc := range []struct {
		change func()
		queue  platform.QueueName
		reason placement.Reason // why no worker counts as ready; empty: one does
	}{
		{func() {}, platform.WorkQueue("general", query.Strict), ""},
		{func() { answers = false }, platform.Overflow, placement.NoneAnswers},
		{func() { answers = true; d.clock.advance(time.Hour) }, platform.Overflow, placement.ViewOutdated},
		{func() { newer(placement.Pool{}) }, platform.Overflow, placement.NoWorkers},
		{func() { newer(placement.Pool{Suspended: 1}) }, platform.Overflow, placement.NoneAnswers},
		{func() { newer(placement.Pool{Workers: 1, Runners: 2, Stalled: true}) }, platform.Overflow, placement.NoneAnswers},
		{func() { newer(placement.Pool{Workers: 1, Runners: 2}) }, platform.WorkQueue("general", query.Strict), ""},
	} {
		tc.change()
		got, err := d.Take(t.Context(), "me", strictly(), Terms{})
		if err != nil || got.Record.Placement != string(tc.queue) {
			t.Fatalf("%s: placed on %s, error %v, want %s", tc.reason, got.Record.Placement, err, tc.queue)
		}
		if tc.reason == "" {
			continue
		}
		words := placement.Choice{Reason: tc.reason}.String()
		if trail := got.Record.Trail; trail[len(trail)-1].Why != words {
			t.Errorf("%s: the trail says %q, want %q", tc.reason, trail[len(trail)-1].Why, words)
		}
		if o := d.offer(d.Pools[0], false, d.clock.now(), d.Service.Settings(), profile.Decoding{}); o.Absence != words {
			t.Errorf("%s: the candidates say %q, want %q", tc.reason, o.Absence, words)
		}
	}
}

// What was sent to workers that are not relied on counts for who is taken in, as they have it
// still: a query behind more of it than they do until it expires is refused.
func TestTheWorkOfWorkersThatAreNotReliedOnCounts(t *testing.T) {
	for _, class := range []query.Class{query.Strict, query.Relaxed} {
		d := newTestService(t, nil)
		for _, tc := range []struct {
			aheadMS float64
			taken   bool
		}{{1000, true}, {1e6, false}} {
			d.clock.advance(time.Minute)
			d.publishPool(t, placement.Pool{NoStrictOverflow: true, Workers: 1, Runners: 2, Stalled: true, StrictMS: tc.aheadMS})
			d.refreshView(t.Context())
			d.Settle()
			r := request(10_000)
			r.Class = class
			_, err := d.Take(t.Context(), "me", r, Terms{})
			var no *Refusal
			if errors.As(err, &no); tc.taken != (err == nil) || !tc.taken && (no.Kind != NoCapacity || !strings.Contains(no.Detail, "the queries ahead")) {
				t.Errorf("%s behind %.0f ms: %v", class, tc.aheadMS, err)
			}
		}
	}
}

// The runner that a worker keeps for others counts for who is above its share, while another
// owner is there, also one whose queries have slots at once: an owner alone has all runners.
func TestAnOwnerAloneHasAllRunners(t *testing.T) {
	for name, tc := range map[string]struct {
		other time.Duration // how long ago another owner's query found a slot; 0 is never
		loud  bool          // the other sends far more, which finds none
		part  float64       // of what two runners do until half of the query's time is over
		taken bool
	}{
		"alone":                       {0, false, 0.9, true},
		"alone, and more is ahead":    {0, false, 1.1, false},
		"another is there":            {time.Second, false, 0.6, false},
		"another, and less is ahead":  {time.Second, false, 0.4, true},
		"another, who has the share":  {time.Second, true, 1.5, true},
		"another was there long ago":  {2 * time.Minute, false, 0.9, true},
		"long ago, and more is ahead": {2 * time.Minute, false, 1.1, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := newTestService(t, nil)
			stands := func(strictMS float64) {
				d.publishPool(t, placement.Pool{NoStrictOverflow: true, Workers: 1, Runners: 2, StrictMS: strictMS})
				d.refreshView(t.Context())
				d.Settle()
			}
			take := func(owner string) (Answer, error) { return d.Take(t.Context(), owner, strictly(), Terms{}) }
			stands(0)
			first, err := take("other")
			if tc.other == 0 {
				first, err = take("me")
				d.clock.advance(2 * time.Minute)
			}
			if err != nil || first.Record.Placement != string(platform.WorkQueue("general", query.Strict)) {
				t.Fatalf("placed on %s, error %v", first.Record.Placement, err)
			}
			d.clock.advance(tc.other)
			keeps := query.Milliseconds(first.Record.ExpiresAt.Sub(first.Record.AcceptedAt))
			stands(tc.part * keeps)
			for range 4 {
				if tc.loud {
					_, _ = take("other")
				}
			}
			if _, err = take("me"); (err == nil) != tc.taken {
				t.Errorf("behind %.1f of %.0f ms: %v", tc.part, keeps, err)
			}
		})
	}
}
