package main

import (
	"flag"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/paragon-serving/paragon/cmd/internal/cli/clitest"
)

//go:generate go test -run "TestCommandReference|TestThePagesOnCosts" -update .

var update = flag.Bool("update", false, "write the expected output anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"paragon": main})
}

func TestScripts(t *testing.T) { clitest.RunScripts(t, *update) }

func TestCommandReference(t *testing.T) {
	clitest.CheckReference(t, newRoot, "The command line", "cmd/paragon", "../../docs/cli.md", *update)
}

func TestEveryCommandHasHelp(t *testing.T) { clitest.CheckHelp(t, newRoot) }

func TestShownCommandsAreTypedRight(t *testing.T) {
	clitest.CheckShownCommands(t, newRoot, 5, "submit", "get", "cancel", "status", "models", "explain", "feedback")
}

func TestMentionedCommandsAreThere(t *testing.T) { clitest.CheckMentionedCommands(t, newRoot) }
