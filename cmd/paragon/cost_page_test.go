package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/core/pricing"
)

const costsPage = "../../docs/costs.md"

func usd(x float64) string    { return fmt.Sprintf("%.2f", x) }
func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// The tables of the README and of the page on costs are what the command says:
// each stands between two marks with its name. `go generate ./cmd/paragon` writes
// them.
func TestThePagesOnCostsAreWhatTheCommandSays(t *testing.T) {
	holdTables(t, "../../README.md", map[string]string{"comparison": comparisonTable(t)})
	holdTables(t, "../../docs/comparison.md", map[string]string{"sagemaker": sagemakerTable(t)})
	holdTables(t, costsPage, map[string]string{
		"paths": pathsTable(t), "rates": ratesTable(t), "million": millionTable(t), "idle": idleTable(t), "models": modelsTable(t),
	})
	private, public, lambda := costOf(t, "--network", "private"), costOf(t, "--network", "public"), costOf(t, "--network", "public", "--front", "lambda")
	for other, idle := range map[string][]bill{"../../docs/aws.md": {private, public}, "../../docs/deploy.md": {private, public}, "../../README.md": {private, public, lambda}, "../../docs/comparison.md": {private, public, lambda}} {
		text, err := os.ReadFile(other)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range idle {
			if !strings.Contains(string(text), fmt.Sprintf("$%.0f", b.IdleUSD)) {
				t.Errorf("%s: an idle month is not $%.0f", other, b.IdleUSD)
			}
		}
	}
}

// The README's sentence on a stage with one worker up is of what the command says too:
// both parts, as printed, add up to the whole.
func TestTheREADMESaysWhatOneWorkerTakes(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	all, instead := 0.0, 0.0
	for _, l := range costOf(t, "--front", "workers", "--network", "public", "--rate", "100").Fixed {
		all += l.USD
		if slices.Contains([]string{"load balancer's hours", "workers' public IPv4 addresses", "workers' disks"}, l.Name) {
			instead += l.USD
		}
	}
	printed := func(amount float64) float64 {
		x, err := strconv.ParseFloat(usd(amount), 64)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	for _, amount := range []float64{all, instead, printed(all) - printed(instead)} {
		if want := fmt.Sprintf("$%.2f", amount); !strings.Contains(string(text), want) {
			t.Errorf("it has no %s", want)
		}
	}
}

// The README's example of SageMaker's endpoints is a row of the table that the page on
// comparisons has.
func TestTheREADMESaysWhatSageMakerTakes(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(sagemakerTable(t), "| `ResNet50` | 100 | ")
	line, _, ended := strings.Cut(after, " |\n")
	cells := strings.Split(line, " | ") // Paragon, plain function, instances, real-time, serverless
	if !found || !ended || len(cells) != 5 {
		t.Fatalf("the row is %q", cells)
	}
	want := fmt.Sprintf("`ResNet50` at 100 queries a second costs %s a month on a real-time endpoint with %s instances, %s on a serverless endpoint, and %s with Paragon",
		cells[3], cells[2], cells[4], cells[0])
	if !strings.Contains(string(text), want) {
		t.Errorf("it does not say: %s", want)
	}
}

// holdTables compares the tables of a page, by name, or writes them.
func holdTables(t *testing.T, path string, tables map[string]string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	for name, table := range tables {
		begin, end := "<!-- "+name+": made by the command -->\n", "<!-- end of "+name+" -->"
		before, rest, found := strings.Cut(page, begin)
		_, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Fatalf("%s has no table %q", path, name)
		}
		page = before + begin + table + end + after
	}
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(raw), page); d != "" {
		t.Errorf("%s is stale: run `go generate ./cmd/paragon`\n%s", path, d)
	}
}

