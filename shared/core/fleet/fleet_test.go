package fleet

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// tuned are settings with a heartbeat of 10 s, a boot limit of 300 s and a silent
// limit of 60 s.
func tuned() settings.Settings {
	set := settings.Defaults()
	set.HeartbeatSeconds, set.BootLimitSeconds, set.SilentLimitSeconds = 10, 300, 60
	return set
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name   string
		says   State
		silent time.Duration // since its last report
		want   State
		// answersNot says that it is known not to answer.
		answersNot bool
	}{
		{"has just reported", Ready, 0, Ready, false},
		{"a clock that is ahead", Ready, -time.Hour, Ready, false},
		{"missed three heartbeats to the instant", Ready, 30 * time.Second, Ready, false},
		{"missed three", Ready, 30*time.Second + 1, Stuck, false},
		{"silent for the limit to the instant", Ready, 60 * time.Second, Stuck, false},
		{"silent for longer", Ready, 60*time.Second + 1, Dead, false},
		{"boots", Booting, 300 * time.Second, Booting, false},
		{"never came up", Booting, 301 * time.Second, Dead, false},
		{"drains, however silent", Draining, time.Hour, Draining, false},
		{"gone", Gone, time.Hour, Gone, false},
		{"has just reported and does not answer", Ready, 0, Stuck, true},
		{"silent for longer, and does not answer", Ready, 60*time.Second + 1, Dead, true},
		{"drains and does not answer", Draining, 0, Draining, true},
	} {
		if got := judge(Report{State: c.says, At: now.Add(-c.silent), Suspended: c.answersNot}, now, tuned()); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// A worker only ever gets worse by saying nothing, and comes back by one report.
func TestSilenceOnlyWorsens(t *testing.T) {
	order := map[State]int{Booting: 0, Ready: 0, Draining: 0, Gone: 0, Stuck: 1, Dead: 2}
	rapid.Check(t, func(t *rapid.T) {
		set := tuned()
		set.HeartbeatSeconds = rapid.Float64Range(0.1, 300).Draw(t, "heartbeat")
		set.SilentLimitSeconds = rapid.Float64Range(1, 3600).Draw(t, "limit")
		r := Report{State: rapid.SampledFrom([]State{Booting, Ready, Draining, Gone}).Draw(t, "says"), At: now}
		before, at := 0, now
		for range 10 {
			at = at.Add(time.Duration(rapid.IntRange(0, 500).Draw(t, "s")) * time.Second)
			judged := order[judge(r, at, set)]
			if judged < before {
				t.Fatalf("%s came back after %v of silence", r.State, at.Sub(now))
			}
			if before = judged; judged > 0 && r.State == Ready && !Silent(r.At, at, set) {
				t.Fatal("stuck and not silent")
			}
		}
		if r.At = at; judge(r, at, set) != r.State {
			t.Fatalf("%s is %s right after its report", r.State, judge(r, at, set))
		}
	})
}

// Everybody is counted once, and those that are gone not at all.
func TestCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ws []Report
		gone := 0
		for i := range rapid.IntRange(0, 12).Draw(t, "workers") {
			r := Report{ID: string(rune('a' + i)), State: rapid.SampledFrom([]State{Booting, Ready, Draining, Gone}).Draw(t, "state"),
				At: now.Add(-time.Duration(rapid.IntRange(-5, 400).Draw(t, "age")) * time.Second)}
			if ws = append(ws, r); r.State == Gone {
				gone++
			}
		}
		c := Count(ws, now, tuned())
		all := slices.Concat(idsOf(c.Ready), idsOf(c.Booting), idsOf(c.Draining), idsOf(c.Stuck), idsOf(c.Dead))
		slices.Sort(all)
		if n := len(all); n != len(ws)-gone || len(slices.Compact(all)) != n {
			t.Fatalf("counted %v of %d, of which %d are gone", all, len(ws), gone)
		}
		for _, r := range c.Ready {
			if age := now.Sub(r.At); age > c.Oldest || age > 30*time.Second {
				t.Fatalf("%s is ready after %v, the oldest after %v", r.ID, age, c.Oldest)
			}
		}
		if c.AllSilent() && len(c.Stuck)+len(c.Dead) == 0 {
			t.Fatal("all are silent, and nobody is stuck or dead")
		}
	})
}

