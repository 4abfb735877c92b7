package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/environment"
)

// completeIDs completes the ids of recent queries, newest first.
func completeIDs(term *cli.Terminal) cobra.CompletionFunc {
	return func(c *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		return recentIDs(c, term, given, anyQuery)
	}
}

func anyQuery(api.Query) bool { return true }

// completeUnfinished completes the ids of recent queries that have not ended.
func completeUnfinished(term *cli.Terminal) cobra.CompletionFunc {
	return func(c *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		return recentIDs(c, term, given, func(q api.Query) bool { return !q.State.Terminal() })
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
	ds, err := t.Decisions(ctx, api.DecisionQuery{Limit: 20})
	if err != nil {
		return nil
	}
	for _, d := range ds {
		out = append(out, d.ID+"\t"+cli.OneLine(d.Line))
	}
	return out
}

func recentIDs(c *cobra.Command, term *cli.Terminal, given []string, offered func(api.Query) bool) ([]string, cobra.ShellCompDirective) {
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
		if offered(q) && !slices.Contains(given, q.ID) {
			out = append(out, fmt.Sprintf("%s\t%s, %s", q.ID, q.Model, q.State))
		}
	}
	return out, noFiles
}

// completeOwnModels completes the names of the models that were added.
func completeOwnModels(term *cli.Terminal) cobra.CompletionFunc {
	return fromOwnModels(term, func(own api.OwnModels) (out []string) {
		for _, m := range own.Models {
			out = append(out, m.Name+"\t"+m.Task)
		}
		return out
	})
}

// completeRollouts completes the names of the models that have several versions.
func completeRollouts(term *cli.Terminal) cobra.CompletionFunc {
	return fromOwnModels(term, func(own api.OwnModels) (out []string) {
		for _, r := range own.Rollouts {
			note := "serves " + r.Served
			if r.Canary != "" {
				note += ", on trial " + r.Canary
			}
			out = append(out, r.Model+"\t"+note)
		}
		return out
	})
}

// fromOwnModels completes one name by what is known of the models that were added.
func fromOwnModels(term *cli.Terminal, names func(api.OwnModels) []string) cobra.CompletionFunc {
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
		return names(own), noFiles
	}
}

// completePools completes the names of the stage's pools.
func completePools(term *cli.Terminal) cobra.CompletionFunc {
	return fromServer(term, func(ctx context.Context, cl *client.Client) (out []string, err error) {
		s, err := cl.Status(ctx)
		for _, p := range s.Pools {
			out = append(out, p.Name+"\t"+p.InstanceType)
		}
		return out, err
	})
}

// completeWorkers completes the id of a worker.
func completeWorkers(term *cli.Terminal) cobra.CompletionFunc {
	return fromServer(term, func(ctx context.Context, cl *client.Client) (out []string, err error) {
		ws, err := cl.Workers(ctx, "", 0, 50)
		for _, w := range ws.Workers {
			out = append(out, w.ID+"\t"+w.State)
		}
		return out, err
	})
}

// fromServer completes one value by what the server says; without a server there is
// nothing to offer.
func fromServer(term *cli.Terminal, read func(context.Context, *client.Client) ([]string, error)) cobra.CompletionFunc {
	return func(c *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmp.Or(c.Context(), context.Background()), cli.CompleteIn)
		defer cancel()
		cl, err := term.Connect(ctx, client.Config{Attempts: 1})
		if err != nil {
			return nil, noFiles
		}
		out, err := read(ctx, cl)
		if err != nil || len(given) > 0 {
			return nil, noFiles
		}
		return out, noFiles
	}
}

// completeCatalogue completes a flag from the profiles in a folder: by all of them, or by
// the catalogue that is named. A bucket is not asked.
func completeCatalogue(term *cli.Terminal, folder, catalogue *string, values func(*profiles.Set, *profile.Catalogue) []string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		dir := cmp.Or(*folder, term.Env(environment.Profiles))
		if strings.Contains(dir, "://") {
			return nil, noFiles
		}
		set, err := profiles.Load(dir)
		if err != nil {
			return nil, noFiles
		}
		var c *profile.Catalogue
		if catalogue != nil {
			if c, err = set.Catalogue(*catalogue); err != nil {
				return nil, noFiles
			}
		}
		return values(set, c), noFiles
	}
}

func catalogueNames(set *profiles.Set, _ *profile.Catalogue) []string {
	all, err := set.Names()
	if err != nil {
		return nil // nothing to offer
	}
	return all
}

func tasksOf(_ *profiles.Set, c *profile.Catalogue) []string { return taskNames(c) }

// modelsOfTask completes the models of a task, or of all tasks.
func modelsOfTask(task *string) func(*profiles.Set, *profile.Catalogue) []string {
	return func(_ *profiles.Set, c *profile.Catalogue) (out []string) {
		for _, m := range c.Models {
			if task == nil || *task == m.Task {
				out = append(out, m.Name+"\t"+m.Task)
			}
		}
		return out
	}
}

func instancesOf(_ *profiles.Set, c *profile.Catalogue) (out []string) {
	for _, in := range c.Instances {
		out = append(out, in.Type)
	}
	return out
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
