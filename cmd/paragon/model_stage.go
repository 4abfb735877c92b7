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
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
	"github.com/paragon-serving/paragon/shared/platform/aws/prefix"
	"github.com/paragon-serving/paragon/shared/platform/aws/prefix/ownmodels"
)

// keepRemoved is how long the file of a removed model stays in a stage's bucket for the
// queries that it was given: longer than any may wait.
const keepRemoved = 4 * time.Hour

// openModels opens the models of a stage in an account over its catalogue.
func openModels(ctx context.Context, stage string) (*modelstore.Store, error) {
	s, err := discovery.Open(ctx, stage)
	if err != nil {
		return nil, err
	}
	if s.Models == "" {
		return nil, fmt.Errorf("stage %s has no bucket for models of your own: another version of Paragon deployed it; deploy it anew", stage)
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
	return modelstore.OpenPlace(place, ownmodels.Deployed(base))
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
	if f.share >= 0 {
		return cli.Usagef("--share is of versions, which are for one machine: leave it out")
	}
	store, err := openModels(ctx, stage)
	if err != nil {
		return err
	}
	o, onnx, err := prepare(ctx, term, catalogued{store}, f, file)
	if err != nil {
		return err
	}
	added, err := putIntoStage(ctx, store, o, onnx)
	if err != nil {
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
	term.Printf("It is in the bucket of stage %s. Within about ten seconds its workers run it once and the\nstage answers at /v2/models/%s/infer; a model that no worker can run is taken back.\n", stage, added.Task.Name)
	term.Printf("Its queries overflow to the stage's generic functions, if it has some, until a deployment\nmakes functions of its own. Its times were measured here, and stand for the stage's machines\nby their speed.\n")
	return nil
}

// putIntoStage checks an order and a model, and adds it.
func putIntoStage(ctx context.Context, store *modelstore.Store, o api.ModelOrder, onnx []byte) (added api.AddedModel, err error) {
	if err := machine.CheckOrder(store.Current(), o); err != nil {
		return added, err
	}
	checker, err := machine.NewChecker(store)
	if err != nil {
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
	if err := store.Prune(time.Now().Add(-keepRemoved)); err != nil {
		return added, err
	}
	if err := store.Add(draft, made); errors.Is(err, modelstore.ErrTaken) {
		return added, fmt.Errorf("%w: `paragon model remove` it first, or give this one another name with --name", err)
	} else if err != nil {
		return added, err
	}
	m, ok := store.Current().Model(o.Name)
	if !ok {
		return added, fmt.Errorf("model %s was added, and removed by another at once", o.Name)
	}
	return api.AddedModel{Model: *m, Task: made.Task, Notes: notes}, nil
}

// ownOfStage reads the models that were added to a stage.
func ownOfStage(ctx context.Context, stage string) (api.OwnModels, error) {
	store, err := openModels(ctx, stage)
	if err != nil {
		return api.OwnModels{}, err
	}
	return api.OwnModels{Models: store.Added()}, nil
}

// removeFromStage has a stage give a model no query any more.
func removeFromStage(ctx context.Context, term *cli.Terminal, stage, name string) (profile.Model, error) {
	store, err := openModels(ctx, stage)
	if err != nil {
		return profile.Model{}, err
	}
	m, err := store.Retire(name, term.Now())
	if errors.Is(err, modelstore.ErrNotAdded) {
		return m, fmt.Errorf("%w to stage %s; `paragon model list --stage %s` lists those that were", err, stage, stage)
	}
	return m, err
}
