package simulate

import (
	"slices"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// Choice is what the queries of an ask let selection choose from: for those for which
// no worker has a slot in time, another model is chosen as production does. The load
// of the offer is the run's.
type Choice struct {
	Need  query.Need
	Offer selection.Offer
}

// instead has a worker answer a query with another model, where it has no slot in time
// for the query's own.
func (e *engine) instead(p *pool, w int, j job) bool {
	if !j.strict || w < 0 || e.cfg.Settings.Downgrade != settings.On || len(e.cfg.Asks) == 0 {
		return false
	}
	c := e.cfg.Asks[j.ask].Choice
	if c == nil {
		return false
	}
	o := c.Offer
	o.Runners, o.AheadMS = p.runners, p.workers[w].queue.WorkMS(query.Strict, moment(e.now))
	other, ok := selection.Instead(c.Need, o, p.cfg.Models[j.model].Name)
	if !ok {
		return false
	}
	from := j.model
	j.model = int32(slices.IndexFunc(p.cfg.Models, func(m Model) bool { return m.Name == other.Model }))
	if j.model < 0 {
		return false
	}
	j.service = e.serviceOf(p, j.model)
	j.handover = e.functionLast(&p.cfg.Models[j.model], j.deadline, false)
	if held, _ := e.hold(p, w, j); !held {
		return false
	}
	if j.counted {
		class := e.class(&j)
		class.Downgraded++
		class.AccuracyPoints += p.cfg.Models[j.model].Accuracy - p.cfg.Models[from].Accuracy
	}
	return true
}
