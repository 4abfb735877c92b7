package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
)

const canaryLong = `Give a version of a model on trial a share of the model's queries: ` + "`paragon model add`" + `
of a name that is served adds a version. The ids of the queries choose them. The version
is compared with the one that is served: it goes back by itself when its errors, latency,
accuracy or cost are worse (settings canary_*). Share 0 keeps it aside: only queries that
name it, as NAME@2, reach it.`

// newModelCanaryCommand is `paragon model canary`.
func newModelCanaryCommand(term *cli.Terminal) *cobra.Command {
	o := api.RolloutOrder{Action: profile.CanaryShare}
	c := rolloutCommand(term, &o, "canary NAME --share S", "Give a new version a share of the queries", canaryLong)
	c.Example = "  paragon model canary iris --share 0.2\n  paragon model canary iris --share 0"
	c.Flags().Float64Var(&o.Share, "share", 0, "share of the model's queries, 0 to below 1")
	_ = c.MarkFlagRequired("share") // it is defined above
	return c
}

// newModelPromoteCommand is `paragon model promote`.
func newModelPromoteCommand(term *cli.Terminal) *cobra.Command {
	o := api.RolloutOrder{Action: profile.VersionPromoted}
	c := rolloutCommand(term, &o, "promote NAME", "Serve the version on trial", "Have the version on trial answer all queries of its model. The one that was served\nstays for a rollback.")
	c.Example = "  paragon model promote iris"
	return c
}

// newModelRollbackCommand is `paragon model rollback`.
func newModelRollbackCommand(term *cli.Terminal) *cobra.Command {
	o := api.RolloutOrder{Action: profile.VersionRolledBack}
	c := rolloutCommand(term, &o, "rollback NAME", "Take a version back", "Take the version on trial back, or, where there is none, serve the version that was\nserved before. Queries that it has are answered.")
	c.Example = "  paragon model rollback iris"
	return c
}

func rolloutCommand(term *cli.Terminal, o *api.RolloutOrder, use, short, long string) *cobra.Command {
	return term.ServerCommand(&cobra.Command{
		Use: use, Short: short, Long: long, Args: cobra.ExactArgs(1), ValidArgsFunction: completeOwnModels(term),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := changeRollout(term, c, args[0], *o)
			if err != nil {
				return err
			}
			if term.JSON {
				term.PrintJSON(r)
				return nil
			}
			printRollout(term, r)
			return nil
		},
	})
}

// changeRollout changes the versions of a model at the place that was named.
func changeRollout(term *cli.Terminal, c *cobra.Command, name string, o api.RolloutOrder) (r profile.Rollout, err error) {
	if stage, _ := term.Place(); stage != "" {
		s, err := openModels(c.Context(), stage)
		if err != nil {
			return r, err
		}
		return s.change(name, o, term.Now())
	}
	cl, err := machineOf(term, c, client.Config{})
	if err != nil {
		return r, err
	}
	return cl.ChangeRollout(c.Context(), name, o)
}

// stateOf is what becomes of queries of a model that was added, in a word or two.
func stateOf(m profile.Model, own api.OwnModels) string {
	r, _ := (&profile.Catalogue{Rollouts: own.Rollouts}).Rollout(m.Name)
	switch {
	case m.RetiredAt != "":
		return "removed " + m.RetiredAt
	case own.Withheld[m.Name] != "":
		return "not offered: " + cli.OneLine(own.Withheld[m.Name])
	case r.Canary == m.Name:
		return fmt.Sprintf("on trial, %g %%", 100*r.Share)
	case r.Previous == m.Name:
		return "served before"
	}
	return "served"
}

// rolloutLine is which versions of a model answer, and its last rollback by the rule.
func rolloutLine(r profile.Rollout) string {
	line := fmt.Sprintf("%s is served by %s", r.Model, r.Served)
	if r.Canary != "" {
		line += fmt.Sprintf("; %s is on trial with %g %% of the queries", r.Canary, 100*r.Share)
	}
	for _, e := range slices.Backward(r.History) {
		if e.By == profile.ByRule {
			return line + fmt.Sprintf("; %s was rolled back at %s: %s", e.Version, e.At.Format(time.DateTime), e.Why)
		}
	}
	return line
}

// printRollout prints which versions of a model answer, and what was done to them.
func printRollout(term *cli.Terminal, r profile.Rollout) {
	term.Printf("%s is served by version %s.\n", r.Model, r.Served)
	if r.Canary != "" {
		term.Printf("  %s is on trial with %g %% of the queries.\n", r.Canary, 100*r.Share)
	}
	if r.Previous != "" {
		term.Printf("  %s was served before; `paragon model rollback %s` goes back to it.\n", r.Previous, r.Model)
	}
	for _, e := range r.History {
		what := string(e.Action)
		if e.Action == profile.CanaryShare {
			what = fmt.Sprintf("canary with %g %%", 100*e.Share)
		}
		term.Printf("  %s  %s  %s by the %s", e.At.Local().Format(time.DateTime), e.Version, what, e.By)
		if e.Why != "" {
			term.Printf(": %s", cli.OneLine(e.Why))
		}
		term.Printf("\n")
	}
}
