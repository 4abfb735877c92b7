package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
	"github.com/paragon-serving/paragon/shared/platform"
)

// rowsOf is a timeline of rows that are the same in every step.
type rowsOf timeline.Row

func (r rowsOf) Timeline(_ context.Context, step time.Duration, from, to time.Time) (out []timeline.Row, _ error) {
	for at := from; at.Before(to); at = at.Add(step) {
		row := timeline.Row(r)
		row.At = at
		out = append(out, row)
	}
	return out, nil
}

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func past(r timeline.Row) *admin.Service {
	return &admin.Service{Timeline: rowsOf(r), Now: func() time.Time { return noon }}
}

func of(model string, class query.Class, c tally.Counts, ms ...float64) tally.Tally {
	return tally.Tally{Key: tally.Key{Task: "t", Model: model, Class: class}, Counts: c, Latency: tally.NewHistogram(ms...)}
}

func TestThePastIsSortedByClassAndModel(t *testing.T) {
	s := past(timeline.Row{Samples: 2, Ready: 6, Wanted: 8, Queued: 5, OldestMS: 1234.5, CostUSD: 0.25, OthersUSD: map[string]float64{"mixed": 0.5}, Tallies: []tally.Tally{
		of("a", query.Strict, tally.Counts{Answered: 3, Met: 2, Overflowed: 1, ColdStarts: 1}, 10, 20, 400), of("b", query.Strict, tally.Counts{Answered: 1, Failed: 2, BadInput: 3}, 1000),
		of("a", query.Relaxed, tally.Counts{Answered: 5, Met: 5, Expired: 1}, 7), of("", query.Strict, tally.Counts{Arrived: 9, Refused: 4}),
	}})
	h, err := s.Past(t.Context(), time.Hour, "", "")
	if err != nil {
		t.Fatal(err)
	}
	strict := h.Classes[query.Strict]
	if len(h.AtUnixSeconds) != 60 || h.StepSeconds != 60 || strict.Answered[59] != 4 || strict.Failed[0] != 2 || strict.BadInput[0] != 3 || strict.Refused[0] != 4 || strict.ColdStarts[7] != 1 || strict.P99[0] < 900 {
		t.Errorf("%d steps, strict %+v", len(h.AtUnixSeconds), strict)
	}
	if h.WorkersReady[0] != 3 || h.WorkersWanted[0] != 4 || h.Queued[0] != 5 || h.OldestMS[0] != 1230 || h.CostUSD[3] != 0.25 || h.OthersUSD["mixed"][59] != 0.5 {
		t.Errorf("gauges %+v", h)
	}
	if len(h.Models) != 3 || h.Models[0].Model != "a" || h.Models[0].Class != query.Relaxed || h.Models[0].Answered != 300 || *h.Models[2].Attainment != 0 {
		t.Errorf("models %+v", h.Models)
	}
	one, err := s.Past(t.Context(), time.Hour, "t", "b")
	if err != nil || one.Classes[query.Strict].Answered[0] != 1 || len(one.Models) != 3 {
		t.Errorf("of one model %+v, error %v", one.Classes[query.Strict], err)
	}
	if _, err := (&admin.Service{Now: time.Now}).Past(t.Context(), time.Hour, "", ""); !errors.Is(err, admin.ErrUnknown) {
		t.Errorf("a stage that keeps nothing: %v", err)
	}
}

// otherSchemes are the costs of the eleven schemes and rivals that a stage compares with.
func otherSchemes(usd float64) map[string]float64 {
	out := map[string]float64{}
	for i, name := range []string{"exascale", "hedged", "kpa", "managed_instances", "mixed", "mixed_predictive", "plain function", "quantile", "reactive", "target_tracking", "util_aware"} {
		out[name] = usd * (1 + float64(i)/7)
	}
	return out
}

