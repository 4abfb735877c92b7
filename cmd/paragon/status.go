package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"paragon/shared/api"
	"paragon/shared/client"
	"paragon/shared/core/query"
)

// watchEvery is how often `paragon status --watch` reads anew.
const watchEvery = time.Second

func (a *app) statusCommand() *cobra.Command {
	watch := false
	c := &cobra.Command{
		Use:   "status",
		Short: "Tell how the fleet, the queues and the bounds stand",
		Example: `  paragon status
  paragon status --watch
  paragon status --json | jq .overflow.share`,
		RunE: func(c *cobra.Command, _ []string) error {
			if watch {
				return a.watch(c.Context())
			}
			return a.status(c.Context())
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "read anew every second, until interrupted; with --json a line each")
	return a.clientCommand(c)
}

func (a *app) status(ctx context.Context) error {
	cl, err := a.connect(ctx, client.Config{})
	if err != nil {
		return err
	}
	s, err := cl.Status(ctx)
	if err != nil {
		return err
	}
	return a.printStatus(s)
}

// watch prints the status over and over. A server that goes away is said and
// waited for.
func (a *app) watch(ctx context.Context) error {
	cl, err := a.connect(ctx, client.Config{Attempts: 1})
	if err != nil {
		return err
	}
	for {
		s, err := cl.Status(ctx)
		if !a.json {
			a.printf("\x1b[H\x1b[2J") // clears the terminal
		}
		var gone *client.Unreachable
		switch {
		case ctx.Err() != nil:
			return nil // interrupted: that is how a watch ends
		case errors.As(err, &gone):
			fmt.Fprintf(a.err, "%v; trying again\n", err)
		case err != nil:
			return err
		default:
			if err := a.printStatus(s); err != nil {
				return err
			}
		}
		if a.sleep(ctx, watchEvery) != nil {
			return nil
		}
	}
}

func (a *app) printStatus(s api.Status) error {
	if a.json {
		a.printJSON(s)
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	printPools(w, s)
	printQueues(w, s)
	printClasses(w, s)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the status: %w", err)
	}
	a.printf("overflow  %.1f %% of the last hour's %d answers came from functions\n", 100*s.Overflow.Share, s.Overflow.Answered)
	a.printf("cost      %s", dollars(s.CostUSD))
	if !s.CostSince.IsZero() {
		a.printf(" since %s", s.CostSince.Format(time.DateTime))
	}
	a.printf("\n")
	a.printSavings(s.Savings)
	if s.Paced {
		a.printf("paced     runners are held to the service times of the resources that they stand for\n")
	}
	for _, fault := range s.SettingsFaults {
		a.printf("setting   %s\n", oneLine(fault))
	}
	a.printDoubts(s)
	return nil
}

// printSavings tells what other schemes would have cost, or why it does not.
func (a *app) printSavings(s *api.Savings) {
	if s == nil {
		return
	}
	if !s.Quoted {
		a.printf("savings   not quoted: %s; %s\n", oneLine(s.Why), oneLine(s.Next))
		return
	}
	for _, o := range s.Others {
		a.printf("instead   %s under %s, where this home had cost %s\n", dollars(o.CostUSD), o.Scheme, dollars(s.CostUSD))
	}
	a.printf("simulated %s\n", oneLine(s.Why))
}

// printDoubts tells which profiles are not to be gone by.
func (a *app) printDoubts(s api.Status) {
	for _, d := range s.Drifted {
		a.printf("accuracy  of %s is %.1f %% by %.0f votes where its profile says %.1f %%\n",
			d.Model, d.Posterior.Profile+d.Points, d.Posterior.Votes, d.Posterior.Profile)
	}
	for _, w := range s.Profiles {
		a.printf("profile   %s\n", oneLine(w.Text))
	}
}

func printPools(w io.Writer, s api.Status) {
	fmt.Fprintln(w, "POOL\tTYPE\tWANTED\tBOOTING\tREADY\tDRAINING\tBUSY\tHELD\tANSWERED\tBOUNCED")
	for _, p := range s.Pools {
		wanted := "-"
		if n, ok := s.Desired[p.Name]; ok {
			wanted = fmt.Sprint(n)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d of %d\t%d\t%d\t%d\n", p.Name, p.InstanceType, wanted,
			p.Booting, p.Ready, p.Draining, p.Busy, p.Runners, p.Held, p.Answered, p.Bounced)
	}
	fmt.Fprintln(w)
}

func printQueues(w io.Writer, s api.Status) {
	fmt.Fprintln(w, "QUEUE\tWAITING\tIN FLIGHT\tOLDEST")
	for _, name := range slices.Sorted(maps.Keys(s.Queues)) {
		q, oldest := s.Queues[name], "-"
		if q.Visible > 0 {
			oldest = milliseconds(q.OldestMS)
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", name, q.Visible, q.InFlight, oldest)
	}
	fmt.Fprintln(w)
}

func printClasses(w io.Writer, s api.Status) {
	fmt.Fprintln(w, "CLASS\tARRIVALS\tIN BOUND\tLAST HOUR\tP50\tP95\tP99")
	for _, class := range []query.Class{query.Strict, query.Relaxed} {
		c, met, latency := s.Classes[class], "-", "-\t-\t-"
		if c.Attainment != nil {
			met = fmt.Sprintf("%.1f %%", *c.Attainment)
		}
		if q := c.Hour.Latency; q != nil {
			latency = milliseconds(q.P50) + "\t" + milliseconds(q.P95) + "\t" + milliseconds(q.P99)
		}
		fmt.Fprintf(w, "%s\t%.1f/s\t%s\t%d\t%s\n", class, c.ArrivalsPerSecond, met, c.Recent, latency)
	}
	fmt.Fprintln(w)
}
