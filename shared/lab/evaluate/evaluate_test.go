package evaluate_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/lab/evaluate"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

func markets(t *testing.T) map[string]simulate.Market {
	t.Helper()
	set, err := profiles.Load("")
	if err != nil {
		t.Fatal(err)
	}
	c, then, now, err := set.Evaluation()
	if err != nil {
		t.Fatal(err)
	}
	return simulate.Markets(c, then, now)
}

// window is twenty minutes of a made-up trace, after an hour.
func window(t *testing.T, name string, m simulate.Market) comparison.Case {
	t.Helper()
	tr, err := evaluate.Lookalike(name, 80*time.Minute, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := comparison.New(name, tr, m)
	c.Scaling, c.From, c.For = "made up", time.Hour, 20*time.Minute
	return c
}

// real is a part of a recorded trace, when it is at hand.
func real(t *testing.T, file string, scale float64, m simulate.Market) (comparison.Case, bool) {
	t.Helper()
	tr, ok := recorded(t, file, scale)
	if !ok {
		return comparison.Case{}, false
	}
	c := comparison.New(strings.TrimSuffix(file, ".csv"), tr, m)
	c.From, c.For = 2*time.Hour, 20*time.Minute
	return c, true
}

// recorded is a recorded trace at a scale, when the folder PARAGON_TRACES, or
// traces as the Makefile has it, holds the file.
func recorded(t *testing.T, file string, scale float64) (arrivals.Trace, bool) {
	t.Helper()
	folder := os.Getenv("PARAGON_TRACES")
	if folder == "" {
		folder = "../../../traces"
	}
	raw, err := os.ReadFile(filepath.Join(folder, file))
	if err != nil {
		return arrivals.Trace{}, false
	}
	tr, err := arrivals.ReadTrace(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return tr.Scaled(scale), true
}

// played keeps what was played, as several tests look at the same rows.
var played = map[string]map[string]comparison.Ran{}

func play(t *testing.T, c comparison.Case) map[string]comparison.Ran {
	t.Helper()
	key, err := evaluate.Key(c, procurement.All())
	if err != nil {
		t.Fatal(err)
	}
	if out, ok := played[key]; ok {
		return out
	}
	rows, err := comparison.Play(context.Background(), c, procurement.All(), nil)
	if err != nil {
		t.Fatal(err)
	}
	comparison.Relate(rows)
	out := map[string]comparison.Ran{}
	for _, r := range rows {
		out[r.Row.Scheme] = r
	}
	played[key] = out
	return out
}
