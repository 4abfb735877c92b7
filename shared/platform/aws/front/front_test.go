package front

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// fake is a load balancer with a listener's rules and the targets' health. It
// writes down what changes it.
type fake struct {
	client
	rules []types.Rule
	calls []string
	err   error // of what changes it
}

func (f *fake) DescribeRules(context.Context, *elb.DescribeRulesInput, ...func(*elb.Options)) (*elb.DescribeRulesOutput, error) {
	return &elb.DescribeRulesOutput{Rules: f.rules}, nil
}

func (f *fake) CreateRule(_ context.Context, in *elb.CreateRuleInput, _ ...func(*elb.Options)) (*elb.CreateRuleOutput, error) {
	f.calls = append(f.calls, "create "+aws.ToString(in.Actions[0].TargetGroupArn))
	return nil, f.err
}

func (f *fake) ModifyRule(_ context.Context, in *elb.ModifyRuleInput, _ ...func(*elb.Options)) (*elb.ModifyRuleOutput, error) {
	f.calls = append(f.calls, "modify "+aws.ToString(in.RuleArn)+" "+aws.ToString(in.Actions[0].TargetGroupArn))
	return nil, f.err
}

func (f *fake) DeleteRule(_ context.Context, in *elb.DeleteRuleInput, _ ...func(*elb.Options)) (*elb.DeleteRuleOutput, error) {
	f.calls = append(f.calls, "delete "+aws.ToString(in.RuleArn))
	return nil, f.err
}

func rule(arn, priority, group string) types.Rule {
	return types.Rule{RuleArn: &arn, Priority: &priority, Actions: []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: &group}}}
}

func TestTurn(t *testing.T) {
	standing := []types.Rule{rule("probe", "50000", "workers"), rule("default", "default", "api")}
	ours, old := rule("ours", "1", "workers"), rule("ours", "1", "old workers")
	for _, tc := range []struct {
		name      string
		rule      *types.Rule
		toWorkers bool
		want      []string
	}{
		{"to the workers", nil, true, []string{"create workers"}},
		{"to the workers again", &ours, true, nil},
		{"to the workers of a new target group", &old, true, []string{"modify ours workers"}},
		{"away", &ours, false, []string{"delete ours"}},
		{"away again", nil, false, nil},
		{"away from an old target group", &old, false, []string{"delete ours"}},
	} {
		with := func(err error) *fake {
			f := &fake{rules: slices.Clone(standing), err: err}
			if tc.rule != nil {
				f.rules = append(f.rules, *tc.rule)
			}
			return f
		}
		f := with(nil)
		if err := (&Front{f, "listener", "workers"}).Turn(t.Context(), tc.toWorkers); err != nil || !slices.Equal(f.calls, tc.want) {
			t.Errorf("%s: calls %q, want %q; error %v", tc.name, f.calls, tc.want, err)
		}
		down := errors.New("down")
		if err := (&Front{with(down), "listener", "workers"}).Turn(t.Context(), tc.toWorkers); errors.Is(err, down) != (tc.want != nil) {
			t.Errorf("%s: of a refused call it says %v", tc.name, err)
		}
	}
}

// Another controller may have removed the rule meanwhile.
func TestARuleThatIsGoneIsAway(t *testing.T) {
	f := &fake{rules: []types.Rule{rule("ours", "1", "workers")}, err: &types.RuleNotFoundException{}}
	if err := (&Front{f, "listener", "workers"}).Turn(t.Context(), false); err != nil {
		t.Error(err)
	}
}

func TestOnlyHealthyTargetsAreHealthy(t *testing.T) {
	var all []types.TargetHealthDescription
	for _, state := range types.TargetHealthStateEnum("").Values() {
		all = append(all, types.TargetHealthDescription{Target: &types.TargetDescription{Id: aws.String(string(state))}, TargetHealth: &types.TargetHealth{State: state}})
	}
	all = append(all, types.TargetHealthDescription{}, types.TargetHealthDescription{Target: &types.TargetDescription{Id: aws.String("unknown")}})
	if got := healthy(all); !slices.Equal(got, []string{"healthy"}) {
		t.Errorf("healthy are %q", got)
	}
}

func TestOpen(t *testing.T) {
	for _, tc := range []struct {
		listener, workers string
		opens             bool
		names             string
	}{
		{"", "", false, ""},
		{"arn:l", "arn:w", true, ""},
		{"arn:l", "", false, names.TargetGroup},
		{"", "arn:w", false, names.ListenerARN},
	} {
		env := map[string]string{names.ListenerARN: tc.listener, names.TargetGroup: tc.workers}
		f, err := Open(t.Context(), func(name string) string { return env[name] })
		if (f != nil) != tc.opens || (err != nil) != (tc.names != "") || err != nil && !strings.Contains(err.Error(), tc.names) {
			t.Errorf("%+v: %v, %v", tc, f, err)
		}
	}
}
