package intake

import (
	"paragon/shared/api"
	"paragon/shared/core/profile"
	"paragon/shared/core/query"
	"paragon/shared/core/selection"
	"paragon/shared/core/sizing"
)

// Models lists what can be served here, in the catalogue's order.
func (s *Service) Models() []api.Model {
	out := []api.Model{}
	c := s.catalogue()
	for i := range c.Models {
		m := &c.Models[i]
		if pool, ok := s.poolFor(m.Task); ok {
			t, _ := c.Task(m.Task)
			out = append(out, api.Model{
				Name: m.Name, Task: m.Task, Kind: t.AnswerKind(), Takes: m.Takes(), Accuracy: m.Accuracy, MemoryMB: m.MemoryMB,
				Input: m.Input, Signature: m.Signature, Labels: c.LabelsOf(m), Resources: s.resources(c, m, pool),
			})
		}
	}
	return out
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

// ModelsFor returns the models that a name stands for: the model of that name,
// else those of the task of that name; none when it is neither.
func (s *Service) ModelsFor(name string) []api.Model {
	out := s.modelsFor(name)
	if out == nil && s.renew() {
		out = s.modelsFor(name)
	}
	return out
}

func (s *Service) modelsFor(name string) []api.Model {
	var out []api.Model
	for _, m := range s.Models() {
		if m.Name == name {
			return []api.Model{m}
		}
		if m.Task == name {
			out = append(out, m)
		}
	}
	return out
}
