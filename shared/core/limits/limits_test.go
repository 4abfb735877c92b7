package limits

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var (
	noon    = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	minute7 = noon.Add(7 * time.Minute)
)

// one asks for one query that costs as much as given.
func one(cost picoUSD) Ask {
	return Ask{Costs: []picoUSD{cost}, Until: minute7.Add(30 * time.Second)}
}

func TestTake(t *testing.T) {
	hour := hourOf(noon)
	many := Ask{Costs: []picoUSD{10, 10, 10}, Spare: 970, Slots: 100, Until: minute7.Add(30 * time.Second)}
	cheap := Ask{Costs: []picoUSD{50, 10}, Until: minute7.Add(30 * time.Second)}
	for _, tc := range []struct {
		name   string
		state  State
		limits Limits
		ask    Ask
		money  picoUSD
		slots  int
		err    error
	}{
		{"the first", State{}, Limits{1, 8}, one(10), 10, 1, nil},
		{"no limit of money", State{Hour: hour, Spent: 1 << 50}, Limits{math.Inf(1), 8}, one(10), 10, 1, nil},
		{"the last money", State{Hour: hour, Spent: 90}, Limits{100e-12, 8}, one(10), 10, 1, nil},
		{"too little money", State{Hour: hour, Spent: 91}, Limits{100e-12, 8}, one(10), 0, 0, ErrBudget},
		{"debt", State{Hour: hour, Spent: 200}, Limits{100e-12, 8}, one(10), 0, 0, ErrBudget},
		{"money of the hour before", State{Hour: hour - 1, Spent: 100}, Limits{100e-12, 8}, one(10), 10, 1, nil},
		{"an hour that another clock began", State{Hour: hour + 1, Spent: 95}, Limits{100e-12, 8}, one(10), 0, 0, ErrBudget},
		{"no budget", State{}, Limits{0, 8}, one(10), 0, 0, ErrBudget},
		{"no concurrency", State{}, Limits{1, 0}, one(10), 0, 0, ErrConcurrency},
		{"every place is leased", State{Leases: []Slots{{minute7.Unix(), 3}, {minute7.Unix() + 9, 5}}}, Limits{1, 8}, one(10), 0, 0, ErrConcurrency},
		{"a lease that ended, by any clock", State{Leases: []Slots{{minute7.Unix() - 3, 8}}}, Limits{1, 8}, one(10), 10, 1, nil},
		{"a lease that may not have ended", State{Leases: []Slots{{minute7.Unix() - 2, 8}}}, Limits{1, 8}, one(10), 0, 0, ErrConcurrency},
		{"more places are leased than may be", State{Leases: []Slots{{minute7.Unix(), 9}}}, Limits{1, 8}, one(10), 0, 0, ErrConcurrency},
		{"what is needed of little", State{}, Limits{100e-12, 8}, many, 30, 3, nil},
		{"no money without a place", State{}, Limits{100e-12, 2}, many, 20, 2, nil},
		{"no place without money", State{Hour: hour, Spent: 75}, Limits{100e-12, 8}, many, 20, 2, nil},
		{"the one that can be paid", State{Hour: hour, Spent: 60}, Limits{100e-12, 8}, cheap, 10, 1, nil},
		{"a share of much", State{}, Limits{64_305e-12, 3 + 64*5}, many, 1000, 8, nil},
		{"a share of what is left, in whole queries", State{}, Limits{(30 + 64*29) * 1e-12, 3 + 63}, many, 50, 3, nil},
	} {
		s := tc.state.clone()
		g, err := s.Take(minute7, tc.limits, tc.ask)
		if !errors.Is(err, tc.err) || g.Money != tc.money || g.Slots.N != tc.slots {
			t.Errorf("%s: granted %d and %d places, error %v; want %d, %d, %v", tc.name, g.Money, g.Slots.N, err, tc.money, tc.slots, tc.err)
		}
		if err == nil && g.Slots.EndS != minute7.Unix()+30 {
			t.Errorf("%s: the places end at %d", tc.name, g.Slots.EndS)
		}
	}
}

