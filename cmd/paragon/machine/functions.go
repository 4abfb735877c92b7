package machine

import (
	"slices"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/lambdaemulator"
)

// functionTimeout ends an event that hangs: far above any profile's p99.
const functionTimeout = time.Minute

// functions lists an inference function for every model with a network and
// every memory size that holds it. None is started before its first query.
func functions(c *profile.Catalogue, bootstrap string, env []string) []lambdaemulator.Function {
	var out []lambdaemulator.Function
	for i := range c.Models {
		m := &c.Models[i]
		if m.File == "" {
			continue
		}
		for _, h := range sizing.FunctionsThatHold(c, m, inference.Arch()) {
			out = append(out, lambdaemulator.Function{
				Name: inference.FunctionName(m.Name, h.MemoryMB), Bootstrap: bootstrap, MemoryMB: h.MemoryMB,
				Timeout: functionTimeout,
				// Another file under the same name is another function.
				Env: slices.Concat(env, []string{environment.Model + "=" + m.Name, environment.ModelSHA256 + "=" + m.SHA256}),
			})
		}
	}
	return out
}

// pace reports how long a function's event takes by its profile: the p50 of the
// model at that memory size, and of its cold start.
func pace(from profile.CatalogueSource) func(function string, payload []byte, cold bool) time.Duration {
	var mu sync.Mutex // guards what is kept of the catalogue, for as long as it stays the same
	var of *profile.Catalogue
	var known map[string]profile.ServiceTime
	return func(function string, _ []byte, cold bool) time.Duration {
		mu.Lock()
		if now := from.Current(); now != of {
			of, known = now, serviceTimes(now)
		}
		t := known[function]
		mu.Unlock()
		ms := t.MS.P50
		if cold {
			ms += t.ColdMS.P50
		}
		return query.Duration(ms)
	}
}

// serviceTimes are those of all functions, by name.
func serviceTimes(c *profile.Catalogue) map[string]profile.ServiceTime {
	known := map[string]profile.ServiceTime{}
	for i := range c.Models {
		for _, h := range sizing.FunctionsThatHold(c, &c.Models[i], inference.Arch()) {
			known[inference.FunctionName(c.Models[i].Name, h.MemoryMB)] = h.ServiceTime
		}
	}
	return known
}

// functionsNow are the functions of the catalogue in force. Those of retired models
// stay for the queries that they were given.
func (m *Machine) functionsNow() []lambdaemulator.Function {
	return functions(m.store.Current(), m.functionBinary, append(m.childEnv(), environment.Profiles+"="+m.cfg.ProfilesDir))
}
