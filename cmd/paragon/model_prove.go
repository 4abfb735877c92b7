package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/proof"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/measure"
	"github.com/paragon-serving/paragon/shared/modelcheck"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
)

const (
	// awaitsProof is why a model is not offered that nothing in the stage has run.
	awaitsProof = "no worker or function of the stage has run it yet"
	// proofColdRuns and proofSamples are the runs of a proof at each size, and
	// proofBudget bounds their time.
	proofColdRuns, proofSamples, proofBudget = 3, 200, 20 * time.Second
	// workerPatience is how long a proof by workers is awaited, and measuredPatience how
	// long what a worker measures: they read the catalogue every ten seconds. workerEvery is
	// how often it is asked for.
	workerPatience, measuredPatience, workerEvery = 2 * time.Minute, 45 * time.Second, 2 * time.Second
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
		Use: "prove NAME --stage STAGE", Example: "  paragon model prove iris --stage prod", Short: "Run a model of a stage again, and serve it if it answers",
		Long: `Run a model that was added to a stage in an account, measure it there, and serve it if it answers.
The stage's generic functions (inference functions that run any model) run the model at each memory
size that is large enough. If a worker is ready, the worker also runs the model.
` + "`paragon model add --stage`" + ` does the same for a new model. Use this command if that run failed, or
if no worker was ready then.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: completeOwnModels(term),
		RunE: func(c *cobra.Command, args []string) error {
			stage, _ := term.Place()
			if stage == "" {
				return cli.Usagef("name the stage with --stage; on one machine, this command is not needed, because `paragon model add` has already run the model")
			}
			s, err := openModels(c.Context(), stage)
			if err != nil {
				return err
			}
			m, ok := s.Current().Model(s.Current().Version(args[0]))
			if !ok || !s.Has(m.Name) {
				return fmt.Errorf("no model %q was added to stage %s; `paragon model list --stage %s` lists the added models", args[0], stage, stage)
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
	c.Flags().BoolVarP(yes, "yes", "y", false, "with --stage: do not ask before the model runs on Lambda functions, which costs money")
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
		fmt.Fprintf(term.Err, "A worker of the stage will run model %s, to check and measure it, at no extra cost.\n", m.Name)
		return nil
	}
	usd, sizes := 0.0, make([]string, len(holding))
	for i, h := range holding {
		cold, warm := s.job(nil).Runs()
		usd += float64(cold)*pricing.FunctionQueryUSD(c.Prices, s.stage.FunctionArch, h.MemoryMB, h.ColdMS.P95+h.MS.P95) +
			float64(warm)*pricing.FunctionQueryUSD(c.Prices, s.stage.FunctionArch, h.MemoryMB, h.MS.P95)
		sizes[i] = fmt.Sprint(h.MemoryMB)
	}
	fmt.Fprintf(term.Err, "Model %s will run on Lambda functions of %s MB, to check and measure it. This costs about $%.2g.\n", m.Name, strings.Join(sizes, " and "), usd)
	if yes {
		return nil
	}
	fmt.Fprint(term.Err, "Continue? [y/N] ")
	answer, _ := bufio.NewReader(term.In).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("the model was not run and nothing has changed; --yes runs it without asking")
	}
	return nil
}

// prove has a model run in the stage, stores how that went, and offers it if it passed.
func (s stageModels) prove(ctx context.Context, term *cli.Terminal, name string) error {
	m, ok := s.Current().Model(name)
	if !ok {
		return fmt.Errorf("model %s was removed before the stage ran it", name)
	}
	b, err := s.stage.Backend(ctx, term.Now)
	if err != nil {
		return err
	}
	p, err := s.proof(ctx, term, b, m)
	if err != nil {
		return fmt.Errorf("model %s gets no queries yet: %w; `paragon model prove %s --stage %s` tries again", name, err, name, s.stage.Name)
	}
	if err := s.Prove(name, m.SHA256, p); err != nil {
		return err
	}
	if p.Why != "" {
		return fmt.Errorf("model %s gets no queries, because it cannot run in stage %s: %s", name, s.stage.Name, p.Why)
	}
	return nil
}

// proof has generic functions run a model, or a worker where none holds it, and waits for
// what a worker measured.
func (s stageModels) proof(ctx context.Context, term *cli.Terminal, b platform.Backend, m *profile.Model) (p modelstore.Proof, err error) {
	var r measure.Report
	holding, _ := s.holding(m)
	if len(holding) > 0 {
		if r, p.Why, err = s.byFunctions(ctx, b.Invoker, m, holding, term.Now()); err != nil || p.Why != "" {
			return p, err
		}
	}
	on, err := s.byWorkers(ctx, term, b, m, len(holding) > 0)
	if err != nil {
		return p, err
	}
	if len(holding) == 0 && on.Why != "" { // of one that functions run, the controller judges what workers say
		return modelstore.Proof{Why: on.Why}, nil
	}
	if on.Samples > 0 {
		times := append([]profile.BatchTime{{Batch: 1, MS: on.MS, Samples: on.Samples}}, on.Batches...)
		r = r.WithWorker(m.Name, on.InstanceType, times, on.At, modelstore.StageFile(m.SHA256))
	} else {
		fmt.Fprintf(term.Err, "No worker has measured model %s. Its latency on workers is estimated from this machine.\nWhen a worker is ready, `paragon model prove %s --stage %s` measures the model there.\n", m.Name, m.Name, s.stage.Name)
	}
	if len(r.Models) == 0 {
		return p, nil
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return p, fmt.Errorf("encode what was measured: %w", err)
	}
	return modelstore.Proof{Latency: r.Models[0].Latency, Measured: append(raw, '\n')}, nil
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
// gives no answer is a proof too; an error is of one that proved nothing.
func (s stageModels) byFunctions(ctx context.Context, in measure.Invoker, m *profile.Model, holding []sizing.Holding, now time.Time) (r measure.Report, why string, err error) {
	sample, err := modelcheck.SampleOf(m, func() ([]byte, error) { return s.ONNX(m) })
	if err != nil {
		return r, "", err
	}
	j := s.job(holding)
	j.Invoker, j.File, j.Today = in, modelstore.StageFile(m.SHA256), now
	j.Subjects = []measure.Subject{{Name: m.Name, SHA256: m.SHA256, Inputs: []query.Input{sample}}}
	r, err = j.Run(ctx)
	if errors.Is(err, platform.ErrFault) || errors.Is(err, measure.ErrNoAnswer) {
		return r, err.Error(), nil
	}
	return r, "", err
}

// byWorkers waits until a worker has run a model. One that functions have run is offered
// without a worker too, so that none is awaited where none is ready.
func (s stageModels) byWorkers(ctx context.Context, term *cli.Terminal, b platform.Backend, m *profile.Model, ran bool) (r proof.Result, err error) {
	digest, err := proof.Digest(s.Current(), m)
	if err != nil {
		return r, err
	}
	patience := workerPatience
	if ran {
		patience = measuredPatience
	}
	for end := term.Now().Add(patience); ; {
		book, err := platform.ReadProofs(ctx, b.Shared)
		if err != nil {
			return r, err
		}
		if r, done := book.By(digest, term.Now()); done {
			return r, nil
		}
		late := !term.Now().Before(end)
		if ran && (late || !s.workersReady(ctx, b)) {
			return r, nil
		}
		if late {
			return r, fmt.Errorf("no worker has run the model within %v, and the stage has no generic function (a function that runs any model) with enough memory for the model", workerPatience)
		}
		if err := term.Sleep(ctx, workerEvery); err != nil {
			return r, err
		}
	}
}

// workersReady says whether a worker of the stage is ready, by the controller's last view.
func (s stageModels) workersReady(ctx context.Context, b platform.Backend) bool {
	v, err := b.Fleet.View(ctx)
	return err == nil && slices.ContainsFunc(v.Pools, func(p placement.Pool) bool { return p.Workers > 0 })
}
