package main

import (
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
)

const modelLong = `Add models of your own to a running ` + "`paragon up`" + `, or with --stage to a stage in an account. A model
is an ONNX file. Paragon serves it without a restart, at the path /v2/models/TASK. If the model takes
tensors, requests use the names of the inputs in the file. If a model of the same name is already
served, the file becomes a new version of this model. The new version is first on trial: it answers
only a share of the model's queries.`

// newModelCommand is `paragon model`.
func newModelCommand(term *cli.Terminal) *cobra.Command {
	c := &cobra.Command{
		Use: "model", Short: "Add, list and remove models of your own", Long: modelLong,
		Example: `  paragon model add iris.onnx --task flowers
  paragon model list
  paragon model add better.onnx --task flowers --name iris
  paragon model promote iris
  paragon model remove iris`,
		Args: cli.KnownCommand,
		RunE: cli.Help,
	}
	c.AddCommand(newModelAddCommand(term), newModelListCommand(term), newModelShowCommand(term), newModelProfileCommand(term), newModelProveCommand(term), newModelCanaryCommand(term), newModelShadowCommand(term), newModelPromoteCommand(term), newModelRollbackCommand(term), newModelRemoveCommand(term))
	return c
}

// machineOf returns a client of the machine that was named.
func machineOf(term *cli.Terminal, c *cobra.Command, config client.Config) (*client.Client, error) {
	return term.Connect(c.Context(), config)
}

// newModelListCommand is `paragon model list`.
func newModelListCommand(term *cli.Terminal) *cobra.Command {
	return term.ServerCommand(&cobra.Command{
		Use: "list", Example: "  paragon model list", Short: "List the models that were added",
		Long: "List the models that were added to a machine or a stage, and the removed models that still\nhave queries to answer. `paragon models` lists all served models.",
		RunE: func(c *cobra.Command, _ []string) error {
			own, err := ownModels(term, c)
			if err != nil {
				return err
			}
			return listModels(term, own)
		},
	})
}

func listModels(term *cli.Terminal, own api.OwnModels) error {
	if term.JSON {
		term.PrintJSON(own.Models)
		return nil
	}
	if len(own.Models) == 0 {
		term.Printf("There are no added models. `paragon models` lists all served models.\n")
		return nil
	}
	w := term.Table()
	w.Header("TASK\tMODEL\tTAKES\tACCURACY\tMEMORY\tP99\tSTATE")
	for _, m := range own.Models {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d MB\t%s\t%s\n", m.Task, m.Name, m.Takes(), accuracyText(m), m.MemoryMB,
			cli.Milliseconds(m.Latency[0].MS.P99), stateOf(m, own))
	}
	return w.Flush()
}

// accuracyText is a model's accuracy for people.
func accuracyText(m profile.Model) string {
	if m.Accuracy.Source.Kind == profile.UnknownAccuracy {
		return "unknown"
	}
	return fmt.Sprintf("%.2f %% (%s)", m.Accuracy.Top1Percent, m.Accuracy.Source.Kind)
}

// newModelShowCommand is `paragon model show`.
func newModelShowCommand(term *cli.Terminal) *cobra.Command {
	return term.ServerCommand(&cobra.Command{
		Use: "show NAME", Example: "  paragon model show iris", Short: "Show a model's inputs and outputs", Args: cobra.ExactArgs(1), ValidArgsFunction: completeOwnModels(term),
		RunE: func(c *cobra.Command, args []string) error {
			m, rollout, err := ownModel(term, c, args[0])
			if err != nil {
				return err
			}
			if term.JSON {
				term.PrintJSON(m)
				return nil
			}
			printModel(term, m)
			if rollout != nil {
				printRollout(term, *rollout)
			}
			return nil
		},
	})
}

// newModelProfileCommand is `paragon model profile`.
func newModelProfileCommand(term *cli.Terminal) *cobra.Command {
	return term.ServerCommand(&cobra.Command{
		Use: "profile NAME", Example: "  paragon model profile iris | jq .latency", Short: "Print a model's profile (its measured latencies) and where each of them was measured", Args: cobra.ExactArgs(1), ValidArgsFunction: completeOwnModels(term),
		RunE: func(c *cobra.Command, args []string) error {
			m, _, err := ownModel(term, c, args[0])
			if err != nil {
				return err
			}
			term.PrintJSON(m)
			return nil
		},
	})
}

