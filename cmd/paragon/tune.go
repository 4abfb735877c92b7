package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"paragon/shared/api"
)

// tuneCommand is `paragon tune`.
func (a *app) tuneCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "tune",
		Short: "See and change the settings of a running stage",
		Long: `See and change the settings of a running stage. A change takes effect within a
tick, without a restart. A value outside its bounds is refused; should a bad one
get in by another way, the last good one stays in force and status tells.`,
		Example: `  paragon tune list
  paragon tune set scheme paragon
  paragon tune rollback scheme`,
		Args: a.knownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		a.tune("list", "List the settings that differ from their defaults, or all", "  paragon tune list --all", 0, a.tuneList),
		a.tune("get NAME", "Tell one setting, with its bounds and what it does", "  paragon tune get max_workers", 1, a.tuneGet),
		a.tune("set NAME VALUE", "Change a setting", "  paragon tune set max_workers 12", 2, a.tuneSet),
		a.tune("history NAME", "List what a setting was, newest first", "  paragon tune history scheme", 1, a.tuneHistory),
		a.tune("rollback NAME", "Give a setting the value that it had before", "  paragon tune rollback max_workers", 1, a.tuneRollback),
		a.tune("diff", "Tell what differs from the defaults", "  paragon tune diff", 0, a.tuneDiff),
	)
	return c
}

// tune makes one of the commands below tune, which takes so many arguments.
func (a *app) tune(use, short, example string, args int, run func(context.Context, tuner, []string) error) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Example: example, Args: cobra.ExactArgs(args),
		RunE: func(c *cobra.Command, given []string) error {
			t, err := a.desk(c.Context())
			if err != nil {
				return err
			}
			return run(c.Context(), t, given)
		}}
	if strings.HasPrefix(use, "list") {
		c.Flags().BoolVar(&a.all, "all", false, "those with their defaults too")
	}
	return a.clientCommand(c)
}

func (a *app) tuneList(ctx context.Context, t tuner, _ []string) error {
	s, err := t.Settings(ctx)
	if err != nil {
		return err
	}
	if a.json {
		a.printJSON(s)
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SETTING\tVALUE\tDEFAULT\tRANGE")
	for _, k := range s.Settings {
		if a.all || k.Value != k.Default {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.Name, k.Value, k.Default, rangeOf(k))
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the settings: %w", err)
	}
	for _, f := range s.Faults {
		a.printf("fault: %s\n", oneLine(f))
	}
	return nil
}

func rangeOf(s api.Setting) string {
	if len(s.OneOf) > 0 {
		return strings.Join(s.OneOf, ", ")
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
		return api.Setting{}, usagef("there is no setting %q; `paragon tune list --all` lists them", name)
	}
	return s.Settings[i], nil
}

func (a *app) tuneGet(ctx context.Context, t tuner, args []string) error {
	s, err := settingNamed(ctx, t, args[0])
	if err != nil {
		return err
	}
	if a.json {
		a.printJSON(s)
		return nil
	}
	a.printf("%s\n  %s\n  default %s; %s\n", s.Value, s.Doc, s.Default, rangeOf(s))
	return nil
}

func (a *app) tuneSet(ctx context.Context, t tuner, args []string) error {
	before, err := settingNamed(ctx, t, args[0])
	if err != nil {
		return err
	}
	after, err := t.Set(ctx, args[0], args[1])
	if err != nil {
		return err
	}
	if a.json {
		a.printJSON(after)
		return nil
	}
	a.printf("%s: %s -> %s\n", after.Name, before.Value, after.Value)
	return nil
}

// historyShown is how many values tune history lists.
const historyShown = 50

func (a *app) tuneHistory(ctx context.Context, t tuner, args []string) error {
	changes, err := t.History(ctx, args[0], historyShown)
	if err != nil {
		return err
	}
	if a.json {
		a.printJSON(changes)
		return nil
	}
	for _, k := range changes {
		a.printf("%s  version %d  %s\n", k.At.Local().Format(time.DateTime), k.Version, oneLine(k.Value))
	}
	return nil
}

// tuneRollback sets the newest earlier value that is another one; the default
// when there was none.
func (a *app) tuneRollback(ctx context.Context, t tuner, args []string) error {
	now, err := settingNamed(ctx, t, args[0])
	if err != nil {
		return err
	}
	changes, err := t.History(ctx, args[0], historyShown)
	if err != nil {
		return err
	}
	before := now.Default
	for _, k := range changes[min(1, len(changes)):] {
		if k.Value != now.Value {
			before = cmp.Or(k.Value, before)
			break
		}
	}
	return a.tuneSet(ctx, t, []string{args[0], before})
}

func (a *app) tuneDiff(ctx context.Context, t tuner, _ []string) error {
	s, err := t.Settings(ctx)
	if err != nil {
		return err
	}
	s.Settings = slices.DeleteFunc(s.Settings, func(k api.Setting) bool { return k.Value == k.Default })
	if a.json {
		a.printJSON(s.Settings)
		return nil
	}
	for _, k := range s.Settings {
		a.printf("- %s=%s\n+ %s=%s\n", k.Name, k.Default, k.Name, k.Value)
	}
	return nil
}
