package control

import (
	"context"
	"time"

	"github.com/paragon-serving/paragon/shared/cache"
	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	// withheldEvery is how often it is read which models could be run.
	withheldEvery = 15 * time.Second
	withheldTime  = 5 * time.Second
)

// newWithheld caches the models that no platform could run: why, by name. Workers run
// each once when they start.
func (c *Controller) newWithheld() *cache.Cache[map[string]string] {
	return cache.New(cache.Options[map[string]string]{
		Timeout: withheldTime, Now: c.Now, TTL: func(map[string]string) time.Duration { return withheldEvery },
		Fetch: func(ctx context.Context) (map[string]string, error) {
			book, err := platform.ReadProofs(ctx, c.Shared)
			return book.Withheld(c.Catalogue.Current(), c.Now()), err
		},
	})
}

// withheldNow are the models that are not to be offered. What cannot be read leaves the
// last answer in force.
func (c *Controller) withheldNow(ctx context.Context) map[string]string {
	if c.Shared == nil {
		return nil
	}
	models, err := c.withheld.Get(ctx)
	if err != nil {
		c.Log.Warn("could not read which models can run", "error", err)
	}
	return models
}
