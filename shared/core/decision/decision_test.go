package decision_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"paragon/shared/core/decision"
	"paragon/shared/core/procurement"
	"paragon/shared/core/settings"
)

var at = time.Unix(1_700_000_000, 0).UTC()

func snapshot(t *rapid.T, now time.Time) procurement.Snapshot {
	s := procurement.Snapshot{
		CoveredTo: now.Add(-time.Minute), ServiceMS: 224, DeferMS: 9500, WorkerUSDPerHour: 0.085, FunctionUSD: 2e-5,
		Pool: procurement.Pool{
			Ready: rapid.IntRange(0, 40).Draw(t, "ready"), Booting: rapid.IntRange(0, 9).Draw(t, "booting"), RunnersEach: 2,
			Used: rapid.Float64Range(0, 1).Draw(t, "used"), QueuedMS: rapid.Float64Range(0, 1e5).Draw(t, "queued"),
		},
	}
	for range rapid.IntRange(1, 30).Draw(t, "seconds") {
		s.Arrivals = append(s.Arrivals, procurement.Second{Strict: rapid.Float64Range(0, 200).Draw(t, "strict"), Relaxed: rapid.Float64Range(0, 200).Draw(t, "relaxed")})
	}
	return s
}

// Whatever a controller saw, its stored record replays to the same bytes.
func TestReplayGivesTheSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := decision.Case{At: at, Settings: settings.Defaults(), Scheme: rapid.SampledFrom(procurement.Names()).Draw(t, "scheme")}
		limit := rapid.IntRange(1, 60).Draw(t, "limit")
		for range rapid.IntRange(1, 6).Draw(t, "ticks") {
			c.Snapshot = snapshot(t, c.At)
			r, after, err := decision.Make(c, func(n int) (int, []decision.Clamp) {
				if n <= limit {
					return n, nil
				}
				return limit, []decision.Clamp{{Wanted: n, Got: limit, By: "max_workers"}}
			})
			if err != nil {
				t.Fatal(err)
			}
			raw, err := r.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			again, same, err := decision.Replay(raw)
			if err != nil || !same {
				b, _ := again.Bytes()
				t.Fatalf("replayed to other bytes (error %v)\n%s\n%s", err, raw, b)
			}
			if r.Action.Workers > limit || !strings.Contains(r.String(), r.Reason) {
				t.Fatalf("%s", r)
			}
			c.Before, c.At = after, c.At.Add(10*time.Second)
		}
	})
}

func TestAChangedRecordIsSeen(t *testing.T) {
	c := decision.Case{At: at, Settings: settings.Defaults(), Scheme: "reactive", Snapshot: procurement.Snapshot{
		CoveredTo: at, Arrivals: []procurement.Second{{Strict: 90}}, ServiceMS: 100, WorkerUSDPerHour: 1, FunctionUSD: 1,
		Pool: procurement.Pool{RunnersEach: 2},
	}}
	r, _, err := decision.Make(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := r.Bytes()
	changed := bytes.Replace(raw, []byte(`"workers":5`), []byte(`"workers":4`), 1)
	if _, same, err := decision.Replay(changed); err != nil || same {
		t.Errorf("a changed action passed (error %v): %s", err, changed)
	}
	if _, _, err := decision.Replay([]byte("{")); err == nil {
		t.Error("half a record was replayed")
	}
}

// A signal that is no number never reaches a scheme.
func TestBrokenSignalsHoldTheFleet(t *testing.T) {
	for _, spoil := range []func(*procurement.Snapshot){
		func(s *procurement.Snapshot) { s.Pool.QueuedMS = -1 },
		func(s *procurement.Snapshot) { s.ServiceMS = 0 },
		func(s *procurement.Snapshot) { s.CoveredTo = time.Time{} },
		func(s *procurement.Snapshot) { s.CoveredTo = at.Add(-time.Hour) },
		func(s *procurement.Snapshot) { s.CoveredTo = at.Add(time.Hour) },
		func(s *procurement.Snapshot) { s.Arrivals[0].Strict = -3 },
		func(s *procurement.Snapshot) { s.Arrivals[0].Relaxed = math.NaN() },
		func(s *procurement.Snapshot) { s.Arrivals = nil },
	} {
		s := procurement.Snapshot{
			CoveredTo: at, Arrivals: []procurement.Second{{Strict: 90}}, ServiceMS: 100, WorkerUSDPerHour: 1, FunctionUSD: 1,
			Pool: procurement.Pool{RunnersEach: 2, Ready: 7, Booting: 1},
		}
		spoil(&s)
		for _, name := range procurement.Names() {
			r, _, err := decision.Make(decision.Case{At: at, Settings: settings.Defaults(), Scheme: name, Snapshot: s}, nil)
			if err != nil || r.Action.Workers != 8 || !strings.HasPrefix(r.Reason, "hold: ") {
				t.Errorf("%s: %s (error %v)", name, r, err)
			}
		}
	}
}
