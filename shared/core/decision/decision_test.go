package decision_test

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// steady is a case of a pool that is watched for long and has what it needs:
// 90 queries a second, 20 a worker.
func steady() decision.Case {
	s := procurement.Snapshot{CoveredTo: noon.Add(-3 * time.Second), ServiceMS: 100, DeferMS: 9000, WorkerUSDPerHour: 0.1, FunctionUSD: 1e-5,
		Pool: procurement.Pool{Ready: 5, RunnersEach: 2, Used: 0.9, UsedLeast: 0.9}}
	for range 10 {
		s.Arrivals = append(s.Arrivals, procurement.Second{Strict: 45, Relaxed: 45})
	}
	set := settings.Defaults()
	set.Scheme, set.ScaleInWaitSeconds = "reactive", 0
	return decision.Case{At: noon, Pool: "general", Snapshot: s, Settings: set, Group: decision.Group{Max: 100, Desired: 5},
		Leaving: []string{"a", "b", "c", "d", "e"},
		Before:  decision.State{TickedAt: noon.Add(-10 * time.Second), WatchedFrom: noon.Add(-time.Hour)}}
}

// However many workers the pools have and want: after each tick all of them together are
// within the budget, nothing that would pay for a worker is left while one is wanted, and no
// pool that wants a worker has none while another has several.
func TestAllPoolsTogetherKeepTheBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have := rapid.SliceOfN(rapid.IntRange(0, 9), 2, 4).Draw(t, "workers of the pools")
		most := rapid.SliceOfN(rapid.IntRange(0, 5), len(have), len(have)).Draw(t, "wanted")
		wanted := slices.Clone(have) // in the last tick
		price := steady().Snapshot.WorkerUSDPerHour
		// tick decides for each pool, and returns how many workers all have and how many more they want.
		tick := func(budget, spent float64) (total, unmet int) {
			for i := range have {
				c := steady() // wants five
				c.Settings.HourlyBudgetUSD, c.Settings.MaxWorkers, c.Settings.MaxStep, c.SpentUSD = budget, most[i], 100, spent
				c.Snapshot.Pool.Ready, c.Group.Desired = have[i], have[i]
				c.Others = decision.Others{SpentUSD: spent * float64(len(have)-1), DecidedUSDPerHour: price * float64(total)}
				for _, n := range wanted[i+1:] {
					c.Others.WantedUSDPerHour = append(c.Others.WantedUSDPerHour, price*float64(n))
				}
				r, _, err := decision.Make(c)
				if err != nil {
					t.Fatal(err)
				}
				have[i], wanted[i] = r.Action.To, r.BeforeBudget()
				total, unmet = total+have[i], unmet+wanted[i]-have[i]
			}
			return total, unmet
		}
		for range rapid.IntRange(1, 4).Draw(t, "ticks") {
			budget := rapid.Float64Range(0.01, 2).Draw(t, "budget")
			spent := rapid.Float64Range(0, 0.2).Draw(t, "spent by the workers of each pool")
			total, _ := tick(budget, spent)
			if left := max(0, budget-spent*float64(len(have))); price*float64(total) > left+1e-6 {
				t.Fatalf("%v workers for $%v an hour, of $%v", have, price*float64(total), left)
			}
		}
		// Once the wishes are those of the last tick, too.
		budget := rapid.Float64Range(0.01, 2).Draw(t, "last budget")
		if total, unmet := tick(budget, 0); unmet > 0 && price*float64(total+len(have)) <= budget {
			t.Fatalf("%v workers where a budget of $%v pays for more", have, budget)
		}
		for i := range have {
			if have[i] == 0 && wanted[i] > 0 && slices.Max(have) > 1 {
				t.Fatalf("of wishes %v, pool %d has none: %v", wanted, i, have)
			}
		}
	})
}

