// Command paragon is Paragon from a terminal: it brings the whole of it up on
// one machine, submits queries, reads what became of them and runs a stage.
package main

import (
	"os"
	"slices"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/monitor"
)

func main() {
	if slices.Contains(os.Args, "up") || slices.Contains(os.Args, "serve") {
		monitor.Slow()
	}
	os.Exit(cli.Main(newRoot))
}
