package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/lab/evaluate"
	"github.com/paragon-serving/paragon/shared/lab/figures"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// playedFlags are the flags of the figures that play traces.
type playedFlags struct {
	traces, market string
	from, window   time.Duration
}

func (p *playedFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&p.traces, "traces", "", "for figures 4, 5, 6 and 8: folder with the traces of the evaluation (default synthetic traces)")
	fs.StringVar(&p.market, "market", simulate.Paper2020, "for figures 4, 5, 6 and 8: catalogue of profiles and prices, paper2020 or cocktail2022")
	p.from, p.window = time.Hour, time.Hour
	fs.Var(cli.DurationValue(&p.from), "from", "for figures 4, 5, 6 and 8: time in each trace at which to begin")
	fs.Var(cli.DurationValue(&p.window), "for", "for figures 4, 5, 6 and 8: length of the part of each trace to simulate")
}

// playedFigures makes those of the named figures that come from played traces.
func playedFigures(ctx context.Context, term *cli.Terminal, f *figuresFlags, names []string) (map[string]figures.Figure, error) {
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !slices.Contains(evaluate.FigureNames(), n) })
	if len(names) == 0 {
		return nil, nil
	}
	c := compareDefaults(f)
	all, err := c.traces(nil)
	if err != nil {
		return nil, err
	}
	cases, err := c.cases(all)
	if err != nil {
		return nil, err
	}
	var rows []comparison.Ran
	if !slices.Equal(names, []string{"6"}) { // it shows arrivals alone
		for i := range cases {
			cases[i] = evaluate.InsideAStep(cases[i])
			cases[i].References = false
		}
		if rows, err = playAll(ctx, term, cases, procurement.All(), ""); err != nil {
			return nil, err
		}
	}
	figs, err := paperFigures(names, cases, rows)
	out := map[string]figures.Figure{}
	for i, fig := range figs {
		out[names[i]] = fig
	}
	return out, err
}

// compareDefaults are the flags of a comparison as its command has them.
func compareDefaults(f *figuresFlags) *compareFlags {
	c := &compareFlags{}
	c.Add(pflag.NewFlagSet("", pflag.ContinueOnError))
	c.Folder, c.Seed = f.folder, f.seed
	c.folder, c.window, c.catalogues = f.played.traces, f.played.window, []string{f.played.market}
	if c.folder != "" {
		c.From = f.played.from
	}
	return c
}
