package infra

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsbudgets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/aws-cdk-go/awscdk/v2/interfaces/interfacesawscloudwatch"
	"github.com/aws/jsii-runtime-go"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

const (
	// hoursPerMonth is a twelfth of a year.
	hoursPerMonth = 730
	// missingMinutes is for how long workers may be missing: longer than
	// boot_limit_seconds, within which a useless one is replaced.
	missingMinutes = 20
)

// alarm says when somebody should look.
type alarm struct {
	id, why   string
	metric    awscloudwatch.IMetric
	above     float64 // alarms at this or more
	below     bool    // alarms below it instead
	minutes   float64 // for how many in a row
	onMissing awscloudwatch.TreatMissingData
}

// makeObservability makes the alarms, the topic they are sent to, the budget
// and the dashboard.
func (s *stack) makeObservability() {
	topic := s.topic("Alarms", "alarms", nil)
	// A topic with a policy of its own takes messages of whom the policy names.
	topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: text("AlarmsOfThisAccount"), Actions: texts("sns:Publish"), Resources: &[]*string{topic.TopicArn()},
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(text("cloudwatch.amazonaws.com"), nil)},
		Conditions: &map[string]any{"StringEquals": s.ofThisAccount()},
	}))
	action := awscloudwatchactions.NewSnsAction(topic)
	var alarms []interfacesawscloudwatch.IAlarmRef
	byID := map[string]awscloudwatch.IAlarm{}
	for _, a := range s.alarms() {
		byID[a.id] = s.alarm(a, action)
		alarms = append(alarms, byID[a.id])
	}
	s.makeReleases(byID)
	s.makeBudget()
	s.makeDashboard(alarms)
}

// topic makes a topic that mails to alarm_email, if there is one, the messages that
// a filter lets through.
func (s *stack) topic(id, name string, filter *map[string]awssns.FilterOrPolicy) awssns.Topic {
	t := awssns.NewTopic(s.Stack, text(id), &awssns.TopicProps{TopicName: s.physical(name), EnforceSSL: jsii.Bool(true)})
	if s.AlarmEmail != "" {
		t.AddSubscription(awssnssubscriptions.NewEmailSubscription(text(s.AlarmEmail), &awssnssubscriptions.EmailSubscriptionProps{FilterPolicyWithMessageBody: filter}))
	}
	return t
}

// alarms lists what is watched.
func (s *stack) alarms() []alarm {
	f := s.functions
	none := awscloudwatch.TreatMissingData_NOT_BREACHING
	list := []alarm{
		{"DeadLettersAlarm", "the dead-letter queue has a message: a query failed on every attempt, or its message was received too often; the logs of the dispatcher and of the workers say why", s.waiting(platform.DeadLetters), 1, false, 1, none},
		{"OverflowAgeAlarm", "the oldest message on the overflow queue is 30 s old: strict queries wait for the dispatcher", s.age(platform.Overflow), 30, false, 3, none},
		{"ApiFaultsAlarm", "the API returns 5xx", s.gatewayMetric("5xx", "Sum"), 5, false, 3, none},
		{"ThrottlesAlarm", "Lambda throttles invocations: the account's concurrency is used up", throttles(), 10, false, 3, none},
		{"NoTickAlarm", "the controller has made no decision for 3 minutes: the number of workers does not change", s.own(telemetry.Pulse, "", "Sum"), 1, true, 3, awscloudwatch.TreatMissingData_BREACHING},
		{"ControllerFaultsAlarm", "invocations of the controller fail", f.controller.MetricErrors(minutely("Sum")), 1, false, 3, none},
		{"DispatcherFaultsAlarm", "invocations of the dispatcher fail", f.dispatcher.MetricErrors(minutely("Sum")), 1, false, 3, none},
		{"ApiErrorsAlarm", "invocations of the api function fail", f.api.MetricErrors(minutely("Sum")), 1, false, 3, none},
		{"MissedAlarm", "at least 5 % of the queries miss their latency bound", s.own(telemetry.MissedShare, "", "Average"), 0.05, false, 10, none},
		{"OverflowShareAlarm", "at least half of the queries overflow to functions", s.own(telemetry.OverflowShare, "", "Average"), 0.5, false, 15, none},
		{"ExpiredAlarm", "at least 1 % of the queries expire", s.own(telemetry.ExpiredShare, "", "Average"), 0.01, false, 5, none},
	}
	list = append(list, s.frontAlarms()...)
	for _, f := range f.served() {
		list = append(list, s.releaseAlarm(f))
	}
	for _, g := range s.groups {
		name := pascal(g.pool.name)
		for _, q := range s.queues.work[g.pool.name] {
			list = append(list, alarm{"Age" + pascal(string(q)), "the oldest message on the queue " + string(q) + " is 5 minutes old", s.age(q), 300, false, 5, none})
		}
		list = append(list, alarm{name + "AtMaxAlarm", "pool " + g.pool.name + " has its maximum number of workers as its desired capacity",
			groupMetric(g, "GroupDesiredCapacity", "Maximum"), float64(g.pool.Max), false, 10, none})
		list = append(list,
			alarm{name + "LaunchesAlarm", "pool " + g.pool.name + " cannot launch workers: the newest decision states the reason, such as missing EC2 capacity or a quota",
				s.own(telemetry.LaunchFaults, g.pool.name, "Maximum"), 1, false, 3, none},
			alarm{name + "MissingAlarm", "workers of pool " + g.pool.name + " that the controller requested do not serve",
				s.own(telemetry.Missing, g.pool.name, "Minimum"), 1, false, missingMinutes, none})
		if s.MonthlyBudgetUSD > 0 {
			list = append(list, alarm{name + "BudgetAlarm", "this hour has cost at least twice an average hour of monthly_budget_usd",
				s.own(telemetry.Spent, g.pool.name, "Maximum"), 2 * s.MonthlyBudgetUSD / hoursPerMonth, false, 1, none})
		}
	}
	return list
}

