package infra

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/paragon-serving/paragon/shared/callbacks"
	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform"
)

// callbacksSeconds bounds a batch of callbacks. The longest takes 40 s: ten calls of 10 s
// to a host that gave no response before, one alone and then four at once.
const callbacksSeconds = 60

// makeCallbackQueue makes the queue of callbacks. It has no dead letters: the function
// sends a message again until the callback has arrived or its time is over.
func (s *stack) makeCallbackQueue() awssqs.Queue {
	q := s.queue("Callbacks", platform.CallbackQueue, 6*callbacksSeconds, nil)
	cdknag.NagSuppressions_AddResourceSuppressions(q, &[]*cdknag.NagPackSuppression{excuseAll("AwsSolutions-SQS3",
		"the function sends a message again until the callback has arrived or callback_hours are over: it decides when a callback is given up")}, nil)
	return q
}

// makeCallbacks makes the function that makes callbacks, with its source. It is called by
// its own name: a release needs no canary where each call is made until it arrives.
func (s *stack) makeCallbacks() awslambda.Function {
	f := s.function(made{
		id: "CallbacksFunction", name: "callbacks", code: s.code(machine, "callbacks"), arch: machine, memoryMB: pricing.CallbacksMB, seconds: callbacksSeconds,
		env: s.addCallbacks(s.addKey(s.environment())), may: s.callbacksMay(),
	})
	awslambda.NewCfnEventSourceMapping(s.Stack, text("CallbacksSource"), &awslambda.CfnEventSourceMappingProps{
		FunctionName: f.FunctionArn(), EventSourceArn: s.queues.by[platform.CallbackQueue].QueueArn(),
		BatchSize: jsii.Number(callbacks.MostMessages), FunctionResponseTypes: texts("ReportBatchItemFailures"),
		ScalingConfig: &awslambda.CfnEventSourceMapping_ScalingConfigProperty{MaximumConcurrency: jsii.Number(callbacks.MostBatches)},
	})
	return f
}

// addCallbacks adds where callbacks may be sent.
func (s *stack) addCallbacks(env map[string]*string) map[string]*string {
	env[environment.Callbacks] = text(string(callback.Public))
	return env
}

// callbacksMay is what the function calls: its queue, the records on which it keeps what
// became of a callback, and the settings and the key that say whom it calls and sign.
func (s *stack) callbacksMay() []permission {
	return append(s.readSettings(),
		allow(s.queueARNs(platform.CallbackQueue), "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"),
		allow(on(s.data.records.TableArn()), "dynamodb:PutItem", "dynamodb:UpdateItem"),
		s.readKey(),
	)
}
