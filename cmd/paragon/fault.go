package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
)

const faultLong = `Inject faults into the workers of a running ` + "`paragon up`" + `, such as failed launches, slow boots, dying
workers and spot notices. A fault of launches or boots affects later launches. It ends when you
clear it, or after the number of launches in --launches.

Faults cannot be injected into a stage in an account.`

// newFaultCommand is `paragon fault`.
func newFaultCommand(term *cli.Terminal) *cobra.Command {
	c := &cobra.Command{
		Use: "fault", Short: "Inject faults into the workers of one machine", Long: faultLong,
		Example: `  paragon fault slow-boot 600
  paragon fault spot-notice w-01JZ8Q5V9N0G2M4T6X8B0D2F4H
  paragon fault clear`,
		Args: cli.KnownCommand,
		RunE: cli.Help,
	}
	c.AddCommand(newFaultListCommand(term), newFaultClearCommand(term),
		newLaunchFaultCommand(term, api.NoCapacity, "", "Refuse every launch of a worker, as EC2 does when it has no capacity"),
		newLaunchFaultCommand(term, api.LaunchFails, "", "Refuse the next launch of a worker"),
		newLaunchFaultCommand(term, api.NeverReady, "", "Launch workers that never become ready"),
		newLaunchFaultCommand(term, api.SlowBoot, "SECONDS", "Lengthen the boot of each worker by SECONDS"),
		newLaunchFaultCommand(term, api.DieAfter, "SECONDS", "Kill each worker SECONDS after its process started"),
		newLaunchFaultCommand(term, api.SpotAfter, "SECONDS", "Send each worker a spot interruption notice SECONDS after its process started"),
		newFaultKindCommand(term, api.SpotNotice+" WORKER", "Send a worker its spot interruption notice: the worker ends within two minutes", "  paragon fault spot-notice w-01JZ8Q5V9N0G2M4T6X8B0D2F4H", 1,
			func(given []string) (api.Fault, error) { return api.Fault{Kind: api.SpotNotice, Worker: given[0]}, nil }),
		newFaultKindCommand(term, api.Group+" MIN MAX", "Change the minimum and the maximum size of the simulated Auto Scaling group", "  paragon fault group 0 3", 2, groupFault),
	)
	return c
}

// newLaunchFaultCommand is the command of a fault of launches.
func newLaunchFaultCommand(term *cli.Terminal, kind, takes, short string) *cobra.Command {
	launches, use, example, args := 0, kind, "  paragon fault "+kind, 0
	if takes != "" {
		use, example, args = kind+" "+takes, example+" 60", 1
	}
	c := newFaultKindCommand(term, use, short, example, args, func(given []string) (api.Fault, error) {
		f := api.Fault{Kind: kind, Launches: launches}
		if len(given) == 1 {
			s, err := strconv.ParseFloat(given[0], 64)
			if err != nil || math.IsNaN(s) || math.IsInf(s, 0) {
				return f, cli.Usagef("%q is no number of seconds", given[0])
			}
			f.Seconds = s
		}
		return f, nil
	})
	scope := "affect only the next n launches (default: all until the fault is cleared)"
	if kind == api.LaunchFails {
		scope = "affect the next n launches (default: 1)"
	}
	c.Flags().IntVar(&launches, "launches", 0, scope)
	return c
}

// newFaultKindCommand is a command that injects one fault, made of its arguments.
func newFaultKindCommand(term *cli.Terminal, use, short, example string, args int, fault func(given []string) (api.Fault, error)) *cobra.Command {
	c := term.ServerCommand(&cobra.Command{Use: use, Short: short, Example: example, Args: cobra.ExactArgs(args),
		RunE: func(c *cobra.Command, given []string) error {
			f, err := fault(given)
			if err != nil {
				return err
			}
			return onFaults(c.Context(), term, func(ctx context.Context, cl *client.Client) (api.Faults, error) { return cl.SetFault(ctx, f) })
		}})
	if strings.HasSuffix(use, " WORKER") {
		c.ValidArgsFunction = completeWorkers(term)
	}
	return c
}

func groupFault(given []string) (api.Fault, error) {
	least, err := strconv.Atoi(given[0])
	most, err2 := strconv.Atoi(given[1])
	if errors.Join(err, err2) != nil {
		return api.Fault{}, cli.Usagef("%q and %q are not two numbers of workers", given[0], given[1])
	}
	return api.Fault{Kind: api.Group, Min: least, Max: most}, nil
}

func newFaultListCommand(term *cli.Terminal) *cobra.Command {
	return term.ServerCommand(&cobra.Command{Use: "list", Short: "List the injected faults, the limits of the Auto Scaling group, and the workers", Example: "  paragon fault list",
		RunE: func(c *cobra.Command, _ []string) error {
			return onFaults(c.Context(), term, func(ctx context.Context, cl *client.Client) (api.Faults, error) { return cl.Faults(ctx) })
		}})
}

func newFaultClearCommand(term *cli.Terminal) *cobra.Command {
	return term.ServerCommand(&cobra.Command{Use: "clear [KIND]", Short: "Clear the faults of one kind (such as slow-boot), or all faults", Example: "  paragon fault clear slow-boot", Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.FixedCompletions([]string{api.NoCapacity, api.LaunchFails, api.NeverReady, api.SlowBoot, api.DieAfter, api.SpotAfter}, noFiles),
		RunE: func(c *cobra.Command, given []string) error {
			kind := ""
			if len(given) == 1 {
				kind = given[0]
			}
			return onFaults(c.Context(), term, func(ctx context.Context, cl *client.Client) (api.Faults, error) { return cl.ClearFaults(ctx, kind) })
		}})
}

// onFaults does one thing to the faults and prints how they then are.
func onFaults(ctx context.Context, term *cli.Terminal, do func(context.Context, *client.Client) (api.Faults, error)) error {
	cl, err := term.Connect(ctx, client.Config{})
	if err != nil {
		return err
	}
	now, err := do(ctx, cl)
	if p, ok := errors.AsType[*client.Problem](err); ok && p.Status == http.StatusNotFound {
		return errors.New("this server does not accept faults: only `paragon up` and `paragon serve` on one machine do")
	}
	if err != nil {
		return err
	}
	if term.JSON {
		term.PrintJSON(now)
		return nil
	}
	return printFaults(term, now)
}

func printFaults(term *cli.Terminal, now api.Faults) error {
	if len(now.Faults) == 0 {
		term.Printf("No launch fault is active.\n")
	}
	for _, f := range now.Faults {
		term.Printf("Active for %s: %s%s\n", launches(f.Launches), cli.OneLine(f.Kind), unless(f.Seconds == 0, ", %g s", f.Seconds))
	}
	g := now.Group
	term.Printf("The Auto Scaling group allows %d to %d workers; its desired capacity is %d.\n", g.Min, g.Max, g.Desired)
	w := term.Table()
	w.Header("WORKER\tSTATE")
	for _, one := range now.Workers {
		fmt.Fprintf(w, "%s\t%s\n", cli.OneLine(one.ID), cli.OneLine(one.State))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the workers: %w", err)
	}
	return nil
}

// launches names the launches that a fault affects.
func launches(next int) string {
	if next == 0 {
		return "workers that are launched from now on"
	}
	if next == 1 {
		return "the next launch"
	}
	return fmt.Sprintf("the next %d launches", next)
}

// unless is a part of a line that is left out when there is nothing to say.
func unless(nothing bool, format string, args ...any) string {
	if nothing {
		return ""
	}
	return fmt.Sprintf(format, args...)
}
