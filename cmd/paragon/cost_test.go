package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
)

// costOf runs the command on the repository's own deployment.
func costOf(t *testing.T, args ...string) bill {
	t.Helper()
	term := newTerminal(t, nil)
	if code := term.Run(t.Context(), append([]string{"cost", "--cdk-json", "../../cdk.json", "--json"}, args...)); code != cli.ExitOK {
		t.Fatalf("cost %v ended with %d: %s", args, code, term.Err.String())
	}
	var b bill
	if err := json.Unmarshal(term.Out.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// A model that the catalogue does not have is answered with those that it has.
func TestCostNamesTheModelsThatThereAre(t *testing.T) {
	for name, want := range map[string]string{"ensemble-tree": `did you mean "ensemble-three"?; its models are `, "forest": `no model "forest"; its models are `} {
		term := newTerminal(t, nil)
		code := term.Run(t.Context(), []string{"cost", "--cdk-json", "../../cdk.json", "--model", name})
		if text := term.Err.String(); code != cli.ExitUsage || !strings.Contains(text, want) || !strings.Contains(text, "ensemble-three") {
			t.Errorf("exit status %d: %s", code, text)
		}
	}
}

// A collector of metrics in cdk.json is in the bill.
func TestCostHasTheCollector(t *testing.T) {
	shipped, err := os.ReadFile("../../cdk.json")
	if err != nil {
		t.Fatal(err)
	}
	with := filepath.Join(t.TempDir(), "cdk.json")
	if err := os.WriteFile(with, []byte(strings.Replace(string(shipped), `"otlp_endpoint": ""`, `"otlp_endpoint": "https://collector.example"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]bool{"../../cdk.json": false, with: true} {
		for _, name := range []string{"transfer of metrics to an OpenTelemetry collector", "writes of query counts for an OpenTelemetry collector"} {
			if has := cell(costOf(t, "--cdk-json", file).Fixed, name, "%.2f") != ""; has != want {
				t.Errorf("%s: %q is in the bill: %v", file, name, has)
			}
		}
	}
}

// The machinery's goals, as the repository's own deployment is priced.
func TestCostKeepsTheGoals(t *testing.T) {
	for path, most := range map[string]float64{"direct": 1.5, "batch10": 0.35, "async": 4.5} {
		b := costOf(t, "--rate", "1000", "--overflow-share", "0.05", "--network", "public", "--front", "workers", "--path", path)
		if b.MachineryMillionUSD <= 0 || b.MachineryMillionUSD > most {
			t.Errorf("%s: $%v a million, above $%v", path, b.MachineryMillionUSD, most)
		}
	}
	for front, most := range map[string]float64{"lambda": 25, "workers": 42} {
		if b := costOf(t, "--network", "public", "--front", front); b.IdleUSD <= 0 || b.IdleUSD > most {
			t.Errorf("front %s: an idle month is $%v, above $%v", front, b.IdleUSD, most)
		}
	}
}

// The fields of a bill agree with one another.
func TestTheFieldsOfABill(t *testing.T) {
	for _, args := range [][]string{
		{"--rate", "0"}, {"--rate", "100", "--front", "workers"}, {"--rate", "10", "--front", "lambda", "--path", "async", "--network", "private"},
		{"--rate", "2", "--front", "lambda", "--overflow-path", "direct", "--workers", "0"}, {"--rate", "1000", "--path", "batch10", "--task", "fashion"},
	} {
		b := costOf(t, args...)
		month := pricing.Sum(b.Compute) + pricing.Sum(b.Fixed) + pricing.Sum(b.Million)*b.PerSecond*pricing.SecondsPerMonth/1e6
		if near := math.Abs(b.MonthUSD - month); near > 1e-6*month {
			t.Errorf("%v: a month is $%v, its parts $%v", args, b.MonthUSD, month)
		}
		if got := pricing.Sum(b.Million); b.MachineryMillionUSD != got || (b.PerSecond > 0) != (got > 0) {
			t.Errorf("%v: a million is $%v, its lines $%v", args, b.MachineryMillionUSD, got)
		}
		if got := pricing.Sum(b.IdleMonth); b.MachineryIdleUSD != got || b.IdleUSD < got || b.MonthUSD < b.IdleUSD {
			t.Errorf("%v: idle $%v, $%v of it machinery; its lines $%v", args, b.IdleUSD, b.MachineryIdleUSD, got)
		}
		for _, l := range slices.Concat(b.Compute, b.Fixed, b.Million, b.IdleMonth) {
			if l.Name == "" || l.Count <= 0 || l.UnitUSD <= 0 || math.Abs(l.USD-l.Count*l.UnitUSD) > 1e-9*l.USD {
				t.Errorf("%v: %+v", args, l)
			}
		}
		if p := b.PlainFunction; b.PerSecond > 0 && (p.Cheaper != (p.MonthUSD < b.MonthUSD) || p.ExcessMillionUSD <= 0 || p.MillionUSD <= 0) {
			t.Errorf("%v: compared with a plain function: %+v", args, p)
		}
		if b.BreakEven == nil || b.BreakEvenAnyway == nil || *b.BreakEvenAnyway > *b.BreakEven {
			t.Errorf("%v: break-even %v, with a worker anyway %v", args, b.BreakEven, b.BreakEvenAnyway)
		}
	}
}

// At the break-even the two fronts cost alike, by the bills that are printed.
func TestTheBreakEvenIsOneOfBills(t *testing.T) {
	at := *costOf(t, "--rate", "1", "--network", "public").BreakEven
	month := func(rate float64, args ...string) float64 {
		return costOf(t, append(args, "--network", "public", "--rate", number(rate))...).MonthUSD
	}
	for factor, workersCheaper := range map[float64]bool{0.9: false, 1.1: true} {
		w := month(at*factor, "--front", "workers")
		l := min(month(at*factor, "--front", "lambda"), month(at*factor, "--front", "lambda", "--overflow-path", "direct", "--workers", "0"))
		if (w < l) != workersCheaper {
			t.Errorf("at %v times the break-even %v: workers $%v, lambda $%v", factor, at, w, l)
		}
	}
}

// What a bill says of a plain function at one rate is what it says of the rates
// from which on one is cheaper: less at no rate is more at each.
func TestAPlainFunctionIsComparedAlikeAtAllRates(t *testing.T) {
	for _, model := range []string{"logistic", "ensemble-three"} {
		for _, rate := range []string{"700", "1000", "3000"} {
			b := costOf(t, "--network", "public", "--model", model, "--rate", rate)
			p := b.PlainFunction
			switch {
			case p.BreakEven == nil && !p.Cheaper:
				t.Errorf("%s at %s/s: $%.2f, a plain function $%.2f, and it stays less from no rate on", model, rate, b.MonthUSD, p.MonthUSD)
			case p.BreakEven != nil && b.PerSecond >= *p.BreakEven && p.Cheaper:
				t.Errorf("%s at %s/s: $%.2f, a plain function $%.2f, and it stays less from %.1f/s on", model, rate, b.MonthUSD, p.MonthUSD, *p.BreakEven)
			}
		}
	}
}

func TestCostNamesABadFlag(t *testing.T) {
	for _, bad := range [][2]string{
		{"--rate", "-1"}, {"--overflow-share", "1.5"}, {"--busy", "0"}, {"--latency-ms", "0"}, {"--keyed-share", "2"}, {"--input-kb", "-1"},
		{"--workers", "-2"}, {"--workers", "100001"},
		{"--front", "nginx"}, {"--path", "batch20"}, {"--overflow-path", "both"}, {"--network", "open"}, {"--task", "none"}, {"--model", "none"},
	} {
		flag, value := bad[0], bad[1]
		term := newTerminal(t, nil)
		if code := term.Run(t.Context(), []string{"cost", "--cdk-json", "../../cdk.json", flag, value}); code != cli.ExitUsage || !strings.Contains(term.Err.String(), strings.TrimPrefix(flag, "--")) {
			t.Errorf("%s %s: exit %d, %s", flag, value, code, term.Err.String())
		}
	}
}

func TestThePrintedBillHasTheSums(t *testing.T) {
	for _, args := range [][]string{{"--rate", "0"}, {"--rate", "100"}} {
		b := costOf(t, args...)
		term := newTerminal(t, nil)
		if code := term.Run(t.Context(), append([]string{"cost", "--cdk-json", "../../cdk.json"}, args...)); code != cli.ExitOK {
			t.Fatalf("exit %d: %s", code, term.Err.String())
		}
		shown := []string{usd(b.IdleUSD), usd(b.MachineryIdleUSD)}
		if b.PerSecond > 0 {
			shown = append(shown, usd(b.MonthUSD), usd(b.MachineryMillionUSD), usd(b.PlainFunction.MonthUSD), usd(b.PlainFunction.ExcessMillionUSD))
		}
		for _, s := range shown {
			if !strings.Contains(term.Out.String(), "$"+s) {
				t.Errorf("%v: $%s is not printed", args, s)
			}
		}
	}
}

// A deployment with profiles of its own is priced by them.
func TestCostReadsTheProfilesOfTheDeployment(t *testing.T) {
	folder := t.TempDir()
	if err := os.CopyFS(filepath.Join(folder, "mine"), os.DirFS("../../profiles")); err != nil {
		t.Fatal(err)
	}
	context, err := os.ReadFile("../../cdk.json")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "cdk.json")
	if err := os.WriteFile(file, bytes.Replace(context, []byte(`"profiles": ""`), []byte(`"profiles": "mine"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{cli.ExitOK, cli.ExitUsage} {
		term := newTerminal(t, nil)
		if code := term.Run(t.Context(), []string{"cost", "--cdk-json", file}); code != want {
			t.Errorf("exit %d, want %d: %s", code, want, term.Err.String())
		}
		if err := os.Remove(filepath.Join(folder, "mine", "prices.json")); err != nil && want == cli.ExitOK {
			t.Fatal(err)
		}
	}
}

// A model that gets functions of its own by own_models is priced as the catalogue's are, and
// so is its task.
func TestCostKnowsTheModelsOfTheDeployment(t *testing.T) {
	shipped, err := os.ReadFile("../../cdk.json")
	if err != nil {
		t.Fatal(err)
	}
	slow := profile.Percentiles{P50: 300, P95: 310, P99: 320}
	list, err := json.Marshal([]profile.Model{
		{Name: "oak", Task: "trees", File: "oak.onnx", SHA256: strings.Repeat("ab", 32), Text: &profile.Text{}, MemoryMB: 200, FileBytes: 1e6,
			Latency: []profile.Latency{{Resource: "reference", Threads: 1, Batch: 1, MS: slow, ColdMS: &slow}}},
		{Name: "elm", Task: "trees", RetiredAt: "2026-11-01T00:00:00Z"},
	})
	folder := t.TempDir()
	file, bad := filepath.Join(folder, "cdk.json"), filepath.Join(folder, "bad.json")
	with := func(own string) []byte {
		return bytes.Replace(shipped, []byte(`"own_models": ""`), []byte(`"own_models": "`+own+`"`), 1)
	}
	if err := errors.Join(err, os.WriteFile(file, with("own.json"), 0o600), os.WriteFile(filepath.Join(folder, "own.json"), list, 0o600), os.WriteFile(bad, with("none.json"), 0o600)); err != nil {
		t.Fatal(err)
	}
	args := []string{"--cdk-json", file, "--rate", "10", "--latency-ms", "2000"}
	oak, quick := costOf(t, append(args, "--model", "oak")...), costOf(t, append(args, "--model", "mlp")...)
	if oak.MonthUSD <= quick.MonthUSD || oak.PlainFunction.MonthUSD <= quick.PlainFunction.MonthUSD {
		t.Errorf("oak costs $%.2f a month, mlp $%.2f", oak.MonthUSD, quick.MonthUSD)
	}
	for _, task := range [][]string{{"--task", "trees"}, nil} { // it is the slowest of all
		if b := costOf(t, append(args, task...)...); b.MonthUSD != oak.MonthUSD {
			t.Errorf("%v: $%.2f a month, and oak costs $%.2f", task, b.MonthUSD, oak.MonthUSD)
		}
	}
	term := newTerminal(t, nil)
	if code := term.Run(t.Context(), []string{"cost", "--cdk-json", bad}); code != cli.ExitUsage || !strings.Contains(term.Err.String(), "own_models") {
		t.Errorf("without the list: exit %d, %s", code, term.Err.String())
	}
}

// What an idle month has besides machinery is said once, and nothing where there is nothing.
func TestAnIdleMonthInWords(t *testing.T) {
	for want, b := range map[string]bill{
		"costs $41.51, all of it for machinery (everything except workers and functions)":             {IdleUSD: 41.51, MachineryIdleUSD: 41.51},
		"costs $3.00, none of it for machinery (everything except workers and functions)":             {IdleUSD: 3, MachineryIdleUSD: 0.001},
		"costs $103.51: $62.00 for workers and functions, and $41.51 for machinery (everything else)": {IdleUSD: 103.51, MachineryIdleUSD: 41.51},
	} {
		if got := idleMonth(b); !strings.HasSuffix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
