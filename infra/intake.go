package infra

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2authorizers"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2integrations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awselasticloadbalancingv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/aws-cdk-go/awscdk/v2/interfaces/interfacesawsec2"
	"github.com/aws/jsii-runtime-go"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

const (
	// messageBytes is the largest message of SQS. The default of a queue, a
	// quarter of it, is too small for an input of the default inline limit.
	messageBytes = 1 << 20
	// dispatcherSeconds bounds a batch of the dispatcher.
	dispatcherSeconds = 60
	// workReceives is large, as SQS counts what a worker gave back as received;
	// attempts are counted in the message. overflowReceives counts crashes.
	workReceives, overflowReceives = 100, 5
)

// queues are every queue of the stage, by Paragon's name.
type queues struct {
	by   map[platform.QueueName]awssqs.Queue
	work map[string][]platform.QueueName // of a pool
}

// all lists the work queues of every pool.
func (s *stack) allWork() (list []platform.QueueName) {
	for _, p := range s.pools {
		list = append(list, s.queues.work[p.name]...)
	}
	return list
}

// makeQueues makes two work queues a pool, the overflow queue, the dead letters and the
// queue of callbacks.
func (s *stack) makeQueues() queues {
	q := queues{by: map[platform.QueueName]awssqs.Queue{}, work: map[string][]platform.QueueName{}}
	dead := s.queue("DeadLetters", platform.DeadLetters, 30, nil)
	q.by[platform.DeadLetters] = dead
	// Six times the consumer's timeout, or a batch could come twice.
	q.by[platform.Overflow] = s.queue("Overflow", platform.Overflow, 6*dispatcherSeconds,
		&awssqs.DeadLetterQueue{Queue: dead, MaxReceiveCount: jsii.Number(overflowReceives)})
	q.by[platform.CallbackQueue] = s.makeCallbackQueue()
	for _, p := range s.pools {
		for _, class := range []query.Class{query.Strict, query.Relaxed} {
			name := platform.WorkQueue(p.name, class)
			q.work[p.name] = append(q.work[p.name], name)
			q.by[name] = s.queue("Work"+pascal(string(class)+"-"+p.name), name, 30,
				&awssqs.DeadLetterQueue{Queue: dead, MaxReceiveCount: jsii.Number(workReceives)})
		}
	}
	return q
}

// queue is encrypted, takes TLS alone, and keeps what nobody took for a day;
// one that has no queue behind it, for two weeks.
func (s *stack) queue(id string, name platform.QueueName, visible float64, behind *awssqs.DeadLetterQueue) awssqs.Queue {
	keep := days(1)
	if behind == nil {
		keep = days(14)
	}
	return awssqs.NewQueue(s.Stack, text(id), &awssqs.QueueProps{
		QueueName: text(names.Queue(s.Config.Stage, name)), Encryption: awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL: jsii.Bool(true), VisibilityTimeout: seconds(visible), RetentionPeriod: keep,
		MaxMessageSizeBytes: jsii.Number(messageBytes), DeadLetterQueue: behind,
	})
}

// makeIntake puts the HTTP API in front of the workers or the api function:
// authorized, throttled and logged.
func (s *stack) makeIntake() {
	api := awsapigatewayv2.NewHttpApi(s.Stack, text("Api"), &awsapigatewayv2.HttpApiProps{
		ApiName: s.physical("api"), Description: text("Paragon " + s.Config.Stage), CreateDefaultStage: jsii.Bool(false),
		DefaultAuthorizer: s.authorizer(), DefaultIntegration: s.integration(),
	})
	// Deleted before the groups, so that nothing is taken in that nobody would serve.
	s.afterGroups(awsapigatewayv2.NewCfnStage(s.Stack, text("ApiStage"), &awsapigatewayv2.CfnStageProps{
		ApiId: api.ApiId(), StageName: text("$default"), AutoDeploy: true,
		DefaultRouteSettings: &awsapigatewayv2.CfnStage_RouteSettingsProperty{
			ThrottlingRateLimit: jsii.Number(s.Throttle.PerSecond), ThrottlingBurstLimit: jsii.Number(s.Throttle.Burst),
		},
		AccessLogSettings: &awsapigatewayv2.CfnStage_AccessLogSettingsProperty{
			DestinationArn: s.logGroup("AccessLog").LogGroupArn(), Format: text(s.accessLog()),
		},
	}))
	s.functions.gateway = api
	awscdk.NewCfnOutput(s.Stack, text("Endpoint"), &awscdk.CfnOutputProps{Value: api.ApiEndpoint(), Description: text("address of the API, for the flag --endpoint of paragon")})
}

