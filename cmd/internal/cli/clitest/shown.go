package clitest

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"paragon/cmd/internal/cli"
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
			if got := term.Run(over, args); got == cli.ExitUsage {
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
