package infra

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// Every statement is written by hand: what a role may do is what its holder
// calls, and a wildcard is excused where it is written.

// permission lets actions be done to resources. One with a wildcard names it,
// as cdk-nag does, and says why there is no narrower one.
type permission struct {
	actions   []string
	resources []*string
	wildcard  string
	why       string
	condition map[string]any
}

// allow lets actions be done to resources.
func allow(resources []*string, actions ...string) permission {
	return permission{actions: actions, resources: resources}
}

// excused says which of a permission's resources is a wildcard, and why.
func (p permission) excused(wildcard, why string) permission {
	p.wildcard, p.why = wildcard, why
	return p
}

func (p permission) statement() awsiam.PolicyStatement {
	props := &awsiam.PolicyStatementProps{Actions: texts(p.actions...), Resources: &p.resources}
	if p.condition != nil {
		props.Conditions = &p.condition
	}
	return awsiam.NewPolicyStatement(props)
}

// of is the part of a permission whose actions are of one service.
func (p permission) of(service string) permission {
	p.actions = slices.DeleteFunc(slices.Clone(p.actions), func(action string) bool { return !strings.HasPrefix(action, service+":") })
	return p
}

// forAccount lets everybody of this account do it: a statement of an endpoint's policy.
func (p permission) forAccount() awsiam.PolicyStatement {
	conditions := map[string]any{}
	maps.Copy(conditions, p.condition)
	equals := map[string]any{"aws:PrincipalAccount": *awscdk.Aws_ACCOUNT_ID()}
	if own, ok := conditions["StringEquals"].(map[string]any); ok {
		maps.Copy(equals, own)
	}
	conditions["StringEquals"] = equals
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()}, Actions: texts(p.actions...), Resources: &p.resources, Conditions: &conditions,
	})
}

// written are permissions as statements, and the excuses of their wildcards.
func written(may []permission) (statements []awsiam.PolicyStatement, excuses []*cdknag.NagPackSuppression) {
	for _, p := range may {
		statements = append(statements, p.statement())
		if p.wildcard != "" {
			excuses = append(excuses, excuse("AwsSolutions-IAM5", p.why, p.wildcard))
		}
	}
	return statements, excuses
}

// role may be taken on by one service of this account and do what is listed.
func (s *stack) role(id, service string, may ...permission) awsiam.Role {
	statements, excuses := written(may)
	r := awsiam.NewRole(s.Stack, text(id), &awsiam.RoleProps{
		AssumedBy: s.principal(service),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"may": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements}),
		},
	})
	if len(excuses) > 0 {
		cdknag.NagSuppressions_AddResourceSuppressions(r, &excuses, jsii.Bool(false))
	}
	return r
}

// sourced are the services that say for whose resources they take a role on.
// Lambda and EC2 do not document it.
var sourced = []string{"codedeploy.amazonaws.com", "scheduler.amazonaws.com", "vpc-flow-logs.amazonaws.com"}

// principal is a service of AWS, for this account's resources alone where it says
// whose they are.
func (s *stack) principal(service string) awsiam.IPrincipal {
	p := awsiam.NewServicePrincipal(text(service), nil)
	if !slices.Contains(sourced, service) {
		return p
	}
	return awsiam.NewPrincipalWithConditions(p, &map[string]any{"StringEquals": s.ofThisAccount()})
}

// ofThisAccount is the condition that a service acts for a resource of this account.
func (s *stack) ofThisAccount() map[string]any {
	return map[string]any{"aws:SourceAccount": *awscdk.Aws_ACCOUNT_ID()}
}

// bound gives every role the permissions boundary of the context.
func (s *stack) bound() {
	if s.PermissionsBoundary != "" {
		awsiam.PermissionsBoundary_Of(s.Stack).Apply(awsiam.ManagedPolicy_FromManagedPolicyArn(s.Stack, text("Boundary"), text(s.PermissionsBoundary)))
	}
}

// on lists the resources of a permission.
func on(arns ...*string) []*string { return arns }

// writeLog lets a function write to its own log group and no other.
func (s *stack) writeLog(logs awslogs.LogGroup) permission {
	return allow(on(logs.LogGroupArn()), "logs:CreateLogStream", "logs:PutLogEvents")
}

