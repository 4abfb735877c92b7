package intake

import (
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/signed"
)

// onTrial is a version that answers a share of the queries of the model that was chosen.
type onTrial struct {
	served, canary *profile.Model
	share          float64
}

// trial returns the version that is on trial next to what was chosen; nil where there is
// none, the caller names a version, or the trial would not keep the query's bounds.
func (s *Service) trial(p plan, o selection.Offer, d profile.Decoding) *onTrial {
	of := s.prepared()
	if of.onTrial == nil || p.pinned() {
		return nil
	}
	r, ok := of.from.Rollout(p.chosen.Model)
	if !ok || r.Canary == "" || r.Share == 0 || r.Shadow || r.Served != p.chosen.Model {
		return nil
	}
	need := p.effective()
	need.Model = r.Canary
	c, _, err := s.Chooser.Pick(need, of.trialOf(o, p.pool, d))
	if err != nil || c.Waits && !p.chosen.Waits {
		return nil
	}
	canary, ok := of.from.ModelDecoding(r.Canary, d)
	if !ok {
		return nil
	}
	return &onTrial{served: p.model, canary: canary, share: r.Share}
}

// trialOf is an offer of the versions on trial instead of what is served of their models.
func (of *prepared) trialOf(o selection.Offer, p Pool, d profile.Decoding) selection.Offer {
	o.Catalogue, o.Table = of.onTrial.Decoding(d), of.trialTables[p.Name]
	return o
}

// asked is the version that the model's name in a need stands for.
type asked struct {
	version string // empty where the need names no model
	onTrial bool
}

func (s *Service) asked(model string) asked {
	if model == "" {
		return asked{}
	}
	of := s.prepared()
	version := of.from.Version(model)
	_, served := of.catalogue.Model(version)
	return asked{version, !served && of.onTrial != nil}
}

// checkTrial ends the trial for a query whose input the version does not take.
func (p *plan) checkTrial() {
	if p.trial == nil {
		return
	}
	if _, err := p.in.check(p.trial.canary); err != nil {
		p.trial = nil
	}
}

// pinned says whether the caller names a version of a model, and not only the model.
func (p plan) pinned() bool {
	model, _ := profile.ParseVersion(p.need.Model)
	return p.need.Model != model
}

// version returns the model that a caller's name stands for: what is served of it, or
// the version that it names, on trial or not.
func (s *Service) version(name string) (*profile.Model, bool) {
	of := s.prepared()
	version := of.from.Version(name)
	if m, ok := of.catalogue.Model(version); ok || of.onTrial == nil {
		return m, ok
	}
	return of.onTrial.Model(version)
}

// identify gives a query its id, unless it has one, and with it the version of its model
// that answers it: the id chooses, so that a repeat under it has the same one.
func (s *Service) identify(q *submission, kind signed.Kind) error {
	if err := s.sign(&q.m, kind); err != nil || q.trial == nil {
		return err
	}
	q.run(q.trial.served)
	if signed.Drawn(q.m.ID, q.trial.canary.Name, q.trial.share) {
		q.run(q.trial.canary)
		q.m.Choice = fmt.Sprintf("%s; version %s is on trial with %g %% of the queries", q.chosen.Reason, q.trial.canary.Name, 100*q.trial.share)
	}
	return nil
}

// run has a version answer the query.
func (q *submission) run(m *profile.Model) {
	q.model, q.m.Model, q.m.Choice = m, m.Name, q.chosen.Reason
}

// leaveTrial has the version that is served answer a query whose run on the one on trial
// failed, be it by the input: it is the caller's fault if that fails on it too. It says
// whether the query was on trial. The failure does not count as an attempt.
func (s *Service) leaveTrial(q *submission, f query.Failure) bool {
	if q.trial == nil || q.m.Model != q.trial.canary.Name {
		return false
	}
	q.m.Trail = q.m.Trail.Add(query.Step{At: s.Now(), Event: query.StepRetried, Where: q.trial.served.Name, Why: q.trial.canary.Name + " failed: " + f.Detail})
	if f.Code == query.BadInput {
		q.m.Refuser = q.m.Model
	}
	q.run(q.trial.served)
	q.trial, q.leftTrial = nil, true
	return true
}
