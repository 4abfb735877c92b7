package intake

import (
	"context"
	"slices"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/sizing"
)

// Models lists what can be served here, in the catalogue's order.
func (s *Service) Models(ctx context.Context) []api.Model {
	s.refreshView(ctx) // it says what is withheld, and whether the catalogue has changed
	return s.offered()
}

// offered is Models by the last view.
func (s *Service) offered() []api.Model {
	out := []api.Model{}
	c := s.catalogue()
	for i := range c.Models {
		m := &c.Models[i]
		if pool, ok := s.poolFor(m.Task); ok {
			out = append(out, s.describe(c, m, pool))
		}
	}
	return out
}

// Tasks are those that some model is there for, be it one that is not offered.
func (s *Service) Tasks() []string {
	of := s.prepared()
	var out []string
	for _, m := range of.from.Models {
		_, offered := of.catalogue.Model(m.Name)
		if (offered || of.from.Withheld[m.Name] != "") && !slices.Contains(out, m.Task) {
			out = append(out, m.Task)
		}
	}
	return out
}

// NotOffered is the refusal of a query for a model that is there and not offered, and
// unknown of one that is not there.
func (s *Service) NotOffered(name string, unknown error) error {
	of := s.prepared().from
	if why := of.Withheld[of.Version(name)]; why != "" {
		return refuse(NoCapacity, "model", "model %s is not offered: %s", of.Version(name), why)
	}
	return unknown
}

// describe is a model for the API.
func (s *Service) describe(c *profile.Catalogue, m *profile.Model, pool Pool) api.Model {
	t, _ := c.Task(m.Task)
	return api.Model{
		Name: m.Name, Task: m.Task, Kind: t.AnswerKind(), Takes: m.Takes(), Accuracy: m.Accuracy, MemoryMB: m.MemoryMB,
		Input: m.Input, Signature: m.Signature, Labels: c.LabelsOf(m), Resources: s.resources(c, m, pool),
	}
}

// resources lists where a model may run: the pool's instances and every size
// of inference function that holds it.
func (s *Service) resources(c *profile.Catalogue, m *profile.Model, pool Pool) []api.Resource {
	out := []api.Resource{}
	if t, ok := c.OnVM(m, pool.InstanceType); ok {
		out = append(out, api.Resource{
			Resource: selection.Resource{Kind: query.OnWorker, Name: pool.InstanceType}, MS: t.MS, Source: t.Source,
		})
	}
	for _, h := range sizing.FunctionsThatHold(c, m, s.Arch) {
		out = append(out, api.Resource{
			Resource: selection.Resource{Kind: query.OnFunction, Name: "lambda-" + s.Arch, MemoryMB: h.MemoryMB},
			MS:       h.MS, ColdMS: h.ColdMS, Source: h.Source,
		})
	}
	return out
}

// ModelsFor returns the models that a name stands for: what is served of the model of
// that name, the version of that name ("net@2"), else the models of the task of that
// name; none when it is none of them.
func (s *Service) ModelsFor(name string) []api.Model {
	searched := s.Catalogue.Current()
	out := s.modelsFor(name)
	if out == nil && s.renew(searched) {
		out = s.modelsFor(name)
	}
	return out
}

func (s *Service) modelsFor(name string) []api.Model {
	var out []api.Model
	if m, ok := s.version(name); ok {
		if pool, ok := s.poolFor(m.Task); ok {
			return []api.Model{s.describe(s.catalogue(), m, pool)}
		}
	}
	for _, m := range s.offered() {
		if m.Task == name {
			out = append(out, m)
		}
	}
	return out
}