// readSettings lets the tunables be read, from SSM and from the row of the
// state table by which one process passes them on to the others.
func (s *stack) readSettings() []permission {
	path := "parameter" + names.SettingsPath(s.Config.Stage)
	return []permission{
		allow(on(s.arn("ssm", path[:len(path)-1])), "ssm:GetParametersByPath"),
		allow(on(s.data.state.TableArn()), "dynamodb:GetItem", "dynamodb:UpdateItem"),
	}
}

// useRecords lets intake read, write and list how queries ended, and claim
// idempotency keys.
func (s *stack) useRecords() permission {
	return allow(on(s.data.records.TableArn()), "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query")
}

// putMetrics lets Paragon's own metrics be written.
func putMetrics() permission {
	p := allow(on(text("*")), "cloudwatch:PutMetricData").excused("Resource::*", "CloudWatch has no resource-level permissions for metrics: a condition limits the action to the namespace")
	p.condition = map[string]any{"StringEquals": map[string]any{"cloudwatch:namespace": names.Namespace}}
	return p
}

// readMetrics lets metrics be read, for which CloudWatch knows no bound.
func readMetrics() permission {
	return allow(on(text("*")), "cloudwatch:GetMetricData").excused("Resource::*", "CloudWatch has no resource-level permissions for reading metrics")
}

// openSessions lets the agent of Session Manager, which is on the machine image, open
// the channels by which people come to a worker.
func openSessions() permission {
	return allow(on(text("*")), "ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
		"ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel").excused("Resource::*", "Session Manager has no resource-level permissions for its agent's channels")
}

// describeAlarms lets the states of alarms be read.
func describeAlarms() permission {
	return allow(on(text("*")), "cloudwatch:DescribeAlarms").excused("Resource::*", "CodeDeploy describes alarms without naming one")
}

// describeGroups lets the groups be read.
func describeGroups(more ...string) permission {
	return allow(on(text("*")), append([]string{"autoscaling:DescribeAutoScalingGroups"}, more...)...).excused("Resource::*", "Auto Scaling has no resource-level permissions for Describe calls")
}

// changeGroup lets something be done to a pool's group.
func (s *stack) changeGroup(pool string, actions ...string) permission {
	const end = ":autoScalingGroup:*:autoScalingGroupName/"
	name := names.Group(s.Config.Stage, pool)
	return allow(on(s.arn("autoscaling", end[1:]+name)), actions...).
		excused("Resource::arn:<AWS::Partition>:autoscaling:<AWS::Region>:<AWS::AccountId>"+end+name,
			"AWS chooses the id in the middle of a group's ARN: the name limits the action to this group")
}

// uploads lets something be done to the uploads, whose names are made up.
func (s *stack) uploads(actions ...string) permission {
	return s.objects(names.UploadPrefix, "uploads have random names: the action is limited to their prefix", actions...)
}

// inputs lets something be done to the inputs that are too large for a queue.
func (s *stack) inputs(actions ...string) permission {
	return s.objects(names.InputPrefix, "inputs are named after their queries: the action is limited to their prefix", actions...)
}

// objects lets something be done below a prefix of the bucket.
func (s *stack) objects(prefix, why string, actions ...string) permission {
	bucket := *s.GetLogicalId(s.data.uploads.Node().DefaultChild().(awscdk.CfnElement))
	return allow(on(s.data.uploads.ArnForObjects(text(prefix+"*"))), actions...).excused("Resource::<"+bucket+".Arn>/"+prefix+"*", why)
}

// arn is the ARN of a resource of this account and region.
func (s *stack) arn(service, resource string) *string {
	return text("arn:" + *awscdk.Aws_PARTITION() + ":" + service + ":" + *awscdk.Aws_REGION() + ":" + *awscdk.Aws_ACCOUNT_ID() + ":" + resource)
}

// queueARNs returns the ARNs of queues.
func (s *stack) queueARNs(queues ...platform.QueueName) (arns []*string) {
	for _, q := range queues {
		arns = append(arns, s.queues.by[q].QueueArn())
	}
	return arns
}
