// Package limits holds a stage's limits on overflow however many processes take
// part: what functions may cost in an hour, and how many queries may run on them
// at once. One small value that all processes change by compare-and-swap says
// how much is taken (State); each process takes from it what it needs and a bit
// more, and spends that without asking again (Taker). Without a lease there is no
// overflow.
//
// Where little is free, a process takes exactly what its waiting queries need:
// a budget for ten queries lets ten through, wherever they arrive. Where much is
// free, it takes a block besides: what it used lately in the time that a block
// may be spent in, and at most 1/64 of what is free, so that blocks in many
// processes never hold up what others need.
//
// Where nearly everything is free, a block may be spent for ten minutes, and else
// for ten seconds.
//
// Writes: with blocks, one for all the queries of a process in that time. At
// 1,000 queries/s with 5 % overflow on 40 processes that is 0.13 writes, and as
// many reads, a query that overflows: $0.005 a million of all queries, on
// DynamoDB. Where more than half of a small number of places is taken, or little
// money is left, each process gives back at once what it does not use: at most
// two are stored, one that takes and one that gives back; and each that meets
// another process's is tried once more: 2.2 in all at 50 overflows a second with
// 60 places, $0.08 a million. A test measures both.
//
// A process that dies holding leases loses what it held: its slots end by
// themselves with the lease, and the money of its block counts as spent until
// the end of the hour. Clocks may differ by up to two seconds.
package limits

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// The reasons why nothing is granted.
var (
	ErrBudget      = errors.New("the hourly budget for functions (setting hourly_budget_usd) is used up")
	ErrConcurrency = errors.New("the maximum number of queries on functions (setting max_overflow_concurrency) is reached")
)

// Limits are what holds at one moment. They come from the settings with each
// call, so that a change holds at once.
type Limits struct {
	// BudgetUSD is what functions may cost in a clock hour (UTC); +Inf is no
	// limit, and 0 or less leaves nothing.
	BudgetUSD float64
	// Concurrency is how many queries may run on functions at once; 0 or less
	// turns overflow off.
	Concurrency int
}

// EachMS is after how many milliseconds functions that always run as many queries as may
// end another one, if each takes serviceMS; +Inf where none may run.
func EachMS(serviceMS float64, concurrency int) float64 {
	if concurrency < 1 {
		return math.Inf(1)
	}
	return serviceMS / float64(concurrency)
}

// Refused is the share of queries that find all places on functions taken if they come
// independently of each other, by Erlang's B formula. load is how many places they would hold
// in the mean if there were enough: the rate times how long one holds its place. E.g. 8
// places and a load of 4: 3 %; of 8: 24 %.
func Refused(load float64, places int) float64 {
	switch n := float64(places); {
	case places < 1:
		return 1
	case load <= 0 || load < n-5*math.Sqrt(n): // less than one in a million
		return 0
	}
	inverse := 1.0 // of the share, by the recursion over the number of places
	for k := range places {
		inverse = 1 + inverse*float64(k+1)/load
	}
	return 1 / inverse
}

const (
	// maxSkew is how far the clocks of two processes may differ.
	maxSkew = 2 * time.Second
	// spareShare bounds the spare in a grant: what is free divided by it.
	spareShare = 64
	// tolerance is the share of a cost that may be missing, so that a budget of
	// ten times a cost is one for ten in spite of rounding.
	tolerance = 1_000_000
	// unlimited stands for a budget without a limit, $1,000,000 an hour.
	unlimited = picoUSD(1e18)
)

// picoUSD is money in units of 1e-12 USD, so that adding loses nothing: the
// cheapest inference costs some 200,000 of them.
type picoUSD int64

func pico(usd float64) picoUSD {
	if math.IsNaN(usd) || usd <= 0 {
		return 0
	}
	return picoUSD(math.Round(min(usd*1e12, float64(unlimited))))
}

// covers reports whether money suffices for a cost.
func (p picoUSD) covers(cost picoUSD) bool { return p > 0 && p+cost/tolerance >= cost }

// State is how much of the limits is taken. The zero State is that of a stage
// that has not used any. It is not safe for concurrent use.
type State struct {
	Hour   int64   `json:"hour"`             // Unix hour that Spent counts for
	Spent  picoUSD `json:"spent_picousd"`    // granted in that hour and not given back
	Leases []Slots `json:"leases,omitempty"` // in order of their ends
}

