package main

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// comparedHour is the newest hour that is compared at a moment.
func comparedHour(now time.Time) (from, to time.Time) {
	return now.Add(-countedLate - time.Hour).Truncate(time.Minute), now.Add(-countedLate).Truncate(time.Minute)
}

// arrivedInTheHour has 60 queries a minute arrive in the hour that is compared.
func arrivedInTheHour(t *testing.T, backend platform.Backend, now time.Time) {
	t.Helper()
	from, _ := comparedHour(now)
	var points []platform.Point
	for at := from.Add(-warmUp); at.Before(now.Add(-time.Minute)); at = at.Add(time.Minute) {
		points = append(points, platform.Point{Metric: telemetry.Arrivals.Name, Dimensions: telemetry.TaskClass("fashion", "strict"), At: at, Value: 60},
			platform.Point{Metric: telemetry.ArrivalFunctionUSD.Name, At: at, Value: 0.001})
	}
	if err := backend.Metrics.Put(t.Context(), points...); err != nil {
		t.Fatal(err)
	}
}

// hourCost has the stage count so much for the hour that is compared, and these queries in each
// of its minutes.
func hourCost(t *testing.T, backend platform.Backend, now time.Time, usd float64, answered ...tally.Tally) {
	t.Helper()
	from, to := comparedHour(now)
	var rows []timeline.Stored
	for at := from.Add(-warmUp); at.Before(to); at = at.Add(time.Minute) {
		rows = append(rows, timeline.Stored{Step: time.Minute, Row: timeline.Row{At: at, Tallies: answered, Samples: 6, Ready: 6, CostUSD: usd / to.Sub(from).Minutes()}})
	}
	if err := backend.Timeline.PutTimeline(t.Context(), rows...); err != nil {
		t.Fatal(err)
	}
}

// simulatedHour is the hour that is compared with what its simulation came to.
func simulatedHour(t *testing.T, term *terminal, backend platform.Backend, now time.Time) *calibration.Past {
	t.Helper()
	hourCost(t, backend, now, 1)
	s, err := openCompared(t.Context(), term.Terminal.Terminal, "dev")
	if err != nil {
		t.Fatal(err)
	}
	from, to := comparedHour(now)
	past, err := s.measure(t.Context(), from, to)
	if err != nil || past.Cost != time.Hour || math.Abs(past.CostUSD-1) > 1e-9 || !(past.SimulatedUSD > 0) || s.Workers != 1 {
		t.Fatalf("%+v with %d workers at the beginning, error %v", past, s.Workers, err)
	}
	return past
}

// The cost of a stage in an account is compared with other schemes within the error of its
// own past: what it counted, compared with the simulation of the scheme that ran.
func TestSavingsOfAStage(t *testing.T) {
	backend, now := stageDev(t), time.Now().UTC()
	from, to := comparedHour(now)
	arrivedInTheHour(t, backend, now)
	cost := func(usd float64) { t.Helper(); hourCost(t, backend, now, usd) }
	term := newTerminal(t, http.NotFoundHandler())
	term.Now = func() time.Time { return now }
	term.says(t, cli.ExitOK, "savings   unknown: in the compared time, the stage had costs for less than 1 h", "savings", "--stage", "dev", "--since", "1h")
	past := simulatedHour(t, term, backend, now)
	cost(1.1 * past.SimulatedUSD)
	text := term.says(t, cli.ExitOK, "for 1.0 h of this stage's own past under scheme hedged, the simulation was off by -9.1 % in cost", "savings", "--stage", "dev", "--since", "1h")
	for _, says := range []string{"scheme reactive would have cost", "Knative's autoscaler (kpa) would have cost", "a plain function (Lambda without Paragon) would have cost $0.0600", "within ±18.2 %", "that of the stage's own past"} {
		if !strings.Contains(text, says) {
			t.Errorf("no %q in\n%s", says, text)
		}
	}
	var got api.Savings
	if err := json.Unmarshal([]byte(term.says(t, cli.ExitOK, `"quoted":true`, "savings", "--stage", "dev", "--since", "1h", "--json")), &got); err != nil || !got.From.Equal(from) || !got.To.Equal(to) {
		t.Errorf("%+v, error %v", got, err)
	}
	term.JSON = false
	// The same error is that of a replay with other models.
	term.says(t, cli.ExitOK, "known within ±18.2 %", "replay", "--stage", "dev", "--task", "fashion", "--since", "65m", "--warmup", "10m", "--scheme", "reactive")
	if err := backend.Settings.Set(t.Context(), "scheme", "mixed"); err != nil {
		t.Fatal(err)
	}
	term.says(t, cli.ExitOK, "savings   unknown: the setting scheme or fleet was changed on ", "savings", "--stage", "dev", "--since", "1h")
}

// Where a stage cannot be compared, the page says why and when it tries again.
func TestThePageOfAStageThatCannotBeCompared(t *testing.T) {
	a := newAccount(t) // whose stage has no instance type
	s := compareNow(t.Context(), a.Terminal.Terminal, "dev", time.Hour)
	if s.Quoted || !strings.Contains(s.Why, "the comparison of costs failed: the SSM parameter of stage dev lacks the instance type") || !strings.Contains(s.Next, "tries again in 1 h") {
		t.Errorf("%+v", s.Verdict)
	}
	a.says(t, cli.ExitUsage, "--since is 1m0s, not within 1h to 336h", "page", "--stage", "dev", "--since", "1m")
}

func TestSavingsOfOneMachine(t *testing.T) {
	term := operated(t)
	term.says(t, cli.ExitUsage, "--since is for a stage in an account", "savings", "--since", "2h")
	term.says(t, cli.ExitUsage, "not within 1h to 336h", "savings", "--stage", "dev", "--since", "1m")
	term.says(t, cli.ExitOK, "savings   unknown: this server compares no costs\n", "savings")
}
