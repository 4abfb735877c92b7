package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// load reads the deployment and finds its catalogue and model.
func (f *costFlags) load() error {
	raw, err := os.ReadFile(f.file)
	if errors.Is(err, fs.ErrNotExist) {
		return cli.Usagef("there is no file %s: run the command in the folder of the deployment, or name the file with --cdk-json", f.file)
	}
	if err != nil {
		return err
	}
	file := struct{ Context *deployed }{&f.stage}
	if err := json.Unmarshal(raw, &file); err != nil {
		return cli.Usagef("%s: %v", f.file, err)
	}
	f.network = cmp.Or(f.network, f.stage.Network)
	f.front = cmp.Or(f.front, f.stage.Front, string(pricing.WorkersFront))
	for name := range f.stage.Pools {
		f.pools = append(f.pools, name)
	}
	slices.Sort(f.pools)
	if f.settings, err = settings.Parse(f.stage.Settings); err != nil {
		return cli.Usagef("%s: settings: %v", f.file, err)
	}
	set, err := profiles.Load(f.relative(f.stage.Profiles))
	if err != nil {
		return cli.Usagef("%s: %v", f.file, err)
	}
	if f.catalogue, err = set.Catalogue(f.stage.Catalogue); err != nil {
		return cli.Usagef("%s: %v", f.file, err)
	}
	f.tasks = f.stage.Tasks
	if err := f.addOwn(); err != nil {
		return cli.Usagef("%s: own_models: %v", f.file, err)
	}
	f.models = len(f.answering())
	if err := f.findModel(); err != nil {
		return err
	}
	return f.findTimes()
}

// complete completes a flag with what the deployment has, where its file can be read.
func (f *costFlags) complete(values func() []string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		if err := f.load(); err != nil {
			return nil, noFiles // there is nothing to offer
		}
		return values(), noFiles
	}
}

// deployable are the names of the models that deploy, of the task that was named if one was.
func (f *costFlags) deployable() (names []string) {
	for _, m := range f.answering() {
		if f.task == "" || m.Task == f.task {
			names = append(names, m.Name+"\t"+m.Task)
		}
	}
	return names
}

// answering are the models that answer queries of the deployment's tasks.
func (f *costFlags) answering() (models []profile.Model) {
	for _, m := range f.catalogue.Models {
		if m.Runnable() && slices.Contains(f.tasks, m.Task) {
			models = append(models, m)
		}
	}
	return models
}

// relative is a path of the deployment's file, which is relative to its folder.
func (f *costFlags) relative(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(f.file), path)
}

// addOwn adds the models that get functions of their own by the deployment's own_models.
func (f *costFlags) addOwn() error {
	if f.stage.OwnModels == "" {
		return nil
	}
	raw, err := os.ReadFile(f.relative(f.stage.OwnModels))
	if err != nil {
		return err
	}
	var list []profile.Model
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("%s is not the output of `paragon model list --json`: %w", f.stage.OwnModels, err)
	}
	added, own := profile.Added{}, map[string]string{}
	for _, m := range list {
		if m.RetiredAt != "" {
			continue
		}
		if !m.Runnable() || len(m.Latency) == 0 {
			return fmt.Errorf("%s: model %.64q lacks its file or its latency; write the list again with `paragon model list --json`", f.stage.OwnModels, m.Name)
		}
		if !slices.Contains(f.tasks, m.Task) {
			f.tasks = append(slices.Clone(f.tasks), m.Task)
			added.Tasks = append(added.Tasks, profile.Task{Name: m.Task})
		}
		added.Models = append(added.Models, m)
		if of, _ := profile.ParseVersion(m.Name); of == m.Name { // a version's name is not one of a function
			own[m.Name] = m.SHA256
		}
	}
	base := *f.catalogue
	base.Deployed = &profile.Deployed{GenericMB: f.stage.GenericMB, Own: own}
	f.catalogue, _ = base.With(added) // for its times: who adds a model validates it
	return nil
}

// findModel takes the model that was named, or the slowest that deploys.
func (f *costFlags) findModel() error {
	if f.model != "" {
		m, ok := f.catalogue.Model(f.model)
		if !ok {
			var names []string
			for _, m := range f.catalogue.Models {
				names = append(names, m.Name)
			}
			return cli.Usagef("catalogue %s has no model %.64q%s; its models are %s. For a model that was added to a stage, name a model of the catalogue with a similar latency", f.catalogue.Name, f.model, cli.Meant(f.model, names), strings.Join(names, ", "))
		}
		f.m = m
		return nil
	}
	tasks := f.tasks
	if f.task != "" {
		if tasks = []string{f.task}; !slices.Contains(f.tasks, f.task) {
			return cli.Usagef("--task is %q, and must be one of %s", f.task, strings.Join(f.tasks, ", "))
		}
	}
	slowest := 0.0
	for i := range f.catalogue.Models {
		m := &f.catalogue.Models[i]
		st, ok := f.catalogue.OnFunction(m, f.stage.Arch, 1769)
		if m.File != "" && ok && slices.Contains(tasks, m.Task) && st.MS.P50 > slowest {
			f.m, slowest = m, st.MS.P50
		}
	}
	if f.m == nil {
		return cli.Usagef("%s: the catalogue has no model file for the tasks %v", f.file, tasks)
	}
	return nil
}

