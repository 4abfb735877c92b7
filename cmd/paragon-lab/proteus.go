package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/lab/proteus"
)

const proteusLong = `Simulate accuracy scaling on the Twitter trace and the profiles of Proteus (ASPLOS 2024): a
cluster of fixed size answers with less accurate models when the load is high. The command
generates docs/lab/proteus.md, which states the assumptions. The exit status is 1 if a result is
not better than that of the system INFaaS in Proteus's simulator: 7.9 % of the deadlines missed at
an accuracy of 96.1 %.

The data comes from the repository UMass-LIDS/Proteus. --from is a local folder with its files, or
a URL from which the command downloads the files. The command checks the SHA-256 of each file.`

// newProteusCommand is `paragon-lab proteus`.
func newProteusCommand(term *cli.Terminal) *cobra.Command {
	var source, markdown string
	c := &cobra.Command{
		Use: "proteus", Short: "Simulate accuracy scaling on Proteus's trace and profiles", Args: cobra.NoArgs,
		Long: proteusLong, Example: "  paragon-lab proteus\n  paragon-lab proteus --from ~/Proteus --markdown docs/lab/proteus.md",
		RunE: func(c *cobra.Command, _ []string) error { return runProteus(c.Context(), term, source, markdown) },
	}
	c.Flags().StringVar(&source, "from", proteus.Source, "folder or URL of the repository's files")
	c.Flags().StringVar(&markdown, "markdown", "", "file for the Markdown page (default stdout)")
	c.Flags().BoolVar(&term.JSON, "json", false, "print JSON")
	return c
}

func runProteus(ctx context.Context, term *cli.Terminal, source, markdown string) error {
	families, err := proteus.Read(ctx, source)
	if err != nil {
		return err
	}
	bar := term.Progress(len(proteus.Cases()) * len(families))
	defer bar.Finish()
	cases, err := proteus.PlayAll(ctx, families, bar.Step)
	if err != nil {
		return err
	}
	return reportProteus(term, cases, markdown)
}

// reportProteus prints or writes the cases, and fails where one is below the goal.
func reportProteus(term *cli.Terminal, cases []proteus.Case, markdown string) error {
	switch {
	case markdown != "":
		if err := os.WriteFile(markdown, []byte(proteus.Markdown(cases)), 0o644); err != nil {
			return fmt.Errorf("write the page: %w", err)
		}
	case !term.JSON:
		term.Printf("%s", proteus.Markdown(cases))
	}
	if term.JSON {
		term.PrintJSON(cases)
	}
	return proteus.BelowGoal(cases)
}