func row(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

func head(cells ...string) string { return row(cells...) + strings.Repeat("|---", len(cells)) + "|\n" }

// at1000 is the bill that the page is about.
func at1000(t *testing.T, args ...string) bill {
	return costOf(t, append([]string{"--rate", "1000", "--overflow-share", "0.05", "--network", "public"}, args...)...)
}

// compared are the rows of the tables that compare bills: those of ImageNet models use the
// cdk.json that the README's command makes.
func compared(t *testing.T, row func(model, rate string, args []string)) {
	shipped, err := os.ReadFile("../../cdk.json")
	if err != nil {
		t.Fatal(err)
	}
	imagenet := filepath.Join(t.TempDir(), "cdk.json")
	if err := os.WriteFile(imagenet, []byte(strings.ReplaceAll(string(shipped), `"fashion"`, `"imagenet"`)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, of := range []struct{ catalogue, model, rate string }{
		{"", "ensemble-three", "10"}, {"", "ensemble-three", "100"}, {"", "ensemble-three", "1000"},
		{imagenet, "ResNet50", "10"}, {imagenet, "ResNet50", "100"},
		{imagenet, "NASNetLarge", "10"}, {imagenet, "NASNetLarge", "30"},
	} {
		args := []string{"--network", "public", "--model", of.model, "--rate", of.rate}
		if of.catalogue != "" {
			args = append(args, "--cdk-json", of.catalogue)
		}
		row(of.model, of.rate, args)
	}
}

func comparisonTable(t *testing.T) string {
	out := head("model", "queries a second", "Paragon: cost a month", "plain function: cost a month", "rate from which Paragon is always cheaper")
	compared(t, func(model, rate string, args []string) {
		b := costOf(t, args...)
		out += row("`"+model+"`", rate, "$"+usd(b.MonthUSD), "$"+usd(b.PlainFunction.MonthUSD), rateCell(b.PlainFunction.BreakEven))
	})
	return out
}

// sagemakerTable has the bills of SageMaker's endpoints too. A real-time endpoint has as
// many instances as Paragon has workers when nothing overflows; a serverless one runs for
// the GB-seconds of the plain function.
func sagemakerTable(t *testing.T) string {
	prices := sagemakerPrices(t)
	_, shipped := profilestest.Loaded(t)
	out := head("model", "queries a second", "Paragon: cost a month", "plain function: cost a month", "SageMaker real-time: instances", "SageMaker real-time: cost a month", "SageMaker serverless: cost a month")
	compared(t, func(model, rate string, args []string) {
		b, all := costOf(t, args...), costOf(t, append(args, "--overflow-share", "0")...)
		run := slices.IndexFunc(b.PlainFunction.Lines, func(l pricing.Line) bool { return l.Name == "function's time" })
		gbSeconds := b.PlainFunction.Lines[run].USD / shipped.Prices.LambdaGBSecondX86
		millions := b.PerSecond * pricing.SecondsPerMonth / 1e6
		data := millions * 1e6 * (defaultInputKB + defaultResultKB) / (1 << 20) * prices["data"]
		out += row("`"+model+"`", rate, "$"+usd(b.MonthUSD), "$"+usd(b.PlainFunction.MonthUSD),
			number(all.Workers), "$"+usd(all.Workers*hoursOfMonth*prices["ml.c5.large"]+data), "$"+usd(millions*gbSeconds*prices["serverless"]+data))
	})
	return out
}

// What the command assumes: sizes of a query and hours of a month.
const (
	defaultInputKB, defaultResultKB = 1, 0.3
	hoursOfMonth                    = pricing.SecondsPerMonth / 3600
)

// sagemakerPrices are the published ones, in dollars.
func sagemakerPrices(t *testing.T) map[string]float64 {
	raw, err := os.ReadFile("../../profiles/published/sagemaker.csv")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, r := range rows[1:] {
		if out[r[0]], err = strconv.ParseFloat(r[2], 64); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func pathsTable(t *testing.T) string {
	out := head("`--path`", "`--front workers`, $ per million queries", "`--front lambda`, $ per million queries")
	for _, path := range []string{"direct", "batch10", "async"} {
		w, l := at1000(t, "--front", "workers", "--path", path), at1000(t, "--front", "lambda", "--path", path)
		out += row("`"+path+"`", usd(w.MachineryMillionUSD), usd(l.MachineryMillionUSD))
	}
	return out
}

func ratesTable(t *testing.T) string {
	out := head("queries a second", "workers up", "private network, $ a month", "public network, $ a month", "public network, $ per million queries", "plain function, $ a month")
	for _, rate := range []string{"0", "1", "10", "100", "1000"} {
		public, private := costOf(t, "--rate", rate, "--network", "public"), costOf(t, "--rate", rate, "--network", "private")
		cells := []string{rate, number(public.Workers), usd(private.MonthUSD), usd(public.MonthUSD), "", ""}
		if public.PerSecond > 0 {
			cells[4], cells[5] = usd(public.MillionUSD), usd(public.PlainFunction.MonthUSD)
		}
		out += row(cells...)
	}
	return out
}

// merged are all lines by name, each list's new ones after those before.
func merged(lists ...[]pricing.Line) (lines []pricing.Line) {
	for _, l := range slices.Concat(lists...) {
		if !slices.ContainsFunc(lines, func(other pricing.Line) bool { return other.Name == l.Name }) {
			lines = append(lines, l)
		}
	}
	return lines
}

// lineOfPart is the end of a line's name by which it differs from the part's other lines.
var lineOfPart = regexp.MustCompile(`(?:, (?:sends|receives|deletes|writes|reads|reads by .*|each minute|each tick)| while workers are up| for the fleet view)$`)

// perPart adds up the lines of the same part: "work queue, sends" and "work queue,
// deletes" are lines of "work queue".
func perPart(lines []pricing.Line) (parts []pricing.Line) {
	for _, l := range lines {
		name := lineOfPart.ReplaceAllString(l.Name, "")
		i := slices.IndexFunc(parts, func(p pricing.Line) bool { return p.Name == name })
		if i < 0 {
			parts = append(parts, pricing.Line{Name: name, Unit: l.Unit, USD: l.USD})
			continue
		}
		parts[i].USD += l.USD
		if !slices.Contains(strings.Split(parts[i].Unit, ", "), l.Unit) {
			parts[i].Unit += ", " + l.Unit
		}
	}
	return parts
}

// cell is a line's sum in dollars, with tenths of a cent where asked.
func cell(lines []pricing.Line, name, format string) string {
	for _, l := range lines {
		if l.Name == name {
			return fmt.Sprintf(format, l.USD)
		}
	}
	return ""
}

func millionTable(t *testing.T) string {
	d, b, a := perPart(at1000(t).Million), perPart(at1000(t, "--path", "batch10").Million), perPart(at1000(t, "--path", "async").Million)
	out := head("part of the bill", "AWS charges for", "`direct`, $ per million queries", "`batch10`, $ per million queries", "`async`, $ per million queries")
	for _, l := range merged(a, d, b) {
		out += row(l.Name, l.Unit, cell(d, l.Name, "%.3f"), cell(b, l.Name, "%.3f"), cell(a, l.Name, "%.3f"))
	}
	return out + row("sum", "", usd(pricing.Sum(d)), usd(pricing.Sum(b)), usd(pricing.Sum(a)))
}

func idleTable(t *testing.T) string {
	l, w := costOf(t, "--front", "lambda", "--network", "public"), costOf(t, "--front", "workers", "--network", "public")
	private := costOf(t, "--front", "workers", "--network", "private")
	busy := costOf(t, "--front", "workers", "--network", "public", "--rate", "100")
	out := head("part of the bill", "AWS charges for", "idle, `--front lambda`, public network, $ a month", "idle, `--front workers`, public network, $ a month", "idle, `--front workers`, private network, $ a month", "serving with one worker, `--front workers`, public network, $ a month")
	rest := [][]pricing.Line{perPart(l.IdleMonth), perPart(w.IdleMonth), perPart(private.IdleMonth), perPart(busy.Fixed)}
	for _, part := range merged(rest...) {
		cells := []string{part.Name, part.Unit}
		for _, lines := range rest {
			cells = append(cells, cell(lines, part.Name, "%.2f"))
		}
		out += row(cells...)
	}
	return out + row("sum", "", usd(l.IdleUSD), usd(w.IdleUSD), usd(private.IdleUSD), usd(pricing.Sum(busy.Fixed)))
}

func modelsTable(t *testing.T) string {
	out := head("model", "rate from which `--front workers` is cheaper than `--front lambda`", "the same rate, if at least one worker runs anyway", "extra cost of Paragon without workers, compared with a plain function, $ per million queries", "rate from which Paragon is always cheaper than a plain function")
	for _, model := range []string{"logistic", "mobilenet", "ensemble-three"} {
		b := at1000(t, "--model", model)
		out += row("`"+model+"`", rateCell(b.BreakEven), rateCell(b.BreakEvenAnyway), usd(b.PlainFunction.ExcessMillionUSD), rateCell(b.PlainFunction.BreakEven))
	}
	return out
}

func rateCell(perSecond *float64) string {
	if perSecond == nil {
		return "no rate"
	}
	return fmt.Sprintf("%.0f/s", *perSecond)
}
