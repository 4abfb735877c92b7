package main

import (
	"flag"
	"net/http"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/paragon-serving/paragon/cmd/internal/cli/clitest"
)

//go:generate go test -run TestCommandReference -update .

var update = flag.Bool("update", false, "write the expected output anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"paragon-lab": main})
}

func TestScripts(t *testing.T) { clitest.RunScripts(t, *update) }

func TestCommandReference(t *testing.T) {
	clitest.CheckReference(t, newRoot, "The command line of the laboratory", "cmd/paragon-lab", "../../docs/lab/cli.md", *update)
}

func TestEveryCommandHasHelp(t *testing.T) { clitest.CheckHelp(t, newRoot) }

func TestShownCommandsAreTypedRight(t *testing.T) {
	clitest.CheckShownCommands(t, newRoot, 2, "load")
}

func newTerminal(t *testing.T, h http.Handler) *clitest.Terminal {
	return clitest.NewTerminal(t, newRoot, h)
}

func TestMentionedCommandsAreThere(t *testing.T) { clitest.CheckMentionedCommands(t, newRoot) }
