package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/simulate/rivals"
)

// watchEvery is how often `paragon status --watch` reads anew.
const watchEvery = time.Second

func newStatusCommand(term *cli.Terminal) *cobra.Command {
	watch := false
	c := &cobra.Command{
		Use:   "status",
		Short: "Print the state of the workers and queues, and the share of kept latency bounds",
		Long: `Print the state of the workers and queues, and the share of queries that kept their latency bounds.

Table of pools (groups of workers): BUSY is the number of runners in use. A runner is the part of a
worker that answers one query at a time. QUEUED is the number of queries that wait in the workers.
OVERFLOWED counts the queries that the present workers queued and then passed on, usually to
functions, because the workers could not run the queries in time.

Table of classes: a query is strict if its latency bound is below 2 s (setting strict_below_ms), and
relaxed otherwise. ARRIVALS is the mean number of queries per second in the last minute. P50, P95
and P99 are latencies of the last hour. IN BOUND is the share of the last hour's queries that kept
their latency bound. QUERIES 1H is the number of queries of the last hour. BURN 5M and BURN 1H are
the burn rates of the last 5 minutes and of the last hour. A burn rate is the share of missed
latency bounds, divided by the 1 % that the objective allows.`,
		Example: `  paragon status
  paragon status --watch
  paragon status --json | jq .overflow.share`,
		RunE: func(c *cobra.Command, _ []string) error {
			if watch {
				return watchStatus(c.Context(), term)
			}
			return runStatus(c.Context(), term)
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "print the state again every second, until interrupted; with --json, print one line each time")
	return term.ServerCommand(c)
}

func runStatus(ctx context.Context, term *cli.Terminal) error {
	cl, err := term.Connect(ctx, client.Config{})
	if err != nil {
		return err
	}
	s, err := cl.Status(ctx)
	if err != nil {
		return err
	}
	return printStatus(term, s)
}

// watchStatus prints the status over and over.
func watchStatus(ctx context.Context, term *cli.Terminal) error {
	cl, err := term.Connect(ctx, client.Config{Attempts: 1})
	if err != nil {
		return err
	}
	return watch(ctx, term, func(ctx context.Context) (func() error, error) {
		s, err := cl.Status(ctx)
		return func() error { return printStatus(term, s) }, err
	})
}

// watch reads and prints over and over. A server that does not answer is
// reported and tried again.
func watch(ctx context.Context, term *cli.Terminal, read func(context.Context) (print func() error, err error)) error {
	for {
		print, err := read(ctx)
		if !term.JSON {
			term.Clear()
		}
		var gone *client.Unreachable
		switch {
		case ctx.Err() != nil:
			return nil // interrupted: that is how a watch ends
		case errors.As(err, &gone):
			fmt.Fprintf(term.Err, "%v; trying again\n", err)
		case err != nil:
			return err
		default:
			if err := print(); err != nil {
				return err
			}
		}
		if term.Sleep(ctx, watchEvery) != nil {
			return nil
		}
	}
}

func printStatus(term *cli.Terminal, s api.Status) error {
	if term.JSON {
		term.PrintJSON(s)
		return nil
	}
	w := term.Table()
	printPools(w, s)
	printQueues(w, s)
	printClasses(w, s)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the status: %w", err)
	}
	style := term.Style()
	if s.Scheme != "" {
		term.Printf("scheme    %s; %s\n", cli.OneLine(s.Scheme), fleetWords(s.Fleet))
	}
	if e := s.WorkersEnded; e != nil {
		term.Printf("%s   %s\n", style.Warn("workers"), endedLine(e))
	}
	term.Printf("overflow  functions gave %.1f %% of the last hour's %d answers\n", 100*s.Overflow.Share, s.Overflow.Answered)
	if text := refusedLine(s); text != "" {
		term.Printf("%s   %s\n", style.Warn("refused"), text)
	}
	term.Printf("cost      %s", pricing.Dollars(s.CostUSD))
	if !s.CostSince.IsZero() {
		term.Printf(" since %s", s.CostSince.Format(time.DateTime))
	}
	term.Printf("\n")
	printSavings(term, s.Savings, mostSavings)
	if s.StoreFault != "" {
		term.Printf("%s     cannot be written: %s\n", style.Bad("store"), cli.OneLine(s.StoreFault))
	}
	if s.Paced {
		term.Printf("paced     this machine imitates a slower instance type: a runner waits until the service time in the profile has passed\n")
	}
	for _, fault := range s.SettingsFaults {
		term.Printf("%s   %s\n", style.Bad("setting"), cli.OneLine(fault))
	}
	printFailures(term, s)
	printDoubts(term, s)
	return nil
}

// fleetWords says what the setting fleet is good for.
func fleetWords(fleet string) string {
	if fleet == settings.FleetFixed {
		return "the number of workers does not change (the setting fleet is fixed)"
	}
	return "the number of workers follows it"
}

