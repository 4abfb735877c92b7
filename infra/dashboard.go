package infra

import (
	"strings"
	"unicode"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/interfaces/interfacesawscloudwatch"
	"github.com/aws/jsii-runtime-go"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// makeDashboard shows the stage on one page: alarms, load, bounds, queues, workers,
// functions and costs.
func (s *stack) makeDashboard(alarms []interfacesawscloudwatch.IAlarmRef) {
	d := awscloudwatch.NewDashboard(s.Stack, text("Dashboard"), &awscloudwatch.DashboardProps{DashboardName: s.regional("stage")})
	d.AddWidgets(awscloudwatch.NewAlarmStatusWidget(&awscloudwatch.AlarmStatusWidgetProps{
		Alarms: &alarms, Width: jsii.Number(24), Height: jsii.Number(3), Title: text("Alarms")}))
	d.AddWidgets(
		graph("Requests a minute", s.gatewayMetric("Count", "Sum"), s.gatewayMetric("4xx", "Sum"), s.gatewayMetric("5xx", "Sum")),
		graph("Answer time, ms", s.gatewayMetric("Latency", "p50"), s.gatewayMetric("Latency", "p99")),
	)
	d.AddWidgets(
		graph("Bounds kept, % of the queries", formula("missed", "kept", "100 * (1 - $m)", s.own(telemetry.MissedShare, "", "Average"))),
		graph("Overflow and expiry, % of the queries", formula("overflow", "overflow", "100 * $m", s.own(telemetry.OverflowShare, "", "Average")),
			formula("expired", "expired", "100 * $m", s.own(telemetry.ExpiredShare, "", "Average"))),
	)
	var depths, ages, workers, money []awscloudwatch.IMetric
	for _, q := range append(s.allWork(), platform.Overflow, platform.DeadLetters, platform.CallbackQueue) {
		depths, ages = append(depths, s.waiting(q)), append(ages, s.age(q))
	}
	for _, g := range s.groups {
		pool := g.pool.name
		workers = append(workers, groupMetric(g, "GroupDesiredCapacity", "Maximum"), groupMetric(g, "GroupInServiceInstances", "Maximum"),
			s.own(telemetry.Wanted, pool, "Maximum"), s.own(telemetry.Missing, pool, "Maximum"))
		spent := s.own(telemetry.Spent, pool, "Maximum")
		money = append(money, spent, formula("spent"+pool, pool+", the whole hour at this pace", "$m * 60 / (MINUTE($m) + 1)", spent))
	}
	d.AddWidgets(graph("Waiting messages", depths...), graph("Oldest message, s", ages...))
	f := s.functions
	d.AddWidgets(graph("Workers", workers...),
		graph("Controller and dispatcher", f.controller.MetricInvocations(minutely("Sum")), f.controller.MetricErrors(minutely("Sum")),
			f.dispatcher.MetricInvocations(minutely("Sum")), f.dispatcher.MetricErrors(minutely("Sum"))))
	d.AddWidgets(graph("This hour's cost so far, and its forecast, USD", money...), graph("Ticks and late writes a minute", s.own(telemetry.Pulse, "", "Sum"), s.own(telemetry.LateWrites, "", "Sum")))
	d.AddWidgets(s.inferenceGraph("Inference functions, runs", "Invocations", "Sum"), s.inferenceGraph("Inference functions, p95 ms", "Duration", "p95"))
}

// formula is a metric by a formula, in which it has the name $m. A graph wants each of
// its metrics to have an id of its own.
func formula(id, label, expression string, m awscloudwatch.IMetric) awscloudwatch.IMetric {
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression: text(strings.ReplaceAll(expression, "$m", id)), Label: text(label), UsingMetrics: &map[string]awscloudwatch.IMetric{id: m}, Period: seconds(60),
	})
}

func graph(title string, metrics ...awscloudwatch.IMetric) awscloudwatch.IWidget {
	return awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{
		Title: text(title), Left: &metrics, Width: jsii.Number(12), Height: jsii.Number(6),
		LeftYAxis: &awscloudwatch.YAxisProps{Min: jsii.Number(0)},
	})
}

// inferenceGraph draws a metric of every inference function that has it.
func (s *stack) inferenceGraph(title, metric, statistic string) awscloudwatch.IWidget {
	search := awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression: text(`SEARCH('{AWS/Lambda,FunctionName} MetricName="` + metric + `" "` + *s.physical("inference") + `"', '` + statistic + `', 60)`),
		Label:      text(""), UsingMetrics: &map[string]awscloudwatch.IMetric{}, Period: seconds(60),
	})
	return graph(title, search)
}

// kebab turns ALogicalId into a-logical-id.
func kebab(id string) string {
	var b strings.Builder
	for i, r := range id {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
