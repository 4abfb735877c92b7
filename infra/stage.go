// Package infra describes a stage of Paragon for the CDK: one stack, everything that
// a deployment consists of, one file a concern. Its app, in infra/app, makes a stage of
// what cdk.json says; an app of your own makes one with NewStage, in addition to its other
// stacks.
package infra

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// Stage is the stack of a stage, in a CDK app.
type Stage struct {
	awscdk.Stack
	parts *stack
}

// NewStage makes the stack of a stage, named paragon-<stage>. The config is checked
// first: an error names each key of the context that is wrong, and its bound. Constructs
// panic, as everywhere in the CDK. The binaries must lie in Config.AssetRoot, where
// `make dist` puts them.
func NewStage(scope constructs.Construct, cfg Config) (*Stage, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s, err := newStack(scope, cfg)
	if err != nil {
		return nil, err
	}
	return &Stage{Stack: s.Stack, parts: s}, nil
}

// Endpoint is the URL of the stage's API, for callers in other stacks.
func (s *Stage) Endpoint() *string { return s.parts.functions.gateway.ApiEndpoint() }

// GrantCalls lets a role of another stack call the API, where callers sign their
// requests: Config.Authorizer is iam. With keys it grants nothing that they need.
func (s *Stage) GrantCalls(to awsiam.IGrantable) awsiam.Grant {
	return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: to, Actions: texts("execute-api:Invoke"),
		ResourceArns: &[]*string{s.parts.arn("execute-api", *s.parts.functions.gateway.ApiId()+"/*")},
	})
}

// Synth writes the template of the stage that the app's context describes, and fails
// where it breaks an AwsSolutions rule of cdk-nag.
func Synth(app awscdk.App) error {
	cfg, err := ReadConfig(contextOf(app))
	if err != nil {
		return err
	}
	if _, err := NewStage(app, cfg); err != nil {
		return err
	}
	check(app)
	app.Synth(nil)
	return nil
}

// contextOf reads the context of cdk.json and of the command line.
func contextOf(app awscdk.App) func(string) any {
	return func(key string) any { return app.Node().TryGetContext(jsii.String(key)) }
}