// integration leads to the load balancer, or to the api function itself. Either
// way the gateway overwrites what the caller wrote there.
func (s *stack) integration() awsapigatewayv2.HttpRouteIntegration {
	owner := awsapigatewayv2.NewParameterMapping().
		OverwriteHeader(text(platform.OwnerHeader), awsapigatewayv2.MappingValue_Custom(text(s.owner())))
	wait := awscdk.Duration_Millis(jsii.Number(1000 * s.integrationSeconds()))
	if !s.onWorkers() {
		return awsapigatewayv2integrations.NewHttpLambdaIntegration(text("ApiFunction"), s.functions.api.alias,
			&awsapigatewayv2integrations.HttpLambdaIntegrationProps{ParameterMapping: owner, Timeout: wait})
	}
	link := awsapigatewayv2.NewVpcLink(s.Stack, text("VpcLink"), &awsapigatewayv2.VpcLinkProps{
		VpcLinkName: s.physical("workers"), Vpc: s.network.vpc, Subnets: &awsec2.SubnetSelection{SubnetType: s.network.subnets},
		SecurityGroups: &[]interfacesawsec2.ISecurityGroupRef{s.network.link},
	})
	listener := awselasticloadbalancingv2.ApplicationListener_FromApplicationListenerAttributes(s.Stack, text("FrontListener"),
		&awselasticloadbalancingv2.ApplicationListenerAttributes{ListenerArn: s.front.listener.Ref(), SecurityGroup: s.network.balancer})
	return awsapigatewayv2integrations.NewHttpAlbIntegration(text("Workers"), listener,
		&awsapigatewayv2integrations.HttpAlbIntegrationProps{VpcLink: link, ParameterMapping: owner, Timeout: wait})
}

// owner is the gateway's variable that says who calls, as it verified it.
func (s *stack) owner() string {
	if s.Authorizer == byKeys {
		return "$context.authorizer." + names.KeyOwner
	}
	return "$context.identity.userArn"
}

// authorizer finds who calls: who signed the request, or whose key it carries.
func (s *stack) authorizer() awsapigatewayv2.IHttpRouteAuthorizer {
	if s.Authorizer == byKeys {
		return awsapigatewayv2authorizers.NewHttpLambdaAuthorizer(text("Keys"), s.functions.authorizer.alias,
			&awsapigatewayv2authorizers.HttpLambdaAuthorizerProps{
				IdentitySource:  texts("$request.header.Authorization"),
				ResponseTypes:   &[]awsapigatewayv2authorizers.HttpLambdaResponseType{awsapigatewayv2authorizers.HttpLambdaResponseType_SIMPLE},
				ResultsCacheTtl: seconds(60),
			})
	}
	return awsapigatewayv2authorizers.NewHttpIamAuthorizer()
}

// accessLog says who asked for what and how it went; never what was in it. The event of the log
// has the time. Its size is paid: pricing counts 0.3 KB a request.
func (s *stack) accessLog() string {
	return `{"request":"$context.requestId","caller":"` + s.owner() + `","address":"$context.identity.sourceIp",` +
		`"method":"$context.httpMethod","path":"$context.path","status":"$context.status","bytes":"$context.responseLength",` +
		`"ms":"$context.responseLatency","error":"$context.error.message","integration":"$context.integrationErrorMessage"}`
}
