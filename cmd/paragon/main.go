// Command paragon is Paragon from a terminal: it brings the whole of it up on
// one machine, submits queries, reads what became of them and runs a stage.
package main

import (
	"os"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(newRoot)) }
