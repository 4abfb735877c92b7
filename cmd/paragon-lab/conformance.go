package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/lab/conformance"
)

const conformanceLong = `Run the test cases of PyPI's package onnx as queries of tensor tasks, and compare the results with
those of ONNX Runtime in Python. FILE is the output of shared/lab/conformance/cases.py.
"make conformance" generates FILE and docs/lab/conformance.md.

Of the cases that pass in Python, at least 98 % must also pass in Paragon. Otherwise the command
fails.`

func newConformanceCommand(term *cli.Terminal) *cobra.Command {
	var markdown, onnx string
	c := &cobra.Command{
		Use: "conformance FILE", Short: "Run the test cases of the onnx package", Args: cobra.ExactArgs(1),
		Long: conformanceLong, Example: "  paragon-lab conformance cases.jsonl --markdown conformance.md",
		RunE: func(c *cobra.Command, args []string) error {
			return runConformance(c.Context(), term, args[0], markdown, onnx)
		},
	}
	c.Flags().StringVar(&markdown, "markdown", "", "file for the Markdown page (default stdout)")
	c.Flags().StringVar(&onnx, "onnx", "", "version of the package onnx, which the page states")
	return c
}

func runConformance(ctx context.Context, term *cli.Terminal, file, markdown, onnx string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	cases, err := conformance.Read(f)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	library, err := libraryVersion()
	if err != nil {
		return err
	}
	bar := term.Progress(len(cases))
	outcomes, err := conformance.Run(ctx, cases, bar.Step)
	bar.Finish()
	if err != nil {
		return err
	}
	var page strings.Builder
	if err := conformance.Write(&page, outcomes, onnx, library, time.Now()); err != nil {
		return err
	}
	if markdown == "" {
		term.Printf("%s", page.String())
	} else if err := os.WriteFile(markdown, []byte(page.String()), 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	if s := conformance.Summarize(outcomes, ""); s.Percent() < conformance.Goal {
		return fmt.Errorf("%d of %d cases pass, %.2f %%, which is below the goal of %d %%", s.Passed, s.Reference, s.Percent(), conformance.Goal)
	}
	return nil
}

// libraryVersion is ONNX Runtime's.
func libraryVersion() (string, error) {
	e, err := engine.New(engine.Options{Runners: 1})
	if err != nil {
		return "", err
	}
	return e.LibraryVersion(), e.Close()
}
