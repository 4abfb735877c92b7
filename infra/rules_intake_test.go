package infra

import (
	"fmt"
	"strings"

	"github.com/paragon-serving/paragon/shared/callbacks"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

func intakeRules() []rule {
	return []rule{
		{"every route requires authorization", func(a assembly) (bad []string) {
			want := map[string]string{byIAM: "AWS_IAM", byKeys: "CUSTOM"}[a.cfg.Authorizer]
			for _, id := range a.t.of("ApiGatewayV2::Route") {
				if a.t.Resources[id].prop("AuthorizationType") != want {
					bad = append(bad, id)
				}
			}
			if len(a.t.of("ApiGatewayV2::Route")) != 1 {
				bad = append(bad, "there is one route")
			}
			return bad
		}, func(a assembly) {
			a.t.Resources[a.t.of("ApiGatewayV2::Route")[0]].Properties["AuthorizationType"] = "NONE"
		}},
		{"the api function has exactly the shared roles of the context", func(a assembly) []string {
			if got, _ := variables(a.function("api"))[names.SharedRoles].(string); got != strings.Join(a.cfg.SharedRoles, " ") {
				return faultf("it has the roles %q", got)
			}
			return nil
		}, func(a assembly) { variables(a.function("api"))[names.SharedRoles] = "everybody" }},
		{"the gateway is throttled", func(a assembly) (bad []string) {
			for _, id := range a.t.of("ApiGatewayV2::Stage") {
				s := a.t.Resources[id].prop("DefaultRouteSettings")
				if number(at(s, "ThrottlingRateLimit")) != a.cfg.Throttle.PerSecond || number(at(s, "ThrottlingBurstLimit")) != a.cfg.Throttle.Burst {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			delete(a.t.Resources[a.t.of("ApiGatewayV2::Stage")[0]].Properties, "DefaultRouteSettings")
		}},
		{"the gateway has an access log without request bodies", func(a assembly) (bad []string) {
			caller := map[string]string{byIAM: `"caller":"$context.identity.userArn"`, byKeys: `"caller":"$context.authorizer.owner"`}[a.cfg.Authorizer]
			for _, id := range a.t.of("ApiGatewayV2::Stage") {
				s := a.t.Resources[id]
				format, _ := s.prop("AccessLogSettings", "Format").(string)
				if refers(s.prop("AccessLogSettings", "DestinationArn")) == "" || !strings.Contains(format, "$context.requestId") || !strings.Contains(format, caller) || strings.Contains(format, "body") {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			a.t.Resources[a.t.of("ApiGatewayV2::Stage")[0]].prop("AccessLogSettings").(map[string]any)["Format"] = "$context.body"
		}},
	}
}

func answerRules() []rule {
	return []rule{
		{"the dispatcher and the callbacks function receive batches of at most ten, report failures per message, and have a concurrency limit", func(a assembly) (bad []string) {
			most := map[*resource]float64{a.function("dispatcher"): float64(a.cfg.OverflowConcurrency), a.function("callbacks"): callbacks.MostBatches}
			for _, id := range a.t.of("Lambda::EventSourceMapping") {
				m := a.t.Resources[id]
				if n := number(m.prop("BatchSize")); n < 1 || n > 10 || at(m.Properties, "FunctionResponseTypes", 0) != "ReportBatchItemFailures" ||
					number(m.prop("ScalingConfig", "MaximumConcurrency")) != most[a.behind(m.prop("FunctionName"))] || m.prop("Enabled") == false {
					bad = append(bad, id)
				}
			}
			if len(a.t.of("Lambda::EventSourceMapping")) != len(most) {
				bad = append(bad, "each has one source")
			}
			return bad
		}, func(a assembly) {
			a.t.Resources[a.t.of("Lambda::EventSourceMapping")[0]].Properties["BatchSize"] = 11.0
		}},
		{"the api function's timeout is longer than the longest wait", func(a assembly) (bad []string) {
			s, err := settings.Parse(a.cfg.Settings)
			if n := number(a.function("api").prop("Timeout")); err != nil || n <= s.MaxWaitSeconds || n > 30 {
				bad = append(bad, fmt.Sprintf("%v s", n))
			}
			return bad
		}, func(a assembly) { a.function("api").Properties["Timeout"] = 3.0 }},
	}
}
