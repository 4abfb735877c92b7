package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The commands that the README and the pages show are typed right.
func TestShownCommandsAreTypedRight(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(page) == filepath.Base(reference) {
			continue // synopses, made from the commands
		}
		for _, args := range clientCommands(string(text)) {
			shown++
			over, cancel := context.WithCancel(t.Context())
			cancel() // before anything is sent
			var said bytes.Buffer
			a := newApp(strings.NewReader(""), io.Discard, &said, func(string) string { return "" })
			if got := a.run(over, args); got == exitUsage {
				t.Errorf("%s: paragon %s: %s", filepath.Base(page), strings.Join(args, " "), &said)
			}
		}
	}
	if shown < 5 {
		t.Errorf("only %d commands are shown", shown)
	}
}

// clientCommands are the commands of a page's code blocks that speak to a server.
func clientCommands(page string) (all [][]string) {
	for i, block := range strings.Split(page, "```") {
		if i%2 == 0 {
			continue
		}
		for line := range strings.Lines(block) {
			line, _, _ = strings.Cut(line, "#")
			line, _, _ = strings.Cut(line, "|")
			words := strings.Fields(line)
			if len(words) < 2 || words[0] != "paragon" && words[0] != "bin/paragon" {
				continue
			}
			switch words[1] {
			case "submit", "get", "cancel", "status", "models", "load", "explain", "feedback":
				all = append(all, words[1:])
			}
		}
	}
	return all
}
