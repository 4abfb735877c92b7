package clitest

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
	"github.com/spf13/pflag"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
)

// CheckReference holds the reference of a command line, which is made from the
// commands of a package themselves, to what they are; with update it is written anew.
func CheckReference(t *testing.T, root Root, title, pkg, file string, update bool) {
	t.Helper()
	got := reference(t, root, title, pkg)
	if update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s is stale: run `go generate ./%s`\n%s", file, pkg, d)
	}
}

// What the page leaves out: the links to what cobra says of each shell, the link of a
// command to the one above it, and the heading of a list of links that has none left.
var (
	shellLink = regexp.MustCompile(`(?m)^\* \[[a-z-]+ completion [a-z]+\].*\n`)
	noLinks   = regexp.MustCompile(`### SEE ALSO\n\n+(#|$)`)
)

func reference(t *testing.T, root Root, title, pkg string) []byte {
	c := silent(root)
	c.InitDefaultCompletionCmd()
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n`go generate ./%s` makes this page from the commands. Every command also has the flag `--help`.\n\n", title, pkg)
	common, called := commonFlags(c), false
	for _, c := range commands(c) {
		c.DisableAutoGenTag = true
		var one bytes.Buffer
		all := hide(c, common)
		short, long := c.Short, c.Long
		if c.Long != "" {
			c.Short, c.Long = "", listed(long) // the long help says what the short says too
		}
		err := doc.GenMarkdownCustom(c, &one, func(file string) string {
			return "#" + strings.ReplaceAll(strings.TrimSuffix(file, ".md"), "_", "-")
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Short, c.Long = short, long
		text := strings.Replace(one.String(), "### Synopsis\n\n", "", 1)
		if all {
			called = true
			text = strings.Replace(text, "### SEE ALSO", "The command also has the [common flags](#common-flags).\n\n### SEE ALSO", 1)
		}
		if c.HasParent() {
			up := c.Parent().CommandPath()
			text = regexp.MustCompile(`(?m)^\* \[`+up+`\]\(.*\n`).ReplaceAllString(text, "")
		}
		b.WriteString(text)
	}
	if called {
		fmt.Fprintf(&b, "## Common flags\n\nMost commands have these flags:\n\n```\n%s```\n", common.FlagUsages())
	}
	page := shellLink.ReplaceAll(b.Bytes(), nil)
	page = noLinks.ReplaceAll(page, []byte("$1"))
	page = bytes.ReplaceAll(page, []byte("### SEE ALSO"), []byte("### Commands"))
	return regexp.MustCompile(`\n{3,}`).ReplaceAll(page, []byte("\n\n"))
}

// listed makes lists of the tables in a long help, whose lines are indented: a name, two
// or more spaces, and what it means.
func listed(long string) string {
	long = helpTable.ReplaceAllString(long, "\n$0")
	long = helpRow.ReplaceAllString(long, "- `$1`: $2")
	return regexp.MustCompile(`(?m)^ {5}`).ReplaceAllString(long, "  ")
}

var (
	helpTable = regexp.MustCompile(`(?m)^  \S+ {2,}.*\n(?: {2,}.*\n)*`)
	helpRow   = regexp.MustCompile(`(?m)^  (\S+) {2,}(.*)$`)
)

// commonFlags are the flags of all commands that call a server, which the page prints once.
func commonFlags(root *cobra.Command) *pflag.FlagSet {
	c := cli.New(strings.NewReader(""), io.Discard, io.Discard, func(string) string { return "" }).ServerCommand(&cobra.Command{Use: root.Name()})
	return c.Flags()
}

// hide hides the flag --help of a command, and the common flags if it has all of them,
// which it reports.
func hide(c *cobra.Command, common *pflag.FlagSet) bool {
	c.InitDefaultHelpFlag()
	c.Flag("help").Hidden = true
	all := true
	common.VisitAll(func(f *pflag.Flag) {
		own := c.Flags().Lookup(f.Name)
		all = all && own != nil && own.Usage == f.Usage
	})
	if all {
		common.VisitAll(func(f *pflag.Flag) { c.Flag(f.Name).Hidden = true })
	}
	return all
}

func silent(root Root) *cobra.Command {
	return root(cli.New(strings.NewReader(""), io.Discard, io.Discard, func(string) string { return "" }))
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

// CheckHelp holds every command to help that a newcomer can use.
func CheckHelp(t *testing.T, root Root) {
	t.Helper()
	for _, c := range commands(silent(root))[1:] {
		if c.Short == "" || c.Example == "" && c.Name() != "completion" {
			t.Errorf("%s has no short help or no example", c.CommandPath())
		}
		if strings.HasSuffix(c.Short, ".") {
			t.Errorf("the short help of %s ends with a full stop", c.CommandPath())
		}
		if c.Parent() != nil && !c.Parent().HasParent() && c.Name() != "completion" && c.GroupID == "" && len(c.Parent().Groups()) > 0 {
			t.Errorf("%s is in no group of the help", c.CommandPath())
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if strings.Contains(f.Usage, "`") { // its quoted part would be shown as the value's name
				t.Errorf("the help of --%s of %s has back quotes", f.Name, c.CommandPath())
			}
		})
	}
}