func TestClamps(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*decision.Case)
		to     int
		clamps string
	}{
		{"what is needed", func(*decision.Case) {}, 5, ""},
		{"max_workers", func(c *decision.Case) { c.Settings.MaxWorkers = 3 }, 3, "wanted 5, clamped to 3 by max_workers"},
		{"the group is smaller than what was asked for", func(c *decision.Case) { c.Group = decision.Group{Max: 4, Desired: 9} }, 4, "wanted 5, clamped to 4 by the group's maximum"},
		{"the group's minimum", func(c *decision.Case) { c.Group.Min = 7 }, 7, "wanted 5, raised to 7 by the group's minimum"},
		{"min_workers", func(c *decision.Case) { c.Settings.MinWorkers = 6 }, 6, "wanted 5, raised to 6 by min_workers"},
		{"a cap below min_workers", func(c *decision.Case) { c.Settings.MinWorkers, c.Settings.MaxWorkers = 6, 2 }, 2,
			"wanted 5, raised to 6 by min_workers; wanted 6, clamped to 2 by max_workers"},
		{"max_step", func(c *decision.Case) { c.Snapshot.Pool.Ready, c.Group.Desired, c.Settings.MaxStep = 1, 1, 2 }, 3, "wanted 5, clamped to 3 by max_step"},
		{"a step down", func(c *decision.Case) {
			c.Snapshot.Pool.Ready, c.Settings.MaxStep, c.Snapshot.Pool.IdleSeconds = 9, 1, []float64{999, 999, 999, 999}
		}, 8, "wanted 5, raised to 8 by max_step"},
		{"a budget of three workers", func(c *decision.Case) { c.Settings.HourlyBudgetUSD = 0.3 }, 3, "wanted 5, clamped to 3 by hourly_budget_usd"},
		{"half of the budget is spent", func(c *decision.Case) { c.Settings.HourlyBudgetUSD, c.SpentUSD = 0.4, 0.2 }, 2, "wanted 5, clamped to 2 by hourly_budget_usd"},
		{"the budget is spent", func(c *decision.Case) { c.Settings.HourlyBudgetUSD, c.SpentUSD = 0.4, 0.5 }, 0, "wanted 5, clamped to 0 by hourly_budget_usd"},
		{"other pools have spent half of the budget", func(c *decision.Case) { c.Settings.HourlyBudgetUSD, c.Others.SpentUSD = 0.4, 0.2 }, 2, "wanted 5, clamped to 2 by hourly_budget_usd"},
		{"other pools were given a quarter of the budget in this tick", func(c *decision.Case) {
			c.Settings.HourlyBudgetUSD, c.Others.DecidedUSDPerHour = 0.4, 0.1
		}, 3, "wanted 5, clamped to 3 by hourly_budget_usd"},
		{"other pools have been given more than the budget", func(c *decision.Case) {
			c.Settings.HourlyBudgetUSD, c.Others.DecidedUSDPerHour = 0.4, 0.5
		}, 0, "wanted 5, clamped to 0 by hourly_budget_usd"},
		{"another pool wants little of the budget", func(c *decision.Case) {
			c.Settings.HourlyBudgetUSD, c.Others.WantedUSDPerHour = 0.5, []float64{0.1}
		}, 4, "wanted 5, clamped to 4 by hourly_budget_usd"},
		{"half of the budget, as another pool wants more", func(c *decision.Case) {
			c.Settings.HourlyBudgetUSD, c.Others.WantedUSDPerHour = 0.8, []float64{9}
		}, 4, "wanted 5, clamped to 4 by hourly_budget_usd"},
		{"a third of the budget", func(c *decision.Case) {
			c.Settings.HourlyBudgetUSD, c.Others.WantedUSDPerHour = 0.7, []float64{9, 0.3}
		}, 2, "wanted 5, clamped to 2 by hourly_budget_usd"},
		{"just started to watch", func(c *decision.Case) {
			c.Snapshot.Pool.Ready, c.Snapshot.Pool.IdleSeconds, c.Before = 7, []float64{999, 999}, decision.State{}
		}, 7, "wanted 5, raised to 7 by watch_seconds"},
		{"ticks were missed", func(c *decision.Case) {
			c.Snapshot.Pool.Ready, c.Snapshot.Pool.IdleSeconds, c.Before.TickedAt = 7, []float64{999, 999}, noon.Add(-10*time.Minute)
		}, 7, "wanted 5, raised to 7 by watch_seconds"},
		{"not low for long", func(c *decision.Case) {
			c.Snapshot.Pool.Ready, c.Snapshot.Pool.IdleSeconds, c.Settings.ScaleInWaitSeconds = 7, []float64{999, 999}, 30
		}, 7, "wanted 5, raised to 7 by scale_in_wait_seconds"},
		{"a fixed fleet", func(c *decision.Case) { c.Snapshot.Pool.Ready, c.Settings.Fleet = 1, settings.FleetFixed }, 1, "wanted 5, clamped to 1 by fleet=fixed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := steady()
			c.change(&in)
			r, _, err := decision.Make(in)
			if err != nil {
				t.Fatal(err)
			}
			var clamps []string
			for _, k := range r.Clamps {
				clamps = append(clamps, k.String())
			}
			if r.Action.To != c.to || strings.Join(clamps, "; ") != c.clamps {
				t.Errorf("%d workers, clamps %q; want %d, %q\n%s", r.Action.To, clamps, c.to, c.clamps, r.Explain())
			}
			if drained := max(0, r.Action.From-c.to); len(r.Action.Drain) != drained {
				t.Errorf("%v leave, want %d", r.Action.Drain, drained)
			}
		})
	}
}