// refusedLine says how many queries of each class were refused; empty if none was.
func refusedLine(s api.Status) string {
	var refused []string
	for _, class := range []query.Class{query.Strict, query.Relaxed} {
		if n := s.Classes[class].Hour.Refused; n > 0 {
			refused = append(refused, fmt.Sprintf("%d %s", n, class))
		}
	}
	if len(refused) == 0 {
		return ""
	}
	return strings.Join(refused, " and ") + " queries in the last hour, for lack of capacity or budget; IN BOUND does not count them"
}

// endedLine says how many workers ended unexpectedly, and how the newest did.
func endedLine(e *api.WorkersEnded) string {
	return fmt.Sprintf("workers that ended unexpectedly in the last %.0f min: %d; the newest, %s, at %s: %s",
		e.Minutes, e.Count, cli.OneLine(e.Worker), e.At.Local().Format(time.TimeOnly), cli.OneLine(e.Why))
}

// printSavings prints what other schemes would have cost, as intervals, or why
// that is not known; of the simulated ones the cheapest, most at the most.
func printSavings(term *cli.Terminal, s *api.Savings, most int) {
	if s == nil {
		return
	}
	if !s.Quoted {
		term.Printf("savings   unknown: %s\n", strings.TrimSuffix(cli.OneLine(s.Why)+"; "+cli.OneLine(s.Next), "; "))
		return
	}
	if len(s.Others) == 0 {
		return
	}
	term.Printf("compared  this stage cost %s for the arrivals from %s to %s. The same arrivals under other schemes and the rules of other systems (cheapest first):\n",
		pricing.Dollars(s.CostUSD), s.From.Local().Format(time.DateTime), s.To.Local().Format(time.DateTime))
	shown := savingsShown(s.Others, most)
	for _, o := range shown {
		term.Printf("          %s\n", comparedWith(o, s.CostUSD))
	}
	if more := len(s.Others) - len(shown); more > 0 {
		term.Printf("          `paragon savings` prints %d more, which would have cost at least as much as the schemes and rules above\n", more)
	}
	term.Printf("margin    the costs of the schemes are simulated, within ±%.1f %%: %s\n", s.ErrorPercent, cli.OneLine(s.Why))
	if s.FixedUSD > 0 {
		term.Printf("fixed     the costs above are of workers and functions; in an account, alarms, metrics and controller also cost at least %s in this time\n", pricing.Dollars(s.FixedUSD))
	}
	if plain, ok := plainFunctionOf(s); ok && pricing.PlainIsCheaper(plain.CostUSD, s.CostUSD+s.FixedUSD) {
		term.Printf("cheaper   for this load a plain function would be cheaper than Paragon; `paragon cost` with --rate compares the bills\n")
	}
}

// mostSavings is how many of the simulated schemes a status prints.
const mostSavings = 5

// savingsShown are the cheapest schemes, and the plain function.
func savingsShown(others []api.SchemeCost, most int) (shown []api.SchemeCost) {
	simulated := 0
	for _, o := range others {
		if o.Simulated {
			simulated++
		}
		if !o.Simulated || simulated <= most {
			shown = append(shown, o)
		}
	}
	return shown
}

// plainFunctionOf is what a plain function would have cost.
func plainFunctionOf(s *api.Savings) (api.SchemeCost, bool) {
	i := slices.IndexFunc(s.Others, func(o api.SchemeCost) bool { return !o.Simulated })
	if i < 0 {
		return api.SchemeCost{}, false
	}
	return s.Others[i], true
}

// comparedWith compares another scheme's cost with what the stage cost.
func comparedWith(o api.SchemeCost, costUSD float64) string {
	if !o.Simulated {
		return fmt.Sprintf("a plain function (Lambda without Paragon) would have cost %s for compute time%s", pricing.Dollars(o.LowUSD), cheaper(o, costUSD))
	}
	missed := ""
	if o.MissedPercent != nil {
		missed = fmt.Sprintf(" and missed %.1f %% of the latency bounds", *o.MissedPercent)
	}
	name := "scheme " + o.Scheme
	if origin := rivals.Origin(o.Scheme); origin != "" {
		name = origin + " (" + o.Scheme + ")" // it cannot be set
	}
	return fmt.Sprintf("%s would have cost %s to %s%s%s", name, pricing.Dollars(o.LowUSD), pricing.Dollars(o.HighUSD), missed, cheaper(o, costUSD))
}

// timesFromPercent is from when on a difference in percent is said as a factor.
const timesFromPercent = 900

// cheaper says which of both costs less, if the interval leaves no doubt.
func cheaper(o api.SchemeCost, costUSD float64) string {
	low, high := 100*(1-costUSD/o.LowUSD), 100*(1-costUSD/o.HighUSD)
	switch {
	case !(o.LowUSD > 0):
		return ""
	case low > 0:
		return fmt.Sprintf("; this stage cost %s less", interval(low, high))
	case high < -timesFromPercent:
		return fmt.Sprintf("; this stage cost at least %.0f times as much", math.Floor(costUSD/o.HighUSD))
	case high < 0:
		return fmt.Sprintf("; this stage cost %s more", interval(-high, -low))
	}
	return "; the difference is smaller than the error of the simulation"
}

