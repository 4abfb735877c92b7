package control

import (
	"context"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/canary"
	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	// trialsName is the shared value that holds what was counted of the versions on trial.
	trialsName = "trials"
	// mostTrials bounds it, in packed bytes: a row of DynamoDB takes 400 KB. A trial that
	// takes more begins anew in the next process.
	mostTrials = 300 << 10
	// votesTime bounds a read of the votes.
	votesTime = 5 * time.Second
)

// trials holds the versions on trial to the rule: a tick under the lease does, so that
// one controller of all judges.
type trials struct {
	*canary.Watcher // nil where another process judges
	votes           platform.VoteBook
	votesAt         time.Time // when they were last read
}

func (c *Controller) newTrials() *canary.Watcher {
	if c.Versions == nil {
		return nil
	}
	o := canary.Options{
		Models: c.Versions, Fleet: lastRead{c}, Votes: c.believed, Settings: c.settings, Now: c.Now, Log: c.Log,
	}
	for _, p := range c.allPools() {
		o.Pools = append(o.Pools, p.Name)
	}
	if c.Shared != nil {
		o.Memory = &savedTrials{shared: c.Shared}
	}
	return canary.New(o)
}

// judgeTrials rolls back the versions on trial that are worse. It makes no call while
// none is.
func (c *Controller) judgeTrials(ctx context.Context) {
	if c.trials.Watcher != nil {
		c.trials.Judge(ctx)
	}
}

// allPools are the pools, and before them that of functions.
func (c *Controller) allPools() []Pool {
	return append([]Pool{{Name: platform.FunctionsPool}}, c.Pools...)
}

// lastRead are the counts that the history of traffic was last fed: they are not read
// again for the trials.
type lastRead struct{ *Controller }

// Tallies implements canary.Fleet. It waits for the reading that this tick has begun.
func (l lastRead) Tallies(_ context.Context, pool string) (map[string]tally.Snapshot, error) {
	l.summaries.Settle()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tallies[pool], nil
}

// believed is what callers' votes say of a version, as of a moment ago.
func (c *Controller) believed(ctx context.Context, m *profile.Model) feedback.Posterior {
	t, rules := &c.trials, feedback.RulesOf(c.settings())
	if c.Votes != nil && c.Now().Sub(t.votesAt) >= platform.VotesFresh {
		ctx, cancel := context.WithTimeout(ctx, votesTime)
		defer cancel()
		if err := t.votes.Read(ctx, c.Votes, rules); err != nil {
			c.Log.Warn("could not read votes; versions are judged by the votes read before", "error", err)
		}
		t.votesAt = c.Now()
	}
	return t.votes.Posterior(rules, m, c.Now())
}

// savedTrials is a canary.Memory in a shared value.
type savedTrials struct {
	shared  platform.Shared
	version int64 // that was loaded or saved last
}

// Load implements canary.Memory.
func (s *savedTrials) Load(ctx context.Context) (raw []byte, err error) {
	packed, version, err := s.shared.ReadShared(ctx, trialsName)
	if err != nil {
		return nil, err
	}
	s.version = version
	if packed == nil {
		return nil, nil
	}
	return Unpack(packed)
}

// Save implements canary.Memory.
func (s *savedTrials) Save(ctx context.Context, raw []byte) error {
	packed, err := pack(raw)
	if err != nil {
		return err
	}
	if len(packed) > mostTrials {
		return fmt.Errorf("the counts of the versions on trial take %d bytes; at most %d are allowed", len(packed), mostTrials)
	}
	version, err := s.shared.SwapShared(ctx, trialsName, packed, s.version)
	if err == nil {
		s.version = version
	}
	return err
}
