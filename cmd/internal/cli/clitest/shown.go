package clitest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
)

// pages are the written pages, from the folder of a command.
func pages(t *testing.T) (all []string) {
	for _, pattern := range []string{"../../README.md", "../../docs/*.md", "../../docs/lab/*.md"} {
		some, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	return slices.DeleteFunc(all, func(page string) bool {
		return filepath.Base(page) == "cli.md" // synopses, made from the commands
	})
}

// CheckShownCommands holds those of the named commands that the README and the
// pages show in blocks of code to be typed right. They are ended before anything
// is sent. It is an error that fewer than a least number are shown.
func CheckShownCommands(t *testing.T, root Root, least int, names ...string) {
	t.Helper()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	shown := 0
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range shownCommands(string(text), silent(root).Name(), names) {
			shown++
			term := NewTerminalIn(root, nil)
			got, missing := term.Run(over, args), strings.Contains(term.Err.String(), syscall.ENOENT.Error()) // a reader's own file
			if got == cli.ExitUsage && !missing {
				t.Errorf("%s: %s: %s", filepath.Base(page), strings.Join(args, " "), &term.Err)
			}
		}
	}
	if shown < least {
		t.Errorf("only %d commands are shown, want %d", shown, least)
	}
}

// shownCommands are the arguments of the named commands of a program in a page's
// blocks of code.
func shownCommands(page, program string, names []string) (all [][]string) {
	for i, block := range strings.Split(page, "```") {
		if i%2 == 0 {
			continue
		}
		for line := range strings.Lines(block) {
			line, _, _ = strings.Cut(line, "#")
			line, _, _ = strings.Cut(line, "|")
			words := strings.Fields(line)
			if len(words) > 1 && filepath.Base(words[0]) == program && slices.Contains(names, words[1]) {
				all = append(all, words[1:])
			}
		}
	}
	return all
}

// advice are the files with what doctor says to do, from the folder of a command.
func advice(t *testing.T) (all []string) {
	for _, pattern := range []string{"../../cmd/paragon/doctor*.go", "../../shared/platform/aws/checkup/*.go"} {
		some, err := filepath.Glob(pattern)
		if err != nil || len(some) == 0 {
			t.Fatalf("no advice in %s: %v", pattern, err)
		}
		all = append(all, some...)
	}
	return all
}

// CheckMentionedCommands holds every command of a program that the README, the pages and
// doctor's advice mention, in blocks of code and within sentences, to one that there is,
// with its flags and their values. One in a block of code has the right number of
// arguments too. Nothing is run.
func CheckMentionedCommands(t *testing.T, root Root) {
	t.Helper()
	program := silent(root).Name()
	mention := regexp.MustCompile("(?m)(?:^|`)(?:bin/)?" + program + " ([a-z][^`\n|;&>#()]*)")
	for _, page := range append(pages(t), advice(t)...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range strings.Split(string(text), "```") {
			inBlock := i%2 == 1
			for _, m := range mention.FindAllStringSubmatch(strings.ReplaceAll(part, "\\\n", " "), -1) {
				if err := mentioned(silent(root), wordsOf(m[1]), inBlock); err != nil {
					t.Errorf("%s: %s %s: %v", filepath.Base(page), program, m[1], err)
				}
			}
		}
	}
}

var shellWord = regexp.MustCompile(`'[^']*'|\S+`)

// wordsOf are the words of a command as a shell takes them, single quotes removed.
func wordsOf(command string) []string {
	words := shellWord.FindAllString(command, -1)
	for i, w := range words {
		words[i] = strings.Trim(w, "'")
	}
	return words
}

// mentioned says what is wrong with a mention: a command that is none, a flag or its value,
// and, where the mention is whole, the arguments.
func mentioned(root *cobra.Command, words []string, whole bool) error {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	c, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	if c == root || c.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return fmt.Errorf("there is no such command below %q", c.CommandPath())
	}
	for _, w := range rest {
		name, isLong := strings.CutPrefix(w, "--")
		name, _, _ = strings.Cut(name, "=")
		if isLong && c.Flag(name) == nil && name != "help" {
			return fmt.Errorf("%s has no flag --%s", c.CommandPath(), name)
		}
	}
	if slices.Contains(rest, "--help") {
		return nil
	}
	if err := c.ParseFlags(rest); err != nil && (whole || !strings.Contains(err.Error(), "needs an argument")) {
		return fmt.Errorf("%s: %w", c.CommandPath(), err)
	}
	if !whole {
		return nil
	}
	return c.ValidateArgs(c.Flags().Args())
}
