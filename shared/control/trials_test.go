package control_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
)

// versions are a catalogue in which model a has a version on trial.
type versions struct {
	mu sync.Mutex
	c  *profile.Catalogue
}

func newVersions(share float64) *versions {
	c := catalogue()
	for i := range c.Models {
		c.Models[i].Task = "t" // votes name it
	}
	c.Models = append(c.Models, profile.Model{Name: "a@2", Task: "t", SHA256: "2"})
	r, _ := profile.Rollout{Model: "a", Served: "a", Newest: 1}.Add(share, time.Now())
	c.Rollouts = []profile.Rollout{r}
	return &versions{c: c}
}

func (v *versions) Current() *profile.Catalogue {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.c
}

func (v *versions) Change(_ string, _ time.Time, change func(profile.Rollout) (profile.Rollout, []string, error)) (profile.Rollout, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	after, _, err := change(v.c.Rollouts[0])
	if err == nil {
		next := *v.c
		next.Rollouts = []profile.Rollout{after}
		v.c = &next
	}
	return after, err
}

// paid counts the calls that are made for versions on trial alone.
type paid struct {
	platform.Shared
	platform.Votes
	loads, saves, votes, kb atomic.Int64
}

func (p *paid) ReadShared(ctx context.Context, name string) ([]byte, int64, error) {
	if name == "trials" {
		p.loads.Add(1)
	}
	return p.Shared.ReadShared(ctx, name)
}

func (p *paid) SwapShared(ctx context.Context, name string, value []byte, version int64) (int64, error) {
	if name == "trials" {
		p.saves.Add(1)
		p.kb.Store(int64(len(value)+1023) / 1024)
	}
	return p.Shared.SwapShared(ctx, name, value, version)
}

func (p *paid) VotesAfter(ctx context.Context, cursor int64, limit int) ([]feedback.Vote, int64, error) {
	p.votes.Add(1)
	return p.Votes.VotesAfter(ctx, cursor, limit)
}

// shift runs a controller that knows nothing of those before it, as one whose sandbox is
// new, for most of a minute.
func (r *rig) shift(of int, v *versions, p *paid) {
	r.Helper()
	c := control.New(control.Options{
		Holder: fmt.Sprint("shift ", of), Pools: []control.Pool{{Name: pool, InstanceType: "c5.large"}}, Catalogue: v, Arch: "x86_64",
		Records: r.Records, Fleet: r.Fleet, Queues: r.Queues, Metrics: r.Metrics, Groups: r.Groups, DecisionLog: r.DecisionLog,
		Shared: p, Versions: v, Votes: p,
		Tuned: func() tuning.State { return tuning.State{Settings: settings.Defaults()} }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	ctx, end := context.WithTimeout(r.Context(), 59*time.Second)
	defer end()
	c.Run(ctx)
}

// bad is how a version on trial answers, compared with one that takes 20 ms and costs $1 a million.
type bad struct {
	fails   bool
	ms, usd float64
	wrong   bool // as callers say of each of its answers; of the other version's all say right
}

// answers has a worker answer queries until ctx ends: every ten seconds a number by each
// version.
func (r *rig) answers(ctx context.Context, canary, served int, b bad) {
	book, votes := tally.NewBook(time.Now()), 0
	for ctx.Err() == nil {
		<-time.After(10 * time.Second)
		for i := range canary + served {
			k, is := tally.Key{Task: "t", Model: "a", Class: query.Strict, Resource: "c5.large"}, bad{false, 20, 1e-6, false}
			if i < canary {
				k.Model, is = "a@2", b
			}
			if is.fails {
				book.Faulted(k)
				continue
			}
			if votes++; b.wrong {
				vote := feedback.Vote{Task: k.Task, Model: k.Model, Owner: fmt.Sprint("owner ", votes%10), Correct: !is.wrong, At: time.Now()}
				if err := r.Votes.Vote(r.Context(), fmt.Sprint("q", votes), vote); err != nil {
					r.Error(err)
				}
			}
			book.Ended(k, tally.Observation{State: query.Succeeded, Met: true, LatencyMS: is.ms, ComputeMS: is.ms, CostUSD: is.usd})
		}
		_, err := r.Fleet.Report(r.Context(), platform.WorkerReport{ID: "w", Pool: pool, InstanceType: "c5.large", State: platform.Ready, At: time.Now(), Runners: 2, Tallies: book.Snapshot(time.Now())})
		if err != nil {
			r.Error(err)
		}
	}
}

// plays runs shifts of the controller, each in a sandbox of its own, while a worker
// answers; most bounds them. It returns what was done last to the version, and how long
// it had been on trial then.
func (r *rig) plays(v *versions, p *paid, most, canary, served int, b bad) (last profile.RolloutEvent, took time.Duration) {
	r.Helper()
	ctx, end := context.WithCancel(r.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.answers(ctx, canary, served, b) }()
	began := time.Now()
	for i := 0; i < most && v.Current().Rollouts[0].Canary != ""; i++ {
		r.shift(i, v, p)
	}
	end()
	<-done
	h := v.Current().Rollouts[0].History
	last = h[len(h)-1]
	r.Logf("after %v: %s by the %s: %s", last.At.Sub(began), last.Action, last.By, last.Why)
	return last, last.At.Sub(began)
}

// The controller takes a bad version that answers 5 % of 20 queries a second back within
// a minute, by the rule; whether answers are wrong, it knows by callers' votes.
func TestABadVersionIsRolledBack(t *testing.T) {
	for test, b := range map[string]bad{"errors": {fails: true}, "latency": {ms: 60, usd: 1e-6}, "cost": {ms: 20, usd: 3e-6},
		"accuracy": {ms: 20, usd: 1e-6, wrong: true}} {
		synctest.Test(t, func(t *testing.T) {
			r, v := newRig(t), newVersions(0.05)
			defer r.close()
			last, took := r.plays(v, &paid{Shared: r.Shared, Votes: r.Votes}, 2, 10, 190, b)
			if last.Action != profile.VersionRolledBack || last.By != profile.ByRule || !strings.HasPrefix(last.Why, test+": ") || took > time.Minute {
				t.Errorf("%s: after %v %+v", test, took, last)
			}
		})
	}
}

// What was counted outlives the process: a version that is slow is found by the answers
// of several shifts, none of which has enough of them.
func TestATrialOutlivesAShift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, v := newRig(t), newVersions(0.5)
		defer r.close()
		last, _ := r.plays(v, &paid{Shared: r.Shared, Votes: r.Votes}, 9, 1, 1, bad{ms: 60, usd: 1e-6})
		if last.Action != profile.VersionRolledBack || !strings.HasPrefix(last.Why, "latency: ") {
			t.Errorf("%+v", last)
		}
	})
}

