package intake

import (
	"time"

	"paragon/shared/core/query"
	"paragon/shared/core/staleness"
)

// staleProfiles are the profiles in use that are too old, or that the newest
// answers contradict.
func (s *Service) staleProfiles(rs []query.Record, now time.Time) []staleness.Warning {
	types := make([]string, len(s.Pools))
	for i, p := range s.Pools {
		types[i] = p.InstanceType
	}
	old := staleness.Aged(s.Catalogue, staleness.Uses(s.Catalogue, types, s.Arch), s.Settings().ProfileMaxAgeDays, now)
	return append(staleness.Contradicted(s.Catalogue, s.answers(rs), now), old...)
}

// answers are those that say how long a model takes: answered warm, alone in
// the batch, and not held to the time that the profile says.
func (s *Service) answers(rs []query.Record) []staleness.Answer {
	var out []staleness.Answer
	for _, r := range rs {
		o := r.Outcome
		if r.State != query.Succeeded || o == nil || o.ComputeMS <= 0 || o.RanOn.Paced || o.RanOn.Cold || o.Batch > 1 {
			continue
		}
		a := staleness.Answer{Model: r.Model, MS: o.ComputeMS, Use: staleness.Use{Instance: o.RanOn.Resource}}
		if o.RanOn.Kind == query.OnFunction {
			a.Use = staleness.Use{Arch: s.Arch, MemoryMB: o.RanOn.MemoryMB}
		}
		out = append(out, a)
	}
	return out
}
