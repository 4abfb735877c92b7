package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"paragon/shared/measure"
)

// profileColdCommand is the process that `paragon profile` starts cold.
func (a *app) profileColdCommand() *cobra.Command {
	return a.profileChild("profile-cold", func(ctx context.Context, f *profileFlags, s measure.Subject) error {
		return measure.RunCold(ctx, s, a.out)
	})
}

// profileShareCommand is the process that `paragon profile` holds to a share
// of a vCPU.
func (a *app) profileShareCommand() *cobra.Command {
	return a.profileChild("profile-share", func(ctx context.Context, f *profileFlags, s measure.Subject) error {
		p := measure.Plan{Warmup: 50, Samples: f.samples, Budget: f.budget, Now: measure.Wall}
		return measure.RunWhenTold(ctx, s, p, a.in, a.out)
	})
}

// profileChild is a hidden command that does something with one model.
func (a *app) profileChild(name string, do func(context.Context, *profileFlags, measure.Subject) error) *cobra.Command {
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
	profilesFlag(c.Flags(), &f.folder, andNetworks)
	c.Flags().StringVar(&f.catalogue, "catalogue", "", "")
	c.Flags().StringVar(&f.pictures, "pictures", "", "")
	c.Flags().StringSliceVar(&f.models, "model", nil, "")
	c.Flags().IntVar(&f.samples, "samples", 1000, "")
	c.Flags().DurationVar(&f.budget, "budget", time.Second, "")
	return c
}
