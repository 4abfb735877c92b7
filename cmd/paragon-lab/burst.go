package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/lab/burst"
	"github.com/paragon-serving/paragon/shared/lab/load"
	"github.com/paragon-serving/paragon/shared/simulate"
)

const burstLong = `Measure the effect of the setting downgrade in a burst, if no worker can run the chosen model of a
query in time. With downgrade off, the query overflows: an inference function runs it. With
downgrade on, a worker answers the query with a cheaper model that keeps the query's accuracy bound.
The command simulates the bursts with downgrade off and on. With --rounds N, a stage on this
machine also answers N bursts with each of the two values.

The command generates docs/lab/burst.md.`

// The stage that is measured, and its burst.
const (
	burstModel, burstServiceMS     = "ensemble-flip", 200 // the cheapest of the most accurate models, and what it is made to take
	burstWorkers                   = 2
	burstLatencyMS, burstAccuracy  = 1000, 92
	burstCalm, burstPeak           = 10, 60 // queries a second
	burstCalmSeconds, burstSeconds = 4, 10
)

// burstFlags are the flags of `paragon-lab burst`.
type burstFlags struct {
	rounds   int
	markdown string
}

func newBurstCommand(term *cli.Terminal) *cobra.Command {
	f := &burstFlags{}
	c := &cobra.Command{
		Use: "burst", Short: "Measure the effect of answering with a cheaper model before overflow", Args: cobra.NoArgs,
		Long: burstLong, Example: "  paragon-lab burst\n  paragon-lab burst --rounds 5 --markdown docs/lab/burst.md",
		RunE: func(c *cobra.Command, _ []string) error { return runBurst(c.Context(), term, f) },
	}
	c.Flags().IntVar(&f.rounds, "rounds", 0, "number of bursts that a stage on this machine answers with each value of the setting, 0 to 50")
	c.Flags().StringVar(&f.markdown, "markdown", "", "file for the Markdown page (default stdout)")
	c.Flags().BoolVar(&term.JSON, "json", false, "print JSON")
	return c
}

func runBurst(ctx context.Context, term *cli.Terminal, f *burstFlags) error {
	if f.rounds < 0 || f.rounds > 50 {
		return cli.Usagef("--rounds must be 0 to 50")
	}
	m, err := (&cli.CaseFlags{}).Market(simulate.Cocktail2022)
	if err != nil {
		return err
	}
	page := burst.Page{Rounds: f.rounds}
	if err := simulateBurst(ctx, term, m, &page); err != nil {
		return err
	}
	if f.rounds > 0 {
		if err := liveBurst(ctx, term, &page); err != nil {
			return err
		}
	}
	switch {
	case f.markdown != "":
		if err := os.WriteFile(f.markdown, []byte(page.Markdown()), 0o644); err != nil {
			return fmt.Errorf("write the page: %w", err)
		}
	case !term.JSON:
		term.Printf("%s", page.Markdown())
	}
	if term.JSON {
		term.PrintJSON(page)
	}
	return nil
}

func simulateBurst(ctx context.Context, term *cli.Terminal, m simulate.Market, page *burst.Page) (err error) {
	bar := term.Progress(burst.Runs())
	defer bar.Finish()
	page.Simulated, err = burst.Simulate(ctx, m, bar.Step)
	return err
}