// A version whose answers callers call wrong goes back for its accuracy, by the votes of
// several shifts: each controller reads them all.
func TestAVersionThatCallersCallWrongIsRolledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, v := newRig(t), newVersions(0.5)
		defer r.close()
		last, took := r.plays(v, &paid{Shared: r.Shared, Votes: r.Votes}, 9, 2, 2, bad{ms: 20, usd: 1e-6, wrong: true})
		if last.Action != profile.VersionRolledBack || last.By != profile.ByRule || !strings.HasPrefix(last.Why, "accuracy: ") || took < time.Minute {
			t.Errorf("after %v %+v", took, last)
		}
	})
}

// A version on trial costs what the bill has for it, and nothing once none is.
func TestATrialCostsWhatItsBillHas(t *testing.T) {
	for share, on := range map[float64]float64{0.5: 1, 0: 0} {
		synctest.Test(t, func(t *testing.T) {
			r, v := newRig(t), newVersions(share)
			defer r.close()
			p := &paid{Shared: r.Shared, Votes: r.Votes}
			const shifts = 5
			r.plays(v, p, shifts, 2, 2, bad{ms: 20, usd: 1e-6})
			rest := pricing.AtRest(pricing.Deployment{Pools: 1, Tasks: 1, TickSeconds: 10, ViewSeconds: 1})
			if votes := rest.TrialReadsPerTick * rest.BusyTicksPerMinute * shifts * on; float64(p.votes.Load()) != votes {
				t.Errorf("share %v: %d reads of votes, the bill has %v", share, p.votes.Load(), votes)
			}
			if saves := float64(p.saves.Load()); saves != shifts*on || float64(p.loads.Load()) != saves || float64(p.kb.Load()) > rest.TrialWritesPerMinute*on {
				t.Errorf("share %v: %d reads and %v writes of %d KB in %d minutes, the bill has %v units a minute", share, p.loads.Load(), saves, p.kb.Load(), shifts, rest.TrialWritesPerMinute)
			}
		})
	}
}
