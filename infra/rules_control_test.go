package infra

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

func controlRules() []rule {
	return []rule{
		{"the schedule invokes the controller once a minute", func(a assembly) (bad []string) {
			s := a.schedule("tick")
			if s.prop("ScheduleExpression") != "rate(1 minute)" || a.behind(s.prop("Target", "Arn")) != a.function("controller") || s.prop("State") == "DISABLED" {
				bad = append(bad, "schedule")
			}
			return bad
		}, func(a assembly) { a.schedule("tick").Properties["ScheduleExpression"] = "rate(5 minutes)" }},
		{"an invocation of the controller that failed or is a minute late is not repeated", func(a assembly) (bad []string) {
			for _, id := range a.t.of("Scheduler::Schedule") {
				r := a.t.Resources[id].prop("Target", "RetryPolicy")
				if number(at(r, "MaximumRetryAttempts")) != 0 || number(at(r, "MaximumEventAgeInSeconds")) != 60 {
					bad = append(bad, id)
				}
			}
			for _, id := range a.t.of("Lambda::EventInvokeConfig") {
				if c := a.t.Resources[id]; number(c.prop("MaximumRetryAttempts")) != 0 || number(c.prop("MaximumEventAgeInSeconds")) != 60 {
					bad = append(bad, id)
				}
			}
			if len(a.t.of("Lambda::EventInvokeConfig")) != 1 {
				bad = append(bad, "Lambda itself repeats what failed")
			}
			return bad
		}, func(a assembly) {
			a.t.Resources[a.t.of("Lambda::EventInvokeConfig")[0]].Properties["MaximumRetryAttempts"] = 2.0
		}},
		{"the controller's timeout is longer than a minute, and shorter than two", func(a assembly) (bad []string) {
			if n := number(a.function("controller").prop("Timeout")); n < 65 || n > 115 {
				bad = append(bad, fmt.Sprintf("%v s", n))
			}
			return bad
		}, func(a assembly) { a.function("controller").Properties["Timeout"] = 30.0 }},
	}
}