// With a fixed fleet, before the first decision and in the safe mode it is still the
// scheme that says which queries may overflow; strict ones always may where nothing was
// decided.
func TestTheSchemeDecidesWhatOverflows(t *testing.T) {
	for name, change := range map[string]func(*decision.Case){
		"a fixed fleet":             func(c *decision.Case) { c.Settings.Fleet = settings.FleetFixed },
		"before the first decision": func(c *decision.Case) { c.Snapshot.Arrivals, c.Before = nil, decision.State{} },
		"the safe mode": func(c *decision.Case) {
			c.Snapshot.CoveredTo, c.Before = time.Time{}, decision.State{HeldFrom: noon.Add(-time.Hour)}
		},
	} {
		for _, s := range procurement.All() {
			in := steady()
			in.Settings.Scheme = s.Name()
			change(&in)
			r, _, err := decision.Make(in)
			if err != nil {
				t.Fatal(err)
			}
			strict, relaxed := s.Overflow()
			if r.Outcome != procurement.Decided {
				strict = procurement.AtBound
			}
			if r.Action.Strict != strict || r.Action.Relaxed != relaxed {
				t.Errorf("%s, %s (%s): strict %s, relaxed %s; want %s, %s", name, s.Name(), r.Outcome, r.Action.Strict, r.Action.Relaxed, strict, relaxed)
			}
		}
	}
}

// A signal that cannot be trusted never reaches a scheme.
func TestSignalsThatHold(t *testing.T) {
	for _, c := range []struct {
		why   string
		spoil func(*decision.Case)
	}{
		{"is not a number", func(c *decision.Case) { c.Snapshot.Pool.QueuedMS = -1 }},
		{"throughput of a worker is not known", func(c *decision.Case) { c.Snapshot.ServiceMS = 0 }},
		{"the values are not known", func(c *decision.Case) { c.Snapshot.CoveredTo = time.Time{} }},
		{"3600 s old, and may be at most 120 s old", func(c *decision.Case) { c.Snapshot.CoveredTo = noon.Add(-time.Hour) }},
		{"from the future", func(c *decision.Case) { c.Snapshot.CoveredTo = noon.Add(time.Hour) }},
		{"the second 9 before the last", func(c *decision.Case) { c.Snapshot.Arrivals[0].Strict = -3 }},
		{"the second 0 before the last", func(c *decision.Case) { c.Snapshot.Arrivals[9].Relaxed = math.NaN() }},
		{"zero, although queries wait and run", func(c *decision.Case) {
			c.Snapshot.Arrivals, c.Snapshot.Pool.QueuedMS, c.Snapshot.Pool.BusyRunners = make([]procurement.Second, 9), 50, 2
		}},
		{"the clock went back by 20 s", func(c *decision.Case) { c.Before.TickedAt = noon.Add(20 * time.Second) }},
		{"no answer", func(c *decision.Case) { c.Signals = []decision.Signal{{Name: "group", Fault: "no answer"}} }},
	} {
		t.Run(c.why, func(t *testing.T) {
			in := steady()
			in.Group.Desired = 8 // asked for, and not there yet
			c.spoil(&in)
			r, after, err := decision.Make(in)
			if err != nil {
				t.Fatal(err)
			}
			if r.Outcome != procurement.Held || r.Action.To != 8 || r.Action.Moves() || !strings.Contains(r.Reason, c.why) {
				t.Errorf("%s", r)
			}
			if !after.HeldFrom.Equal(noon) || len(after.Scheme.History) != 0 {
				t.Errorf("held from %v, with history %v", after.HeldFrom, after.Scheme.History)
			}
		})
	}
}

func TestSafeModeAfterTheLimit(t *testing.T) {
	c := steady()
	c.Before.Scheme.History = append(bins(30, 200), bins(30, 10)...) // a peak of 200 queries/s needs ten workers
	c.Before.Scheme.Strict, c.Before.Scheme.Relaxed = procurement.Never, procurement.AtBound
	c.Snapshot.CoveredTo = noon.Add(-time.Hour)
	c.Before.HeldFrom = noon.Add(-599 * time.Second)
	r, after, err := decision.Make(c)
	if err != nil || r.Outcome != procurement.Held || r.Action.To != 5 || r.Action.Strict != procurement.Never {
		t.Fatalf("before the limit: %s, error %v", r, err)
	}
	c.At, c.Before = noon.Add(time.Second), after
	r, _, err = decision.Make(c)
	if err != nil || r.Outcome != procurement.SafeMode || r.Action.To != 10 || r.Action.Strict != procurement.AtBound {
		t.Fatalf("after the limit: %s, error %v", r, err)
	}
}

