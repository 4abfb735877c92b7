package front

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
)

// The requests of a load balancer as the stack makes it are turned, and back.
func TestOnAStandIn(t *testing.T) {
	for _, v := range testserver.Env(testserver.Start(t)) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	sdk, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made := balancerOn(t, sdk)
	f, err := Open(t.Context(), func(name string) string {
		return map[string]string{names.ListenerARN: made.listener, names.TargetGroup: made.workers}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct{ turn, want bool }{{false, false}, {true, true}, {true, true}, {false, false}, {true, true}} {
		if err := f.Turn(t.Context(), step.turn); err != nil {
			t.Fatal(err)
		}
		r, err := f.Routes(t.Context())
		if err != nil || r.ToWorkers != step.want || !slices.Equal(r.Healthy, []string{made.worker}) {
			t.Errorf("step %d: %+v, want to workers %v and %s healthy; error %v", i, r, step.want, made.worker, err)
		}
		if got, want := made.rules(t), 2; step.want && got != want+1 || !step.want && got != want {
			t.Errorf("step %d: %d rules", i, got)
		}
	}
}

// made is a load balancer with a worker behind it.
type made struct {
	client                    *elb.Client
	listener, workers, worker string
}

func (m made) rules(t *testing.T) int {
	t.Helper()
	out, err := m.client.DescribeRules(t.Context(), &elb.DescribeRulesInput{ListenerArn: &m.listener})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Rules)
}

// balancerOn makes what the stack makes: a listener whose default is another
// target group, and the probe's rule.
func balancerOn(t *testing.T, sdk aws.Config) made {
	t.Helper()
	vpc, subnets, worker := networkOn(t, ec2.NewFromConfig(sdk))
	c := elb.NewFromConfig(sdk)
	lb, err := c.CreateLoadBalancer(t.Context(), &elb.CreateLoadBalancerInput{Name: aws.String("front"), Subnets: subnets, Scheme: types.LoadBalancerSchemeEnumInternal})
	if err != nil {
		t.Fatal(err)
	}
	group := func(name string) *string {
		out, err := c.CreateTargetGroup(t.Context(), &elb.CreateTargetGroupInput{Name: &name, VpcId: &vpc, Port: aws.Int32(8080), Protocol: types.ProtocolEnumHttp})
		if err != nil {
			t.Fatal(err)
		}
		return out.TargetGroups[0].TargetGroupArn
	}
	forward := func(to *string) []types.Action {
		return []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: to}}
	}
	workers := group("workers")
	l, err := c.CreateListener(t.Context(), &elb.CreateListenerInput{LoadBalancerArn: lb.LoadBalancers[0].LoadBalancerArn,
		Port: aws.Int32(80), Protocol: types.ProtocolEnumHttp, DefaultActions: forward(group("api"))})
	if err != nil {
		t.Fatal(err)
	}
	listener := l.Listeners[0].ListenerArn
	if _, err := c.CreateRule(t.Context(), &elb.CreateRuleInput{ListenerArn: listener, Priority: aws.Int32(50000), Actions: forward(workers),
		Conditions: []types.RuleCondition{{Field: aws.String("path-pattern"), Values: []string{names.ProbePath}}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.RegisterTargets(t.Context(), &elb.RegisterTargetsInput{TargetGroupArn: workers, Targets: []types.TargetDescription{{Id: &worker}}}); err != nil {
		t.Fatal(err)
	}
	return made{c, *listener, *workers, worker}
}

// networkOn makes a network over two zones with one machine.
func networkOn(t *testing.T, c *ec2.Client) (vpc string, subnets []string, machine string) {
	t.Helper()
	v, err := c.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.20.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	for i, zone := range []string{"a", "b"} {
		s, err := c.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: v.Vpc.VpcId, CidrBlock: aws.String(fmt.Sprintf("10.20.%d.0/24", i)), AvailabilityZone: aws.String(testserver.Region + zone)})
		if err != nil {
			t.Fatal(err)
		}
		subnets = append(subnets, *s.Subnet.SubnetId)
	}
	m, err := c.RunInstances(t.Context(), &ec2.RunInstancesInput{ImageId: aws.String("ami-12c6146b"), MinCount: aws.Int32(1), MaxCount: aws.Int32(1), SubnetId: &subnets[0]})
	if err != nil {
		t.Fatal(err)
	}
	return *v.Vpc.VpcId, subnets, *m.Instances[0].InstanceId
}
