// Package models finds what a worker or an inference function runs: a catalogue
// and the networks of its models, out of the package, a folder, or a bucket, and
// those that were added to the stage on one machine.
package models

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform/aws/prefix"
	"github.com/paragon-serving/paragon/shared/platform/aws/prefix/ownmodels"
	"github.com/paragon-serving/paragon/shared/platform/aws/s3url"
)

// Source is a catalogue with the way to its networks. It may be used from many
// goroutines.
type Source struct {
	*modelstore.Store                    // the catalogue in force, which may have models added later
	base              *profile.Catalogue // that the stage came with
	set               *profiles.Set      // that it is of
	packaged          *profiles.Set      // in this binary
	fetch             fetch              // of the bucket; nil when there is none
	now               func() time.Time

	mu      sync.Mutex // held while a network is fetched: one at a time
	refused map[string]refusal
}

// fetch gets a file below the prefix, checked against its digest.
type fetch func(name, digest string) ([]byte, error)

// refusal is why a network was not to be had.
type refusal struct {
	err error
	at  time.Time
}

// again is how long a refusal stands before the bucket is asked once more, so
// that a repair takes hold and a fault is not downloaded for every query.
const again = time.Minute

// onLambda is set in a Lambda function: its disk has room for few networks, and each is
// loaded once.
const onLambda = "AWS_LAMBDA_FUNCTION_NAME"

// Open reads the catalogue that PARAGON_CATALOGUE names of the profiles that
// PARAGON_PROFILES names: a folder, or s3://bucket/prefix, of which the figures
// are read now and each network when it is first asked for. Models that were added
// are in the folder or the bucket of PARAGON_MODELS. adjust, if it is not nil, changes the
// catalogue to what the stage has of it.
func Open(ctx context.Context, env func(string) string, adjust func(*profile.Catalogue) (*profile.Catalogue, error)) (*Source, error) {
	where, s := env(environment.Profiles), &Source{now: time.Now, refused: map[string]refusal{}}
	err := s.open(ctx, where)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", environment.Profiles, err)
	}
	if s.base, err = s.set.Catalogue(cmp.Or(env(environment.Catalogue), "fashion")); err != nil {
		return nil, fmt.Errorf("%s: %w", environment.Catalogue, err)
	}
	offered := s.base
	if adjust != nil {
		if offered, err = adjust(offered); err != nil {
			return nil, err
		}
	}
	if s.Store, err = ownmodels.Open(ctx, env(environment.Models), offered, env(onLambda) == ""); err != nil {
		return nil, fmt.Errorf("%s: %w", environment.Models, err)
	}
	return s, nil
}

func (s *Source) open(ctx context.Context, where string) (err error) {
	if s.packaged, err = profiles.Load(""); err != nil {
		return err
	}
	folder, err := prefix.Folder(ctx, where, prefix.Figures)
	if err != nil {
		return err
	}
	if s.set, err = profiles.Load(folder); err != nil || !s3url.Is(where) {
		return err
	}
	f, err := prefix.NewFetcher(ctx, where)
	s.fetch = func(name, digest string) ([]byte, error) { return f.Fetch(ctx, name, digest) }
	return err
}

// ONNX returns a model's network, whose SHA-256 is the catalogue's: the one in
// this binary when it is the same, else the one next to its catalogue. An error
// names the model, and where its network comes from.
func (s *Source) ONNX(model string) ([]byte, error) {
	m, ok := s.Current().Model(model)
	if !ok || m.File == "" {
		return nil, fmt.Errorf("network of model %q: catalogue %s has none: %w", model, s.base.Name, profiles.ErrNotFound)
	}
	if s.Has(model) {
		return s.Store.ONNX(m)
	}
	if s.fetch == nil {
		return s.set.NetworkOf(s.base.Name, m)
	}
	if known, err := s.packaged.Catalogue(s.base.Name); err == nil {
		if same, ok := known.Model(model); ok && same.SHA256 == m.SHA256 {
			return s.packaged.NetworkOf(known.Name, same)
		}
	}
	return s.fetched(m)
}

// fetched gets a network from the bucket.
func (s *Source) fetched(m *profile.Model) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.refused[m.Name]; ok && s.now().Sub(r.at) < again {
		return nil, r.err
	}
	onnx, err := s.fetch(path.Join(s.base.Name, m.File), m.SHA256)
	if err != nil {
		err = fmt.Errorf("network of model %q: %w", m.Name, err)
		s.refused[m.Name] = refusal{err, s.now()}
		return nil, err
	}
	return onnx, nil
}
