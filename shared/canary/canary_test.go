package canary

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/core/tally"
)

// models is a catalogue whose versions change in memory.
type models struct{ c *profile.Catalogue }

func (m *models) Current() *profile.Catalogue { return m.c }

func (m *models) Change(model string, _ time.Time, change func(profile.Rollout) (profile.Rollout, []string, error)) (profile.Rollout, error) {
	r, _ := m.c.Rollout(model)
	after, _, err := change(r)
	if err == nil {
		next := *m.c
		next.Rollouts = []profile.Rollout{after}
		m.c = &next
	}
	return after, err
}

// behaviour is how a version answers.
type behaviour struct {
	fails float64 // share of its runs
	ms    float64
	usd   float64
	right float64 // share of its votes
}

// play is a stage with one worker that reports every heartbeat, at a time of its own.
type play struct {
	models
	*Watcher
	now     time.Time
	rand    *rand.Rand
	book    *tally.Book
	last    tally.Snapshot
	votes   feedback.Book
	rules   feedback.Rules
	answers map[string]behaviour
}

var start = time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)

func newPlay(canary behaviour) *play {
	p := &play{now: start, rand: rand.New(rand.NewPCG(1, 2)), book: tally.NewBook(start.Add(-time.Hour)), rules: feedback.DefaultRules()}
	r, err := profile.Rollout{Model: "net", Served: "net", Newest: 1}.Add(0.05, start)
	_ = err
	p.c = &profile.Catalogue{Models: []profile.Model{{Name: "net", Task: "t"}, {Name: "net@2", Task: "t"}}, Rollouts: []profile.Rollout{r}}
	p.answers = map[string]behaviour{"net": usual, "net@2": canary}
	p.Watcher = New(Options{
		Models: &p.models, Fleet: p, Pools: []string{"general"}, Settings: settings.Defaults, Now: func() time.Time { return p.now }, Log: slog.New(slog.DiscardHandler),
		Votes: func(_ context.Context, m *profile.Model) feedback.Posterior {
			return p.votes.Posterior(p.rules, m, p.now)
		},
	})
	return p
}

// Tallies implements Fleet: what the worker reported last.
func (p *play) Tallies(context.Context, string) (map[string]tally.Snapshot, error) {
	return map[string]tally.Snapshot{"worker": p.last}, nil
}

// second answers the queries of a second, each by the version that its id chooses, and judges.
func (p *play) second(queries int) {
	p.now = p.now.Add(time.Second)
	for i := range queries {
		id, version := fmt.Sprintf("%d-%d", p.now.Unix(), i), "net"
		if r := p.c.Rollouts[0]; r.Canary != "" && signed.Drawn(id, r.Canary, r.Share) {
			version = r.Canary
		}
		b, key := p.answers[version], tally.Key{Task: "t", Model: version, Class: query.Strict}
		if p.rand.Float64() < b.fails {
			p.book.Faulted(key)
			continue
		}
		spread := 0.8 + 0.4*p.rand.Float64()
		p.book.Ended(key, tally.Observation{State: query.Succeeded, LatencyMS: b.ms * spread, ComputeMS: b.ms * spread, CostUSD: b.usd * spread})
		p.votes.Add(p.rules, feedback.Vote{Task: "t", Model: version, Owner: fmt.Sprint(i % 7), Correct: p.rand.Float64() < b.right, At: p.now})
	}
	if s := p.book.Due(p.now, 10*time.Second); !s.IsZero() {
		p.last = s
	}
	p.Judge(context.Background())
}

var usual = behaviour{fails: 0.001, ms: 20, usd: 1e-6, right: 0.95}

// A bad version that answers 5 % of 20 queries a second is out within a minute.
func TestABadVersionIsOutWithinAMinute(t *testing.T) {
	for test, b := range map[string]behaviour{
		"errors":   {1, 20, 1e-6, 0.95},
		"latency":  {0.001, 60, 1e-6, 0.95},
		"accuracy": {0.001, 20, 1e-6, 0.5},
		"cost":     {0.001, 20, 3e-6, 0.95},
	} {
		p := newPlay(b)
		for p.c.Rollouts[0].Canary != "" && p.now.Before(start.Add(time.Minute)) {
			p.second(20)
		}
		r := p.c.Rollouts[0]
		last := r.History[len(r.History)-1]
		if r.Canary != "" || r.Served != "net" || last.Action != profile.VersionRolledBack || last.By != profile.ByRule || !strings.HasPrefix(last.Why, test) {
			t.Errorf("%s: %+v", test, r)
			continue
		}
		t.Logf("%s: out after %v: %s", test, last.At.Sub(start), last.Why)
	}
}

