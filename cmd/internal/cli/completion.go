package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
)

// CompleteIn bounds how long a press of the tab key may wait for the server.
const CompleteIn = 2 * time.Second

// CompleteNames completes --task and --model from the server, and the flags
// whose values are known.
func (t *Terminal) CompleteNames(c *cobra.Command) {
	t.CompleteFlag(c, "task", t.completeModels(func(m api.Model) (string, string) { return m.Task, "" }))
	t.CompleteFlag(c, "model", t.completeModels(func(m api.Model) (string, string) {
		if m.Accuracy.Source.Kind == profile.UnknownAccuracy {
			return m.Name, m.Task
		}
		return m.Name, fmt.Sprintf("%s, %.1f %% right", m.Task, m.Accuracy.Top1Percent)
	}))
	t.CompleteValues(c, "class", "strict", "relaxed")
	t.CompleteValues(c, "optimize", "latency", "accuracy", "cost")
}

// CompleteValues completes a flag whose values are known, if the command has it.
func (t *Terminal) CompleteValues(c *cobra.Command, flag string, values ...string) {
	t.CompleteFlag(c, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// CompleteFlag completes a flag by a function, if the command has it.
func (t *Terminal) CompleteFlag(c *cobra.Command, flag string, f cobra.CompletionFunc) {
	if c.Flags().Lookup(flag) == nil {
		return
	}
	if err := c.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic("paragon: complete --" + flag + ": " + err.Error()) // registered twice
	}
}

// CompleteStage completes --stage with the stages of the account and region whose
// credentials the terminal has.
func (t *Terminal) CompleteStage(c *cobra.Command) {
	t.CompleteFlag(c, "stage", func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmp.Or(c.Context(), context.Background()), CompleteIn)
		defer cancel()
		stages, err := discovery.Stages(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp // there is nothing to offer
		}
		return stages, cobra.ShellCompDirectiveNoFileComp
	})
}

// completeModels completes one name of each model that the server serves.
// Without a server there is nothing to offer, and no noise on the terminal.
func (t *Terminal) completeModels(name func(api.Model) (value, note string)) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmp.Or(c.Context(), context.Background()), CompleteIn)
		defer cancel()
		cl, err := t.Connect(ctx, client.Config{Attempts: 1})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		models, err := cl.Models(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []string
		for _, m := range models {
			value, note := name(m)
			out = append(out, strings.TrimSuffix(value+"\t"+note, "\t"))
		}
		slices.Sort(out)
		return slices.Compact(out), cobra.ShellCompDirectiveNoFileComp
	}
}