// ownModels reads the models that were added to the place that was named.
func ownModels(term *cli.Terminal, c *cobra.Command) (api.OwnModels, error) {
	if stage, _ := term.Place(); stage != "" {
		return ownOfStage(c.Context(), stage)
	}
	cl, err := machineOf(term, c, client.Config{})
	if err != nil {
		return api.OwnModels{}, err
	}
	return cl.OwnModels(c.Context())
}

// ownModel reads one model that was added, with its versions if it has several: of the
// model's name the one that is served.
func ownModel(term *cli.Terminal, c *cobra.Command, name string) (profile.Model, *profile.Rollout, error) {
	own, err := ownModels(term, c)
	if err != nil {
		return profile.Model{}, nil, err
	}
	versions := profile.Catalogue{Rollouts: own.Rollouts}
	for _, m := range own.Models {
		if m.Name != versions.Version(name) {
			continue
		}
		if r, ok := versions.Rollout(name); ok {
			return m, &r, nil
		}
		return m, nil, nil
	}
	return profile.Model{}, nil, cli.Usagef("no model %q was added; `paragon model list` lists the added models", name)
}

// printModel prints what a model takes and gives, and what it costs in time.
func printModel(term *cli.Terminal, m profile.Model) {
	term.Printf("Model %s, task %s, kind of input: %s.\n", m.Name, m.Task, m.Takes())
	if s := m.Signature; s != nil {
		for _, t := range s.Inputs {
			term.Printf("  in   %s\n", cli.OneLine(t.String()))
		}
		for _, t := range s.Outputs {
			term.Printf("  out  %s\n", cli.OneLine(t.String()))
		}
	}
	l := m.Latency[0]
	term.Printf("  accuracy %s, memory %d MB, latency %s at p50 and %s at p99 of %d runs", accuracyText(m), m.MemoryMB,
		cli.Milliseconds(l.MS.P50), cli.Milliseconds(l.MS.P99), l.Source.Samples)
	if l.ColdMS != nil {
		term.Printf(", a cold start %s", cli.Milliseconds(l.ColdMS.P50))
	}
	term.Printf("\n")
	printBatches(term, m)
}

// printBatches prints whether queries of a model that share a run take less time; nothing of
// a model that was not measured in batches.
func printBatches(term *cli.Terminal, m profile.Model) {
	for _, l := range m.Latency {
		if l.Batch < 2 {
			continue
		}
		best, pays := m.BatchOnReference(math.MaxInt)
		if pays {
			term.Printf("  batching pays: a run of %d queries takes %s per query at p50\n", best.Max, cli.Milliseconds(best.PerQueryMS))
			return
		}
		term.Printf("  batching does not pay: a run of %d queries takes %s per query at p50\n", l.Batch, cli.Milliseconds(l.MS.P50/float64(l.Batch)))
		return
	}
}

// newModelRemoveCommand is `paragon model remove`.
func newModelRemoveCommand(term *cli.Terminal) *cobra.Command {
	return term.ServerCommand(&cobra.Command{
		Use: "remove NAME", Example: "  paragon model remove iris", Short: "Stop serving a model", Args: cobra.ExactArgs(1), ValidArgsFunction: completeOwnModels(term),
		Long: "Stop selecting a model for new queries. Paragon still answers the queries that it accepted earlier.",
		RunE: func(c *cobra.Command, args []string) error {
			m, err := removeModel(term, c, args[0])
			if err != nil {
				return err
			}
			if term.JSON {
				term.PrintJSON(m)
				return nil
			}
			term.Printf("Model %s gets no new queries. Its open queries are still answered.\n", m.Name)
			return nil
		},
	})
}

// removeModel removes a model of the place that was named.
func removeModel(term *cli.Terminal, c *cobra.Command, name string) (profile.Model, error) {
	if stage, _ := term.Place(); stage != "" {
		return removeFromStage(c.Context(), term, stage, name)
	}
	cl, err := machineOf(term, c, client.Config{})
	if err != nil {
		return profile.Model{}, err
	}
	return cl.RemoveModel(c.Context(), name)
}

// printChoices prints what would be chosen now.
func printChoices(term *cli.Terminal, choices []api.Choice) {
	for _, c := range choices {
		if c.Chosen == nil {
			term.Printf("  %s: nothing; %s\n", c.Need, cli.OneLine(c.Why))
			continue
		}
		where := c.Chosen.Resource.Name
		if c.Chosen.Resource.MemoryMB > 0 {
			where = fmt.Sprintf("a function of %d MB", c.Chosen.Resource.MemoryMB)
		}
		term.Printf("  %s: %s on %s, about %s; %s\n", c.Need, c.Chosen.Model, where, cli.Milliseconds(c.Chosen.LatencyMS), cli.OneLine(c.Why))
	}
}
