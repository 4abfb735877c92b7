package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
	"github.com/paragon-serving/paragon/shared/platform/aws/prefix"
	"github.com/paragon-serving/paragon/shared/platform/aws/prefix/ownmodels"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
)

// keepRemoved is how long the file of a removed model stays in a stage's bucket for the
// queries that it was given: longer than any may wait.
const keepRemoved = 4 * time.Hour

// keepDrafts is how long a draft stays whose command may still be at work: longer than any
// check, upload and question take.
const keepDrafts = 24 * time.Hour

// openModels opens the models of a stage in an account over its catalogue.
func openModels(ctx context.Context, stage string) (s stageModels, err error) {
	if s.stage, err = discovery.Open(ctx, stage); err != nil {
		return s, err
	}
	s.Store, err = openStore(ctx, s.stage)
	return s, err
}

// openStore opens the bucket of a stage that was found.
func openStore(ctx context.Context, s *discovery.Stage) (*modelstore.Store, error) {
	stage := s.Name
	if s.Models == "" {
		return nil, fmt.Errorf("stage %s has no bucket for added models, because another version of Paragon deployed it; deploy the stage again", stage)
	}
	folder, err := prefix.Folder(ctx, s.Profiles, prefix.Figures)
	if err != nil {
		return nil, fmt.Errorf("read the profiles of stage %s: %w", stage, err)
	}
	set, err := profiles.Load(folder)
	if err != nil {
		return nil, fmt.Errorf("read the profiles of stage %s: %w", stage, err)
	}
	base, err := set.Catalogue(s.Catalogue)
	if err != nil {
		return nil, fmt.Errorf("read the catalogue of stage %s: %w", stage, err)
	}
	place, err := ownmodels.Bucket(ctx, s.Models)
	if err != nil {
		return nil, err
	}
	with := *base
	with.Deployed = &profile.Deployed{GenericMB: s.GenericMB}
	return modelstore.OpenPlace(place, &with)
}

// catalogued says which models a catalogue has.
type catalogued struct{ *modelstore.Store }

// Models implements served.
func (c catalogued) Models(context.Context) (out []api.Model, _ error) {
	now := c.Current()
	for i := range now.Models {
		m := &now.Models[i]
		t, _ := now.Task(m.Task)
		out = append(out, api.Model{Name: m.Name, Task: m.Task, Kind: t.AnswerKind(), Takes: m.Takes(), Labels: now.LabelsOf(m)})
	}
	return out, nil
}

// addToStage checks and measures a file on this machine and puts it into a stage's
// bucket: the file first, then the catalogue that names it.
func addToStage(ctx context.Context, term *cli.Terminal, f *addFlags, stage, file string) error {
	store, err := openModels(ctx, stage)
	if err != nil {
		return err
	}
	o, onnx, err := prepare(ctx, term, catalogued{store.Store}, f, file)
	if err != nil {
		return err
	}
	added, err := putIntoStage(ctx, term, store, o, onnx, f.yes)
	if err != nil {
		return err
	}
	if err := store.prove(ctx, term, added.Model.Name); err != nil {
		return err
	}
	if err := store.begin(ctx, &added, f.share, term.Now()); err != nil {
		return err
	}
	if added.Choices, err = store.choices(ctx, added.Task.Name); err != nil {
		return err
	}
	if term.JSON {
		term.PrintJSON(added)
		return nil
	}
	printModel(term, added.Model)
	for _, n := range added.Notes {
		term.Printf("  %s\n", cli.OneLine(n))
	}
	if added.Rollout != nil {
		printRollout(term, *added.Rollout)
	}
	term.Printf("For a query of task %s, the stage would now choose (with its present workers and load):\n", added.Task.Name)
	printChoices(term, added.Choices)
	term.Printf("Stage %s has run the model successfully. Within about ten seconds the model answers at /v2/models/%s/infer.\n", stage, added.Task.Name)
	term.Printf("If one of the stage's generic functions (functions that run any model) has enough memory, queries for this model can overflow to that function.\n")
	return nil
}

// putIntoStage checks an order and a model, and adds it.
func putIntoStage(ctx context.Context, term *cli.Terminal, store stageModels, o api.ModelOrder, onnx []byte, yes bool) (added api.AddedModel, err error) {
	if err := machine.CheckOrder(store.Current(), o); err != nil {
		return added, err
	}
	checker, err := machine.NewChecker(store.Store)
	if err != nil {
		return added, err
	}
	if err := store.DropDrafts(time.Now().Add(-keepDrafts)); err != nil {
		return added, err
	}
	draft, err := store.Receive(bytes.NewReader(onnx))
	if err != nil {
		return added, err
	}
	defer func() { err = errors.Join(err, draft.Discard()) }()
	made, notes, err := checker.Check(ctx, o, draft)
	if err != nil {
		return added, err
	}
	made.Model.Name, made.Model.FileBytes, made.Withheld = o.Name, draft.Bytes, awaitsProof
	if err := store.agree(term, &made.Model, yes); err != nil {
		return added, err
	}
	if err := store.Prune(time.Now().Add(-keepRemoved)); err != nil {
		return added, err
	}
	name, err := store.put(draft, made)
	if err != nil {
		return added, err
	}
	m, ok := store.Current().Model(name)
	if !ok {
		return added, fmt.Errorf("model %s was added, but someone else has removed it meanwhile", name)
	}
	return api.AddedModel{Model: *m, Task: made.Task, Notes: notes}, nil
}

