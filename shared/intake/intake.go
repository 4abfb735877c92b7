// Package intake is the job that takes queries in: it validates them, selects
// the model, places, stores and sends them, and only then answers. It also
// reads them back, waits for their results and cancels them.
//
// Nothing is stored of a query that is refused, and a refusal says which field
// is wrong and what could be had instead. The HTTP API over it is package
// httpapi.
package intake

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"paragon/shared/api"
	"paragon/shared/cloud"
	"paragon/shared/core/profile"
	"paragon/shared/core/query"
	"paragon/shared/core/selection"
	"paragon/shared/core/settings"
	"paragon/shared/telemetry/tracing"
)

// Store is what intake needs of cloud.Store.
type Store interface {
	Accept(ctx context.Context, r query.Record, to cloud.QueueName, m query.Message) (query.Record, bool, error)
	Finish(ctx context.Context, id string, o query.Outcome) (query.Record, bool, error)
	Reader
}

// Reader is the reading half of Store.
type Reader interface {
	Get(ctx context.Context, id string) (query.Record, error)
	Wait(ctx context.Context, id string) (query.Record, error)
	Recent(ctx context.Context, owner string, limit int) ([]query.Record, error)
}

// Fleet is what intake needs of cloud.Fleet: the view that it places by, and
// the workers for the status page.
type Fleet interface {
	View(ctx context.Context) (cloud.View, error)
	Workers(ctx context.Context, pool string) ([]cloud.WorkerReport, error)
}

// Depths tells what a queue holds, for the status page.
type Depths interface {
	Depth(ctx context.Context, q cloud.QueueName) (cloud.Depth, error)
}

// Chooser selects model and resource for a need out of an offer.
type Chooser interface {
	// Pick returns the winner alone.
	Pick(n query.Need, o selection.Offer) (selection.Candidate, query.Class, error)
	// Choose returns every candidate with why it lost; Pick's is the first.
	Choose(n query.Need, o selection.Offer) (selection.Ranked, error)
}

// rules are package selection as a Chooser.
type rules struct{}

func (rules) Pick(n query.Need, o selection.Offer) (selection.Candidate, query.Class, error) {
	return selection.Pick(n, o)
}

func (rules) Choose(n query.Need, o selection.Offer) (selection.Ranked, error) {
	return selection.Choose(n, o)
}

// Pool is the workers that serve some tasks.
type Pool struct {
	Name         string
	Tasks        []string // empty means every task
	InstanceType string
}

// Serves tells whether the pool answers queries of a task.
func (p Pool) Serves(task string) bool {
	if len(p.Tasks) == 0 {
		return true
	}
	for _, t := range p.Tasks {
		if t == task {
			return true
		}
	}
	return false
}

// Config is what a Service works with. Every part is required unless its
// comment says otherwise.
type Config struct {
	Store     Store
	Fleet     Fleet
	Queues    Depths
	Metrics   cloud.Metrics
	Blobs     cloud.Blobs
	Catalogue *profile.Catalogue
	Settings  func() settings.Settings // the settings in force
	Pools     []Pool
	Chooser   Chooser // defaults to package selection
	// Votes keeps callers' feedback, from which accuracy is learnt. Optional.
	Votes cloud.Votes
	// Arch is the architecture of the inference functions; empty means that
	// there are none, so that nothing overflows.
	Arch string
	// Status adds what only the home knows to the status page. Optional.
	Status func(context.Context) api.HomeStatus
	Traces *tracing.Tracer  // nil traces nothing
	Now    func() time.Time // defaults to time.Now
	NewID  func() string    // defaults to NewID
	Log    *slog.Logger     // defaults to slog.Default
}

// Service is the intake of one home. Create it with New. It is safe for
// concurrent use.
type Service struct {
	Config
	tables   map[string]*selection.Table // the catalogue prepared for choosing, by pool
	fleet    *fleetView
	waiters  waiters
	arrivals arrivals
	learnt   learnt
}

// New returns a Service. Run must run beside it for arrivals to be counted.
func New(c Config) (*Service, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = NewID
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Chooser == nil {
		c.Chooser = rules{}
	}
	c.Catalogue = runnable(c.Catalogue)
	s := &Service{Config: c, fleet: newFleetView(c.Pools, c.Catalogue), tables: map[string]*selection.Table{}}
	for _, p := range c.Pools {
		s.tables[p.Name] = selection.NewTable(c.Catalogue, c.Arch, p.InstanceType)
	}
	return s, nil
}

// runnable is the catalogue without the models of which only figures are known.
func runnable(c *profile.Catalogue) *profile.Catalogue {
	out := *c
	out.Models = nil
	for _, m := range c.Models {
		if m.File != "" && m.Input != nil {
			out.Models = append(out.Models, m)
		}
	}
	return &out
}

func (c Config) check() error {
	switch {
	case c.Store == nil, c.Fleet == nil, c.Queues == nil, c.Metrics == nil, c.Blobs == nil:
		return errors.New("intake: a part of the home is missing")
	case c.Catalogue == nil || c.Settings == nil:
		return errors.New("intake: the catalogue or the settings are missing")
	case len(c.Pools) == 0:
		return errors.New("intake: no pool of workers is configured")
	}
	return nil
}

// NewID returns a new id of a query without an idempotency key. Ids sort by
// the time they were made.
func NewID() string {
	return "q" + strings.ToLower(ulid.MustNew(ulid.Now(), rand.Reader).String())
}

// poolFor returns the pool that serves a task.
func (s *Service) poolFor(task string) (Pool, bool) {
	for _, p := range s.Pools {
		if p.Serves(task) {
			return p, true
		}
	}
	return Pool{}, false
}