func alarmRules() []rule {
	return []rule{
		{"every metric of a failure has an alarm", func(a assembly) (bad []string) {
			want := map[string]bool{"AWS/SQS ApproximateNumberOfMessagesVisible": false, "AWS/SQS ApproximateAgeOfOldestMessage": false,
				"AWS/ApiGateway 5xx": false, "AWS/Lambda Throttles": false, "AWS/Lambda Errors": false,
				"AWS/AutoScaling GroupDesiredCapacity": false, names.Namespace + " " + telemetry.Pulse.Name: false,
				names.Namespace + " " + telemetry.Spent.Name: false}
			for _, m := range []telemetry.Metric{telemetry.MissedShare, telemetry.OverflowShare, telemetry.ExpiredShare, telemetry.LaunchFaults, telemetry.Missing} {
				want[names.Namespace+" "+m.Name] = false
			}
			if a.cfg.onWorkers() {
				want["AWS/ApplicationELB UnHealthyHostCount"], want["AWS/ApplicationELB HTTPCode_Target_5XX_Count"] = false, false
			}
			for _, id := range a.t.of("CloudWatch::Alarm") {
				r := a.t.Resources[id]
				want[fmt.Sprint(r.prop("Namespace"), " ", r.prop("MetricName"))] = true
			}
			for _, metric := range keys(want) {
				if !want[metric] {
					bad = append(bad, metric)
				}
			}
			return bad
		}, func(a assembly) { a.t.Resources[a.alarm("throttles-alarm")].Properties["MetricName"] = "Throttled" }},
		{"paragon cost counts the same resources as the stack", costFaults, func(a assembly) { // an alarm like another
			twin := *a.t.Resources[a.alarm("throttles-alarm")]
			a.t.Resources["Twin"] = &twin
		}},
		{"alarms and dashboard use only metrics that Paragon publishes, and no metric filter adds others", ownMetricFaults, func(a assembly) {
			d := a.t.Resources[a.t.of("CloudWatch::Dashboard")[0]]
			d.Properties["DashboardBody"] = strings.ReplaceAll(flat(d.prop("DashboardBody")), telemetry.Wanted.Name, telemetry.Ready.Name)
		}},
		{"every alarm notifies the topic", func(a assembly) (bad []string) {
			for _, id := range a.t.of("CloudWatch::Alarm") {
				if topic := a.t.Resources[refers(at(a.t.Resources[id].Properties, "AlarmActions", 0))]; topic.prop("TopicName") != names.Prefix(a.cfg.Stage)+"alarms" {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			delete(a.t.Resources[a.alarm("no-tick-alarm")].Properties, "AlarmActions")
		}},
		{"CloudWatch may publish to the alarms' topic, for this account's alarms", func(a assembly) (bad []string) {
			for _, id := range a.t.of("SNS::TopicPolicy") {
				if a.t.Resources[refers(a.t.Resources[id].prop("Topics", 0))].prop("TopicName") != names.Prefix(a.cfg.Stage)+"alarms" {
					continue
				}
				for _, s := range list(a.t.Resources[id].prop("PolicyDocument", "Statement")) {
					if at(s, "Effect") == "Allow" && at(s, "Principal", "Service") == "cloudwatch.amazonaws.com" && at(s, "Action") == "sns:Publish" &&
						at(s, "Condition", "StringEquals", "aws:SourceAccount", "Ref") == "AWS::AccountId" {
						return nil
					}
				}
			}
			return faultf("an alarm may not publish")
		}, func(a assembly) {
			for _, id := range a.t.of("SNS::TopicPolicy") {
				document := a.t.Resources[id].prop("PolicyDocument").(map[string]any)
				document["Statement"] = slices.DeleteFunc(list(document["Statement"]), func(s any) bool { return at(s, "Effect") == "Allow" })
			}
		}},
		{"the dashboard shows latency, the share of met bounds, and the hour's cost with its forecast", func(a assembly) (bad []string) {
			body := flat(a.t.Resources[a.t.of("CloudWatch::Dashboard")[0]].prop("DashboardBody"))
			for _, part := range []string{`\"Latency\"`, "100 * (1 - missed)", telemetry.MissedShare.Name, telemetry.Spent.Name, "spentgeneral * 60 / (MINUTE(spentgeneral) + 1)"} {
				if !strings.Contains(body, part) && !strings.Contains(body, strings.ReplaceAll(part, `\`, "")) {
					bad = append(bad, part)
				}
			}
			return bad
		}, func(a assembly) {
			a.t.Resources[a.t.of("CloudWatch::Dashboard")[0]].Properties["DashboardBody"] = "{}"
		}},
		{"three minutes without a tick, or without the metric, raise an alarm", func(a assembly) (bad []string) {
			r := a.t.Resources[a.alarm("no-tick-alarm")]
			if r.prop("TreatMissingData") != "breaching" || number(r.prop("EvaluationPeriods"))*number(r.prop("Period")) != 180 ||
				at(r.Properties, "Dimensions", 0, "Value") != a.cfg.Stage {
				bad = append(bad, "no-tick-alarm")
			}
			return bad
		}, func(a assembly) {
			a.t.Resources[a.alarm("no-tick-alarm")].Properties["TreatMissingData"] = "notBreaching"
		}},
		{"alarms on queries are per stage, and alarms on launches and missing workers are per pool", ownAlarmFaults, func(a assembly) {
			dimensions := list(a.t.Resources[a.alarm("general-missing-alarm")].prop("Dimensions"))
			dimensions[0].(map[string]any)["Value"] = "another"
		}},
		{"each pool has an alarm for a desired capacity at its maximum", func(a assembly) (bad []string) {
			for _, p := range a.plan.pools {
				if r := a.t.Resources[a.alarm(p.name+"-at-max-alarm")]; number(r.prop("Threshold")) != float64(p.Max) ||
					at(r.Properties, "Dimensions", 0, "Value") != names.Group(a.cfg.Stage, p.name) {
					bad = append(bad, p.name)
				}
			}
			return bad
		}, func(a assembly) { a.t.Resources[a.alarm("general-at-max-alarm")].Properties["Threshold"] = 11.0 }},
	}
}

// ownMetricFaults finds what would be empty for ever, or costs more metrics than are counted.
func ownMetricFaults(a assembly) (bad []string) {
	for _, id := range a.t.of("Logs::MetricFilter") {
		bad = append(bad, id+" makes a metric")
	}
	there := map[string]bool{}
	dashboard := strings.ReplaceAll(flat(a.t.Resources[a.t.of("CloudWatch::Dashboard")[0]].prop("DashboardBody")), `\`, "")
	for _, m := range telemetry.All() {
		there[m.Name] = m.InCloudWatch()
		if !m.InCloudWatch() && strings.Contains(dashboard, fmt.Sprintf("%q,%q", names.Namespace, m.Name)) {
			bad = append(bad, "the dashboard draws "+m.Name)
		}
	}
	for _, id := range a.t.of("CloudWatch::Alarm") {
		if r := a.t.Resources[id]; r.prop("Namespace") == names.Namespace && !there[fmt.Sprint(r.prop("MetricName"))] {
			bad = append(bad, id+" watches "+fmt.Sprint(r.prop("MetricName")))
		}
	}
	return bad
}

// ownAlarmFaults looks for the alarms on Paragon's own metrics, which ring only where
// stage and pool are those of the metric. Workers may be missing for as long as a useless
// one takes to be replaced.
func ownAlarmFaults(a assembly) (bad []string) {
	check := func(name string, m telemetry.Metric, pool string) {
		r := a.t.Resources[a.alarm(name)]
		want := map[string]string{names.StageDimension: a.cfg.Stage}
		if pool != "" {
			want["pool"] = pool
		}
		got := map[string]string{}
		for _, d := range list(r.prop("Dimensions")) {
			got[fmt.Sprint(at(d, "Name"))] = fmt.Sprint(at(d, "Value"))
		}
		if r.prop("MetricName") != m.Name || r.prop("Namespace") != names.Namespace || !maps.Equal(got, want) {
			bad = append(bad, fmt.Sprintf("%s: of %v, want %v", name, got, want))
		}
	}
	check("missed-alarm", telemetry.MissedShare, "")
	check("overflow-share-alarm", telemetry.OverflowShare, "")
	check("expired-alarm", telemetry.ExpiredShare, "")
	check("no-tick-alarm", telemetry.Pulse, "")
	for _, p := range a.plan.pools {
		check(p.name+"-launches-alarm", telemetry.LaunchFaults, p.name)
		check(p.name+"-missing-alarm", telemetry.Missing, p.name)
		missing := a.t.Resources[a.alarm(p.name+"-missing-alarm")]
		if s := number(missing.prop("EvaluationPeriods")) * number(missing.prop("Period")); s <= a.cfg.tuned().BootLimitSeconds {
			bad = append(bad, fmt.Sprintf("%s-missing-alarm: %v s, while a worker may boot for %v s", p.name, s, a.cfg.tuned().BootLimitSeconds))
		}
	}
	return bad
}

// costFaults compares the stack with what its bill is made from.
func costFaults(a assembly) (bad []string) {
	front := pricing.LambdaFront
	if a.cfg.onWorkers() {
		front = pricing.WorkersFront
	}
	want := pricing.AtRest(pricing.Deployment{Front: front, Private: a.cfg.Network == private, Tasks: len(a.cfg.Tasks), Pools: len(a.plan.pools), Keys: a.cfg.Authorizer == byKeys, Sessions: a.cfg.SessionManager, Collector: a.cfg.OTLPEndpoint != "", TickSeconds: 10, ViewSeconds: 1})
	if n := len(a.t.of("CloudWatch::Alarm")); n != want.Alarms {
		bad = append(bad, fmt.Sprintf("%d alarms, the bill has %d", n, want.Alarms))
	}
	if want := pricing.Endpoints; len(interfaces) != want || len(frontInterfaces) != pricing.FrontEndpoints || len(sessionInterfaces) != pricing.SessionEndpoints {
		bad = append(bad, fmt.Sprintf("%d endpoints and %d of the front, the bill has %d and %d", len(interfaces), len(frontInterfaces), want, pricing.FrontEndpoints))
	}
	for _, id := range a.t.of("EC2::VPCEndpoint") {
		if n := len(list(a.t.Resources[id].prop("SubnetIds"))); n > 0 && n != pricing.Zones {
			bad = append(bad, fmt.Sprintf("%s is in %d zones, the bill has %d", id, n, pricing.Zones))
		}
	}
	return bad
}
