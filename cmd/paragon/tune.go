package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// newTuneCommand is `paragon tune`.
func newTuneCommand(term *cli.Terminal) *cobra.Command {
	c := &cobra.Command{
		Use:   "tune",
		Short: "Print and change the settings of a running stage",
		Long: `Print and change the settings of a running server or stage. A change takes effect without a restart,
at the latest at the controller's next decision (every 10 s by default, setting tick_seconds; within
a minute in a stage without workers). The server refuses a value outside the setting's range.`,
		Example: `  paragon tune list
  paragon tune set scheme paragon
  paragon tune rollback scheme`,
		Args: cli.KnownCommand,
		RunE: cli.Help,
	}
	c.AddCommand(
		newTuneListCommand(term),
		newTuneVerbCommand(term, "get NAME", "Print one setting, its range and its effect", "  paragon tune get max_workers", 1, tuneGet),
		newTuneSetCommand(term),
		newTuneVerbCommand(term, "history NAME", "List the values that a setting has had, newest first", "  paragon tune history scheme", 1, tuneHistory),
		newTuneRollbackCommand(term),
		newTuneVerbCommand(term, "diff", "Print the settings that differ from their defaults", "  paragon tune diff", 0, tuneDiff),
	)
	return c
}

// newTuneVerbCommand makes one of the commands below tune, which takes a fixed number of
// arguments.
func newTuneVerbCommand(term *cli.Terminal, use, short, example string, args int, run func(context.Context, *cli.Terminal, tuner, []string) error) *cobra.Command {
	return term.ServerCommand(&cobra.Command{Use: use, Short: short, Example: example, Args: cobra.ExactArgs(args),
		ValidArgsFunction: completeSettings(term, args),
		RunE: func(c *cobra.Command, given []string) error {
			t, err := operationsOf(c.Context(), term)
			if err != nil {
				return err
			}
			return run(c.Context(), term, t, given)
		}})
}

func newTuneListCommand(term *cli.Terminal) *cobra.Command {
	all := false
	c := newTuneVerbCommand(term, "list", "List the settings that differ from their defaults, or all settings", "  paragon tune list --all", 0,
		func(ctx context.Context, term *cli.Terminal, t tuner, _ []string) error {
			return tuneList(ctx, term, t, all)
		})
	c.Flags().BoolVar(&all, "all", false, "also list the settings that have their default value")
	return c
}

func tuneList(ctx context.Context, term *cli.Terminal, t tuner, all bool) error {
	s, err := t.Settings(ctx)
	if err != nil {
		return err
	}
	if term.JSON {
		term.PrintJSON(s)
		return nil
	}
	w := term.Table()
	w.Header("SETTING\tVALUE\tDEFAULT\tRANGE")
	for _, k := range s.Settings {
		if all || k.Value != k.Default {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.Name, k.Value, k.Default, rangeOf(k))
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the settings: %w", err)
	}
	for _, f := range s.Faults {
		term.Printf("fault: %s\n", cli.OneLine(f))
	}
	return nil
}

func rangeOf(s api.Setting) string {
	if len(s.OneOf) > 0 {
		return strings.Join(s.OneOf, ", ")
	}
	if s.Form != "" {
		return s.Form
	}
	return fmt.Sprintf("%s to %s %s", s.Min, s.Max, s.Unit)
}

// settingNamed reads one setting.
func settingNamed(ctx context.Context, t tuner, name string) (api.Setting, error) {
	s, err := t.Settings(ctx)
	if err != nil {
		return api.Setting{}, err
	}
	i := slices.IndexFunc(s.Settings, func(k api.Setting) bool { return k.Name == name })
	if i < 0 {
		var names []string
		for _, k := range s.Settings {
			names = append(names, k.Name)
		}
		if meant, ok := cli.Closest(name, names); ok {
			return api.Setting{}, cli.Usagef("there is no setting %q; did you mean %s?", name, meant)
		}
		return api.Setting{}, cli.Usagef("there is no setting %q; `paragon tune list --all` lists the settings", name)
	}
	return s.Settings[i], nil
}

func tuneGet(ctx context.Context, term *cli.Terminal, t tuner, args []string) error {
	s, err := settingNamed(ctx, t, args[0])
	if err != nil {
		return err
	}
	if term.JSON {
		term.PrintJSON(s)
		return nil
	}
	term.Printf("%s\n  %s\n  default %s; %s\n", s.Value, s.Doc, s.Default, rangeOf(s))
	return nil
}

// whatever is the version of a change that none is asked of.
const whatever = -1

func newTuneSetCommand(term *cli.Terminal) *cobra.Command {
	version := int64(whatever)
	c := newTuneVerbCommand(term, "set NAME VALUE", "Change a setting", "  paragon tune set max_workers 12", 2,
		func(ctx context.Context, term *cli.Terminal, t tuner, args []string) error {
			return tuneSet(ctx, term, t, args[0], args[1], version)
		})
	c.Flags().Int64Var(&version, "if-version", version, "version of the settings (tune list --json prints it): change the setting only if no setting has changed since; below 0: in any case")
	return c
}

