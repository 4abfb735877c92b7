package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// Where nothing answers, a folder of pictures is a line with the reason and a count.
func TestFilesThatFailForOneReasonShareALine(t *testing.T) {
	var files []string
	for _, name := range []string{"a.txt", "b.txt", "c.txt"} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	for _, c := range []struct {
		flag  string
		lines int
	}{{"", 2}, {"--json", 3}} {
		term := newTerminal(t, &clienttest.API{})
		args := strings.Fields("submit --task mail --endpoint http://127.0.0.1:1 " + c.flag)
		if code := term.Run(t.Context(), append(args, files...)); code != cli.ExitFailure {
			t.Errorf("exit status %d: %s", code, &term.Err)
		}
		out := term.Out.String()
		if strings.Count(out, "\n") != c.lines || c.flag == "" && !strings.Contains(out, "2 more") {
			t.Errorf("%q prints %q", c.flag, out)
		}
	}
}

// A reason of any length leaves the other columns of a list in sight.
func TestReasonsAreShortenedInLists(t *testing.T) {
	for text, want := range map[string]string{"short": "short", "ééééé": "ééééé", "a long one": "a lo…"} {
		if got := shortened(text, 5); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// What was requested is said with its bounds, and what a function's time went to.
func TestRequestsAndTimesInWords(t *testing.T) {
	need := query.Need{Task: "fashion", Constraints: query.Constraints{LatencyMS: 1500, Accuracy: 90, CostUSDPerMillion: 2}, Optimize: query.Cost}
	if got, want := requested(need), "task fashion, within 1.50 s, 90 % accuracy or more, $2.00 per million queries or less, optimize cost"; got != want {
		t.Errorf("requested %q, want %q", got, want)
	}
	if got, want := requested(query.Need{Task: "mail", Model: "bag", Class: query.Strict}), "task mail, model bag and no other model, class strict, no bound"; got != want {
		t.Errorf("requested %q, want %q", got, want)
	}
	total, queued, computing := 693.0, 3.0, 0.25
	q := api.Query{LatencyMS: &total, QueueMS: &queued, ComputeMS: &computing, ServedBy: &query.Runner{Kind: query.OnFunction, Cold: true, Paced: true}}
	if got := spent(q); !strings.Contains(got, "690 ms calling the function, with its cold start and the wait until the profile") {
		t.Errorf("spent%s", got)
	}
	q.ServedBy = &query.Runner{Kind: query.OnWorker}
	if got := spent(q); strings.Contains(got, "function") {
		t.Errorf("spent%s", got)
	}
}

// Bounds that were meant otherwise are refused before anything is sent.
func TestBoundsAreOfTheirUnits(t *testing.T) {
	for args, says := range map[string]string{
		"submit --task fashion --latency-ms -1 x.png":  "--latency-ms is -1",
		"submit --task fashion --accuracy 0.9 x.png":   "did you mean 90?",
		"submit --task fashion --accuracy often x.png": `--accuracy is "often", and must be a number`,
		"select --task fashion --accuracy 0.925":       "did you mean 92.5?",
		"cost --rate 2000000":                          "0 to 1,000,000",
		"cost --network publc":                         `did you mean "public"?`,
		"list --limit 2.5":                             "must be a whole number",
		"submit":                                       "takes FILE..., and was given none",
		"status now":                                   "takes no arguments, and was given now",
		"feedback --right":                             "takes ID, and was given none",
		"model canary iris":                            "for example --share 0.05",
		"model canary --share 0.1 a b":                 "takes NAME, and was given a b",
	} {
		term := newTerminal(t, &clienttest.API{})
		if code := term.Run(t.Context(), strings.Fields(args)); code != cli.ExitUsage || !strings.Contains(term.Err.String(), says) {
			t.Errorf("%s: exit status %d, %s", args, code, &term.Err)
		}
	}
}
