package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/internal/cli/clitest"
	"github.com/paragon-serving/paragon/docs"
	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/intake/httpapi"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
)

// operated is a terminal at a stage whose controller has ticked once.
func operated(t *testing.T) *terminal {
	t.Helper()
	backend, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { backend.Close() })
	catalogue := profilestest.Shipped(t)
	h, tuned := backend.Platform(), tuning.New(backend.Platform().Settings)
	keys, err := signed.NewKeys([]byte("the key of this test's stage"))
	if err != nil {
		t.Fatal(err)
	}
	svc, err := intake.New(intake.Config{Records: h.Records, Attempts: h.Attempts, Shared: h.Shared, Keys: keys, Fleet: h.Fleet, Queues: h.Queues, Metrics: h.Metrics, Blobs: h.Blobs,
		Catalogue: catalogue, Settings: tuned.Current, Pools: []intake.Pool{{Name: "general", InstanceType: "c5.large"}}})
	if err != nil {
		t.Fatal(err)
	}
	api, err := httpapi.New(svc, httpapi.Options{OpenAPI: docs.OpenAPI, Operations: &admin.Service{
		Backend: h, Tuned: admin.Read(h.Settings), Unpack: control.Unpack, Pools: []string{"general"}, Now: time.Now,
		Random: rand.Reader, Keys: func(context.Context) (signed.Keys, error) { return keys, nil }}})
	if err != nil {
		t.Fatal(err)
	}
	c := control.New(control.Options{Holder: "me", Pools: []control.Pool{{Name: "general", InstanceType: "c5.large"}}, Catalogue: catalogue, Arch: "x86_64",
		Records: h.Records, Fleet: h.Fleet, Queues: h.Queues, Metrics: h.Metrics, Groups: h.Groups, DecisionLog: h.DecisionLog, Shared: h.Shared, Tuned: tuned.State, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err := c.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	term := newTerminal(t, api)
	term.backend = h
	return term
}

// says runs a command and wants its status and some of its output.
func (term *terminal) says(t *testing.T, code int, want string, args ...string) string {
	t.Helper()
	term.Out.Reset()
	term.Err.Reset()
	got := term.Run(t.Context(), args)
	text := term.Out.String() + term.Err.String()
	if got != code || !strings.Contains(text, want) {
		t.Errorf("paragon %s: status %d, want %d with %q:\n%s", strings.Join(args, " "), got, code, want, text)
	}
	return text
}

func TestTune(t *testing.T) {
	term := operated(t)
	term.says(t, cli.ExitOK, "max_workers: 20 -> 7", "tune", "set", "max_workers", "7")
	term.says(t, cli.ExitUsage, "paragon: setting max_workers: -1 is outside 0 to 2000 workers", "tune", "set", "max_workers", "-1")
	term.says(t, cli.ExitUsage, "0 to 2000 workers", "tune", "set", "max_workers", "-1e1", "--json")
	for _, value := range []string{"-Inf", "-infinity", "-nan"} {
		term.says(t, cli.ExitUsage, "0 to 2000 workers", "tune", "set", "max_workers", value)
	}
	term.JSON = false
	term.says(t, cli.ExitUsage, "there is no setting", "tune", "set", "colour", "green")
	term.says(t, cli.ExitOK, "7\n  The most workers of a pool (a group of workers).", "tune", "get", "max_workers")
	term.says(t, cli.ExitOK, "max_workers: 7 -> 9", "tune", "set", "max_workers", "9")
	term.says(t, cli.ExitOK, "max_workers: 9 -> 7", "tune", "rollback", "max_workers")
	term.says(t, cli.ExitOK, "max_workers: 7 -> 9", "tune", "rollback", "max_workers", "--to", "2")
	term.says(t, cli.ExitOK, "max_workers: 9 -> 20", "tune", "rollback", "max_workers", "--to", "0")
	term.says(t, cli.ExitOK, "max_workers: 20 -> 7", "tune", "rollback", "max_workers", "--to", "1")
	term.says(t, cli.ExitUsage, "no version 99", "tune", "rollback", "max_workers", "--to", "99")
	term.says(t, cli.ExitFailure, "the settings have version 6, not 5", "tune", "set", "max_workers", "3", "--if-version", "5")
	term.says(t, cli.ExitOK, "max_workers: 7 -> 7", "tune", "set", "max_workers", "7", "--if-version", "6")
	term.says(t, cli.ExitOK, "- max_workers=20\n+ max_workers=7", "tune", "diff")
	if text := term.says(t, cli.ExitOK, "max_workers", "tune", "list"); strings.Contains(text, "tick_seconds") {
		t.Errorf("a setting with its default is listed:\n%s", text)
	}
	term.says(t, cli.ExitOK, "tick_seconds", "tune", "list", "--all")
	if text := term.says(t, cli.ExitOK, "scheme: hedged -> mixed", "tune", "set", "scheme", "mixed"); strings.Contains(text, "fixed") {
		t.Errorf("the fleet moves:\n%s", text)
	}
	term.says(t, cli.ExitOK, "moving -> fixed", "tune", "set", "fleet", "fixed")
	term.says(t, cli.ExitOK, "setting fleet=fixed", "tune", "set", "scheme", "paragon")
	if n := strings.Count(term.says(t, cli.ExitOK, "version 7", "tune", "history", "max_workers"), "\n"); n != 7 {
		t.Errorf("%d changes", n)
	}
}

func TestRedrive(t *testing.T) {
	term := operated(t)
	for i := range 12 {
		m := query.Message{ID: fmt.Sprintf("q%d", i), Owner: "anna", Task: "fashion", Model: "m", Class: query.Relaxed, AcceptedAt: time.Now(), DeadlineAt: time.Now().Add(time.Second)}
		if err := term.backend.Queues.Send(t.Context(), platform.DeadLetters, m); err != nil {
			t.Fatal(err)
		}
	}
	term.says(t, cli.ExitUsage, "--queue must be overflow or work", "redrive", "--queue", "dead-letters")
	term.says(t, cli.ExitUsage, "--limit must be within 1", "redrive", "--limit", "0")
	if text := term.says(t, cli.ExitOK, "would be submitted again: 12", "redrive", "--dry-run"); !strings.Contains(text, "left in the queue: 12") {
		t.Errorf("printed %s", text)
	}
	term.says(t, cli.ExitOK, "Queries submitted again: 1. Dead letters dropped: 0. Dead letters left in the queue: 11.", "redrive", "--limit", "1", "--queue", "overflow")
	term.says(t, cli.ExitOK, `"outcome":"resubmitted","queue":"work-relaxed-general"`, "redrive", "--json")
	term.JSON = false
	term.says(t, cli.ExitOK, "submitted again: 0", "redrive")
}

func TestDecisions(t *testing.T) {
	term := operated(t)
	id := regexp.MustCompile(`\S+-general`).FindString(term.says(t, cli.ExitOK, "keep 0 workers", "decisions"))
	term.says(t, cli.ExitOK, "settings version 0", "explain", id)
	term.says(t, cli.ExitOK, "equal, byte by byte", "replay-decision", id)
	term.says(t, cli.ExitOK, `"same":true,"stored":{`, "replay-decision", "--json", id)
	term.says(t, cli.ExitUsage, "--limit is 0, not within 1 to 1000", "decisions", "--limit", "0")
	term.says(t, cli.ExitOK, "No decision of pool none is stored", "decisions", "--pool", "none")
	term.says(t, cli.ExitUsage, `there is no decision "none"`, "replay-decision", "none")
	term.says(t, cli.ExitUsage, "the id of a decision", "replay-decision")
	term.says(t, cli.ExitOK, "[]", "decisions", "--moves", "--json")
}

// Older decisions are listed before an id and before a moment, as many as asked for though
// the server lists a hundred at a time.
func TestOlderDecisionsAreListed(t *testing.T) {
	term := operated(t)
	start := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	lease, err := term.backend.DecisionLog.AcquireLease(t.Context(), "me", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 230 {
		at := start.Add(time.Duration(i) * 10 * time.Second)
		if err := term.backend.DecisionLog.Commit(t.Context(), lease, nil, platform.Entry{
			ID: decision.IDAt(at) + "-general", Pool: "general", At: at, Line: fmt.Sprintf("tick %d.", i), ForgetAt: at.AddDate(100, 0, 0), Record: []byte("{}"),
		}); err != nil {
			t.Fatal(err)
		}
	}
	ticks := regexp.MustCompile(`tick (\d+)\.`)
	for _, c := range []struct {
		args        []string
		first, last int
		says        string
	}{
		{[]string{"--before", "20260501T120100.000Z-general"}, 0, 5, ""},
		{[]string{"--before", "2026-05-01T12:01:00Z", "--limit", "3"}, 3, 5, "For older decisions add --before 20260501T120030.000Z-general\n"},
		{[]string{"--before", "20260501T120030.000Z-general", "--limit", "3"}, 0, 2, "add --before"},
		{[]string{"--before", "2026-05-02T00:00:00Z", "--limit", "225"}, 5, 229, "add --before 20260501T120050.000Z-general"},
	} {
		found := ticks.FindAllStringSubmatch(term.says(t, cli.ExitOK, c.says, append([]string{"decisions", "--all"}, c.args...)...), -1)
		if n := c.last - c.first + 1; len(found) != n || found[0][1] != fmt.Sprint(c.first) || found[n-1][1] != fmt.Sprint(c.last) {
			t.Errorf("%v: %v, want ticks %d to %d", c.args, found, c.first, c.last)
		}
	}
	term.says(t, cli.ExitOK, "No decision before 20260501T120000.000Z-general is stored.", "decisions", "--before", "20260501T120000.000Z-general")
	term.says(t, cli.ExitUsage, "nor the id of a decision", "decisions", "--before", "yesterday")
}

// Successive decisions that keep the fleet or say the same are one line, the newest's.
func TestDecisionsThatAreAlikeAreOneLine(t *testing.T) {
	term := &terminal{Terminal: clitest.NewTerminalIn(newRoot, nil)}
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	var ds []api.Decision
	for _, d := range []api.Decision{
		{Line: "keep 0 workers: a"}, {Line: "keep 0 workers: b"}, {Line: "keep 0 workers: c", Outcome: "failed: no"}, {Line: "grow: d", Moves: true},
		{Line: "grow: d", Moves: true}, {Line: "grow: e", Moves: true}, {Line: "keep 1 worker: f"}, {Line: "keep 0 workers: g", Pool: "other"},
	} {
		d.ID, d.At = fmt.Sprint("at", len(ds)), at.Add(time.Duration(len(ds))*time.Minute)
		ds = append([]api.Decision{d}, ds...)
	}
	said := func(all bool) string {
		term.Out.Reset()
		printDecisions(term.Terminal.Terminal, ds, all)
		return term.Out.String()
	}
	want := []string{"at1.* keep 0 workers: b \\(2 such decisions since .*:00:00\\)", "at2.*: c \\[failed: no\\]", "at4.* grow: d \\(2 such decisions since .*:03:00\\)", "at5.*grow: e", "at6.*: f", "at7.*: g"}
	if got := said(false); !regexp.MustCompile("^" + strings.Join(want, "\n") + "\n$").MatchString(got) {
		t.Errorf("printed\n%s", got)
	}
	if got := said(true); strings.Count(got, "\n") != len(ds) || strings.Contains(got, "such") {
		t.Errorf("with --all\n%s", got)
	}
}

// letters is a queue of dead letters that says that fewer wait than do.
type letters struct{ left int }

func (l *letters) DeadLetters(context.Context, string, int) (api.DeadLetters, error) {
	return api.DeadLetters{}, nil
}

func (l *letters) Redrive(_ context.Context, _ string, limit int) (api.DeadLetters, error) {
	out := api.DeadLetters{}
	for len(out.Letters) < limit && l.left > 0 {
		out.Letters = append(out.Letters, api.DeadLetter{ID: fmt.Sprint(l.left), Outcome: api.Resubmitted})
		l.left--
	}
	return out, nil
}

func TestEveryDeadLetterIsPutBackThoughFewerAreCounted(t *testing.T) {
	all, err := putBack(t.Context(), operated(t).Terminal.Terminal, &letters{left: 25}, &redriveFlags{limit: 100})
	if err != nil || len(all.Letters) != 25 {
		t.Errorf("%d letters, error %v", len(all.Letters), err)
	}
	some, err := putBack(t.Context(), operated(t).Terminal.Terminal, &letters{left: 25}, &redriveFlags{limit: 12})
	if err != nil || len(some.Letters) > 12 {
		t.Errorf("%d letters above the limit, error %v", len(some.Letters), err)
	}
}

func TestStatusSaysThatTheStoreCannotBeWritten(t *testing.T) {
	term := newTerminal(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(api.Status{BackendStatus: api.BackendStatus{StoreFault: "the disk is full"}}) // a value that can be encoded
	}))
	term.says(t, cli.ExitOK, "cannot be written: the disk is full", "status")
}

func TestStatusNamesModelsThatCannotBeRun(t *testing.T) {
	term := newTerminal(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		broken := api.BrokenModel{Open: breaker.Open{Model: "cnn", Why: "3 runs failed"}, Kind: query.OnWorker, Name: "w-1"}
		_ = json.NewEncoder(w).Encode(api.Status{Withheld: []api.WithheldModel{{Model: "mlp", Why: "its file is damaged"}}, Broken: []api.BrokenModel{broken}}) // values that can be encoded
	}))
	term.says(t, cli.ExitOK, "withheld  model mlp gets no queries: its file is damaged\nbroken    model cnn fails on worker w-1 and gets no queries there until ", "status")
}
