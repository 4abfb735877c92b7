package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

//go:generate go test -run "TestCommandReference|TestThePageOnCosts" -update .

const reference = "../../docs/cli.md"

// The reference of the command line is made from the commands themselves, and
// must be as they are.
func TestCommandReference(t *testing.T) {
	got := commandReference(t)
	if *update {
		if err := os.WriteFile(reference, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("docs/cli.md is stale: run `go generate ./cmd/paragon`\n%s", d)
	}
}

func commandReference(t *testing.T) []byte {
	root := newApp(strings.NewReader(""), io.Discard, io.Discard, func(string) string { return "" }).root()
	root.InitDefaultCompletionCmd()
	var b bytes.Buffer
	fmt.Fprintf(&b, "# The command line\n\nMade from the commands by `go generate ./cmd/paragon`; edit them instead.\n\n")
	for _, c := range commands(root) {
		c.DisableAutoGenTag = true
		if err := doc.GenMarkdownCustom(c, &b, func(file string) string {
			return "#" + strings.ReplaceAll(strings.TrimSuffix(file, ".md"), "_", "-")
		}); err != nil {
			t.Fatal(err)
		}
	}
	return regexp.MustCompile(`\n{3,}`).ReplaceAll(b.Bytes(), []byte("\n\n"))
}

// commands lists the tree, each command before those below it, without what
// cobra says at length of each shell.
func commands(c *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{c}
	for _, below := range c.Commands() {
		if below.IsAvailableCommand() && c.Name() != "completion" {
			out = append(out, commands(below)...)
		}
	}
	return out
}

// Every command has help that a newcomer can use.
func TestEveryCommandHasHelp(t *testing.T) {
	root := newApp(strings.NewReader(""), io.Discard, io.Discard, func(string) string { return "" }).root()
	for _, c := range commands(root)[1:] {
		if c.Short == "" || c.Example == "" && c.Name() != "completion" {
			t.Errorf("%s has no short help or no example", c.CommandPath())
		}
		if strings.HasSuffix(c.Short, ".") {
			t.Errorf("the short help of %s ends with a full stop", c.CommandPath())
		}
	}
}
