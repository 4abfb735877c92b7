package infra

import (
	"encoding/json"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// makeStageParameter says where the stage is, for those who know its name, and makes the
// policy of those who run it. Nobody has the policy until somebody attaches it.
func (s *stack) makeStageParameter() {
	backend := s.resourceNames()
	var pools []string
	var groups []names.PoolGroup
	for _, p := range s.pools {
		pools, groups = append(pools, p.name), append(groups, names.PoolGroup{InstanceType: p.InstanceTypes[0], Max: p.Max, Warm: p.Warm})
	}
	parameter, err := json.Marshal(names.StageParameter{
		Endpoint: *s.functions.gateway.ApiEndpoint(), Authorizer: s.Authorizer, Pools: pools, Groups: groups,
		StateTable: *backend[names.StateTable], RecordsTable: *backend[names.RecordsTable], Bucket: *backend[names.Bucket], QueueURLPrefix: *backend[names.QueueURLPrefix],
		Models: *backend[environment.Models], Catalogue: s.Catalogue, Profiles: s.ProfilesPrefix, FunctionArch: s.FunctionArch, FunctionMB: s.sizes, GenericMB: s.GenericSizes,
		SigningSecret: *s.secret.Ref(), Settings: s.settings,
	})
	if err != nil {
		panic(err) // a struct of words
	}
	awsssm.NewStringParameter(s.Stack, text("Door"), &awsssm.StringParameterProps{
		ParameterName: text(names.StageParameterPath(s.Config.Stage)), StringValue: text(string(parameter)), Description: text("where paragon --stage finds the stage"),
	})
	s.makeOperator()
}

// makeOperator makes the policy by which `paragon --stage` works: it calls the
// API, tunes, reads decisions, and puts dead letters back.
func (s *stack) makeOperator() {
	statements, excuses := written(s.operatorMay())
	policy := awsiam.NewManagedPolicy(s.Stack, text("Operator"), &awsiam.ManagedPolicyProps{
		ManagedPolicyName: text(names.Operator(s.Config.Stage, *awscdk.Aws_REGION())), Description: text("to run the stage with the command line"), Statements: &statements,
	})
	cdknag.NagSuppressions_AddResourceSuppressions(policy, &excuses, jsii.Bool(false))
	awscdk.NewCfnOutput(s.Stack, text("OperatorPolicy"), &awscdk.CfnOutputProps{Value: policy.ManagedPolicyArn(), Description: text("ARN of the policy for operators of the stage")})
}

// operatorMay is what the command line calls for those who run the stage.
func (s *stack) operatorMay() []permission {
	path := "parameter" + names.SettingsPath(s.Config.Stage) + "*"
	may := append(s.readSettings(),
		allow(on(s.arn("ssm", "parameter"+names.StageParameterPath(s.Config.Stage))), "ssm:GetParameter"),
		allow(on(s.arn("ssm", path)), "ssm:GetParameterHistory", "ssm:PutParameter").
			excused("Resource::arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:"+path, "there are many settings: the action is limited to their path"),
		allow(on(s.data.state.TableArn()), "dynamodb:Query"),
		allow(on(s.data.records.TableArn()), "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"),
		s.readKey(),
		allow(s.queueARNs(platform.DeadLetters), "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"),
		allow(s.queueARNs(append(s.allWork(), platform.Overflow, platform.CallbackQueue)...), "sqs:SendMessage"),
		allow(s.queueARNs(platform.CallbackQueue), "sqs:GetQueueAttributes"),
		readMetrics(),
	)
	may = append(append(may, s.readProfiles(figuresOnly)...), s.useModels(everything, "s3:GetObject", "s3:PutObject", "s3:DeleteObject")...)
	if generic := s.inference.genericARNs(); len(generic) > 0 {
		may = append(may, allow(generic, "lambda:InvokeFunction"))
	}
	may = append(may, s.doctorMay()...)
	if s.Authorizer == byIAM {
		id := *s.functions.gateway.ApiId()
		may = append(may, allow(on(s.arn("execute-api", id+"/*")), "execute-api:Invoke").
			excused("Resource::arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<"+s.apiLogicalID()+">/*", "the API has one route for every path and method"))
	}
	return may
}

// doctorMay is what `paragon doctor` reads of the account.
func (s *stack) doctorMay() []permission {
	logs := "log-group:" + *s.physical("*")
	actions := []string{"autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeScalingActivities", "cloudwatch:DescribeAlarmHistory", "cloudwatch:DescribeAlarms",
		"ec2:DescribeInstanceTypeOfferings", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets",
		"lambda:GetAccountSettings", "logs:DescribeLogGroups", "servicequotas:GetServiceQuota"}
	if s.onWorkers() {
		actions = append(actions, "elasticloadbalancing:DescribeTargetHealth")
	}
	return []permission{
		allow(on(text("*")), actions...).
			excused("Resource::*", "these calls describe resources of the account, and most have no resource-level permissions"),
		allow(on(s.arn("logs", logs)), "logs:FilterLogEvents").
			excused("Resource::arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:"+logs, "log groups have generated names: the action is limited to the stage's prefix"),
	}
}

// apiLogicalID is what the template calls the API.
func (s *stack) apiLogicalID() string {
	return *s.GetLogicalId(s.functions.gateway.Node().DefaultChild().(awscdk.CfnElement))
}