// put puts a model into the catalogue, not offered yet: where its name is served, as a
// version without a share. It returns the name that it has there.
func (s stageModels) put(draft modelstore.Draft, made modelstore.Addition) (name string, err error) {
	c := s.Current()
	if had, ok := c.Model(c.Version(made.Model.Name)); ok && had.RetiredAt == "" {
		return s.AddVersion(draft, made, 0, time.Now())
	}
	return made.Model.Name, s.Add(draft, made)
}

// begin gives a version that passed its share of the queries: the one that was asked for,
// or below 0 the setting canary_share of the stage.
func (s stageModels) begin(ctx context.Context, added *api.AddedModel, share float64, now time.Time) error {
	model, _ := profile.ParseVersion(added.Model.Name)
	r, ok := s.Current().Rollout(model)
	if ok && r.Canary == added.Model.Name {
		if share < 0 {
			set, err := s.settings(ctx)
			if err != nil {
				return err
			}
			share = set.CanaryShare
		}
		o := api.RolloutOrder{Action: profile.CanaryShare, Share: share}
		if share >= 1 {
			o = api.RolloutOrder{Action: profile.VersionPromoted}
		}
		var err error
		if r, err = s.change(model, o, now); err != nil {
			return err
		}
		added.Rollout = &r
	}
	if m, ok := s.Current().Model(added.Model.Name); ok {
		added.Model = *m // with what was measured
	}
	return nil
}

// choices is what would be chosen for some needs of a task of the stage now.
func (s stageModels) choices(ctx context.Context, task string) ([]api.Choice, error) {
	b, err := s.stage.Backend(ctx, time.Now)
	if err != nil {
		return nil, err
	}
	set, err := s.settings(ctx)
	if err != nil {
		return nil, err
	}
	var pools []selection.Pool
	if v, err := b.Fleet.View(ctx); err == nil { // before the controller's first view there are no workers
		for _, p := range v.Pools {
			if p.Workers > 0 {
				pools = append(pools, selection.Pool{InstanceType: p.InstanceType, Runners: p.Runners, AheadMS: p.StrictMS})
			}
		}
	}
	return s.choicesOf(task, pools, set), nil
}

// choicesOf is what would be chosen with some pools of ready workers.
func (s stageModels) choicesOf(task string, pools []selection.Pool, set settings.Settings) []api.Choice {
	offer := selection.Offer{Catalogue: s.Current().Offered(), Pools: pools, Arch: s.stage.FunctionArch, PathMS: set.PathMS, OverflowPathMS: set.OverflowPathMS, StrictBelowMS: set.StrictBelowMS}
	if c, err := offer.Catalogue.WithFunctionSizes(s.stage.FunctionMB); err == nil && len(s.stage.FunctionMB) > 0 {
		offer.Catalogue = c
	}
	return machine.Choices(task, func(n query.Need) (selection.Candidate, error) {
		ranked, err := selection.Choose(n, offer)
		if err != nil {
			return selection.Candidate{}, err
		}
		return ranked.Chosen(), nil
	})
}

// settings are those of the stage that are in force.
func (s stageModels) settings(ctx context.Context) (settings.Settings, error) {
	b, err := s.stage.Backend(ctx, time.Now)
	if err != nil {
		return settings.Settings{}, err
	}
	source := tuning.New(b.Settings)
	err = source.Refresh(ctx)
	return source.Current(), err
}

// change does what an operator wants with the versions of a model.
func (s stageModels) change(model string, o api.RolloutOrder, now time.Time) (r profile.Rollout, err error) {
	act, err := machine.ActionOf(o, now)
	if err != nil {
		return r, err
	}
	r, err = s.Change(model, now, act)
	if errors.Is(err, modelstore.ErrNotAdded) {
		return r, fmt.Errorf("model %.64q has no other version in stage %s; `paragon model add FILE --name %.64s --stage %s` adds one", model, s.stage.Name, model, s.stage.Name)
	}
	return r, err
}

// ownOfStage reads the models that were added to a stage.
func ownOfStage(ctx context.Context, stage string) (api.OwnModels, error) {
	store, err := openModels(ctx, stage)
	if err != nil {
		return api.OwnModels{}, err
	}
	now := store.Current()
	return api.OwnModels{Models: store.Added(), Rollouts: now.Rollouts, Withheld: now.Withheld}, nil
}

// removeFromStage has a stage give a model no query any more.
func removeFromStage(ctx context.Context, term *cli.Terminal, stage, name string) (profile.Model, error) {
	store, err := openModels(ctx, stage)
	if err != nil {
		return profile.Model{}, err
	}
	m, err := store.Retire(name, term.Now())
	if errors.Is(err, modelstore.ErrNotAdded) {
		return m, fmt.Errorf("%w to stage %s; `paragon model list --stage %s` lists the added models", err, stage, stage)
	}
	return m, err
}
