// Package overflow is how queries leave the work queues for the inference functions:
// when they must (Rule), whether the stage's limits let them (Charger), and the
// way there where no worker is left to take them (Keeper). Intake, workers and the
// controller share it.
package overflow

import (
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/sizing"
)

// Rule is what decides when a relaxed query leaves the workers of a pool.
type Rule struct {
	Catalogue    *profile.Catalogue
	Arch         string // of the inference functions; empty means that there are none
	InstanceType string // of the workers
	Settings     settings.Settings
	// Warm are the models whose functions count as warm: those of the fleet view.
	Warm []string
}

// RelaxedOverflowWindow is sizing.RelaxedOverflowWindow of a query. It is false for one of
// another class, and where no function holds the model.
func (r Rule) RelaxedOverflowWindow(m query.Message) (at, by time.Time, ok bool) {
	p, known := r.Catalogue.ModelDecoding(m.Model, m.Input.Decoding)
	if !known || r.Arch == "" || m.Class != query.Relaxed {
		return at, by, false
	}
	atMS, byMS, ok := sizing.RelaxedOverflowWindow(r.Catalogue, p, r.Arch, r.InstanceType, m.Need, query.Milliseconds(m.DeadlineAt.Sub(m.AcceptedAt)),
		sizing.PathsOf(r.Settings), slices.Contains(r.Warm, m.Model))
	if !ok {
		return at, by, false
	}
	return m.AcceptedAt.Add(query.Duration(atMS)), m.AcceptedAt.Add(query.Duration(byMS)), true
}
