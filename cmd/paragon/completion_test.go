package main

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
	"github.com/paragon-serving/paragon/shared/core/profile"
)

// completed is what a shell offers after some words, and what else it does.
func completed(t *testing.T, words ...string) ([]string, string) {
	t.Helper()
	term := newTerminal(t, &clienttest.API{})
	term.Run(t.Context(), append([]string{cobra.ShellCompRequestCmd}, words...))
	lines := strings.Split(strings.TrimSpace(term.Out.String()), "\n")
	last := len(lines) - 1
	return lines[:last], lines[last]
}

// Files are offered where files are meant, and nowhere else.
func TestFilesAreCompletedWhereTheyAreMeant(t *testing.T) {
	for _, words := range [][]string{{"model", "remove", ""}, {"model", "show", ""}, {"status", ""}, {"fault", "clear", ""}, {"logs", "--process", ""}, {"logs", "--level", ""}, {"usage", ""}, {"tune", "set", "scheme", ""}} {
		if got, directive := completed(t, words...); directive != ":4" && directive != ":36" { // no files; and in the order given
			t.Errorf("%v: %q %s", words, got, directive)
		}
	}
	for _, words := range [][]string{{"submit", ""}, {"serve", ""}, {"model", "add", ""}} {
		if got, directive := completed(t, words...); directive != ":0" {
			t.Errorf("%v: %q %s", words, got, directive)
		}
	}
}

// What a flag or an argument may be is offered.
func TestValuesAreCompleted(t *testing.T) {
	for _, c := range []struct {
		words string
		want  []string // among what is offered
	}{
		{"cost --cdk-json ../../cdk.json --model", []string{"cnn\tfashion", "ensemble-three\tfashion"}},
		{"cost --cdk-json ../../cdk.json --task", []string{"fashion"}},
		{"cost --cdk-json nowhere.json --model", nil},
		{"cost --front", []string{"workers", "lambda"}},
		{"select --task", []string{"fashion"}},
		{"select --catalogue imagenet --task", []string{"imagenet"}},
		{"select --catalogue", []string{"fashion", "imagenet"}},
		{"select --model", []string{"cnn\tfashion"}},
		{"select --instances", []string{"c5.large"}},
		{"profile --model", []string{"mlp\tfashion"}},
		{"up --scheme", []string{"hedged", "paragon"}},
		{"replay --scheme", []string{"all", "hedged", "kpa"}},
		{"replay --task", []string{"fashion"}},
		{"model add --task", []string{"fashion"}},
		{"decisions --pool", []string{"main\tc5.large"}},
		{"redrive --queue", []string{"overflow"}},
		{"fault clear", []string{"slow-boot"}},
		{"fault spot-notice", []string{"general-1\tready"}},
		{"tune set scheme", []string{"hedged"}},
	} {
		got, directive := completed(t, append(strings.Fields(c.words), "")...)
		for _, want := range c.want {
			if !slices.Contains(got, want) {
				t.Errorf("%s: %q lacks %q", c.words, got, want)
			}
		}
		if len(c.want) == 0 && len(got) > 0 && got[0] != "" || directive != ":4" && directive != ":36" {
			t.Errorf("%s: %q %s", c.words, got, directive)
		}
	}
}

func TestProcessesAreCompletedFromTheLog(t *testing.T) {
	data := t.TempDir()
	line := `{"time":"2026-11-27T10:00:00Z","level":"INFO","msg":"ready","process":"w-7"}` + "\n"
	if err := os.WriteFile(machine.LogFiles(data)[1], []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	got, _ := completed(t, "logs", "--data", data, "--process", "")
	if !slices.Equal(got, []string{"server", "worker", "function", "w-7"}) {
		t.Errorf("%q", got)
	}
}

// The names of models that have several versions are offered where a version is changed.
func TestRolloutsAreCompleted(t *testing.T) {
	own := api.OwnModels{Models: []profile.Model{{Name: "iris", Task: "flowers"}},
		Rollouts: []profile.Rollout{{Model: "cnn", Served: "cnn@1", Canary: "cnn@2"}}}
	term := newTerminal(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(own)
	}))
	for command, want := range map[string]string{"promote": "cnn\tserves cnn@1, on trial cnn@2\n:36\n", "rollback": "cnn\tserves cnn@1, on trial cnn@2\n:36\n", "remove": "iris\tflowers\n:36\n"} {
		term.Out.Reset()
		if term.Run(t.Context(), []string{cobra.ShellCompRequestCmd, "model", command, ""}); term.Out.String() != want {
			t.Errorf("%s: %q, want %q", command, term.Out.String(), want)
		}
	}
}

// A value that is none of a setting's is refused before it is sent, with the closest.
func TestTuneNamesTheClosestValue(t *testing.T) {
	term := newTerminal(t, &clienttest.API{})
	code := term.Run(t.Context(), []string{"tune", "set", "scheme", "hegded"})
	if text := term.Err.String(); code != 2 || !strings.Contains(text, `did you mean "hedged"?`) {
		t.Errorf("exit status %d: %s", code, text)
	}
}
