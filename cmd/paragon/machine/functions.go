package machine

import (
	"slices"
	"time"

	"paragon/shared/cloud/local/runtimeapi"
	"paragon/shared/core/inference"
	"paragon/shared/core/profile"
	"paragon/shared/core/query"
	"paragon/shared/core/sizing"
)

// functionTimeout ends an event that hangs: far above any profile's p99.
const functionTimeout = time.Minute

// functions lists an inference function for every model with a network and
// every memory size that holds it. None is started before its first query.
func functions(c *profile.Catalogue, bootstrap string, env []string) []runtimeapi.Function {
	var out []runtimeapi.Function
	for i := range c.Models {
		m := &c.Models[i]
		if m.File == "" {
			continue
		}
		for _, h := range sizing.FunctionsThatHold(c, m, arch()) {
			out = append(out, runtimeapi.Function{
				Name: inference.FunctionName(m.Name, h.MemoryMB), Bootstrap: bootstrap, MemoryMB: h.MemoryMB,
				Timeout: functionTimeout,
				Env:     slices.Concat(env, []string{"PARAGON_MODEL=" + m.Name}),
			})
		}
	}
	return out
}

// pace tells how long a function's event takes by its profile: the p50 of the
// model at that memory size, and of its cold start.
func pace(c *profile.Catalogue) func(function string, payload []byte, cold bool) time.Duration {
	known := map[string]profile.ServiceTime{}
	for i := range c.Models {
		for _, h := range sizing.FunctionsThatHold(c, &c.Models[i], arch()) {
			known[inference.FunctionName(c.Models[i].Name, h.MemoryMB)] = h.ServiceTime
		}
	}
	return func(function string, _ []byte, cold bool) time.Duration {
		t := known[function]
		ms := t.MS.P50
		if cold {
			ms += t.ColdMS.P50
		}
		return query.Duration(ms)
	}
}
