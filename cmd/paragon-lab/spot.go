package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/lab/spot"
	"github.com/paragon-serving/paragon/shared/simulate"
)

const spotLong = `Compare three ways to buy spot instances, on the same arrivals and the same recorded
availability of spot instances:
  - the scheme hedged with on-demand workers only
  - the mix of on-demand and spot workers that hedged chooses
  - the mix that SpotHedge chooses

A trace of arrivals is given as FILE or FILE=SCALE. --availability names CSV files with the number
of available spot instances. Such a file has the header second,ZONE,..., and one row per step.
The command generates docs/lab/spot.md.`

// spotFlags are the flags of `paragon-lab spot` besides those of the case.
type spotFlags struct {
	compareFlags
	records []string
	windows int
	length  time.Duration
}

func newSpotCommand(term *cli.Terminal) *cobra.Command {
	f := &spotFlags{}
	c := &cobra.Command{
		Use: "spot FILE[=SCALE]...", Short: "Compare ways to buy spot instances on recorded availability",
		Long: spotLong, Example: "  paragon-lab spot wits.csv=0.5 --availability aws1.csv,aws2.csv --markdown docs/lab/spot.md", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runSpot(c.Context(), term, f, args) },
	}
	fs := c.Flags()
	f.Add(fs)
	f.addStage(fs)
	for _, name := range []string{"catalogue", "scheme", "spot-share", "spot-trace", "spot-offset", "spot-interruptions"} {
		fs.Lookup(name).Hidden = true
	}
	fs.StringSliceVar(&f.catalogues, "catalogues", []string{simulate.Cocktail2022}, "catalogues of profiles and prices")
	fs.StringSliceVar(&f.records, "availability", nil, "CSV files with the number of available spot instances in each zone")
	fs.IntVar(&f.windows, "windows", 12, "number of windows (parts of the trace) for each pair of a trace and a file of --availability, 1 to 1000")
	f.length = 2 * time.Hour
	fs.Var(cli.DurationValue(&f.length), "window", "length of each window of the trace")
	fs.StringVar(&f.markdown, "markdown", "", "Markdown file for the tables (default stdout)")
	return c
}

func runSpot(ctx context.Context, term *cli.Terminal, f *spotFlags, args []string) error {
	if err := f.Check(); err != nil {
		return err
	}
	if len(f.records) == 0 || f.windows < 1 || f.windows > 1000 {
		return cli.Usagef("--availability must name at least one file, and --windows must be 1 to 1000")
	}
	traces, err := f.traces(args)
	if err != nil {
		return err
	}
	cases, err := f.cases(traces)
	if err != nil {
		return err
	}
	bar := term.Progress(len(cases) * len(f.records) * f.windows * 3)
	defer bar.Finish()
	var tables []spot.Table
	for _, c := range cases {
		for _, file := range f.records {
			record, err := cli.ReadAvailability(file)
			if err != nil {
				return err
			}
			t, err := spot.Play(ctx, c, record, f.windows, f.length, bar.Step)
			if err != nil {
				return err
			}
			tables = append(tables, t)
		}
	}
	return writeSpot(term, f.markdown, tables)
}

func writeSpot(term *cli.Terminal, file string, tables []spot.Table) error {
	var b strings.Builder
	if err := spot.Document(&b, tables); err != nil {
		return err
	}
	if file == "" {
		_, err := fmt.Fprint(term.Out, b.String())
		return err
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("write the tables: %w", err)
	}
	return nil
}