func bins(seconds int, rate float64) []float64 {
	out := make([]float64, seconds)
	for i := range out {
		out[i] = rate
	}
	return out
}

func TestDeadWorkersAreReplaced(t *testing.T) {
	c := steady()
	c.Snapshot.Pool.Ready, c.Dead = 4, []string{"s1"}
	r, _, err := decision.Make(c)
	if err != nil || r.Action.To != 5 || len(r.Action.Drain) != 0 || !slices.Equal(r.Action.Replace, []string{"s1"}) || !r.Action.Moves() {
		t.Errorf("%s, leaving %v, replaced %v, error %v", r, r.Action.Drain, r.Action.Replace, err)
	}
	c.Signals = []decision.Signal{{Name: "workers", Fault: "none reports"}}
	if r, _, err = decision.Make(c); err != nil || len(r.Action.Replace) > 0 {
		t.Errorf("%s while it holds, replaced %v, error %v", r, r.Action.Replace, err)
	}
	c.Before.HeldFrom = noon.Add(-time.Hour)
	if r, _, err = decision.Make(c); err != nil || len(r.Action.Replace) != 1 {
		t.Errorf("%s in the safe mode, replaced %v, error %v", r, r.Action.Replace, err)
	}
}

// Where launches fail, functions take what workers would: the record says why.
func TestFailedLaunchesFallBackToFunctions(t *testing.T) {
	for name, tc := range map[string]struct {
		ready int
		fault string
		want  procurement.Overflow
	}{
		"workers are missing":            {2, "no capacity", procurement.AtBound},
		"workers are missing, and come":  {2, "", procurement.Never},
		"nobody is missing any more":     {5, "no capacity", procurement.Never},
		"nobody is there, and none come": {0, "no capacity", procurement.AtBound},
	} {
		c := steady()
		c.Settings.Scheme = "reactive" // which lets no query overflow
		c.Snapshot.Pool.Ready, c.Group.LaunchFault = tc.ready, tc.fault
		r, _, err := decision.Make(c)
		if err != nil || r.Action.Relaxed != tc.want || tc.fault != "" && r.Action.Strict != tc.want {
			t.Errorf("%s: strict overflow %s, relaxed %s, want %s; error %v", name, r.Action.Strict, r.Action.Relaxed, tc.want, err)
		}
	}
}

func TestAChangedRecordIsSeen(t *testing.T) {
	r, _, err := decision.Make(steady())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := r.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(raw, []byte(`"to":5`), []byte(`"to":4`), 1)
	if _, same, err := decision.Replay(changed); err != nil || same {
		t.Errorf("a changed action passed (error %v): %s", err, changed)
	}
	if _, _, err := decision.Replay([]byte("{")); err == nil {
		t.Error("half a record was replayed")
	}
}

// Which queries may go to functions is one sentence where it is the same of both classes.
func TestTheRulesOfOverflowInWords(t *testing.T) {
	c := steady()
	c.Settings.Scheme = "hedged"
	r, _, err := decision.Make(c)
	if err != nil {
		t.Fatal(err)
	}
	for want, a := range map[string]decision.Action{
		"functions when no worker can start them in time, and so do relaxed queries\n": {Strict: procurement.AtBound, Relaxed: procurement.AtBound},
		"strict queries never go to functions, and neither do relaxed queries\n":       {Strict: procurement.Never, Relaxed: procurement.Never},
		"in time; relaxed queries never go to functions\n":                             {Strict: procurement.AtBound, Relaxed: procurement.Never},
	} {
		r.Action = a
		if got := r.Explain(); !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// The explanation holds each part of the record.
func TestExplain(t *testing.T) {
	c := steady()
	c.Settings.MaxWorkers, c.Settings.HourlyBudgetUSD, c.Settings.Scheme = 2, 10, "hedged"
	c.Signals = []decision.Signal{{Name: decision.Arrivals, AgeSeconds: 3}}
	c.SettingsFaults = []string{"setting x: bad"}
	r, _, err := decision.Make(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"20260501T120000.000Z-general", "hedged made the decision", "of 10 runners are busy now", "for 90 % of the time", "strict queries go to functions when", "arrivals, 3 s old", "5 ready", "candidate", "clamped to 2 by max_workers",
		"setting x: bad", "shrink from 5 to 2 workers", "drained    a", "$10.00 are left of this hour's budget of $10.00"} {
		if !strings.Contains(r.Explain(), want) {
			t.Errorf("no %q in\n%s", want, r.Explain())
		}
	}
}
