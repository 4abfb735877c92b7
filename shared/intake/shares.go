package intake

import (
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/schedule"
)

// shareTime is for how long at least a query counts for its owner's share.
const shareTime = 30 * time.Second

// ownerShares count by owner the queries for which no worker had a slot in time, so that
// the owner who sends more than the stage can answer meets its end first. Each process
// counts what it sees itself: a balancer spreads an owner's requests over all of them.
type ownerShares struct {
	mu        sync.Mutex
	since     time.Time
	of        [2]map[string]int // in this shareTime, and in the one before
	all       [2]int
	different int // owners in either

	company schedule.Company // as the workers see it: of all queries, also those for which a worker had a slot
}

// ownerShare is what an owner has of those queries.
type ownerShare struct {
	over   bool // more than its fair share, were there one more owner
	others bool // another owner has some, or had a query of any kind here lately
	shared bool // the workers keep a runner for another owner
}

// crowds reports whether the owner sends more than its share while others use the stage.
func (s ownerShare) crowds() bool { return s.over && s.others }

// came notes a query, whatever becomes of it.
func (s *ownerShares) came(now time.Time, owner string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.company.Started(now, owner)
}

// add counts one query, and returns its owner's share. Of F owners each has a fair share
// of 1/(F+1): so much stays for one more, who finds room at once.
func (s *ownerShares) add(now time.Time, owner string) ownerShare {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	if s.of[0][owner] == 0 && s.of[1][owner] == 0 {
		if s.different == mostOwners {
			return ownerShare{others: true, shared: s.company.Several(now)}
		}
		s.different++
	}
	s.of[0][owner]++
	s.all[0]++
	own, all := s.of[0][owner]+s.of[1][owner], s.all[0]+s.all[1]
	shared := s.company.Several(now)
	return ownerShare{over: own*(s.different+1) > all, others: s.different > 1 || shared, shared: shared}
}

// turn begins a new shareTime when one is over.
func (s *ownerShares) turn(now time.Time) {
	age := now.Sub(s.since)
	if age >= 0 && age < shareTime {
		return
	}
	before, all := s.of[0], s.all[0]
	if age < 0 || age >= 2*shareTime {
		before, all = nil, 0
	}
	s.since, s.of, s.all, s.different = now, [2]map[string]int{{}, before}, [2]int{0, all}, len(before)
}