func TestAllSilent(t *testing.T) {
	at := func(state State, ago time.Duration) Report { return Report{State: state, At: now.Add(-ago)} }
	for _, c := range []struct {
		name    string
		workers []Report
		want    bool
	}{
		{"nobody", nil, false},
		{"one reports", []Report{at(Ready, time.Second), at(Ready, time.Hour)}, false},
		{"none reports", []Report{at(Ready, time.Minute), at(Ready, time.Hour)}, true},
		{"one that never came up", []Report{at(Booting, time.Hour)}, false},
		{"silent ones, and one that boots", []Report{at(Ready, time.Hour), at(Ready, time.Hour), at(Booting, time.Second)}, true},
		{"the only one", []Report{at(Ready, time.Hour)}, false},
		{"ones that are known not to answer", []Report{{State: Ready, At: now, Suspended: true}, {State: Ready, At: now, Suspended: true}}, false},
	} {
		if got := Count(c.workers, now, tuned()).AllSilent(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestLeavingOrder(t *testing.T) {
	ready := func(id string, busy, held int, workMS float64, idleFor time.Duration) Report {
		r := Report{ID: id, State: Ready, At: now, Busy: busy, HeldRelaxed: held, StrictMS: workMS}
		if idleFor > 0 {
			r.IdleSince = now.Add(-idleFor)
		}
		return r
	}
	c := Census{
		Booting: []Report{{ID: "boots first"}, {ID: "boots last"}},
		Ready: []Report{ready("busy", 2, 0, 100, 0), ready("idle", 0, 0, 0, time.Second), ready("nearly idle", 1, 0, 5, 0),
			ready("long idle", 0, 0, 0, time.Hour), ready("holds much", 2, 9, 900, 0)},
		Stuck: []Report{{ID: "stuck"}}, Dead: []Report{{ID: "dead"}}, Draining: []Report{{ID: "draining"}},
	}
	want := []string{"boots last", "boots first", "long idle", "idle", "nearly idle", "busy", "holds much"}
	for most := range 9 {
		if got := LeavingOrder(c, most); !slices.Equal(got, want[:min(most, len(want))]) {
			t.Errorf("of at most %d: %v", most, got)
		}
	}
}

// Of dead workers at most a tenth of the fleet are replaced at once, and one at least.
func TestReplacedAreFew(t *testing.T) {
	for dead, want := range map[int]int{0: 0, 1: 1, 5: 1, 19: 2, 100: 10} {
		var ws []Report
		for range dead {
			ws = append(ws, Report{State: Ready, At: now.Add(-time.Hour)})
		}
		for range 5 {
			ws = append(ws, Report{State: Ready, At: now})
		}
		if got := len(Count(ws, now, tuned()).Replaced()); got != want {
			t.Errorf("of %d dead %d are replaced, want %d", dead, got, want)
		}
	}
}

// A view of a pool at rest is good for a minute longer than another.
func TestOutdated(t *testing.T) {
	set := tuned()
	for _, c := range []struct {
		age   time.Duration
		rests bool
		want  bool
	}{{30 * time.Second, false, false}, {31 * time.Second, false, true}, {90 * time.Second, true, false}, {91 * time.Second, true, true}, {-time.Hour, false, false}} {
		if got := Outdated(now.Add(-c.age), c.rests, now, set); got != c.want {
			t.Errorf("a view of %v ago, at rest: %v: outdated %v", c.age, c.rests, got)
		}
	}
}
