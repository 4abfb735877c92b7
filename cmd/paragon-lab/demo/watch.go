package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
)

// watchEvery is how often the fleet is looked at.
const watchEvery = 500 * time.Millisecond

// watcher looks at the stage while it is loaded.
type watcher struct {
	client   *client.Client
	progress func(at, of time.Duration, s api.Status)
	last     api.Status
}

func (c Config) watch(ctx context.Context, url string) (*watcher, error) {
	cl, err := client.New(client.Config{Endpoint: url})
	if err != nil {
		return nil, err
	}
	w := &watcher{client: cl, progress: c.Progress}
	w.last, err = cl.Status(ctx)
	return w, err
}

// ready waits until that many workers are ready.
func (w *watcher) ready(ctx context.Context, workers int) error {
	for len(w.last.Pools) == 0 || w.last.Pools[0].Ready < workers {
		if err := client.Sleep(ctx, watchEvery); err != nil {
			return err
		}
		s, err := w.client.Status(ctx)
		if err != nil {
			return fmt.Errorf("wait for the first workers: %w", err)
		}
		w.last = s
	}
	return nil
}

// run looks until ctx ends. A look that fails is not worth the run.
func (w *watcher) run(ctx context.Context, r *Report) {
	began := time.Now()
	for client.Sleep(ctx, watchEvery) == nil {
		s, err := w.client.Status(ctx)
		if err != nil || len(s.Pools) == 0 {
			continue
		}
		w.last = s
		at := time.Since(began)
		r.observe(at, s)
		if w.progress != nil {
			w.progress(at, r.length, s)
		}
	}
	if s, err := w.client.Status(context.WithoutCancel(ctx)); err == nil {
		w.last = s
	}
}
