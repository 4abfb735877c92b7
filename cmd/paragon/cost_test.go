package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// costOf runs the command on the repository's own deployment.
func costOf(t *testing.T, rate, network string) bill {
	t.Helper()
	term := newTerminal(t, nil)
	if code := term.run(t.Context(), []string{"cost", "--cdk-json", "../../cdk.json", "--rate", rate, "--network", network, "--json"}); code != exitOK {
		t.Fatalf("cost ended with %d: %s", code, term.err.String())
	}
	var b bill
	if err := json.Unmarshal(term.out.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

var costRow = regexp.MustCompile(`(?m)^\| (\d+) \| \$([\d,]+) \| \$([\d,]+) \| (?:\$([\d.]+) \| \$(\d+) )?`)

// The page on costs shows what the command says, and so do the pages that quote it.
func TestThePageOnCostsIsWhatTheCommandSays(t *testing.T) {
	page, err := os.ReadFile("../../docs/costs.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := costRow.FindAllStringSubmatch(string(page), -1)
	if len(rows) != 5 {
		t.Fatalf("the page has %d rows", len(rows))
	}
	says := func(what, shown string, usd, step float64) {
		if n, err := strconv.ParseFloat(strings.ReplaceAll(shown, ",", ""), 64); shown != "" && (err != nil || math.Abs(n-usd) > step/2+1e-9) {
			t.Errorf("%s: the page says $%s, the command $%v", what, shown, usd)
		}
	}
	for _, r := range rows {
		private, public := costOf(t, r[1], "private"), costOf(t, r[1], "public")
		says(r[1]+" private", r[2], private.MonthUSD, 1)
		says(r[1]+" public", r[3], public.MonthUSD, 1)
		says(r[1]+" machinery", r[4], public.MachineryMillionUSD, 0.01)
		says(r[1]+" in all", r[5], public.MillionUSD, 1)
	}
	idle, million, shown := costOf(t, "0", "private"), costOf(t, "100", "public"), 0
	for i, l := range idle.Lines {
		usd := l.USD
		if !l.Standing {
			usd = million.Lines[i].USD / (100 * 730 * 3600) * 1e6
		}
		for _, row := range strings.Split(string(page), "\n| "+l.What+" | ")[1:] {
			cell, _, _ := strings.Cut(row, " ")
			says(l.What, cell, usd, 0.01)
			shown++
		}
	}
	if shown < 12 {
		t.Errorf("the page shows %d parts of the bill", shown)
	}
	for _, other := range []string{"../../docs/aws.md", "../../docs/deploy.md"} {
		text, err := os.ReadFile(other)
		if err != nil || !strings.Contains(string(text), "$"+rows[0][2]) || !strings.Contains(string(text), "$"+rows[0][3]) {
			t.Errorf("%s: an idle month is not $%s and $%s; error %v", other, rows[0][2], rows[0][3], err)
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
	for _, want := range []int{exitOK, exitFailure} {
		term := newTerminal(t, nil)
		if code := term.run(t.Context(), []string{"cost", "--cdk-json", file}); code != want {
			t.Errorf("exit %d, want %d: %s", code, want, term.err.String())
		}
		if err := os.Remove(filepath.Join(folder, "mine", "prices.json")); err != nil && want == exitOK {
			t.Fatal(err)
		}
	}
}
