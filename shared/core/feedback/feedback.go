// Package feedback learns how accurate models are from what callers say of the
// answers. It starts from the profile's accuracy as a Beta prior, counts votes
// that fade, and bounds what one caller can move. It is pure: time and
// randomness are passed in.
package feedback

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// Rules say how much votes weigh.
type Rules struct {
	// PriorVotes is how many votes the profile's accuracy is worth.
	PriorVotes float64
	// HalfLife is the time in which a vote's weight halves: without votes an
	// estimate fades to the profile. 0 means that votes do not fade.
	HalfLife time.Duration
	// OwnerShare is the largest share of the evidence on a model, the profile
	// included, that may come from one owner, above 0 to 1. With 1 nobody is
	// bounded, which suits a stage that has one owner.
	OwnerShare float64
}

// DefaultRules bound one owner to a fifth of the evidence.
func DefaultRules() Rules {
	return Rules{PriorVotes: 100, HalfLife: 24 * time.Hour, OwnerShare: 0.2}
}

// RulesOf are the rules that settings say.
func RulesOf(s settings.Settings) Rules {
	r := DefaultRules()
	r.HalfLife = time.Duration(s.FeedbackHalfLifeHours * float64(time.Hour))
	r.OwnerShare = s.FeedbackOwnerShare
	return r
}

// Vote is what one caller says of one answer.
type Vote struct {
	Task    string    `json:"task"`
	Model   string    `json:"model"`
	Owner   string    `json:"owner"`
	Correct bool      `json:"correct"`
	At      time.Time `json:"at"`
}

// Tally counts one owner's votes on one model, faded to a time.
type Tally struct {
	Task  string    `json:"task"`
	Model string    `json:"model"`
	Owner string    `json:"owner"`
	Right float64   `json:"right"`
	Wrong float64   `json:"wrong"`
	At    time.Time `json:"at"`
}

// faded returns the tally at a later time. A clock that steps back fades nothing.
func (t Tally) faded(now time.Time, halfLife time.Duration) Tally {
	if passed := now.Sub(t.At); passed > 0 {
		if halfLife > 0 {
			keep := math.Exp2(-float64(passed) / float64(halfLife))
			t.Right *= keep
			t.Wrong *= keep
		}
		t.At = now
	}
	return t
}

// Add returns the tally with one more vote.
func (r Rules) Add(t Tally, v Vote) Tally {
	t = t.faded(v.At, r.HalfLife)
	t.Task, t.Model, t.Owner, t.At = v.Task, v.Model, v.Owner, later(t.At, v.At)
	if v.Correct {
		t.Right++
	} else {
		t.Wrong++
	}
	return t
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Posterior is what is believed of a model's accuracy: a Beta distribution.
type Posterior struct {
	Right float64 `json:"right"` // votes, the prior's included
	Wrong float64 `json:"wrong"`
	// Votes is how much of it callers gave, faded and bounded.
	Votes float64 `json:"votes"`
	// Profile is the accuracy of the profile, in percent.
	Profile float64 `json:"profile"`
}

// Percent is the accuracy to be expected.
func (p Posterior) Percent() float64 { return 100 * p.Right / (p.Right + p.Wrong) }

// Sample draws an accuracy in percent, for Thompson sampling: what is little
// known varies more and is tried more often.
func (p Posterior) Sample(src rand.Source) float64 {
	return 100 * distuv.Beta{Alpha: max(p.Right, 1e-6), Beta: max(p.Wrong, 1e-6), Src: src}.Rand()
}

// Posterior puts together what the tallies, one an owner, say of a model whose
// profile has that top-1 percentage.
//
// One caller cannot poison it. Each owner's votes are limited to a share of the
// evidence, and of the estimates with everybody and without each one owner the
// nearest to the profile counts: the caller who votes alone moves nothing, and a liar
// among honest callers moves no more than they do without him.
func (r Rules) Posterior(profilePercent float64, tallies []Tally, now time.Time) Posterior {
	share, prior := profilePercent/100, max(r.PriorVotes, 1)
	out := Posterior{Profile: profilePercent, Right: prior * share, Wrong: prior * (1 - share)}
	counted := make([]Tally, 0, len(tallies))
	for _, t := range tallies {
		if t = t.faded(now, r.HalfLife); t.Right+t.Wrong > 0 {
			counted = append(counted, t)
		}
	}
	limit := r.ownerLimit(prior, counted)
	for i := range counted {
		counted[i] = counted[i].limited(limit)
		out = out.with(counted[i], 1)
	}
	if r.bounded() {
		return out.withoutTheFarthest(counted)
	}
	return out
}

func (r Rules) bounded() bool { return r.OwnerShare > 0 && r.OwnerShare < 1 }

// limited returns the tally limited to the given number of votes, in its own proportion.
func (t Tally) limited(votes float64) Tally {
	if n := t.Right + t.Wrong; n > votes {
		t.Right *= votes / n
		t.Wrong *= votes / n
	}
	return t
}

// with returns the posterior with a tally added, or taken away by sign -1.
func (p Posterior) with(t Tally, sign float64) Posterior {
	p.Right += sign * t.Right
	p.Wrong += sign * t.Wrong
	p.Votes += sign * (t.Right + t.Wrong)
	return p
}

// withoutTheFarthest returns the posterior that is nearest to the profile of
// this one and those without one owner.
func (p Posterior) withoutTheFarthest(tallies []Tally) Posterior {
	best := p
	for _, t := range tallies {
		less := p.with(t, -1)
		if math.Abs(less.Percent()-p.Profile) < math.Abs(best.Percent()-p.Profile) {
			best = less
		}
	}
	return best
}

// ownerLimit is the most votes of one owner that count: the largest number
// that is no more than its share of the prior and all votes so bounded. With
// the k owners who have most checked against the limit L and the others' votes summing
// to rest, L = share × (prior + rest + k L).
func (r Rules) ownerLimit(prior float64, tallies []Tally) float64 {
	share := r.OwnerShare
	if !r.bounded() {
		return math.Inf(1)
	}
	counts := make([]float64, len(tallies))
	rest := 0.0
	for i, t := range tallies {
		counts[i] = t.Right + t.Wrong
		rest += counts[i]
	}
	slices.SortFunc(counts, func(a, b float64) int { return cmp.Compare(b, a) })
	for k, n := range counts {
		// With k owners bounded: is the next one within the limit?
		bounded := 1 - share*float64(k)
		if bounded <= 0 {
			break // too many owners for any to exceed its share
		}
		if limit := share * (prior + rest) / bounded; n <= limit {
			return limit
		}
		rest -= n
	}
	if bounded := 1 - share*float64(len(counts)); bounded > 0 {
		return share * (prior + rest) / bounded
	}
	return math.Inf(1)
}

// Counted are the votes that count, faded and bounded, without the profile's.
func (p Posterior) Counted() (right, wrong float64) {
	prior := p.Right + p.Wrong - p.Votes
	right = min(max(0, p.Right-prior*p.Profile/100), p.Votes)
	return right, p.Votes - right
}

// Drift reports whether the votes contradict the profile: by more than
// leastPoints, and by more than chance explains (three standard errors).
func (p Posterior) Drift() (points float64, drifted bool) {
	if p.Votes < leastVotes {
		return 0, false
	}
	right, _ := p.Counted()
	points = 100*right/p.Votes - p.Profile
	share := min(max(p.Profile/100, 0.01), 0.99)
	chance := 300 * math.Sqrt(share*(1-share)/p.Votes)
	return points, math.Abs(points) > max(leastPoints, chance)
}

const (
	leastVotes  = 30
	leastPoints = 2
)