func interval(low, high float64) string {
	if math.Round(low) == math.Round(high) {
		return fmt.Sprintf("%.0f %%", low)
	}
	return fmt.Sprintf("%.0f to %.0f %%", low, high)
}

// printFailures prints which models cannot be run.
func printFailures(term *cli.Terminal, s api.Status) {
	for _, w := range s.Withheld {
		term.Printf("%s  model %s gets no queries: %s\n", term.Style().Bad("withheld"), w.Model, cli.OneLine(w.Why))
	}
	for _, b := range s.Broken {
		term.Printf("%s    model %s fails on %s and gets no queries there until %s: %s\n",
			term.Style().Bad("broken"), b.Model, cli.OneLine(failsOn(b)), b.Until.Local().Format(time.TimeOnly), cli.OneLine(b.Why))
	}
}

// failsOn names where the runs of a model fail: a worker, or functions.
func failsOn(b api.BrokenModel) string {
	if b.Kind == query.OnFunction {
		return "functions"
	}
	return strings.TrimSpace(string(b.Kind) + " " + b.Name)
}

// printDoubts prints which profiles are not to be trusted.
func printDoubts(term *cli.Terminal, s api.Status) {
	for _, d := range s.Drifted {
		term.Printf("%s  of model %s is %.1f %% according to %.0f votes of callers, and %.1f %% in its profile\n",
			term.Style().Warn("accuracy"), d.Model, d.Posterior.Profile+d.Points, d.Posterior.Votes, d.Posterior.Profile)
	}
	for _, r := range s.Rollouts {
		term.Printf("versions  %s\n", cli.OneLine(rolloutLine(r)))
	}
	for _, v := range s.Shadows {
		term.Printf("shadow    %s\n", shadowLine(v))
	}
	for _, w := range s.Profiles {
		term.Printf("%s   %s\n", term.Style().Warn("profile"), cli.OneLine(w.Text))
	}
}

func printPools(w *cli.Table, s api.Status) {
	w.Header("POOL\tTYPE\tWANTED\tBOOTING\tREADY\tDRAINING\tBUSY\tQUEUED\tANSWERED\tOVERFLOWED")
	for _, p := range s.Pools {
		wanted := "-"
		n, known := s.Desired[p.Name]
		if known {
			wanted = fmt.Sprint(n)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%d\t%d of %d\t%d\t%d\t%d\n", p.Name, p.InstanceType, wanted,
			p.Booting, ready(w.Style, p.Ready, n)+stuck(p), p.Draining, p.Busy, p.Runners, p.Queued, p.Answered, p.Overflowed)
	}
	fmt.Fprintln(w)
}

// stuck is how many workers of a pool do not report or answer, where there are any.
func stuck(p api.PoolStatus) string {
	if p.Stuck == 0 {
		return ""
	}
	return fmt.Sprintf(", stuck: %d", p.Stuck)
}

// ready is how many workers of those that are wanted are ready.
func ready(style cli.Style, ready, wanted int) string {
	text := fmt.Sprint(ready)
	switch {
	case ready >= wanted && ready > 0:
		return style.Good(text)
	case ready >= wanted:
		return text
	case ready > 0:
		return style.Warn(text)
	}
	return style.Bad(text)
}

func printQueues(w *cli.Table, s api.Status) {
	w.Header("QUEUE\tWAITING\tIN FLIGHT\tOLDEST")
	for _, name := range slices.Sorted(maps.Keys(s.Queues)) {
		q, oldest := s.Queues[name], "-"
		if q.Visible > 0 {
			oldest = cli.Milliseconds(q.OldestMS)
		}
		waiting := fmt.Sprint(q.Visible)
		switch {
		case name == deadLetters && q.Visible > 0:
			waiting = w.Bad(waiting)
		case name != deadLetters && q.OldestMS > oldMS:
			oldest = w.Warn(oldest)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", name, waiting, q.InFlight, oldest)
	}
	fmt.Fprintln(w)
}

// burnRate prints a burn rate, if it is known. Above 1 the objective is missed.
func burnRate(style cli.Style, rate *float64) string {
	if rate == nil {
		return "-"
	}
	text := fmt.Sprintf("%.1f", *rate)
	if *rate > 1 {
		return style.Bad(text)
	}
	return text
}

func printClasses(w *cli.Table, s api.Status) {
	w.Header("CLASS\tARRIVALS\tIN BOUND\tQUERIES 1H\tBURN 5M\tBURN 1H\tP50\tP95\tP99")
	for _, class := range []query.Class{query.Strict, query.Relaxed} {
		c, met := s.Classes[class], "-"
		if c.Attainment != nil {
			met = fmt.Sprintf("%.1f %%", *c.Attainment)
			if *c.Attainment < tally.ObjectivePercent {
				met = w.Bad(met)
			} else {
				met = w.Good(met)
			}
		}
		fmt.Fprintf(w, "%s\t%.1f/s\t%s\t%d\t%s\t%s\t%s\n", class, c.ArrivalsPerSecond, met, c.Recent, burnRate(w.Style, c.Burn.FiveMinutes), burnRate(w.Style, c.Burn.Hour), quantiles(c.Hour.Latency))
	}
	fmt.Fprintln(w)
}
