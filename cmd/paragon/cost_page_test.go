package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"paragon/shared/core/pricing"
)

const costsPage = "../../docs/costs.md"

func usd(x float64) string    { return fmt.Sprintf("%.2f", x) }
func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// The tables of the page on costs are what the command says: each stands
// between two marks with its name. `go generate ./cmd/paragon` writes them.
func TestThePageOnCostsIsWhatTheCommandSays(t *testing.T) {
	raw, err := os.ReadFile(costsPage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	for name, table := range map[string]string{
		"paths": pathsTable(t), "rates": ratesTable(t), "million": millionTable(t), "idle": idleTable(t), "models": modelsTable(t),
	} {
		begin, end := "<!-- "+name+": made by the command -->\n", "<!-- end of "+name+" -->"
		before, rest, found := strings.Cut(page, begin)
		_, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Fatalf("the page has no table %q", name)
		}
		page = before + begin + table + end + after
	}
	if *update {
		if err := os.WriteFile(costsPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(raw), page); d != "" {
		t.Errorf("docs/costs.md is stale: run `go generate ./cmd/paragon`\n%s", d)
	}
	private, public := costOf(t, "--network", "private"), costOf(t, "--network", "public")
	for _, other := range []string{"../../docs/aws.md", "../../docs/deploy.md"} {
		text, err := os.ReadFile(other)
		if err != nil || !strings.Contains(string(text), fmt.Sprintf("$%.0f", private.IdleUSD)) || !strings.Contains(string(text), fmt.Sprintf("$%.0f", public.IdleUSD)) {
			t.Errorf("%s: an idle month is not $%.0f and $%.0f; error %v", other, private.IdleUSD, public.IdleUSD, err)
		}
	}
}

func row(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

func head(cells ...string) string { return row(cells...) + strings.Repeat("|---", len(cells)) + "|\n" }

// at1000 is the bill that the page is about.
func at1000(t *testing.T, args ...string) bill {
	return costOf(t, append([]string{"--rate", "1000", "--overflow-share", "0.05", "--network", "public"}, args...)...)
}

func pathsTable(t *testing.T) string {
	out := head("path", "workers in front", "api function in front")
	for _, path := range []string{"direct", "batch10", "async"} {
		w, l := at1000(t, "--front", "workers", "--path", path), at1000(t, "--front", "lambda", "--path", path)
		out += row("`"+path+"`", "$"+usd(w.MachineryMillionUSD), "$"+usd(l.MachineryMillionUSD))
	}
	return out
}

func ratesTable(t *testing.T) string {
	out := head("queries a second", "workers up", "a month, private", "a month, public", "a million in all, public", "a plain function, a month")
	for _, rate := range []string{"0", "1", "10", "100", "1000"} {
		public, private := costOf(t, "--rate", rate, "--network", "public"), costOf(t, "--rate", rate, "--network", "private")
		cells := []string{rate, number(public.Workers), "$" + usd(private.MonthUSD), "$" + usd(public.MonthUSD), "", ""}
		if public.PerSecond > 0 {
			cells[4], cells[5] = "$"+usd(public.MillionUSD), "$"+usd(public.PlainFunction.MonthUSD)
		}
		out += row(cells...)
	}
	return out
}

// merged are the names of all lines, each list's new ones after those before.
func merged(lists ...[]pricing.Line) (names []string) {
	for _, list := range lists {
		for _, l := range list {
			if !slices.Contains(names, l.Name) {
				names = append(names, l.Name)
			}
		}
	}
	return names
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
	d, b, a := at1000(t).Million, at1000(t, "--path", "batch10").Million, at1000(t, "--path", "async").Million
	out := head("part, $ a million", "direct", "ten in one", "async")
	for _, name := range merged(a, d, b) {
		out += row(name, cell(d, name, "%.3f"), cell(b, name, "%.3f"), cell(a, name, "%.3f"))
	}
	return out + row("sum", usd(pricing.Sum(d)), usd(pricing.Sum(b)), usd(pricing.Sum(a)))
}

func idleTable(t *testing.T) string {
	l, w := costOf(t, "--front", "lambda", "--network", "public"), costOf(t, "--front", "workers", "--network", "public")
	private := costOf(t, "--front", "workers", "--network", "private")
	busy := costOf(t, "--front", "workers", "--network", "public", "--rate", "100")
	out := head("part, $ a month", "api function in front", "workers in front", "workers, private network", "one worker up, queries come")
	for _, name := range merged(l.IdleMonth, w.IdleMonth, private.IdleMonth, busy.Fixed) {
		out += row(name, cell(l.IdleMonth, name, "%.2f"), cell(w.IdleMonth, name, "%.2f"), cell(private.IdleMonth, name, "%.2f"), cell(busy.Fixed, name, "%.2f"))
	}
	return out + row("sum", usd(l.IdleUSD), usd(w.IdleUSD), usd(private.IdleUSD), usd(pricing.Sum(busy.Fixed)))
}

func modelsTable(t *testing.T) string {
	out := head("model", "workers in front pay from", "where a worker is up anyway", "more than a plain function, no worker up, $ a million", "whole bill less than a plain function's from")
	for _, model := range []string{"logistic", "mobilenet", "ensemble-three"} {
		b := at1000(t, "--model", model)
		out += row("`"+model+"`", rateCell(b.BreakEven), rateCell(b.BreakEvenAnyway), usd(b.PlainFunction.ExcessMillionUSD), rateCell(b.PlainFunction.BreakEven))
	}
	return out
}

func rateCell(perSecond *float64) string {
	if perSecond == nil {
		return "never"
	}
	return fmt.Sprintf("%.0f/s", *perSecond)
}
