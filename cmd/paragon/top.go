package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/fleet"
)

// What `paragon top` shows at most.
const (
	topModels  = 12
	topWorkers = 12
)

// newTopCommand is `paragon top`.
func newTopCommand(term *cli.Terminal) *cobra.Command {
	return term.ServerCommand(&cobra.Command{
		Use: "top", Short: "Watch query classes, models and workers, until interrupted",
		Long: `Print the share of the last hour's queries that met their latency bounds, the models used in the
last hour, and the workers. The command prints this every second until interrupted. With --json, it
prints one line each time.

For a stage in an account, the command does not list the workers. ` + "`paragon page`" + ` lists them.`,
		Example: "  paragon top\n  paragon top --stage prod",
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := term.Connect(c.Context(), client.Config{Attempts: 1})
			if err != nil {
				return err
			}
			return watch(c.Context(), term, func(ctx context.Context) (func() error, error) {
				t, err := readTop(ctx, cl)
				return func() error { return printTop(term, t) }, err
			})
		},
	})
}

// top is what one reading shows.
type top struct {
	api.Status
	Models  []api.ModelLoad `json:"models"`
	Workers []api.Worker    `json:"workers"`
	Total   int             `json:"workers_total"`
}

func readTop(ctx context.Context, cl *client.Client) (t top, err error) {
	if t.Status, err = cl.Status(ctx); err != nil {
		return t, err
	}
	h, err := cl.Past(ctx, time.Hour, "")
	if err != nil {
		return t, err
	}
	ws, err := cl.Workers(ctx, "", 0, topWorkers)
	if p, ok := errors.AsType[*client.Problem](err); ok && p.Status == http.StatusNotFound {
		err = nil // in an account the API lists no workers
	}
	t.Models, t.Workers, t.Total = h.Models, ws.Workers, ws.Total
	return t, err
}

func printTop(term *cli.Terminal, t top) error {
	if term.JSON {
		term.PrintJSON(t)
		return nil
	}
	w := term.Table()
	printClasses(w, t.Status)
	printModelLoads(w, t.Models, topModels)
	if t.Total > 0 {
		w.Header("WORKER\tSTATE\tBUSY\tUTILIZATION\tQUEUED\tANSWERED")
	}
	for _, k := range t.Workers {
		fmt.Fprintf(w, "%s\t%s\t%d of %d\t%.0f %%\t%d\t%d\n", k.ID, workerState(w.Style, k.State), k.Busy, k.Runners, 100*k.Used, k.Queued, k.Answered)
	}
	if more := t.Total - len(t.Workers); more > 0 {
		fmt.Fprintf(w, "... %d more workers\n", more)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the stage: %w", err)
	}
	return nil
}

// workerState is the state of a worker.
func workerState(style cli.Style, state string) string {
	if state == string(fleet.Ready) {
		return style.Good(state)
	}
	return style.Warn(state)
}
