package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/measure"
)

// newProfileColdCommand is the process that `paragon profile` starts cold.
func newProfileColdCommand(term *cli.Terminal) *cobra.Command {
	return newProfileChildCommand(term, "profile-cold", func(ctx context.Context, f *profileFlags, s measure.Subject) error {
		return measure.RunCold(ctx, s, term.Out)
	})
}

// newProfileShareCommand is the process that `paragon profile` holds to a share
// of a vCPU.
func newProfileShareCommand(term *cli.Terminal) *cobra.Command {
	return newProfileChildCommand(term, "profile-share", func(ctx context.Context, f *profileFlags, s measure.Subject) error {
		p := measure.Plan{Warmup: 50, Samples: f.samples, Budget: f.budget, Now: measure.Wall}
		return measure.RunOnSignal(ctx, s, p, term.In, term.Out)
	})
}

// newProfileChildCommand is a hidden command that does something with one model.
func newProfileChildCommand(term *cli.Terminal, name string, do func(context.Context, *profileFlags, measure.Subject) error) *cobra.Command {
	f := &profileFlags{}
	c := &cobra.Command{
		Use: name, Short: "A process of paragon profile", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			subjects, err := f.subjects()
			if err != nil {
				return err
			}
			return do(c.Context(), f, subjects[0])
		},
	}
	cli.ProfilesFlag(c.Flags(), &f.folder, cli.AndNetworks)
	c.Flags().StringVar(&f.catalogue, "catalogue", "", "")
	c.Flags().StringVar(&f.pictures, "pictures", "", "")
	c.Flags().StringSliceVar(&f.models, "model", nil, "")
	c.Flags().IntVar(&f.samples, "samples", 1000, "")
	c.Flags().DurationVar(&f.budget, "budget", time.Second, "")
	return c
}