// Whatever is taken and given back, in any order and by clocks that differ, no
// more is out than the limits allow, and a State is read as it was stored.
func TestNoMoreIsTakenThanThereIs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := Limits{BudgetUSD: float64(rapid.IntRange(1, 10_000).Draw(rt, "budget")) * 1e-12, Concurrency: rapid.IntRange(1, 200).Draw(rt, "concurrency")}
		var s State
		var out []Grant // in the hands of processes
		now := noon.Add(30 * time.Minute)
		for range rapid.IntRange(1, 50).Draw(rt, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(rt, "ms")) * time.Millisecond)
			clock := now.Add(time.Duration(rapid.IntRange(-1000, 1000).Draw(rt, "skew ms")) * time.Millisecond)
			if len(out) > 0 && rapid.Bool().Draw(rt, "give back") {
				i := rapid.IntRange(0, len(out)-1).Draw(rt, "which")
				s.Return(clock, out[i])
				out = append(out[:i], out[i+1:]...)
			} else {
				cost := picoUSD(rapid.IntRange(1, 300).Draw(rt, "cost"))
				n := rapid.IntRange(1, 5).Draw(rt, "queries")
				g, err := s.Take(clock, l, Ask{Costs: slices.Repeat([]picoUSD{cost}, n), Spare: cost * 50, Slots: 50,
					Until: clock.Add(time.Duration(rapid.IntRange(1, 20).Draw(rt, "seconds")) * time.Second)})
				if err == nil {
					out = append(out, g)
				}
			}
			var money picoUSD
			slots := 0
			for _, g := range out {
				money += g.Money
				if !now.Add(-time.Second).After(time.Unix(g.Slots.EndS, 0)) { // by the clock that is most behind
					slots += g.Slots.N
				}
			}
			if money > pico(l.BudgetUSD) || slots > l.Concurrency {
				rt.Fatalf("out are %d of %v and %d of %d places", money, pico(l.BudgetUSD), slots, l.Concurrency)
			}
			text, err := s.Encode()
			back, err2 := decode(text)
			if diff := cmp.Diff(s, back, cmpopts.EquateEmpty()); err != nil || err2 != nil || diff != "" {
				rt.Fatalf("errors %v, %v; the state comes back differently:\n%s", err, err2, diff)
			}
		}
	})
}

func TestReturn(t *testing.T) {
	end := minute7.Unix() + 30
	for _, tc := range []struct {
		name  string
		back  Grant
		spent picoUSD
		held  int
	}{
		{"money", Grant{Hour: hourOf(noon), Money: 30}, 70, 5},
		{"debt", Grant{Hour: hourOf(noon), Money: -30}, 130, 5},
		{"money of the hour before", Grant{Hour: hourOf(noon) - 1, Money: 30}, 100, 5},
		{"places", Grant{Slots: Slots{end, 2}}, 100, 3},
		{"all places", Grant{Slots: Slots{end, 5}}, 100, 0},
		{"places of a lease that is gone", Grant{Slots: Slots{end - 1, 5}}, 100, 5},
	} {
		s := State{Hour: hourOf(noon), Spent: 100, Leases: []Slots{{end, 5}}}
		if s.Return(minute7, tc.back); s.Spent != tc.spent || s.held() != tc.held {
			t.Errorf("%s: %d spent and %d held, want %d and %d", tc.name, s.Spent, s.held(), tc.spent, tc.held)
		}
	}
}

// A State stays small, however long and many the leases are.
func TestLeasesHaveFewEnds(t *testing.T) {
	var s State
	for i := range 10_000 {
		now := minute7.Add(time.Duration(i) * 50 * time.Millisecond)
		if _, err := s.Take(now, Limits{math.Inf(1), 1 << 20}, Ask{Costs: []picoUSD{1}, Until: now.Add(5 * time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	text, err := s.Encode()
	if err != nil || len(text) > 1500 {
		t.Errorf("%d ends in %d bytes, error %v", len(s.Leases), len(text), err)
	}
}

func TestAStateThatIsNoneIsRefused(t *testing.T) {
	if s, err := decode([]byte(`{"hour":"noon"}`)); err == nil {
		t.Errorf("decoded as %+v", s)
	}
}

// What Erlang's B formula says of a few loads, and that more load, or fewer places, refuse more.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		load   float64
		places int
		want   float64
	}{{0, 0, 1}, {1, 0, 1}, {0, 8, 0}, {1, 1, 0.5}, {4, 8, 0.0304}, {8, 8, 0.2356}, {100, 10, 0.9011}, {100, 100, 0.0757}, {500, 1000, 0}} {
		if got := Refused(c.load, c.places); math.Abs(got-c.want) > 1e-4 {
			t.Errorf("%v on %d places: %.4f, want %.4f", c.load, c.places, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		load, places := rapid.Float64Range(0, 1000).Draw(t, "load"), rapid.IntRange(0, 500).Draw(t, "places")
		got := Refused(load, places)
		if got < 0 || got > 1 || Refused(load*1.1, places) < got || Refused(load, places+1) > got {
			t.Errorf("refused %v; with more load %v, with another place %v", got, Refused(load*1.1, places), Refused(load, places+1))
		}
	})
}