// However long the time and however many the models, an answer is small. It lists at least 50 models of two classes.
func TestThePastOfManyModelsIsSmall(t *testing.T) {
	for _, c := range []struct {
		models int
		hours  []int
	}{{50, []int{1, 6, 24, 60, 168, 336}}, {120, []int{6}}} {
		const usd = 0.00012345678 // which takes more digits than a dollar
		row := timeline.Row{Samples: 12, Ready: 12345, Wanted: 12340, Queued: 123456, OldestMS: 123456.7, CostUSD: usd, OthersUSD: otherSchemes(usd)}
		for i := range c.models {
			for _, class := range []query.Class{query.Strict, query.Relaxed} {
				row.Tallies = append(row.Tallies, of(fmt.Sprintf("efficientnet-lite-%02d-quantized-to-8-bits-and-compiled-on-arm", i), class,
					tally.Counts{Answered: 12345, Failed: 123, Expired: 12, Met: 12000, Overflowed: 1234, ColdStarts: 12, CostUSD: 0.123456}, 123.4, 234.5, 345.6))
			}
		}
		for _, hours := range c.hours {
			h, err := past(row).Past(t.Context(), time.Duration(hours)*time.Hour, "", "")
			if err != nil {
				t.Fatal(err)
			}
			raw, err := json.Marshal(h)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d models, %d hours: %d steps, %d bytes", c.models, hours, len(h.AtUnixSeconds), len(raw))
			if len(raw) > 98_000 || len(h.OthersUSD) != 11 || len(h.OthersUSD["kpa"]) != len(h.AtUnixSeconds) {
				t.Errorf("%d hours of %d models and %d other schemes take %d bytes", hours, c.models, len(h.OthersUSD), len(raw))
			}
			if len(h.Models) < 100 {
				t.Errorf("%d hours of %d models list %d of 100", hours, c.models, len(h.Models))
			}
		}
	}
}

// Steps that an answer joins are added up.
func TestStepsOfAnAnswerAreSums(t *testing.T) {
	row := timeline.Row{Samples: 1, Ready: 3, Queued: 5, CostUSD: 0.25, OthersUSD: map[string]float64{"mixed": 0.5}, Tallies: []tally.Tally{of("a", query.Strict, tally.Counts{Answered: 3}, 10, 20, 400)}}
	h, err := past(row).Past(t.Context(), 6*time.Hour, "", "")
	if err != nil || len(h.AtUnixSeconds) != 180 || h.StepSeconds != 120 {
		t.Fatalf("%d steps of %d s, error %v", len(h.AtUnixSeconds), h.StepSeconds, err)
	}
	if got := h.Classes[query.Strict].Answered[179]; got != 6 || h.WorkersReady[7] != 3 || h.Queued[7] != 5 || h.CostUSD[60] != 0.5 || h.OthersUSD["mixed"][179] != 1 || h.Models[0].Answered != 1080 {
		t.Errorf("%d answers, %+v", got, h)
	}
}

// fleetOf is a fleet of many workers.
type fleetOf struct {
	platform.Fleet
	workers []platform.WorkerReport
}

func (f fleetOf) Workers(context.Context, string) ([]platform.WorkerReport, error) {
	return f.workers, nil
}

func TestWorkersComeInPages(t *testing.T) {
	f := fleetOf{}
	for i := range 1000 {
		state := platform.Ready
		if i%10 == 0 {
			state = platform.Booting
		}
		f.workers = append(f.workers, platform.WorkerReport{ID: fmt.Sprint("w-", i), State: state, HeldStrict: 1, HeldRelaxed: 2})
	}
	s := &admin.Service{Backend: platform.Backend{Fleet: f}, Pools: []string{"general"}}
	for _, c := range []struct {
		state                string
		offset, limit, total int
		first                string
		n                    int
	}{
		{"", 0, 20, 1000, "w-0", 20}, {"", 990, 20, 1000, "w-990", 10}, {"booting", 90, 20, 100, "w-900", 10}, {"ready", 0, 1, 900, "w-1", 1}, {"", 5000, 20, 1000, "", 0}, {"gone", 0, 20, 0, "", 0},
	} {
		got, err := s.Workers(t.Context(), c.state, c.offset, c.limit)
		if err != nil || got.Total != c.total || len(got.Workers) != c.n || c.n > 0 && (got.Workers[0].ID != c.first || got.Workers[0].Queued != 3) {
			t.Errorf("%+v: %d of %d, error %v", c, len(got.Workers), got.Total, err)
		}
	}
}
