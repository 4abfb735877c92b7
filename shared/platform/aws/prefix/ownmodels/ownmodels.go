// Package ownmodels keeps the models that operators add to a stage in an account below
// a prefix of a bucket.
package ownmodels

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform/aws/prefix"
	"github.com/paragon-serving/paragon/shared/platform/aws/s3url"
)

// bucket is a Place below s3://bucket/prefix, which many may read and write.
type bucket struct{ files *prefix.Editor }

// Bucket is the place of a stage in an account. It makes no call.
func Bucket(ctx context.Context, where string) (modelstore.Place, error) {
	e, err := prefix.NewEditor(ctx, where)
	if err != nil {
		return nil, err
	}
	return bucket{e}, nil
}

// Open opens what PARAGON_MODELS names over a base catalogue: a folder, or
// s3://bucket/prefix, which is read anew behind its callers. keep has the files that are
// fetched from there stay on this machine.
func Open(ctx context.Context, where string, base *profile.Catalogue, keep bool) (*modelstore.Store, error) {
	if !s3url.Is(where) {
		return modelstore.Open(where, base)
	}
	e, err := prefix.NewEditor(ctx, where)
	if err != nil {
		return nil, err
	}
	if !keep {
		e.KeepNone()
	}
	p := bucket{e}
	return modelstore.OpenRefreshed(p, Deployed(base), time.Now), nil
}

// Deployed is a catalogue in an account, whose functions are those of its deployment:
// where nothing says which, a model that is added has none.
func Deployed(base *profile.Catalogue) *profile.Catalogue {
	c := *base
	if c.Deployed == nil {
		c.Deployed = &profile.Deployed{}
	}
	return &c
}

// Read implements Place: a version is an ETag.
func (b bucket) Read(last any) ([]byte, any, error) {
	known, _ := last.(string)
	raw, etag, err := b.files.Read(modelstore.CatalogueFile, known, modelstore.MaxCatalogueBytes)
	return raw, etag, err
}

// Write implements Place.
func (b bucket) Write(raw []byte, over any) error {
	known, _ := over.(string)
	err := b.files.Write(modelstore.CatalogueFile, raw, known)
	if errors.Is(err, prefix.ErrChanged) {
		return fmt.Errorf("%w: %w", modelstore.ErrConflict, err)
	}
	return err
}

// Drafts implements Place.
func (b bucket) Drafts() (string, error) { return prefix.CacheFolder("drafts") }

// Keep implements Place. The draft stays until it is discarded.
func (b bucket) Keep(d modelstore.Draft, name string) error { return b.files.Send(name, d.Path) }

// Put implements Place.
func (b bucket) Put(name string, content []byte) error { return b.files.Put(name, content) }

// Network implements Place.
func (b bucket) Network(m *profile.Model) ([]byte, error) { return b.files.Fetch(m.File, m.SHA256) }

// Delete implements Place.
func (b bucket) Delete(name string) error { return b.files.Delete(name) }