// liveBurst brings a stage up and has a burst answered with each value in turn.
func liveBurst(ctx context.Context, term *cli.Terminal, page *burst.Page) error {
	dir, err := os.MkdirTemp("", "paragon-burst-")
	if err != nil {
		return fmt.Errorf("make a folder for the stage: %w", err)
	}
	defer os.RemoveAll(dir)
	cfg := machine.Defaults()
	cfg.Addr, cfg.DataDir, cfg.ProfilesDir, cfg.Log = "127.0.0.1:0", filepath.Join(dir, "data"), filepath.Join(dir, "profiles"), term.Logger(false)
	cfg.Workers, cfg.Boot, cfg.MaxFunctions, cfg.Paced = burstWorkers, time.Second, 8, true
	catalogue, err := machine.SlowProfiles(cfg.ProfilesDir, "", cfg.Catalogue, burstModel, cfg.InstanceType, burstServiceMS)
	if err != nil {
		return err
	}
	stage, err := machine.Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer stage.Close()
	cl, err := client.New(client.Config{Endpoint: stage.URL(), Attempts: 1, HTTP: client.NewHTTP(2000), Operator: operator.InFolder(cfg.DataDir)})
	if err != nil {
		return err
	}
	if err := awaitWorkers(ctx, cl, burstWorkers); err != nil {
		return err
	}
	page.About = fmt.Sprintf("`paragon up` ran %d workers on one machine. Each worker had the runners of a %s, one for each vCPU. The models were those of the catalogue `%s`, slowed down by the same factor, so that %s takes %d ms. Queries had a latency bound of %d ms and an accuracy bound of %d %%. There were %d bursts with `downgrade` off and as many with `downgrade` on. Before each burst, %d queries a second arrived for %d s. In the burst, %d queries a second arrived for %d s. Functions answered at most eight queries at once. The cost is the mean cost of an answered query.",
		burstWorkers, cfg.InstanceType, cfg.Catalogue, burstModel, burstServiceMS, burstLatencyMS, burstAccuracy, page.Rounds, burstCalm, burstCalmSeconds, burstPeak, burstSeconds)
	tallies := map[string]*liveTally{"off": {catalogue: catalogue}, settings.On: {catalogue: catalogue}}
	for round := range page.Rounds + 1 { // the first one warms the functions up and is not counted
		for _, value := range burstOrder(round) {
			if _, err := cl.Set(ctx, "downgrade", value); err != nil {
				return err
			}
			if err := client.Sleep(ctx, 3*time.Second); err != nil { // it takes effect
				return err
			}
			t := tallies[value]
			if round == 0 {
				t = &liveTally{catalogue: catalogue}
			}
			if err := sendBurst(ctx, term, cl, uint64(round), t); err != nil {
				return err
			}
		}
	}
	for _, value := range []string{"off", settings.On} {
		page.Live = append(page.Live, tallies[value].row(value))
	}
	return nil
}

// burstOrder is the order of the values in a round: each is first as often.
func burstOrder(round int) []string {
	values := []string{"off", settings.On}
	if round%2 == 1 {
		slices.Reverse(values)
	}
	return values
}

func awaitWorkers(ctx context.Context, cl *client.Client, workers int) error {
	for {
		s, err := cl.Status(ctx)
		if err != nil {
			return fmt.Errorf("wait for the first workers: %w", err)
		}
		if len(s.Pools) > 0 && s.Pools[0].Ready >= workers {
			return nil
		}
		if err := client.Sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// sendBurst sends a calm stretch and a burst, the same ones for each value.
func sendBurst(ctx context.Context, term *cli.Terminal, cl *client.Client, round uint64, t *liveTally) error {
	b, err := loadBodies(&loadFlags{task: machine.Defaults().Catalogue, latencyMS: burstLatencyMS, relaxedMS: 10 * burstLatencyMS, accuracy: burstAccuracy, optimize: query.Accuracy}, pictures)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(round, load.ArrivalStream))
	trace := arrivals.Trace{Step: time.Second}
	for i := range burstCalmSeconds + burstSeconds {
		rate := float64(burstCalm)
		if i >= burstCalmSeconds {
			rate = burstPeak
		}
		trace.Counts = append(trace.Counts, arrivals.PoissonCount(rate, random))
	}
	by := caller(term, cl, b)
	plan := load.Plan{
		Times: trace.Times(random), StrictShare: 1, StrictMS: burstLatencyMS, RelaxedMS: 10 * burstLatencyMS,
		Inputs: b.inputs(), MaxOutstanding: 2000, Grace: grace(burstLatencyMS), Seed: round,
	}
	load.Run(ctx, plan, by.Clock, by.Send, t.add)
	return ctx.Err()
}

// liveTally counts what became of the queries of bursts.
type liveTally struct {
	catalogue                            *profile.Catalogue
	sent, met, overflow, other, answered int64
	costUSD, accuracy                    float64
}

func (t *liveTally) add(r load.Row) {
	t.sent++
	if r.Met() {
		t.met++
	}
	m, ok := t.catalogue.Model(r.Answer.Model)
	if r.Answer.State != query.Succeeded || !ok {
		return
	}
	t.answered++
	t.costUSD += r.Answer.CostUSD
	t.accuracy += m.Accuracy.Top1Percent
	if m.Name != burstModel {
		t.other++
	}
	if r.Answer.ServedBy != query.OnWorker {
		t.overflow++
	}
}

func (t *liveTally) row(value string) burst.Row {
	sent, answered := float64(max(1, t.sent)), float64(max(1, t.answered))
	return burst.Row{
		Load: "burst", Scheme: "fixed fleet", Downgrade: value, Queries: t.sent, LateRatio: 1 - float64(t.met)/sent,
		CostUSD: t.costUSD / answered, Overflow: float64(t.overflow) / sent, Other: float64(t.other) / sent, Accuracy: t.accuracy / answered,
	}
}
