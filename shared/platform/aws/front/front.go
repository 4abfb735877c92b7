// Package front turns the requests of a stage between its workers and its api
// function, by one rule of the load balancer: with the rule they go to the
// workers, without it by the listener's default to the api function.
//
// The stack does not know the rule, so that no deployment restores it. A rule
// of another target, such as one from before a deployment that replaced the
// target group, counts as none and is led to the right one.
package front

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// callTimeout bounds a call with its retries.
const callTimeout = 5 * time.Second

// client has the calls that are made: they are what the controller's role must allow.
type client interface {
	DescribeRules(context.Context, *elb.DescribeRulesInput, ...func(*elb.Options)) (*elb.DescribeRulesOutput, error)
	DescribeTargetHealth(context.Context, *elb.DescribeTargetHealthInput, ...func(*elb.Options)) (*elb.DescribeTargetHealthOutput, error)
	CreateRule(context.Context, *elb.CreateRuleInput, ...func(*elb.Options)) (*elb.CreateRuleOutput, error)
	ModifyRule(context.Context, *elb.ModifyRuleInput, ...func(*elb.Options)) (*elb.ModifyRuleOutput, error)
	DeleteRule(context.Context, *elb.DeleteRuleInput, ...func(*elb.Options)) (*elb.DeleteRuleOutput, error)
}

// Front is the load balancer of a stage.
type Front struct {
	client   client
	listener string // ARN
	workers  string // ARN of their target group
}

// Open connects to the load balancer that the environment names. It makes no
// call. Without one, as where the gateway asks the api function itself, it
// returns nil and no error.
func Open(ctx context.Context, env func(string) string) (platform.Traffic, error) {
	listener, workers := env(names.ListenerARN), env(names.TargetGroup)
	switch {
	case listener == "" && workers == "":
		return nil, nil
	case listener == "" || workers == "":
		return nil, fmt.Errorf("only one of %s and %s is set: set both or none", names.ListenerARN, names.TargetGroup)
	}
	sdk, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure the AWS SDK: %w", err)
	}
	return &Front{client: elb.NewFromConfig(sdk), listener: listener, workers: workers}, nil
}

// Routes implements platform.Traffic.
func (f *Front) Routes(ctx context.Context) (platform.Routes, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	rule, err := f.rule(ctx)
	if err != nil {
		return platform.Routes{}, err
	}
	out, err := f.client.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &f.workers})
	if err != nil {
		return platform.Routes{}, fmt.Errorf("read the health of the workers: %w", err)
	}
	return platform.Routes{ToWorkers: rule != nil && f.leads(*rule), Healthy: healthy(out.TargetHealthDescriptions)}, nil
}

// healthy lists the targets that the load balancer sends requests to.
func healthy(all []types.TargetHealthDescription) (ids []string) {
	for _, d := range all {
		if d.Target != nil && d.TargetHealth != nil && d.TargetHealth.State == types.TargetHealthStateEnumHealthy {
			ids = append(ids, aws.ToString(d.Target.Id))
		}
	}
	return ids
}

// Turn implements platform.Traffic.
func (f *Front) Turn(ctx context.Context, toWorkers bool) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	rule, err := f.rule(ctx)
	if err != nil {
		return err
	}
	if toWorkers {
		return f.lead(ctx, rule)
	}
	if rule == nil {
		return nil
	}
	_, err = f.client.DeleteRule(ctx, &elb.DeleteRuleInput{RuleArn: rule.RuleArn})
	var gone *types.RuleNotFoundException
	if err != nil && !errors.As(err, &gone) {
		return fmt.Errorf("delete the listener rule that routes requests to the workers: %w", err)
	}
	return nil
}

// lead makes the rule lead to the workers: a new one where there is none.
func (f *Front) lead(ctx context.Context, rule *types.Rule) error {
	actions := []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: &f.workers}}
	var err error
	switch {
	case rule == nil:
		_, err = f.client.CreateRule(ctx, &elb.CreateRuleInput{
			ListenerArn: &f.listener, Priority: aws.Int32(names.WorkersPriority), Actions: actions,
			Conditions: []types.RuleCondition{{Field: aws.String("path-pattern"), PathPatternConfig: &types.PathPatternConditionConfig{Values: []string{"/*"}}}},
		})
	case !f.leads(*rule):
		_, err = f.client.ModifyRule(ctx, &elb.ModifyRuleInput{RuleArn: rule.RuleArn, Actions: actions})
	}
	if err != nil {
		return fmt.Errorf("create the listener rule that routes requests to the workers: %w", err)
	}
	return nil
}

// rule finds the rule that sends requests to the workers; nil when there is
// none. A listener has three rules: one page has them all.
func (f *Front) rule(ctx context.Context) (*types.Rule, error) {
	out, err := f.client.DescribeRules(ctx, &elb.DescribeRulesInput{ListenerArn: &f.listener})
	if err != nil {
		return nil, fmt.Errorf("read the rules of the listener: %w", err)
	}
	for i, r := range out.Rules {
		if aws.ToString(r.Priority) == strconv.Itoa(names.WorkersPriority) {
			return &out.Rules[i], nil
		}
	}
	return nil, nil
}

// leads says whether a rule sends requests to the workers.
func (f *Front) leads(r types.Rule) bool {
	return len(r.Actions) == 1 && r.Actions[0].Type == types.ActionTypeEnumForward && aws.ToString(r.Actions[0].TargetGroupArn) == f.workers
}