// frontAlarms are those of the load balancer, where there is one.
func (s *stack) frontAlarms() []alarm {
	if !s.onWorkers() {
		return nil
	}
	none := awscloudwatch.TreatMissingData_NOT_BREACHING
	return []alarm{
		{"UnhealthyAlarm", "workers fail the load balancer's health check", s.balancerMetric("UnHealthyHostCount", "Maximum"), 1, false, 10, none},
		{"WorkerFaultsAlarm", "workers return 5xx", s.balancerMetric("HTTPCode_Target_5XX_Count", "Sum"), 5, false, 3, none},
	}
}

// balancerMetric is one of the workers' target group.
func (s *stack) balancerMetric(name, statistic string) awscloudwatch.Metric {
	return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace: text("AWS/ApplicationELB"), MetricName: text(name), Statistic: text(statistic), Period: seconds(60),
		DimensionsMap: &map[string]*string{"LoadBalancer": s.front.balancer.AttrLoadBalancerFullName(), "TargetGroup": s.front.workers.AttrTargetGroupFullName()},
	})
}

// alarm makes one, which notifies the topic when it starts and when it ends.
func (s *stack) alarm(a alarm, action awscloudwatch.IAlarmAction) awscloudwatch.IAlarm {
	compare := awscloudwatch.ComparisonOperator_GREATER_THAN_OR_EQUAL_TO_THRESHOLD
	if a.below {
		compare = awscloudwatch.ComparisonOperator_LESS_THAN_THRESHOLD
	}
	made := awscloudwatch.NewAlarm(s.Stack, text(a.id), &awscloudwatch.AlarmProps{
		AlarmName: s.physical(kebab(a.id)), AlarmDescription: text(a.why), Metric: a.metric, Threshold: jsii.Number(a.above),
		ComparisonOperator: compare, EvaluationPeriods: jsii.Number(a.minutes), TreatMissingData: a.onMissing,
	})
	made.AddAlarmAction(action)
	made.AddOkAction(action)
	return made
}

func minutely(statistic string) *awscloudwatch.MetricOptions {
	return &awscloudwatch.MetricOptions{Period: seconds(60), Statistic: text(statistic)}
}

func (s *stack) waiting(q platform.QueueName) awscloudwatch.Metric {
	return s.queues.by[q].MetricApproximateNumberOfMessagesVisible(minutely("Maximum"))
}

func (s *stack) age(q platform.QueueName) awscloudwatch.Metric {
	return s.queues.by[q].MetricApproximateAgeOfOldestMessage(minutely("Maximum"))
}

// own is one of Paragon's own metrics; pool is empty for one of the stage.
func (s *stack) own(m telemetry.Metric, pool, statistic string) awscloudwatch.Metric {
	dimensions := map[string]*string{names.StageDimension: text(s.Config.Stage)}
	if pool != "" {
		dimensions["pool"] = text(pool)
	}
	return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace: text(names.Namespace), MetricName: text(m.Name), Statistic: text(statistic), Period: seconds(60), DimensionsMap: &dimensions,
	})
}

func (s *stack) gatewayMetric(name, statistic string) awscloudwatch.Metric {
	return s.functions.gateway.Metric(text(name), minutely(statistic))
}

// throttles counts the invocations that Lambda refused, of all functions of the account.
func throttles() awscloudwatch.Metric {
	return awslambda.Function_MetricAllThrottles(minutely("Sum"))
}

func groupMetric(g group, name, statistic string) awscloudwatch.Metric {
	return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace: text("AWS/AutoScaling"), MetricName: text(name), Statistic: text(statistic), Period: seconds(60),
		DimensionsMap: &map[string]*string{"AutoScalingGroupName": text(g.name)},
	})
}

// makeBudget warns when the month's bill, as tagged with the stage, is at 80 %
// of the budget, and when it is forecast to pass it.
func (s *stack) makeBudget() {
	if s.MonthlyBudgetUSD <= 0 {
		return
	}
	if s.AlarmEmail == "" {
		awscdk.Annotations_Of(s.Stack).AddWarningV2(text("paragon:budget"),
			text("monthly_budget_usd is set without alarm_email: AWS gets no budget and warns nobody; set alarm_email"))
		return
	}
	warn := func(kind string, percent float64) any {
		return &awsbudgets.CfnBudget_NotificationWithSubscribersProperty{
			Notification: &awsbudgets.CfnBudget_NotificationProperty{
				NotificationType: text(kind), ComparisonOperator: text("GREATER_THAN"), Threshold: jsii.Number(percent), ThresholdType: text("PERCENTAGE"),
			},
			Subscribers: []any{&awsbudgets.CfnBudget_SubscriberProperty{SubscriptionType: text("EMAIL"), Address: text(s.AlarmEmail)}},
		}
	}
	awsbudgets.NewCfnBudget(s.Stack, text("Budget"), &awsbudgets.CfnBudgetProps{
		Budget: &awsbudgets.CfnBudget_BudgetDataProperty{
			BudgetName: s.regional("monthly"), BudgetType: text("COST"), TimeUnit: text("MONTHLY"),
			BudgetLimit: &awsbudgets.CfnBudget_SpendProperty{Amount: jsii.Number(s.MonthlyBudgetUSD), Unit: text("USD")},
			CostFilters: map[string]any{
				"TagKeyValue": []string{"user:" + stageTag + "$" + s.Config.Stage}, "Region": []string{*awscdk.Aws_REGION()},
			},
		},
		NotificationsWithSubscribers: []any{warn("ACTUAL", 80), warn("FORECASTED", 100)},
	})
}