// Slots are places on functions that are leased until the same time.
type Slots struct {
	EndS int64 `json:"end_s"` // Unix seconds, by the clock of the process that leased them
	N    int   `json:"n"`
}

// decode reads a State as it is stored; nil is the zero State.
func decode(text []byte) (s State, err error) {
	if text == nil {
		return s, nil
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return State{}, fmt.Errorf("decode the state of the limits: %w", err)
	}
	return s, nil
}

// Encode returns the State as it is stored.
func (s State) Encode() ([]byte, error) { return json.Marshal(s) }

func (s State) clone() State {
	s.Leases = slices.Clone(s.Leases)
	return s
}

// hourOf returns the Unix hour of a time.
func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

// advance begins a new hour and drops the leases that ended. The hour never goes
// back: a process whose clock is behind takes from the hour that another began.
func (s *State) advance(now time.Time) {
	if hour := hourOf(now); hour > s.Hour {
		s.Hour, s.Spent = hour, 0
	}
	s.Leases = slices.DeleteFunc(s.Leases, func(l Slots) bool {
		return now.After(time.Unix(l.EndS, 0).Add(maxSkew)) // by its holder's clock, too
	})
}

// held is how many places are leased.
func (s *State) held() (n int) {
	for _, l := range s.Leases {
		n += l.N
	}
	return n
}

// Ask is what a process asks for.
type Ask struct {
	// Costs are those of the queries that wait, in their order.
	Costs []picoUSD
	// Spare is the money that would be of use besides, in whole multiples of the
	// first cost, and Slots the places, those of the waiting queries included.
	Spare picoUSD
	Slots int
	// Until is when the leased places end.
	Until time.Time
}

// Grant is what a process may use: money in one hour, and places until they end.
type Grant struct {
	Hour  int64
	Money picoUSD
	Slots Slots
}

// Take grants what is asked for as far as it is there: first what the waiting
// queries need, each its money and its place or neither, then a share of the
// rest. ErrBudget or ErrConcurrency, with nothing changed but what has ended,
// when not one of them can run.
func (s *State) Take(now time.Time, l Limits, a Ask) (Grant, error) {
	s.advance(now)
	free, left := l.Concurrency-s.held(), pico(l.BudgetUSD)-s.Spent
	if free < 1 {
		return Grant{}, ErrConcurrency
	}
	g := Grant{Hour: s.Hour, Slots: Slots{EndS: endSecond(now, a.Until)}}
	for _, cost := range a.Costs {
		if g.Slots.N < free && (left - g.Money).covers(cost) {
			g.Money += min(cost, left-g.Money)
			g.Slots.N++
		}
	}
	if g.Slots.N == 0 {
		return Grant{}, ErrBudget
	}
	if n := g.Slots.N; n == len(a.Costs) {
		g.Money += spare(left-g.Money, a.Spare, max(1, a.Costs[0]))
		g.Slots.N += spare(free-n, a.Slots-n, 1)
	}
	s.Spent += g.Money
	at, there := slices.BinarySearchFunc(s.Leases, g.Slots.EndS, func(l Slots, end int64) int { return int(l.EndS - end) })
	if there {
		s.Leases[at].N += g.Slots.N
	} else {
		s.Leases = slices.Insert(s.Leases, at, g.Slots)
	}
	return g, nil
}

// spare returns what is wanted, in whole units and at most one part in
// spareShare of what is free.
func spare[T int | picoUSD](free, want, unit T) T {
	return max(0, min(want, free/spareShare)) / unit * unit
}

// endSecond rounds the end of a lease up to a multiple of a second, or of more
// for a long one, so that a State holds few different ends.
func endSecond(now, until time.Time) int64 {
	step := max(1, int64(until.Sub(now)/time.Second)/32)
	end := until.Add(time.Second - time.Nanosecond).Unix()
	return (end + step - 1) / step * step
}

// Return takes back what a process has not used. Money of an earlier hour, and
// places whose lease has ended, are no use to anybody and count for nothing.
// Money may be negative: queries cost more than was taken for them.
func (s *State) Return(now time.Time, gs ...Grant) {
	s.advance(now)
	for _, g := range gs {
		if g.Hour == s.Hour {
			s.Spent = max(0, s.Spent-g.Money)
		}
		for i, l := range s.Leases {
			if l.EndS == g.Slots.EndS {
				s.Leases[i].N -= min(l.N, g.Slots.N)
			}
		}
	}
	s.Leases = slices.DeleteFunc(s.Leases, func(l Slots) bool { return l.N == 0 })
}
