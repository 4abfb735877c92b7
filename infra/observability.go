package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsbudgets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/aws-cdk-go/awscdk/v2/interfaces/interfacesawscloudwatch"
	"github.com/aws/jsii-runtime-go"

	"paragon/shared/platform"
	"paragon/shared/platform/aws/names"
	"paragon/shared/telemetry"
)

// hoursPerMonth is a twelfth of a year.
const hoursPerMonth = 730

// alarm says when somebody should look.
type alarm struct {
	id, why   string
	metric    awscloudwatch.IMetric
	above     float64 // alarms at this or more
	below     bool    // alarms below it instead
	minutes   float64 // for so many in a row
	onMissing awscloudwatch.TreatMissingData
}

// makeObservability makes the alarms, the topic they are sent to, the budget
// and the dashboard.
func (s *stack) makeObservability() {
	topic := awssns.NewTopic(s.Stack, text("Alarms"), &awssns.TopicProps{TopicName: s.physical("alarms"), EnforceSSL: jsii.Bool(true)})
	if s.AlarmEmail != "" {
		topic.AddSubscription(awssnssubscriptions.NewEmailSubscription(text(s.AlarmEmail), nil))
	}
	action := awscloudwatchactions.NewSnsAction(topic)
	var alarms []interfacesawscloudwatch.IAlarmRef
	for _, a := range s.alarms() {
		alarms = append(alarms, s.alarm(a, action))
	}
	s.makeBudget()
	s.makeDashboard(alarms)
}

// alarms lists what is watched.
func (s *stack) alarms() []alarm {
	f := s.functions
	none := awscloudwatch.TreatMissingData_NOT_BREACHING
	list := []alarm{
		{"DeadLettersAlarm", "a query failed for good, or its message crashed too often: the dispatcher's and the workers' logs say why", s.waiting(platform.DeadLetters), 1, false, 1, none},
		{"OverflowAgeAlarm", "strict queries wait for the dispatcher", s.age(platform.Overflow), 30, false, 3, none},
		{"ApiFaultsAlarm", "the API answers 5xx", s.gatewayMetric("5xx", "Sum"), 5, false, 3, none},
		{"ThrottlesAlarm", "Lambda refuses functions: the account's concurrency is used up", throttles(), 10, false, 3, none},
		{"NoTickAlarm", "the controller has not ticked for 3 minutes: the fleet stands still", s.own(telemetry.Pulse, "", "Sum"), 1, true, 3, awscloudwatch.TreatMissingData_BREACHING},
		{"ControllerFaultsAlarm", "the controller fails", f.controller.MetricErrors(minutely("Sum")), 1, false, 3, none},
		{"DispatcherFaultsAlarm", "the dispatcher fails", f.dispatcher.MetricErrors(minutely("Sum")), 1, false, 3, none},
		{"ApiErrorsAlarm", "the api function fails", f.api.MetricErrors(minutely("Sum")), 1, false, 3, none},
	}
	for _, g := range s.groups {
		name := pascal(g.pool.name)
		for _, q := range s.queues.work[g.pool.name] {
			list = append(list, alarm{"Age" + pascal(string(q)), "queries on " + string(q) + " wait long", s.age(q), 300, false, 5, none})
		}
		list = append(list, alarm{name + "AtMaxAlarm", "pool " + g.pool.name + " wants as many workers as it may have",
			groupMetric(g, "GroupDesiredCapacity", "Maximum"), float64(g.pool.Max), false, 10, none})
		if s.MonthlyBudgetUSD > 0 {
			list = append(list, alarm{name + "BudgetAlarm", "this hour has cost twice what an hour of the month's budget is",
				s.own(telemetry.Spent, g.pool.name, "Maximum"), 2 * s.MonthlyBudgetUSD / hoursPerMonth, false, 1, none})
		}
	}
	return list
}

// alarm makes one, which tells the topic when it starts and when it ends.
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
	if s.MonthlyBudgetUSD <= 0 || s.AlarmEmail == "" {
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
			BudgetName: s.physical("monthly"), BudgetType: text("COST"), TimeUnit: text("MONTHLY"),
			BudgetLimit: &awsbudgets.CfnBudget_SpendProperty{Amount: jsii.Number(s.MonthlyBudgetUSD), Unit: text("USD")},
			CostFilters: map[string]any{"TagKeyValue": []string{"user:" + stageTag + "$" + s.Config.Stage}},
		},
		NotificationsWithSubscribers: []any{warn("ACTUAL", 80), warn("FORECASTED", 100)},
	})
}
