package infra

import (
	"net/url"
	"strings"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// validCollector says whether metrics may go to an address: the controller, which sends
// them, is in no network of the stage's, so that only TLS protects them on their way.
func validCollector(address string) bool {
	u, err := url.Parse(address)
	return address == "" || err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

// addCollector adds where metrics go to the environment of the controller.
func (s *stack) addCollector(env map[string]*string) map[string]*string {
	if s.OTLPEndpoint != "" {
		env["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"] = text(strings.TrimSuffix(s.OTLPEndpoint, "/") + "/v1/metrics")
	}
	return env
}

// readCollectorHeaders lets the headers for the collector be read, where there is one.
func (s *stack) readCollectorHeaders() (may []permission) {
	if s.OTLPEndpoint != "" {
		may = append(may, allow(on(s.arn("ssm", "parameter"+names.CollectorHeaders(s.Config.Stage))), "ssm:GetParameter"))
	}
	return may
}
