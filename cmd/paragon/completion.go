package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/client"
)

// completeIDs completes the ids of recent queries, newest first.
func completeIDs(term *cli.Terminal) cobra.CompletionFunc {
	return func(c *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		return recentIDs(c, term, given)
	}
}

// noFiles keeps the order of what is offered, and offers no files.
const noFiles = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder

// completeSettings completes the name of a setting and, where a value may follow,
// the values of one that has a few. Without a server there is nothing to offer.
func completeSettings(term *cli.Terminal, args int) cobra.CompletionFunc {
	return func(c *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(given) >= args {
			return nil, noFiles
		}
		ctx, cancel := context.WithTimeout(cmp.Or(c.Context(), context.Background()), cli.CompleteIn)
		defer cancel()
		t, err := operationsOf(ctx, term)
		if err != nil {
			return nil, noFiles
		}
		s, err := t.Settings(ctx)
		if err != nil {
			return nil, noFiles
		}
		var out []string
		for _, k := range s.Settings {
			switch {
			case len(given) == 0:
				out = append(out, fmt.Sprintf("%s\t%s, now %s", k.Name, rangeOf(k), k.Value))
			case k.Name == given[0] && len(k.OneOf) > 0:
				out = k.OneOf
			case k.Name == given[0]:
				out = []string{k.Default + "\tthe default", k.Value + "\tthe value now"}
			}
		}
		return slices.Compact(out), noFiles
	}
}

// completeTicks completes the ids of decisions, newest first.
func completeTicks(term *cli.Terminal) cobra.CompletionFunc {
	return func(c *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(given) > 0 {
			return nil, noFiles
		}
		return tickIDs(c, term), noFiles
	}
}

func tickIDs(c *cobra.Command, term *cli.Terminal) (out []string) {
	ctx, cancel := context.WithTimeout(cmp.Or(c.Context(), context.Background()), cli.CompleteIn)
	defer cancel()
	t, err := operationsOf(ctx, term)
	if err != nil {
		return nil
	}
	ds, err := t.Decisions(ctx, "", false, 20)
	if err != nil {
		return nil
	}
	for _, d := range ds {
		out = append(out, d.ID+"\t"+cli.OneLine(d.Line))
	}
	return out
}

func recentIDs(c *cobra.Command, term *cli.Terminal, given []string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmp.Or(c.Context(), context.Background()), cli.CompleteIn)
	defer cancel()
	cl, err := term.Connect(ctx, client.Config{Attempts: 1})
	if err != nil {
		return nil, noFiles
	}
	recent, err := cl.Recent(ctx, 50)
	if err != nil {
		return nil, noFiles
	}
	var out []string
	for _, q := range recent {
		if !slices.Contains(given, q.ID) {
			out = append(out, fmt.Sprintf("%s\t%s, %s", q.ID, q.Model, q.State))
		}
	}
	return out, noFiles
}

// completeOwnModels completes the names of the models that were added.
func completeOwnModels(term *cli.Terminal) cobra.CompletionFunc {
	return func(c *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(given) > 0 {
			return nil, noFiles
		}
		ctx, cancel := context.WithTimeout(cmp.Or(c.Context(), context.Background()), cli.CompleteIn)
		defer cancel()
		c.SetContext(ctx)
		own, err := ownModels(term, c)
		if err != nil {
			return nil, noFiles
		}
		var out []string
		for _, m := range own.Models {
			out = append(out, m.Name+"\t"+m.Task)
		}
		return out, noFiles
	}
}

// completeProcesses completes the kinds of processes, and those that a machine's log names.
func completeProcesses(data *string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		out := []string{serverProcess, workerProcess, functionProcess}
		files := machine.LogFiles(*data)
		tail := &logTail{path: files[1]}
		defer tail.close()
		if _, err := tail.last(files, logFilter{}, 0); err == nil {
			for _, name := range slices.Sorted(maps.Keys(tail.processes)) {
				if !slices.Contains(out, name) {
					out = append(out, name)
				}
			}
		}
		return out, noFiles
	}
}
