package main

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
)

func TestHoursAreSpreadOverATrace(t *testing.T) {
	trace := arrivals.Trace{Step: time.Second, Counts: make([]float64, 13*3600)}
	got := inHours([]one{{name: "t", trace: trace}, {name: "short", trace: arrivals.Trace{Step: time.Second, Counts: make([]float64, 1800)}}}, 6)
	if len(got) != 7 {
		t.Fatalf("%d windows, want six and one", len(got))
	}
	for i, o := range got[:6] {
		if o.length != time.Hour || o.from+o.length > trace.Duration() || i > 0 && o.from <= got[i-1].from {
			t.Errorf("window %d is %v from %v on", i, o.length, o.from)
		}
	}
	if last := got[6]; last.from != 0 || last.length != 30*time.Minute {
		t.Errorf("of half an hour %v from %v on is played", last.length, last.from)
	}
}

func TestCompareBills(t *testing.T) {
	folder := t.TempDir()
	trace, page := filepath.Join(folder, "flat.csv"), filepath.Join(folder, "bills.md")
	if err := os.WriteFile(trace, []byte("minute,count\n0,600\n1,600\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	term := newTerminal(t, http.NotFoundHandler())
	args := []string{"compare", trace, "--bills", page, "--seeds", "2", "--catalogues", "cocktail2022", "--scheme", "hedged,all_functions"}
	if code := term.Run(t.Context(), args); code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, term.Err.String())
	}
	raw, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(raw), "| all_functions |") || !strings.Contains(string(raw), "2 seeds") {
		t.Errorf("error %v, page:\n%s", err, raw)
	}
	for _, wrong := range [][]string{{"--as-stage=false"}, {"--seeds", "0"}, {"--window", "1h"}, {"--adversaries"}} {
		term := newTerminal(t, http.NotFoundHandler())
		if code := term.Run(t.Context(), append(args[:len(args):len(args)], wrong...)); code != cli.ExitUsage {
			t.Errorf("%v: exit %d", wrong, code)
		}
	}
}

// Artificial loads are compared as traces are; what is kept is not played again.
func TestCompareAdversaries(t *testing.T) {
	folder := t.TempDir()
	page, keep := filepath.Join(folder, "page.md"), filepath.Join(folder, "kept")
	args := []string{"compare", "--adversaries", "--bills", page, "--keep", keep, "--seeds", "1", "--catalogues", "cocktail2022", "--scheme", "all_functions"}
	written := func() (string, map[string]time.Time) {
		t.Helper()
		term := newTerminal(t, http.NotFoundHandler())
		if code := term.Run(t.Context(), args); code != cli.ExitOK {
			t.Fatalf("exit %d: %s", code, term.Err.String())
		}
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		files, err := os.ReadDir(keep)
		if err != nil {
			t.Fatal(err)
		}
		at := map[string]time.Time{}
		for _, f := range files {
			info, err := f.Info()
			if err != nil {
				t.Fatal(err)
			}
			at[f.Name()] = info.ModTime()
		}
		return string(raw), at
	}
	first, kept := written()
	for _, want := range []string{"# Artificial loads", "### step up", "### square wave of 600 s", "| all_functions |"} {
		if !strings.Contains(first, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if again, files := written(); again != first || !maps.Equal(files, kept) || len(kept) == 0 {
		t.Errorf("again: the same page %v, %d files kept first and %d now", again == first, len(kept), len(files))
	}
	term := newTerminal(t, http.NotFoundHandler())
	if code := term.Run(t.Context(), []string{"compare", "--adversaries"}); code != cli.ExitUsage {
		t.Errorf("without --bills: exit %d", code)
	}
}
