package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tally"
)

const canaryLong = `Set the share of a model's queries that its version on trial answers. To add such a version, run
` + "`paragon model add`" + ` with the name of a served model. Paragon compares the version on trial with the
served version. If the errors, the latency, the accuracy or the cost are worse, Paragon rolls the
version back (settings canary_*). With --share 0, the version answers only queries that name it, as
NAME@2.`

// newModelCanaryCommand is `paragon model canary`.
func newModelCanaryCommand(term *cli.Terminal) *cobra.Command {
	o := api.RolloutOrder{Action: profile.CanaryShare}
	c := rolloutCommand(term, &o, "canary NAME --share S", "Give a new version a share of the queries", canaryLong)
	c.Example = "  paragon model canary iris --share 0.2\n  paragon model canary iris --share 0"
	return withShare(c, &o)
}

const shadowLong = `Run the version on trial on a share of the model's queries, without returning its answers. To add
such a version, run ` + "`paragon model add`" + ` with the name of a served model. A worker runs a query again
on the version on trial after it has answered the query directly, in the response to the request. It
does so only if a runner (which answers one query at a time) is free and no query waits. Functions
never run a query twice. ` + "`paragon status`" + ` compares the version with the served version. If the
version is worse, Paragon rolls it back (settings canary_*). The inputs of the
second runs are not stored.`

// newModelShadowCommand is `paragon model shadow`.
func newModelShadowCommand(term *cli.Terminal) *cobra.Command {
	o := api.RolloutOrder{Action: profile.VersionInShadow}
	c := rolloutCommand(term, &o, "shadow NAME --share S", "Run a new version without returning its answers", shadowLong)
	c.Example = "  paragon model shadow iris --share 0.1"
	return withShare(c, &o)
}

// newModelPromoteCommand is `paragon model promote`.
func newModelPromoteCommand(term *cli.Terminal) *cobra.Command {
	o := api.RolloutOrder{Action: profile.VersionPromoted}
	c := rolloutCommand(term, &o, "promote NAME", "Give the version on trial all queries of its model", "Let the version on trial answer all queries of its model. A version on trial is a new version\nthat so far answers only a share of the queries, or runs in shadow. `paragon model rollback`\nserves the earlier version again.")
	c.Example = "  paragon model promote iris"
	return c
}

// newModelRollbackCommand is `paragon model rollback`.
func newModelRollbackCommand(term *cli.Terminal) *cobra.Command {
	o := api.RolloutOrder{Action: profile.VersionRolledBack}
	c := rolloutCommand(term, &o, "rollback NAME", "Withdraw the version on trial, or serve the earlier version again", "Withdraw the version on trial. A version on trial is a new version that so far answers only a share\nof the queries, or runs in shadow. If no version is on trial, serve the version that was\nserved before. Queries that have started on the withdrawn version are still answered.")
	c.Example = "  paragon model rollback iris"
	return c
}

// withShare has a command want the share of an order.
func withShare(c *cobra.Command, o *api.RolloutOrder) *cobra.Command {
	c.Flags().Float64Var(&o.Share, "share", 0, "share of the model's queries that the version gets, 0 to below 1")
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		if !c.Flags().Changed("share") {
			return cli.Usagef("give the share of the model's queries that the new version gets, for example --share 0.05")
		}
		return nil
	}
	return c
}

func rolloutCommand(term *cli.Terminal, o *api.RolloutOrder, use, short, long string) *cobra.Command {
	return term.ServerCommand(&cobra.Command{
		Use: use, Short: short, Long: long, Args: cobra.ExactArgs(1), ValidArgsFunction: completeRollouts(term),
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

// readableTime is a time of a catalogue as the other times are printed.
func readableTime(rfc3339 string) string {
	at, err := time.Parse(time.RFC3339, rfc3339)
	if err != nil {
		return rfc3339 // of a catalogue that another version wrote
	}
	return at.Local().Format(time.DateTime)
}

// stateOf is what becomes of queries of a model that was added, in a word or two.
func stateOf(m profile.Model, own api.OwnModels) string {
	r, _ := (&profile.Catalogue{Rollouts: own.Rollouts}).Rollout(m.Name)
	switch {
	case m.RetiredAt != "":
		return "removed " + readableTime(m.RetiredAt)
	case own.Withheld[m.Name] != "":
		return "not offered: " + cli.OneLine(own.Withheld[m.Name])
	case r.Canary == m.Name && r.Shadow:
		return fmt.Sprintf("in shadow, %g %%", 100*r.Share)
	case r.Canary == m.Name:
		return fmt.Sprintf("on trial, %g %%", 100*r.Share)
	case r.Previous == m.Name:
		return "served before"
	}
	return "served"
}

// rolloutLine is which versions of a model answer, and its last rollback by the rule.
func rolloutLine(r profile.Rollout) string {
	line := fmt.Sprintf("%s is served by version %s", r.Model, r.Served)
	if r.Canary != "" {
		line += "; " + trialText(r)
	}
	for _, e := range slices.Backward(r.History) {
		if e.By == profile.ByRule {
			return line + fmt.Sprintf("; version %s was rolled back at %s: %s", e.Version, e.At.Format(time.DateTime), e.Why)
		}
	}
	return line
}

// trialText is what the version on trial of a model does.
func trialText(r profile.Rollout) string {
	if r.Shadow {
		return fmt.Sprintf("version %s runs in shadow on %g %% of the queries", r.Canary, 100*r.Share)
	}
	return fmt.Sprintf("version %s is on trial with %g %% of the queries", r.Canary, 100*r.Share)
}

// shadowLine is what a version in shadow did in the last hour.
func shadowLine(s tally.Shadow) string {
	line := fmt.Sprintf("%s ran in shadow %d times in the last hour: %d runs failed, %.1f %% of the results equal those of the served version",
		s.Version, s.Runs, s.Faults, 100*float64(s.Agreed)/float64(s.Runs))
	if s.Compute.P50 > 0 {
		line += fmt.Sprintf("; median latency %s, and %s for the served version", cli.Milliseconds(s.Compute.P50), cli.Milliseconds(s.Served.P50))
	}
	return line
}

// done are the actions on versions, in words.
var done = map[profile.RolloutAction]string{
	profile.VersionAdded: "added", profile.CanaryShare: "put on trial with", profile.VersionInShadow: "put in shadow on",
	profile.VersionPromoted: "promoted", profile.VersionRolledBack: "rolled back",
}

// printRollout prints which versions of a model answer, and what was done to them.
func printRollout(term *cli.Terminal, r profile.Rollout) {
	term.Printf("%s is served by version %s.\n", r.Model, r.Served)
	if r.Canary != "" {
		term.Printf("  %s.\n", trialText(r))
	}
	if r.Previous != "" {
		term.Printf("  Version %s was served before; `paragon model rollback %s` serves it again.\n", r.Previous, r.Model)
	}
	for _, e := range r.History {
		what := cmp.Or(done[e.Action], string(e.Action))
		if e.Action == profile.CanaryShare || e.Action == profile.VersionInShadow {
			what += fmt.Sprintf(" %g %% of the queries", 100*e.Share)
		}
		term.Printf("  %s  %s  %s by the %s", e.At.Local().Format(time.DateTime), e.Version, what, e.By)
		if e.Why != "" {
			term.Printf(": %s", cli.OneLine(e.Why))
		}
		term.Printf("\n")
	}
}
