package stage

import (
	"cmp"
	"context"
	"fmt"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform/aws/prefix/ownmodels"
)

// Catalogue returns the catalogue that PARAGON_PROFILES and PARAGON_CATALOGUE
// name, with the function sizes that the stage has: what choosing, dispatching
// and deciding work with, and with the models that PARAGON_MODELS adds to it, as they
// change. load opens a folder, with the schema or without.
func Catalogue(ctx context.Context, env func(string) string, load func(folder string) (*profiles.Set, error)) (*modelstore.Store, error) {
	base, err := deployed(ctx, env, load)
	if err != nil {
		return nil, err
	}
	of, err := ownmodels.Open(ctx, env(environment.Models), base, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", environment.Models, err)
	}
	return of, nil
}

// deployed is the catalogue that the stage came with.
func deployed(ctx context.Context, env func(string) string, load func(folder string) (*profiles.Set, error)) (*profile.Catalogue, error) {
	folder, err := Figures(ctx, env)
	if err != nil {
		return nil, err
	}
	set, err := load(folder)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", environment.Profiles, err)
	}
	catalogue, err := set.Catalogue(cmp.Or(env(environment.Catalogue), "fashion"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", environment.Catalogue, err)
	}
	return Sizes(env, catalogue)
}
