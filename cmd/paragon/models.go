package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
)

func newModelsCommand(term *cli.Terminal) *cobra.Command {
	return term.ServerCommand(&cobra.Command{
		Use:   "models",
		Short: "List the served models of each task",
		Long: `List the served models of each task. The models of one task are interchangeable. For each model, the
command prints the accuracy, the memory, and the 99th percentile of the service time on a worker and
on the inference functions. The service time is the time of one inference, without waiting and
network.`,
		Example: `  paragon models
  paragon models --json | jq -r '.[].name'`,
		RunE: func(c *cobra.Command, _ []string) error { return runModels(c.Context(), term) },
	})
}

func runModels(ctx context.Context, term *cli.Terminal) error {
	cl, err := term.Connect(ctx, client.Config{})
	if err != nil {
		return err
	}
	models, err := cl.Models(ctx)
	if err != nil {
		return err
	}
	if term.JSON {
		term.PrintJSON(models)
		return nil
	}
	w := term.Table()
	w.Header("TASK\tMODEL\tACCURACY\tMEMORY\tWORKER P99\tFUNCTION P99")
	for _, m := range models {
		accuracy := "unknown"
		if m.Accuracy.Source.Kind != profile.UnknownAccuracy {
			accuracy = fmt.Sprintf("%.2f %%", m.Accuracy.Top1Percent)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d MB\t%s\t%s\n", m.Task, m.Name, accuracy, m.MemoryMB,
			span(m, query.OnWorker), span(m, query.OnFunction))
	}
	return w.Flush()
}

// span gives the least and the most p99 service time of a model on the
// resources of one kind.
func span(m api.Model, kind query.RunnerKind) string {
	low, high := 0.0, 0.0
	for _, r := range m.Resources {
		if r.Kind != kind {
			continue
		}
		if low == 0 || r.MS.P99 < low {
			low = r.MS.P99
		}
		high = max(high, r.MS.P99)
	}
	switch {
	case high == 0:
		return "-"
	case low == high:
		return cli.Milliseconds(low)
	}
	return cli.Milliseconds(low) + " to " + cli.Milliseconds(high)
}