// findTimes looks up how long the model runs on a function of the right size
// and on a worker of the first pool, and how many a second that worker takes.
func (f *costFlags) findTimes() error {
	if sizes := sizing.RankFunctions(f.catalogue, f.m, f.stage.Arch, sizing.Wants{BoundMS: f.latencyMS}, sizing.Warm); len(sizes) > 0 {
		f.function = sizes[0]
	}
	if len(f.pools) == 0 {
		return cli.Usagef("%s: the context has no pool of workers: define one in \"pools\"", f.file)
	}
	for _, name := range f.pools {
		types := f.stage.Pools[name].Types
		if len(types) == 0 {
			return cli.Usagef("%s: pool %s has no instance type: list one or more in \"instance_types\"", f.file, name)
		}
		if _, ok := f.catalogue.Instance(types[0]); !ok {
			return cli.Usagef("%s: pool %s: catalogue %s has no instance type %q", f.file, name, f.catalogue.Name, types[0])
		}
	}
	first := f.stage.Pools[f.pools[0]].Types[0]
	if st, ok := f.catalogue.OnVM(f.m, first); ok {
		f.serviceMS = st.MS.P50
	}
	if slots, ok := sizing.SlotsOnVM(f.catalogue, f.m, first, f.latencyMS, 0); ok {
		f.capacity = slots.PerSecond
	}
	return nil
}

// stageOf is the deployment with some traffic to it. The first pool has as many
// workers as given, the others stand at their least.
func (f *costFlags) stageOf(t pricing.Traffic, workers float64) pricing.Stage {
	t.Private = f.network == "private"
	t.InputKB, t.ResultKB, t.KeyedShare = f.inputKB, f.resultKB, f.keyed
	t.MaxOverflow, t.Periods = float64(f.settings.MaxOverflowConcurrency), pricing.PeriodsOf(f.settings)
	t.ServiceMS, t.FunctionMS = f.serviceMS, f.function.ServiceMS
	s := pricing.Stage{
		Rest: pricing.AtRest(pricing.Deployment{
			Front: t.Front, Private: t.Private, Tasks: len(f.stage.Tasks), Models: f.models, Pools: len(f.pools), Keys: f.stage.Authorizer == names.ByKeys, Sessions: f.stage.Sessions, Collector: f.stage.Collector != "",
			TickSeconds: f.settings.TickSeconds, ViewSeconds: f.settings.ViewSeconds,
		}),
		FunctionUSD: f.function.QueryUSD, TrialHours: f.trialHours,
		Boots: f.boots, BootSeconds: f.settings.VMBootSeconds,
	}
	t.Workers = 0
	for i, name := range f.pools {
		p := f.stage.Pools[name]
		in, _ := f.catalogue.Instance(p.Types[0]) // findTimes has looked
		n := float64(p.Min)
		if i == 0 {
			n = workers
		}
		s.Fleets = append(s.Fleets, pricing.Fleet{Instance: in, Count: n})
		t.Workers += n
		s.Warm += float64(p.Warm)
	}
	s.Traffic = t
	return s
}

// asked is the stage that the flags ask for.
func (f *costFlags) asked() pricing.Stage {
	t := pricing.SmallQueries(pricing.Front(f.front), pricing.Path(f.path))
	t.OverflowPath, t.PerSecond, t.OverflowShare = pricing.OverflowPath(f.over), f.rate, f.overflow
	first := f.stage.Pools[f.pools[0]]
	n := float64(f.workers)
	if f.workers < 0 {
		n = min(max(float64(first.Min), f.carriers(f.rate)), float64(first.Max))
	}
	return f.stageOf(t, n)
}

// carriers are how many workers a rate keeps as busy as asked.
func (f *costFlags) carriers(rate float64) float64 {
	if f.capacity <= 0 {
		return 0
	}
	return math.Ceil(rate*(1-f.overflow)/(f.capacity*f.busy) - 1e-9)
}

// least is what a month costs with a front at a rate, by the cheapest fleet: as
// many workers as carry it, or none where the api function stands in front. At
// least the number given as anyway is there. Pool and limits are as large as the rate
// needs, whatever the deployment's are.
func (f *costFlags) least(front pricing.Front, anyway float64) func(rate float64) float64 {
	asked, anywayUSD := f.asked().Traffic, anyway*f.workerUSD()
	asked.Front = front
	return func(rate float64) float64 {
		t := asked
		t.PerSecond = rate
		cost := func(t pricing.Traffic, workers float64) float64 {
			sized := f.stageOf(t, workers)
			sized.Traffic.MaxOverflow = 0
			return sized.Bill(f.catalogue.Prices).MonthUSD(rate)
		}
		usd := cost(t, max(anyway, f.carriers(rate)))
		if front != pricing.LambdaFront {
			return usd
		}
		unaided := t.Unaided()
		unaided.Path = t.Path
		return min(usd, cost(unaided, 0)+anywayUSD)
	}
}

// workerUSD is a month of one worker of the first pool that answers nothing.
func (f *costFlags) workerUSD() float64 {
	idle := func(n float64) float64 {
		return f.stageOf(pricing.SmallQueries(pricing.LambdaFront, pricing.Direct), n).Bill(f.catalogue.Prices).MonthUSD(0)
	}
	return idle(1) - idle(0)
}
