package intake

import (
	"errors"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/sizing"
)

// plan is what was chosen for a query before anything is stored of it.
type plan struct {
	need      query.Need // as asked, with its class
	asked     asked      // the version that the need names
	class     query.Class
	latencyMS float64 // the bound, or the default one
	pool      Pool
	model     *profile.Model
	chosen    selection.Candidate
	decoding  profile.Decoding // what the picture takes besides; it is in the model's times
	in        inputData        // as far as it is read already
	trial     *onTrial         // the version that answers a share of such queries; nil without one
}

// planTries bounds how often a query is planned while the catalogue changes.
const planTries = 3

// plan validates a request and selects the model for it, as models are for a picture
// that takes so much more. waits says that its caller waits for the answer. What fails
// is tried again if the catalogue has changed meanwhile: a version that the name stood for
// may have been replaced between two steps.
func (s *Service) plan(r Request, waits bool, now time.Time, set settings.Settings, d profile.Decoding) (plan, error) {
	for try := 1; ; try++ {
		of := s.prepared()
		p, err := s.planOnce(r, waits, now, set, d)
		if err == nil || try == planTries || s.prepared() == of {
			return p, err
		}
	}
}

func (s *Service) planOnce(r Request, waits bool, now time.Time, set settings.Settings, d profile.Decoding) (plan, error) {
	need, err := s.need(r, set)
	if err != nil {
		return plan{}, err
	}
	p := plan{need: need, class: need.ClassOf(set.StrictBelowMS), decoding: d}
	p.latencyMS = latencyBound(need, p.class, set)
	p.pool, _ = s.poolFor(need.Task)
	offer := s.offer(p.pool, waits, now, set, d)
	if p.asked = s.asked(need.Model); p.asked.onTrial {
		offer = s.prepared().trialOf(offer, p.pool, d)
	}
	p.chosen, _, err = s.pick(p.effective(), offer, set)
	if err = s.becauseWithheld(need.Task, s.becauseBroken(p, offer, err)); turnedAway(err) {
		return plan{}, err
	}
	if err != nil {
		return plan{}, unsatisfiable(err, need.Constraints)
	}
	var ok bool
	// In the whole catalogue: what was chosen may be retired since.
	if p.model, ok = s.Catalogue.Current().ModelDecoding(p.chosen.Model, d); !ok {
		return plan{}, fmt.Errorf("selection chose model %q, which is not in the catalogue", p.chosen.Model)
	}
	p.trial = s.trial(p, offer, d)
	return p, nil
}

// effective is the need that selection works with: the class decided, the default
// latency filled in, and the version that the model's name stands for.
func (p plan) effective() query.Need {
	n := p.need
	n.Class = p.class
	n.Model = p.asked.version
	n.Constraints.LatencyMS = p.latencyMS
	return n
}

// latencyBound is what the deadline is made of: what the caller asks, else the
// most that its class stands for.
func latencyBound(n query.Need, c query.Class, set settings.Settings) float64 {
	switch {
	case n.Constraints.LatencyMS > 0:
		return n.Constraints.LatencyMS
	case c == query.Strict:
		return set.StrictBelowMS
	}
	return set.DefaultLatencyMS
}

// directPathMS is what a direct answer takes in addition to waiting and running.
const directPathMS = 1

// offer is what selection may choose from. waits says that the caller waits, so
// that this process's own worker, if it is one, may answer.
func (s *Service) offer(p Pool, waits bool, now time.Time, set settings.Settings, d profile.Decoding) selection.Offer {
	runners, aheadMS := s.fleet.load(p.Name, now, set)
	pathMS := set.PathMS
	if waits && s.Worker != nil {
		pathMS = directPathMS
		runners, aheadMS = s.Worker.Load()
	}
	of := s.prepared()
	o := selection.Offer{
		Catalogue: of.catalogue.Decoding(d), Table: of.tables[p.Name], StrictBelowMS: set.StrictBelowMS, InstanceType: p.InstanceType, Runners: runners, AheadMS: aheadMS,
		PathMS: pathMS, OverflowPathMS: set.OverflowPathMS, FloorMS: set.FloorMS, Accuracy: s.accuracies(set),
	}
	if runners == 0 {
		o.Absence = placement.Choice{Reason: s.fleet.absence(p.Name, now, set)}.String()
	}
	if set.MaxOverflowConcurrency > 0 {
		o.Arch = s.Arch
	}
	o.Broken, _ = s.broken(p.Name, now)
	return o
}

// ask puts a plan in the terms of placement.
func (s *Service) ask(p plan, set settings.Settings) placement.Ask {
	a := placement.Ask{Class: p.class, BudgetMS: p.latencyMS - set.PathMS}
	switch {
	case set.MaxOverflowConcurrency <= 0:
		a.OverflowOff = "the setting max_overflow_concurrency is 0"
	case len(sizing.FunctionsThatHold(s.catalogue(), p.model, s.Arch)) == 0:
		a.OverflowOff = "no inference function can run model " + p.model.Name
	default:
		if why := s.failsOnFunctions(p.model.Name, s.Now()); why != "" {
			a.OverflowOff = fmt.Sprintf("runs of model %s fail on functions: %s", p.model.Name, why)
		}
		a.OverflowAllowed = a.OverflowOff == ""
	}
	if t, ok := s.catalogue().OnVM(p.model, p.pool.InstanceType); ok {
		a.ServiceMS = t.MS.P99
	} else {
		a.ServiceMS = p.latencyMS // nothing is known of it there: it fills its bound
	}
	return a
}

// unsatisfiable turns selection's answer that nothing keeps the bounds into a
// refusal with the nearest thing that can be had.
func unsatisfiable(err error, asked query.Constraints) error {
	var u *selection.Unsatisfiable
	if !errors.As(err, &u) {
		return fmt.Errorf("select a model: %w", err)
	}
	field, bound := missed(u.Need.Constraints, u.Possible)
	r := refuse(Unsatisfiable, field, "%s", u.Error())
	r.Nearest = u.Nearest
	if u.Nearest != nil {
		possible := u.Possible
		if asked.LatencyMS == 0 && field != "constraints.latency_ms" {
			possible.LatencyMS = 0 // the default one, which the caller did not ask for
		}
		r.Possible = &possible
	}
	if bound > 0 {
		r.Bound = &bound
	}
	return r
}

// missed names the first bound that nothing keeps, and what would be kept.
func missed(want, can query.Constraints) (field string, bound float64) {
	switch {
	case can.LatencyMS != want.LatencyMS:
		return "constraints.latency_ms", can.LatencyMS
	case can.Accuracy != want.Accuracy:
		return "constraints.accuracy", can.Accuracy
	case can.CostUSDPerMillion != want.CostUSDPerMillion:
		return "constraints.cost_usd_per_million", can.CostUSDPerMillion
	}
	return "constraints", 0
}
