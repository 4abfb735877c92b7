package infra

import (
	"net/url"
	"strconv"
)

// Traces are where spans go, and of which share of the queries and ticks.
type Traces struct {
	Endpoint string  `json:"endpoint"` // of a collector that takes OTLP over HTTP; empty means no traces
	Share    float64 `json:"share"`
}

func (t Traces) valid() bool {
	u, err := url.Parse(t.Endpoint)
	web := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
	return (t.Endpoint == "" || web) && t.Share >= 0 && t.Share <= 1
}

// addTraces adds where spans go to the environment of a function or a worker.
func (s *stack) addTraces(env map[string]*string) map[string]*string {
	if s.Traces.Endpoint == "" {
		return env
	}
	env["OTEL_EXPORTER_OTLP_ENDPOINT"] = text(s.Traces.Endpoint)
	env["OTEL_TRACES_SAMPLER"] = text("parentbased_traceidratio")
	env["OTEL_TRACES_SAMPLER_ARG"] = text(strconv.FormatFloat(s.Traces.Share, 'g', -1, 64))
	return env
}