// A version that is as good stays, and so does a bad one where the rule is switched off.
func TestAVersionStays(t *testing.T) {
	for name, tc := range map[string]struct {
		b        behaviour
		rollback string
	}{"as good": {usual, settings.On}, "switched off": {behaviour{1, 20, 1e-6, 1}, "off"}} {
		p := newPlay(tc.b)
		p.Settings = func() settings.Settings {
			s := settings.Defaults()
			s.CanaryRollback = tc.rollback
			return s
		}
		for range 600 {
			p.second(20)
		}
		if r := p.c.Rollouts[0]; r.Canary != "net@2" || p.trials["net"].Counted["net@2"].Answered+p.trials["net"].Counted["net@2"].Faults == 0 {
			t.Errorf("%s: %+v, counted %+v", name, r, p.trials["net"].Counted)
		}
	}
}

// A version whose breaker opens at once, before its first runs are reported, is out all
// the same: what was counted of it before it was seen counts, and of the version that is
// served only what came meanwhile.
func TestAVersionThatIsPassedOverIsOut(t *testing.T) {
	p := newPlay(behaviour{1, 20, 1e-6, 0.95})
	p.c.Rollouts[0].Canary, p.c.Rollouts[0].Share = "", 0
	for range 60 {
		p.second(20)
	}
	p.c.Rollouts[0].Canary, p.c.Rollouts[0].Share = "net@2", 0.05
	for range 5 {
		p.book.Faulted(tally.Key{Task: "t", Model: "net@2", Class: query.Strict})
	}
	p.last = p.book.Snapshot(p.now)
	p.answers["net@2"] = usual // as it gets no query that fails
	p.Judge(context.Background())
	if c := p.trials["net"].Counted; c["net@2"].Faults != 5 || c["net"].Answered != 0 {
		t.Fatalf("counted %+v", c)
	}
	for range 15 {
		p.second(20)
	}
	if r := p.c.Rollouts[0]; r.Canary != "" || !strings.Contains(r.History[len(r.History)-1].Why, "5 of") {
		t.Errorf("%+v", r)
	}
}

// shadow runs both versions on the given number of queries, which the one that is served answers,
// among others of its own, reports and judges.
func (p *play) shadow(queries int, faulty bool, ms, servedMS, othersMS float64) {
	p.now = p.now.Add(10 * time.Second)
	served, key := tally.Key{Task: "t", Model: "net", Class: query.Strict}, tally.Key{Task: "t", Model: "net@2"}
	for range queries {
		p.book.Ended(served, tally.Observation{State: query.Succeeded, LatencyMS: servedMS, ComputeMS: servedMS, CostUSD: 1e-6})
		for range 3 {
			p.book.Ended(served, tally.Observation{State: query.Succeeded, LatencyMS: othersMS, ComputeMS: othersMS, CostUSD: 1e-6})
		}
		if faulty {
			p.book.Faulted(key)
			p.book.Shadowed(key, tally.ShadowRun{})
		} else {
			p.book.Shadowed(key, tally.ShadowRun{Agrees: true, ComputeMS: ms, ServedMS: servedMS})
		}
	}
	p.last = p.book.Snapshot(p.now)
	p.Judge(context.Background())
}

// A version in shadow that is worse on the same queries is taken back by the same rule,
// and one that is no worse stays; what it did in shadow is not held against it on trial.
func TestAVersionInShadowIsHeldToTheRule(t *testing.T) {
	for _, tc := range []struct {
		name         string
		faulty       bool
		ms, othersMS float64 // of the queries on which it does not run
		want         string
	}{{"as good, on slow inputs", false, 20, 5, ""}, {"all runs fail", true, 0, 20, "errors"}, {"three times as slow, on quick inputs", false, 60, 200, "latency"}} {
		p := newPlay(usual)
		r, err := p.c.Rollouts[0].Trial(profile.VersionInShadow, 0.5, start)
		if err != nil {
			t.Fatal(err)
		}
		p.c.Rollouts[0] = r
		p.shadow(0, false, 0, 0, 0)
		for range 3 {
			p.shadow(10, tc.faulty, tc.ms, 20, tc.othersMS)
		}
		now := p.c.Rollouts[0]
		last := now.History[len(now.History)-1]
		if back := now.Canary == ""; back != (tc.want != "") || now.Served != "net" || !strings.HasPrefix(last.Why, tc.want) || back && last.By != profile.ByRule {
			t.Errorf("%s: %+v", tc.name, now)
		}
	}
}
