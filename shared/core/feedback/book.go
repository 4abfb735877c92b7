package feedback

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// The reasons to refuse a vote.
var (
	ErrNotYours  = errors.New("no such query") // a stranger's looks like none at all
	ErrNoAnswer  = errors.New("the query has no answer to vote on")
	ErrNoLabel   = errors.New("not a label of the model")
	ErrVotedOnce = errors.New("the query already has a vote")
)

// Opinion is what a caller says of an answer: right or wrong, or the true label.
type Opinion struct {
	Correct *bool  `json:"correct,omitempty"`
	Label   string `json:"label,omitempty"`
}

// VoteOn turns an owner's opinion of a finished query into a vote. labels are
// those of the model's classes.
func VoteOn(r query.Record, owner string, o Opinion, labels []string, now time.Time) (Vote, error) {
	if r.Owner != owner {
		return Vote{}, ErrNotYours
	}
	if r.State != query.Succeeded || r.Outcome == nil || r.Outcome.Result == nil {
		return Vote{}, ErrNoAnswer
	}
	v := Vote{Task: r.Need.Task, Model: r.Model, Owner: owner, At: now}
	switch {
	case (o.Correct == nil) == (o.Label == ""):
		return Vote{}, errors.New("give either correct or label")
	case o.Correct != nil:
		v.Correct = *o.Correct
	case !slices.Contains(labels, o.Label):
		return Vote{}, ErrNoLabel
	default:
		v.Correct = o.Label == r.Outcome.Result.Label
	}
	return v, nil
}

// Book holds the tallies of a stage. The zero value is empty. Its fields are
// exported to be stored; one vote a query is the store's to hold, by a
// conditional write. It is not safe for concurrent use.
type Book struct {
	Tallies []Tally `json:"tallies"`
}

// maxTallies bounds the book; beyond it the one that has faded most goes.
const maxTallies = 10000

// Add counts a vote.
func (b *Book) Add(r Rules, v Vote) {
	i := slices.IndexFunc(b.Tallies, func(t Tally) bool {
		return t.Model == v.Model && t.Owner == v.Owner && t.Task == v.Task
	})
	if i >= 0 {
		b.Tallies[i] = r.Add(b.Tallies[i], v)
		return
	}
	if len(b.Tallies) >= maxTallies {
		b.dropFaintest(r, v.At)
	}
	b.Tallies = append(b.Tallies, r.Add(Tally{At: v.At}, v))
}

func (b *Book) dropFaintest(r Rules, now time.Time) {
	least, at := -1.0, 0
	for i, t := range b.Tallies {
		t = t.faded(now, r.HalfLife)
		if n := t.Right + t.Wrong; least < 0 || n < least {
			least, at = n, i
		}
	}
	b.Tallies = slices.Delete(b.Tallies, at, at+1)
}

// Posterior returns what is believed of a model.
func (b *Book) Posterior(r Rules, m *profile.Model, now time.Time) Posterior {
	var mine []Tally
	for _, t := range b.Tallies {
		if t.Model == m.Name && t.Task == m.Task {
			mine = append(mine, t)
		}
	}
	return r.Posterior(m.Accuracy.Top1Percent, mine, now)
}

// Accuracy returns the accuracies that selection takes instead of the
// profile's: those of the models that have votes. With a source of randomness
// each is drawn from its posterior (Thompson sampling), else it is the mean.
func (b *Book) Accuracy(r Rules, c *profile.Catalogue, now time.Time, src rand.Source) map[string]float64 {
	out := map[string]float64{}
	for i := range c.Models {
		p := b.Posterior(r, &c.Models[i], now)
		if p.Votes < faintest {
			continue
		}
		out[c.Models[i].Name] = p.Percent()
		if src != nil {
			out[c.Models[i].Name] = p.Sample(src)
		}
	}
	return out
}

// faintest votes count as none.
const faintest = 0.01

// Drifted is a model whose votes contradict its profile.
type Drifted struct {
	Task      string    `json:"task"`
	Model     string    `json:"model"`
	Points    float64   `json:"points"` // votes less profile, in percentage points
	Posterior Posterior `json:"posterior"`
}

// Drifts lists the models that have drifted.
func (b *Book) Drifts(r Rules, c *profile.Catalogue, now time.Time) []Drifted {
	var out []Drifted
	for i := range c.Models {
		m := &c.Models[i]
		p := b.Posterior(r, m, now)
		if points, yes := p.Drift(); yes {
			out = append(out, Drifted{Task: m.Task, Model: m.Name, Points: points, Posterior: p})
		}
	}
	slices.SortFunc(out, func(a, b Drifted) int { return strings.Compare(a.Task+"/"+a.Model, b.Task+"/"+b.Model) })
	return out
}
