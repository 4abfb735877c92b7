package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/profiles/schema"
	"github.com/paragon-serving/paragon/shared/lab/evaluate"
	"github.com/paragon-serving/paragon/shared/lab/figures"
)

// figuresFlags are the flags of `paragon-lab figures`.
type figuresFlags struct {
	folder, catalogue, then, out string
	seed                         uint64
	played                       playedFlags
}

const figuresLong = `Generate the figures of the paper as data and as plots: figure-NAME.csv, .svg and .png.

  1  latency and accuracy of the models, and which models keep the bounds 500 ms and 80 %
  2  cost of a million queries with these models, for each instance type and for functions
  3  cost of an hour at a constant rate, on VMs of every c5 and m5 size and on functions
  4  VM hours of util_aware and exascale compared with reactive
  5  cost and missed bounds of reactive, util_aware, exascale and mixed
  6  arrivals, and their peak-to-median ratio for each sampling window
  7  compute time and cost of a function for each memory size
  8  cost and missed bounds of paragon compared with mixed
  workload2  Paragon's selection of models compared with naive choices, for each mix of bounds

In the figures 4, 5 and 8, reactive, util_aware, exascale, mixed and paragon are schemes: rules that
set the number of workers. Figures 4, 5, 6 and 8 use traces of arrivals: those of the folder
--traces, or synthetic traces of similar shapes.

The command also prints each finding of the paper, and whether the finding holds.`

func newFiguresCommand(term *cli.Terminal) *cobra.Command {
	f := &figuresFlags{}
	c := &cobra.Command{
		Use: "figures [NAME...]", Short: "Generate the paper's figures as data and plots",
		Long: figuresLong, Example: "  paragon-lab figures\n  paragon-lab figures 3 7 --out /tmp/figures",
		RunE: func(c *cobra.Command, args []string) error { return runFigures(c.Context(), term, f, args) },
	}
	fs := c.Flags()
	cli.ProfilesFlag(fs, &f.folder, cli.FiguresAlone)
	fs.StringVar(&f.catalogue, "catalogue", "imagenet", "catalogue from which the figures are made")
	fs.StringVar(&f.then, "then", "us-east-1-2020", "name of the set of prices from the year of the paper")
	fs.StringVar(&f.out, "out", "figures", "folder for the figures")
	fs.Uint64Var(&f.seed, "seed", 1, "seed of all random numbers")
	f.played.add(fs)
	fs.BoolVar(&term.JSON, "json", false, "print the findings as JSON")
	return c
}

// figureFindings are the findings of one figure, for --json.
type figureFindings struct {
	Figure   string            `json:"figure"`
	Files    []string          `json:"files"`
	Findings []figures.Finding `json:"findings"`
}

func runFigures(ctx context.Context, term *cli.Terminal, f *figuresFlags, args []string) error {
	names, err := figureNames(args)
	if err != nil {
		return err
	}
	in, err := f.inputs()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return fmt.Errorf("make the folder of the figures: %w", err)
	}
	played, err := playedFigures(ctx, term, f, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		fig, ok := played[name]
		if !ok {
			if fig, err = figures.Make(name, in); err != nil {
				return err
			}
		}
		files, err := writeFigure(f.out, fig)
		if err != nil {
			return err
		}
		printFigure(term, fig, files)
	}
	return nil
}

func figureNames(args []string) ([]string, error) {
	known := append(figures.Names(), evaluate.FigureNames()...)
	slices.Sort(known)
	if len(args) == 0 || slices.Equal(args, []string{"all"}) {
		return known, nil
	}
	for _, arg := range args {
		if !slices.Contains(known, arg) {
			return nil, cli.Usagef("there is no figure %q, only %s, or all", arg, strings.Join(known, ", "))
		}
	}
	return args, nil
}

func (f *figuresFlags) inputs() (in figures.Inputs, err error) {
	set, err := schema.Load(f.folder)
	if err != nil {
		return in, err
	}
	if in.Catalogue, err = set.Catalogue(f.catalogue); err != nil {
		return in, err
	}
	in.Then, err = set.Prices(f.then)
	return in, err
}

// writeFigure writes the three files of a figure and returns their names.
func writeFigure(folder string, fig figures.Figure) ([]string, error) {
	var files []string
	for suffix, write := range map[string]func(io.Writer) error{"csv": fig.CSV, "svg": fig.SVG, "png": fig.PNG} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return nil, err
		}
		file := filepath.Join(folder, fmt.Sprintf("%s.%s", fig.Name, suffix))
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			return nil, fmt.Errorf("write a figure: %w", err)
		}
		files = append(files, file)
	}
	slices.Sort(files)
	return files, nil
}

func printFigure(term *cli.Terminal, fig figures.Figure, files []string) {
	if term.JSON {
		term.PrintJSON(figureFindings{Figure: fig.Name, Files: files, Findings: fig.Findings})
		return
	}
	term.Printf("%s: %s\n  %s\n", fig.Name, fig.Title, strings.Join(files, " "))
	for _, finding := range fig.Findings {
		verdict := "holds"
		if !finding.Holds {
			verdict = "does not hold"
		}
		term.Printf("  %s: %s: %s\n", verdict, finding.Claim, finding.Detail)
	}
}
