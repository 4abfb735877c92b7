package intake

import (
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/staleness"
	"github.com/paragon-serving/paragon/shared/core/tally"
)

// staleProfiles are the profiles in use that are too old, or that the runs of
// the last hour contradict.
func (s *Service) staleProfiles(runs []tally.Run, now time.Time) []staleness.Warning {
	types := make([]string, len(s.Pools))
	for i, p := range s.Pools {
		types[i] = p.InstanceType
	}
	old := staleness.Aged(s.catalogue(), staleness.Uses(s.catalogue(), types, s.Arch), s.Settings().ProfileMaxAgeDays, now)
	return append(staleness.Contradicted(s.catalogue(), liveRuns(runs), now), old...)
}

// functionPrefix begins the name of functions as a resource, before their architecture.
const functionPrefix = "lambda-"

// liveRuns are how long models took, by what the workers counted.
func liveRuns(runs []tally.Run) []staleness.Runs {
	var out []staleness.Runs
	for _, r := range runs {
		use := staleness.Use{Instance: r.Resource}
		if arch, function := strings.CutPrefix(r.Resource, functionPrefix); function {
			use = staleness.Use{Arch: arch, MemoryMB: r.MemoryMB}
		}
		out = append(out, staleness.Runs{Model: r.Model, Use: use, P50MS: r.Compute.P50, Count: r.Count})
	}
	return out
}
