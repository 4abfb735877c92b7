package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"paragon/shared/api"
	"paragon/shared/client"
	"paragon/shared/core/query"
)

func (a *app) modelsCommand() *cobra.Command {
	return a.clientCommand(&cobra.Command{
		Use:   "models",
		Short: "List the models that are served, by task",
		Long: `List the models that are served, by task: accuracy, memory, and the 99th
percentile of the service time on a worker and on the inference functions.`,
		Example: `  paragon models
  paragon models --json | jq -r '.[].name'`,
		RunE: func(c *cobra.Command, _ []string) error { return a.models(c.Context()) },
	})
}

func (a *app) models(ctx context.Context) error {
	cl, err := a.connect(ctx, client.Config{})
	if err != nil {
		return err
	}
	models, err := cl.Models(ctx)
	if err != nil {
		return err
	}
	if a.json {
		a.printJSON(models)
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TASK\tMODEL\tACCURACY\tMEMORY\tWORKER P99\tFUNCTION P99")
	for _, m := range models {
		fmt.Fprintf(w, "%s\t%s\t%.2f %%\t%d MB\t%s\t%s\n", m.Task, m.Name, m.Accuracy.Top1Percent, m.MemoryMB,
			span(m, query.OnWorker), span(m, query.OnFunction))
	}
	return w.Flush()
}

// span tells the least and the most p99 service time of a model on the
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
		return milliseconds(low)
	}
	return milliseconds(low) + " to " + milliseconds(high)
}
