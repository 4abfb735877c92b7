package fairness

import (
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/lab/load"
)

func stretch(b Neighbour, p50, p99 float64) Stretch {
	return Stretch{Neighbour: b, LoadAverage: 2, Quiet: load.Group{Sent: 10, Answered: 9, LatencyMS: load.Latency{P50: p50, P99: p99}}}
}

func noisy(s Stretch, g load.Group) Stretch {
	s.Noisy = &g
	return s
}

// Factors compare within a round, whatever the order of its stretches: rounds of a
// machine that others use are not comparable with each other.
func TestFactorsAreOfTheSameRound(t *testing.T) {
	busy := load.Group{Sent: 5, Answered: 1, Failed: 4, Faults: map[string]int{"HTTP 429 owner-rate": 2, "HTTP 503 busy": 1, "expired": 1}}
	s := Stage{Name: "fast", About: "A stage.", Rounds: []Round{
		{stretch(Nobody, 1, 10), noisy(stretch(Large, 2, 11), busy), noisy(stretch(Share, 1, 20), busy), stretch(Loops, 1, 12)},
		{stretch(Loops, 3, 150), noisy(stretch(Share, 9, 300), busy), noisy(stretch(Large, 3, 120), busy), stretch(Nobody, 3, 100)},
		{stretch(Nobody, 2, 10), noisy(stretch(Large, 2, 50), busy), noisy(stretch(Share, 2, 10), busy), stretch(Loops, 2, 20)},
	}}
	rows := s.Rows()
	if len(rows) != 4 {
		t.Fatalf("%d rows", len(rows))
	}
	if got, want := rows[1].P99Of, (Spread{1.2, 1.1, 5}); got != want {
		t.Errorf("p99 with large pictures is %v, want %v", got, want)
	}
	if got, want := rows[2].P50Of, (Spread{1, 1, 3}); got != want {
		t.Errorf("p50 with 20 times the share is %v, want %v", got, want)
	}
	if r := rows[0]; r.P99MS != (Spread{10, 10, 100}) || r.P99Of != (Spread{1, 1, 1}) || r.Sent != 30 || r.Answered != 27 || r.NoisySent != 0 {
		t.Errorf("without a noisy caller: %+v", r)
	}
	if r := rows[1]; r.NoisySent != 15 || r.NoisyAnswered != 3 || r.NoisyRefused != 9 || r.NoisyFailed != 3 {
		t.Errorf("the noisy caller: %+v", r)
	}
	if r := rows[3]; r.P99Of != (Spread{1.5, 1.2, 2}) || r.NoisySent != 0 {
		t.Errorf("with loops of idle priority: %+v", r)
	}
	page := Page{Date: "2026-11-28", Machine: "a machine", Stages: []Stage{s}}.Markdown()
	for _, want := range []string{"2026-11-28", "## fast", "| 60 large pictures | 2.0 (2.0 to 3.0) | 50.0 (11.0 to 120.0) | ", "| 2 | 20 times its share | 2.0 | 9.0 | 300.0 | 3.00 |"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}
