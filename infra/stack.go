package infra

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// stack is a deployment in the making: each concern adds what later ones need.
type stack struct {
	awscdk.Stack
	plan

	network   network
	data      data
	queues    queues
	inference inference
	secret    awssecretsmanager.CfnSecret // of the key that signs ids
	functions functions
	front     balancer
	groups    []group
	workerLog awslogs.LogGroup
	images    awscdk.CfnMapping // of machines; nil while none is pinned
}

// stageTag is the tag by which the bill is parted.
const stageTag = "paragon:stage"

// newStack makes the stack of a stage. The order is that of dependence.
func newStack(scope constructs.Construct, cfg Config) (*stack, error) {
	p, err := resolve(cfg)
	if err != nil {
		return nil, err
	}
	if err := checkBinaries(cfg.AssetRoot); err != nil {
		return nil, err
	}
	s := &stack{plan: p}
	s.Stack = awscdk.NewStack(scope, text("paragon-"+cfg.Stage), &awscdk.StackProps{
		Description: text("Paragon " + cfg.Stage + ": self-managed inference serving"),
		Tags:        &map[string]*string{stageTag: text(cfg.Stage)},
		// Without a version resource the template depends on its inputs alone.
		AnalyticsReporting: jsii.Bool(false), TerminationProtection: jsii.Bool(cfg.protected()),
	})
	setFlags(s.Stack)
	s.bound()
	s.network = s.makeNetwork()
	s.data = s.makeData()
	s.queues = s.makeQueues()
	s.inference = s.makeInference()
	s.secret = s.makeSecret()
	s.functions = s.makeFunctions()
	s.makeCallbacks()
	s.front = s.makeFront()
	s.groups = s.makeFleet()
	s.makeIntake()
	s.makeStageParameter()
	s.makeControl()
	s.closeDefaultGroup()
	s.makeObservability()
	return s, nil
}

// text is a string as jsii wants it.
func text(s string) *string { return jsii.String(s) }

// texts is a list of strings as jsii wants it.
func texts(list ...string) *[]*string { return jsii.Strings(list...) }

// physical is the name of a resource in a region of the account. What holds data has
// none: a stage that is made again would otherwise meet what the last one left.
func (s *stack) physical(name string) *string { return text(names.Prefix(s.Stage) + name) }

// regional is the name of a resource of a kind whose names are the account's, whatever
// the region, so that one stage may be in two of them.
func (s *stack) regional(name string) *string {
	return text(*s.physical(name) + "-" + *awscdk.Aws_REGION())
}

// kept says what becomes of a resource that holds data when the stack is destroyed. One
// that a failed deployment has just made goes with it again in either case.
func (s *stack) kept() awscdk.RemovalPolicy {
	if s.protected() {
		return awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE
	}
	return awscdk.RemovalPolicy_DESTROY
}

// logGroup makes a log group with the retention of the stage.
func (s *stack) logGroup(id string) awslogs.LogGroup {
	return awslogs.NewLogGroup(s.Stack, text(id), &awslogs.LogGroupProps{
		Retention: retention(s.LogDays), RemovalPolicy: s.kept(),
	})
}

// retention is the CDK's constant for the given number of days.
func retention(days int) awslogs.RetentionDays {
	return map[int]awslogs.RetentionDays{
		1: awslogs.RetentionDays_ONE_DAY, 3: awslogs.RetentionDays_THREE_DAYS, 5: awslogs.RetentionDays_FIVE_DAYS,
		7: awslogs.RetentionDays_ONE_WEEK, 14: awslogs.RetentionDays_TWO_WEEKS, 30: awslogs.RetentionDays_ONE_MONTH,
		60: awslogs.RetentionDays_TWO_MONTHS, 90: awslogs.RetentionDays_THREE_MONTHS, 120: awslogs.RetentionDays_FOUR_MONTHS,
		150: awslogs.RetentionDays_FIVE_MONTHS, 180: awslogs.RetentionDays_SIX_MONTHS, 365: awslogs.RetentionDays_ONE_YEAR,
	}[days]
}

// sortedInts returns a map's keys in order, for errors.
func sortedInts[V any](m map[int]V) []int { return slices.Sorted(maps.Keys(m)) }

// sorted returns a map's keys in order, so that every synth makes the same template.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
