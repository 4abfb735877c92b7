package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"

	"paragon/shared/cloud"
	"paragon/shared/cloud/aws/names"
)

// Every statement is written by hand: what a function may do is what it calls.

// role may be taken on by one service and do what the statements say.
func (s *stack) role(id, service string, may ...awsiam.PolicyStatement) awsiam.Role {
	return awsiam.NewRole(s.Stack, text(id), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(text(service), nil),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"may": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &may}),
		},
	})
}

// allow lets actions be done to resources.
func allow(resources []*string, actions ...string) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{Actions: texts(actions...), Resources: &resources})
}

// on lists the resources of a statement.
func on(arns ...*string) []*string { return arns }

// writeLog lets a function write to its own log group and no other.
func (s *stack) writeLog(logs awslogs.LogGroup) awsiam.PolicyStatement {
	return allow(on(logs.LogGroupArn()), "logs:CreateLogStream", "logs:PutLogEvents")
}

// readSettings lets the tunables be read.
func (s *stack) readSettings() awsiam.PolicyStatement {
	path := "parameter" + names.SettingsPath(s.Config.Stage)
	return allow(on(s.arn("ssm", path[:len(path)-1])), "ssm:GetParametersByPath")
}

// putMetrics lets Paragon's own metrics be written. CloudWatch knows no
// resources for it, so the namespace bounds it.
func putMetrics() awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: texts("cloudwatch:PutMetricData"), Resources: texts("*"),
		Conditions: &map[string]any{"StringEquals": map[string]any{"cloudwatch:namespace": names.Namespace}},
	})
}

// arn is the ARN of a resource of this stage's account and region.
func (s *stack) arn(service, resource string) *string {
	return text("arn:" + *awscdk.Aws_PARTITION() + ":" + service + ":" + *awscdk.Aws_REGION() + ":" + *awscdk.Aws_ACCOUNT_ID() + ":" + resource)
}

// queueARNs returns the ARNs of queues.
func (s *stack) queueARNs(queues ...cloud.QueueName) (arns []*string) {
	for _, q := range queues {
		arns = append(arns, s.queues.by[q].QueueArn())
	}
	return arns
}

// index is the ARN of an index of the table of queries.
func (s *stack) index(name string) *string {
	return text(*s.data.queries.TableArn() + "/index/" + name)
}

// uploads is the ARN of every upload.
func (s *stack) uploads() *string {
	return s.data.uploads.ArnForObjects(text(names.UploadPrefix + "*"))
}