func tuneSet(ctx context.Context, term *cli.Terminal, t tuner, name, value string, version int64) error {
	s, err := settingNamed(ctx, t, name)
	if err != nil {
		return err
	}
	if len(s.OneOf) > 0 && !slices.Contains(s.OneOf, value) {
		return cli.Usagef("setting %s: %.64q is none of %s%s", name, value, strings.Join(s.OneOf, ", "), cli.Meant(value, s.OneOf))
	}
	return change(ctx, term, t, name, value, version)
}

// change sets a setting of a name that exists, and prints what came of it.
func change(ctx context.Context, term *cli.Terminal, t tuner, name, value string, version int64) error {
	set := func() (api.Setting, error) { return t.Set(ctx, name, value) }
	if version >= 0 {
		set = func() (api.Setting, error) { return t.SetIfUnchanged(ctx, name, value, version) }
	}
	after, err := set()
	if p := new(client.Problem); errors.As(err, &p) && p.Field == "value" {
		p.Field = "" // the detail names the setting
	}
	if err != nil {
		return err
	}
	if term.JSON {
		term.PrintJSON(after)
		return nil
	}
	term.Printf("%s: %s -> %s\n", after.Name, after.Before, after.Value)
	if name != "scheme" {
		return nil
	}
	fleet, err := settingNamed(ctx, t, "fleet")
	if err == nil && fleet.Value == settings.FleetFixed {
		term.Printf("With the setting fleet=fixed, the scheme does not change the number of workers. To let the scheme change it, run `paragon tune set fleet moving`.\n")
	}
	return err
}

// historyShown is how many values tune history lists, and historyKept how far back a
// version may lie that a setting is rolled back to.
const historyShown, historyKept = 50, 1000

func tuneHistory(ctx context.Context, term *cli.Terminal, t tuner, args []string) error {
	changes, err := t.History(ctx, args[0], historyShown)
	if err != nil {
		return err
	}
	if term.JSON {
		term.PrintJSON(changes)
		return nil
	}
	for _, k := range changes {
		term.Printf("%s  version %d  %s\n", k.At.Local().Format(time.DateTime), k.Version, cli.OneLine(k.Value))
	}
	return nil
}

func newTuneRollbackCommand(term *cli.Terminal) *cobra.Command {
	version := int64(whatever)
	c := newTuneVerbCommand(term, "rollback NAME", "Set a setting to a value that it had before",
		"  paragon tune rollback max_workers\n  paragon tune rollback max_workers --to 12", 1,
		func(ctx context.Context, term *cli.Terminal, t tuner, args []string) error {
			return tuneRollback(ctx, term, t, args[0], version)
		})
	c.Flags().Int64Var(&version, "to", version, "version of the value (tune history prints it); 0: the default value; below 0: the newest earlier value that differs from the present one")
	return c
}

// tuneRollback sets what a setting was.
func tuneRollback(ctx context.Context, term *cli.Terminal, t tuner, name string, version int64) error {
	now, err := settingNamed(ctx, t, name)
	if err != nil {
		return err
	}
	changes, err := t.History(ctx, name, historyKept)
	if err != nil {
		return err
	}
	before, err := valueAt(now, changes, version)
	if err != nil {
		return err
	}
	return change(ctx, term, t, name, before, whatever)
}

// valueAt is what a setting was at a version; without one the newest earlier value that
// is another one, and the default when there was none.
func valueAt(now api.Setting, changes []api.Change, version int64) (string, error) {
	before := now.Default
	if version == 0 {
		return before, nil
	}
	if version > 0 {
		i := slices.IndexFunc(changes, func(k api.Change) bool { return k.Version == version })
		if i < 0 {
			return "", cli.Usagef("setting %s has no version %d; `paragon tune history %s` lists the versions", now.Name, version, now.Name)
		}
		return cmp.Or(changes[i].Value, before), nil
	}
	for _, k := range changes[min(1, len(changes)):] {
		if k.Value != now.Value {
			before = cmp.Or(k.Value, before)
			break
		}
	}
	return before, nil
}

func tuneDiff(ctx context.Context, term *cli.Terminal, t tuner, _ []string) error {
	s, err := t.Settings(ctx)
	if err != nil {
		return err
	}
	s.Settings = slices.DeleteFunc(s.Settings, func(k api.Setting) bool { return k.Value == k.Default })
	if term.JSON {
		term.PrintJSON(s.Settings)
		return nil
	}
	for _, k := range s.Settings {
		term.Printf("- %s=%s\n+ %s=%s\n", k.Name, k.Default, k.Name, k.Value)
	}
	return nil
}
