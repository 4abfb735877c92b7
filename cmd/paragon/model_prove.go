package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/proof"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/measure"
	"github.com/paragon-serving/paragon/shared/modelcheck"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
)

const (
	// awaitsProof is why a model is not offered that nothing in the stage has run.
	awaitsProof = "nothing in the stage has run it yet"
	// proofColdRuns and proofSamples are the runs of a proof at each size, and
	// proofBudget bounds their time.
	proofColdRuns, proofSamples, proofBudget = 3, 200, 20 * time.Second
	// workerPatience is how long a proof by workers is awaited: they read the catalogue
	// every ten seconds. workerEvery is how often it is asked for.
	workerPatience, workerEvery = 2 * time.Minute, 2 * time.Second
)

// stageModels are the models of a stage in an account, with what runs them there.
type stageModels struct {
	*modelstore.Store
	stage *discovery.Stage
}

// newModelProveCommand is `paragon model prove`.
func newModelProveCommand(term *cli.Terminal) *cobra.Command {
	yes := false
	c := term.ServerCommand(&cobra.Command{
		Use: "prove NAME --stage STAGE", Example: "  paragon model prove iris --stage prod", Short: "Run a model of a stage once more, and offer it if it answers",
		Long: `Run a model that was added to a stage in an account, on each size of the stage's generic
functions that holds it, measure it there, and offer it if it answers. A stage without
such functions has a worker run it. ` + "`paragon model add --stage`" + ` does the same.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: completeOwnModels(term),
		RunE: func(c *cobra.Command, args []string) error {
			stage, _ := term.Place()
			if stage == "" {
				return cli.Usagef("name the stage with --stage: one machine runs a model as it is added")
			}
			s, err := openModels(c.Context(), stage)
			if err != nil {
				return err
			}
			m, ok := s.Current().Model(s.Current().Version(args[0]))
			if !ok || !s.Has(m.Name) {
				return fmt.Errorf("no model %q was added to stage %s; `paragon model list --stage %s` lists those that were", args[0], stage, stage)
			}
			if err := s.agree(term, m, yes); err != nil {
				return err
			}
			return s.prove(c.Context(), term, m.Name)
		},
	})
	defineYes(c, &yes)
	return c
}

// defineYes defines the flag that pays without being asked.
func defineYes(c *cobra.Command, yes *bool) {
	c.Flags().BoolVarP(yes, "yes", "y", false, "with --stage: run the model on functions, at the price that is printed, without asking")
}

// holding are the generic functions that hold a model which is in no catalogue yet, or is.
func (s stageModels) holding(m *profile.Model) ([]sizing.Holding, *profile.Catalogue) {
	c := s.Current()
	added := profile.Added{Models: []profile.Model{*m}}
	if _, known := c.Task(m.Task); !known {
		added.Tasks = []profile.Task{{Name: m.Task}}
	}
	if _, known := c.Model(m.Name); !known {
		c, _ = c.With(added) // for its sizes: who adds it validates it
	}
	return sizing.FunctionsThatHold(c, m, s.stage.FunctionArch), c
}

// agree prints what a proof costs and asks whether it is to be.
func (s stageModels) agree(term *cli.Terminal, m *profile.Model, yes bool) error {
	holding, c := s.holding(m)
	if len(holding) == 0 {
		return nil // workers run it, which are paid anyway
	}
	usd, sizes := 0.0, make([]string, len(holding))
	for i, h := range holding {
		cold, warm := s.job(nil).Runs()
		usd += float64(cold)*pricing.FunctionQueryUSD(c.Prices, s.stage.FunctionArch, h.MemoryMB, h.ColdMS.P95+h.MS.P95) +
			float64(warm)*pricing.FunctionQueryUSD(c.Prices, s.stage.FunctionArch, h.MemoryMB, h.MS.P95)
		sizes[i] = fmt.Sprint(h.MemoryMB)
	}
	fmt.Fprintf(term.Err, "Running %s on functions of %s MB to prove and measure it costs about $%.2g.\n", m.Name, strings.Join(sizes, " and "), usd)
	if yes {
		return nil
	}
	fmt.Fprint(term.Err, "Go on? [y/N] ")
	answer, _ := bufio.NewReader(term.In).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("nothing was run and nothing has changed; --yes runs it without asking")
	}
	return nil
}

// prove has a model run in the stage, stores how that went, and offers it if it passed.
func (s stageModels) prove(ctx context.Context, term *cli.Terminal, name string) error {
	m, ok := s.Current().Model(name)
	if !ok {
		return fmt.Errorf("model %s is not there any more", name)
	}
	b, err := s.stage.Backend(ctx, term.Now)
	if err != nil {
		return err
	}
	var p modelstore.Proof
	if holding, _ := s.holding(m); len(holding) > 0 {
		p, err = s.byFunctions(ctx, b.Invoker, m, holding, term.Now())
	} else {
		p, err = s.byWorkers(ctx, term, b.Shared, m)
	}
	if err != nil {
		return fmt.Errorf("%s is not offered: %w; `paragon model prove %s --stage %s` tries again", name, err, name, s.stage.Name)
	}
	if err := s.Prove(name, m.SHA256, p); err != nil {
		return err
	}
	if p.Why != "" {
		return fmt.Errorf("%s cannot be run in stage %s and is not offered: %s", name, s.stage.Name, p.Why)
	}
	return nil
}

// job is how functions are measured.
func (s stageModels) job(holding []sizing.Holding) measure.FunctionJob {
	j := measure.FunctionJob{
		Arch: s.stage.FunctionArch, ColdRuns: proofColdRuns, Hardware: "AWS Lambda, " + s.stage.FunctionArch + ", stage " + s.stage.Name,
		Plan: measure.Plan{Warmup: 5, Samples: proofSamples, Budget: proofBudget, Now: measure.Wall}, Tick: func(string) {},
	}
	for _, h := range holding {
		j.MemoryMB = append(j.MemoryMB, h.MemoryMB)
	}
	return j
}

// byFunctions runs a model on each of the generic functions that hold it. A run that
// gives no answer is a proof too; an error is of one that told nothing.
func (s stageModels) byFunctions(ctx context.Context, in measure.Invoker, m *profile.Model, holding []sizing.Holding, now time.Time) (p modelstore.Proof, err error) {
	sample, err := modelcheck.Sample(m)
	if err != nil {
		return p, err
	}
	j := s.job(holding)
	j.Invoker, j.File, j.Today = in, modelstore.FunctionsFile(m.SHA256), now
	j.Subjects = []measure.Subject{{Name: m.Name, SHA256: m.SHA256, Type: sample.ContentType, Pictures: [][]byte{sample.Data}}}
	report, err := j.Run(ctx)
	if errors.Is(err, platform.ErrFault) || errors.Is(err, measure.ErrNoAnswer) {
		return modelstore.Proof{Why: err.Error()}, nil
	}
	if err != nil {
		return p, err
	}
	raw, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return p, fmt.Errorf("encode what was measured: %w", err)
	}
	return modelstore.Proof{Latency: report.Models[0].Latency, Measured: append(raw, '\n')}, nil
}

// byWorkers waits until a worker has run a model.
func (s stageModels) byWorkers(ctx context.Context, term *cli.Terminal, shared platform.Shared, m *profile.Model) (p modelstore.Proof, err error) {
	digest, err := proof.Digest(s.Current(), m)
	if err != nil {
		return p, err
	}
	for end := term.Now().Add(workerPatience); ; {
		book, err := platform.ReadProofs(ctx, shared)
		if err != nil {
			return p, err
		}
		if passed, why := book.Of(digest, term.Now()); passed || why != "" {
			return modelstore.Proof{Why: why}, nil
		}
		if !term.Now().Before(end) {
			return p, fmt.Errorf("no worker has run it within %v, and the stage has no generic function that holds it", workerPatience)
		}
		if err := term.Sleep(ctx, workerEvery); err != nil {
			return p, err
		}
	}
}
