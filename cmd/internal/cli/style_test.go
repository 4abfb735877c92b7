package cli_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
)

var sequences = regexp.MustCompile("\x1b\\[[0-9;]*m")

func terminalWith(env map[string]string) (*cli.Terminal, *bytes.Buffer) {
	var out bytes.Buffer
	return cli.New(strings.NewReader(""), &out, &out, func(name string) string { return env[name] }), &out
}

// A pipe has colors only if they are forced, and never where they are not wanted.
func TestWhatTheEnvironmentSaysOfColours(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"CLICOLOR_FORCE": "1"}, true},
		{map[string]string{"CLICOLOR_FORCE": "0"}, false},
		{map[string]string{"CLICOLOR_FORCE": "1", "TERM": "dumb"}, true},
		{map[string]string{"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, false},
	} {
		term, _ := terminalWith(c.env)
		if got := term.Style().Bad("x") != "x"; got != c.want {
			t.Errorf("%v: coloured %v, want %v", c.env, got, c.want)
		}
	}
}

// Without colors a table is that of tabwriter; with them it is the same but for the
// escape sequences, each of which is around what it was put around.
func TestColoursHaveNoWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringMatching(`[a-zé…0-9%]{0,6}( [a-z]{1,4})?`)
		var plain bytes.Buffer
		term, out := terminalWith(map[string]string{"CLICOLOR_FORCE": "1"})
		table, want := term.Table(), tabwriter.NewWriter(&plain, 0, 0, 2, ' ', 0)
		table.Header("A\tB\tC")
		fmt.Fprintln(want, "A\tB\tC")
		marked := 0
		for range rapid.IntRange(0, 6).Draw(t, "lines") {
			var cells, coloured []string
			for range rapid.IntRange(1, 4).Draw(t, "cells") {
				text := cell.Draw(t, "cell")
				cells = append(cells, text)
				if strings.TrimSpace(text) != "" && rapid.Bool().Draw(t, "marked") {
					marked++
					text = table.Bad(text)
				}
				coloured = append(coloured, text)
			}
			fmt.Fprintln(want, strings.Join(cells, "\t"))
			fmt.Fprintln(table, strings.Join(coloured, "\t"))
		}
		if err := want.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := table.Flush(); err != nil {
			t.Fatal(err)
		}
		if got := sequences.ReplaceAllString(out.String(), ""); got != plain.String() {
			t.Errorf("%q, want %q", got, plain.String())
		}
		around := regexp.MustCompile("\x1b\\[31m[^ \x1b\n][^\x1b\n]*\x1b\\[0m").FindAllString(out.String(), -1)
		if len(around) != marked {
			t.Errorf("%d of %d marks are around text in %q", len(around), marked, out.String())
		}
	})
}

// The headings of the help are bold, and an error begins in red.
func TestHelpAndErrorsHaveColours(t *testing.T) {
	tree := func(term *cli.Terminal) *cobra.Command {
		root := term.Root(&cobra.Command{Use: "tool"})
		root.AddGroup(&cobra.Group{ID: "all", Title: "All of them:"})
		root.AddCommand(&cobra.Command{Use: "leaf", GroupID: "all", RunE: cli.Help})
		return root
	}
	for _, c := range []struct{ args, want string }{
		{"--help", "\x1b[1mAll of them:\x1b[0m"}, {"leaf --help", "\x1b[1mUsage:\x1b[0m"}, {"leaf --help", "\x1b[1mFlags:\x1b[0m"}, {"laef", "\x1b[31mtool:\x1b[0m there is no command"},
	} {
		term, out := terminalWith(map[string]string{"CLICOLOR_FORCE": "1"})
		term.Run(t.Context(), tree(term), strings.Fields(c.args))
		if !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: no %q in %q", c.args, c.want, out.String())
		}
		forced := out.String()
		term, out = terminalWith(nil)
		term.Run(t.Context(), tree(term), strings.Fields(c.args))
		if sequences.ReplaceAllString(forced, "") != out.String() {
			t.Errorf("%s: %q differs from %q in more than colours", c.args, forced, out.String())
		}
	}
}
