package infra

import (
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/paragon-serving/paragon/shared/core/pricing"
)

// network is where the workers are. The functions need none: they speak to
// AWS alone.
type network struct {
	vpc     awsec2.Vpc
	subnets awsec2.SubnetType
	workers awsec2.SecurityGroup
	// Of the gateway's link and the load balancer, where the workers take queries.
	link, balancer awsec2.SecurityGroup
	// through are the endpoints, by the prefix of the actions that are called through them.
	through map[string]endpointPolicy
}

// endpointPolicy is an endpoint whose policy says what may be called through it.
type endpointPolicy interface {
	AddToPolicy(statement awsiam.PolicyStatement)
}

// endpoint is an interface endpoint, which costs money by the hour and zone.
type endpoint struct {
	id, prefix string // its logical id, and that of the service's actions
	service    func() awsec2.InterfaceVpcEndpointAwsService
}

// interfaces are the services that a worker calls and that have no gateway
// endpoint; frontInterfaces those that it calls for queries that come to it, and
// sessionInterfaces those by which people open a session on it.
var interfaces = []endpoint{
	{"Sqs", "sqs", awsec2.InterfaceVpcEndpointAwsService_SQS},
	{"Ssm", "ssm", awsec2.InterfaceVpcEndpointAwsService_SSM},
	{"AutoScaling", "autoscaling", awsec2.InterfaceVpcEndpointAwsService_AUTOSCALING},
	{"Logs", "logs", awsec2.InterfaceVpcEndpointAwsService_CLOUDWATCH_LOGS},
}

var frontInterfaces = []endpoint{
	{"Monitoring", "cloudwatch", awsec2.InterfaceVpcEndpointAwsService_CLOUDWATCH_MONITORING},
	{"SecretsManager", "secretsmanager", awsec2.InterfaceVpcEndpointAwsService_SECRETS_MANAGER},
	{"Lambda", "lambda", awsec2.InterfaceVpcEndpointAwsService_LAMBDA},
}

var sessionInterfaces = []endpoint{
	{"SsmMessages", "ssmmessages", awsec2.InterfaceVpcEndpointAwsService_SSM_MESSAGES},
}

// endpoints are those of a private network.
func (c Config) endpoints() []endpoint {
	all := slices.Clone(interfaces)
	if c.onWorkers() {
		all = append(all, frontInterfaces...)
	}
	if c.SessionManager {
		all = append(all, sessionInterfaces...)
	}
	return all
}

// makeNetwork makes a VPC over two zones: private, whose workers reach AWS by
// endpoints and nothing else, or public, whose workers have addresses and no
// port open to others than the load balancer. Neither has a NAT gateway.
func (s *stack) makeNetwork() network {
	n := network{subnets: awsec2.SubnetType_PRIVATE_ISOLATED, through: map[string]endpointPolicy{}}
	if s.Network == public {
		n.subnets = awsec2.SubnetType_PUBLIC
	}
	props := &awsec2.VpcProps{
		IpAddresses: awsec2.IpAddresses_Cidr(text("10.20.0.0/16")), NatGateways: jsii.Number(0),
		SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: text("workers"), SubnetType: n.subnets, CidrMask: jsii.Number(20)}},
		// It would take a function: closeDefaultGroup does it without one.
		RestrictDefaultSecurityGroup: jsii.Bool(false),
	}
	if len(s.Zones) > 0 {
		props.AvailabilityZones = texts(s.Zones...)
	} else {
		props.MaxAzs = jsii.Number(pricing.Zones)
	}
	n.vpc = awsec2.NewVpc(s.Stack, text("Vpc"), props)
	s.flowLog(n.vpc)
	n.workers = awsec2.NewSecurityGroup(s.Stack, text("Workers"), &awsec2.SecurityGroupProps{
		Vpc: n.vpc, AllowAllOutbound: jsii.Bool(false), Description: text("Paragon workers: HTTPS goes out; queries come from the load balancer, where there is one, and from other workers"),
	})
	if s.onWorkers() {
		s.openPath(&n)
	}
	n.workers.AddEgressRule(awsec2.Peer_AnyIpv4(), awsec2.Port_Tcp(jsii.Number(443)), text("AWS"), nil)
	n.through["s3"] = n.vpc.AddGatewayEndpoint(text("S3"), &awsec2.GatewayVpcEndpointOptions{Service: awsec2.GatewayVpcEndpointAwsService_S3()})
	n.through["dynamodb"] = n.vpc.AddGatewayEndpoint(text("DynamoDb"), &awsec2.GatewayVpcEndpointOptions{Service: awsec2.GatewayVpcEndpointAwsService_DYNAMODB()})
	if s.Network == private {
		s.makeEndpoints(n)
	}
	return n
}

// closeDefaultGroup takes the rules of the network's default security group away, by
// which whatever is put into it reaches the rest of it and the internet. CloudFormation
// cannot, so schedules do, which then find nothing more to take away.
func (s *stack) closeDefaultGroup() {
	group := s.network.vpc.VpcDefaultSecurityGroup()
	for _, c := range []struct{ id, name, action, rules string }{
		{"CloseIngress", "close-ingress", "revokeSecurityGroupIngress", `[{"IpProtocol":"-1","UserIdGroupPairs":[{"GroupId":"` + *group + `"}]}]`},
		{"CloseEgress", "close-egress", "revokeSecurityGroupEgress", `[{"IpProtocol":"-1","IpRanges":[{"CidrIp":"0.0.0.0/0"}]}]`},
	} {
		target := "arn:" + *awscdk.Aws_PARTITION() + ":scheduler:::aws-sdk:ec2:" + c.action
		s.schedule(c.id, c.name, "rate(1 day)", text(target), `{"GroupId":"`+*group+`","IpPermissions":`+c.rules+`}`,
			allow(on(s.arn("ec2", "security-group/"+*group)), "ec2:"+strings.ToUpper(c.action[:1])+c.action[1:]))
	}
}

// openPath lets queries through: from the gateway's link to the load balancer,
// from there to the workers, and from a worker to its peers, to which it
// offers what it has no slot for.
func (s *stack) openPath(n *network) {
	group := func(id, what string) awsec2.SecurityGroup {
		return awsec2.NewSecurityGroup(s.Stack, text(id), &awsec2.SecurityGroupProps{Vpc: n.vpc, AllowAllOutbound: jsii.Bool(false), Description: text(what)})
	}
	n.link = group("Link", "Paragon gateway: to the load balancer")
	n.balancer = group("BalancerGroup", "Paragon load balancer: from the gateway, to the workers")
	listen, work := awsec2.Port_Tcp(jsii.Number(listenPort)), awsec2.Port_Tcp(jsii.Number(workerPort))
	n.balancer.Connections().AllowFrom(n.link, listen, text("queries from the gateway"))
	n.workers.Connections().AllowFrom(n.balancer, work, text("queries from the load balancer"))
	n.workers.Connections().AllowFrom(n.workers, work, text("queries that a peer has no slot for"))
}

// subnetIDs are those of the workers.
func (s *stack) subnetIDs() (ids []any) {
	for _, id := range *s.network.vpc.SelectSubnets(&awsec2.SubnetSelection{SubnetType: s.network.subnets}).SubnetIds {
		ids = append(ids, id)
	}
	return ids
}

// makeEndpoints lets the workers, and nobody else, reach the services of interfaces.
func (s *stack) makeEndpoints(n network) {
	group := awsec2.NewSecurityGroup(s.Stack, text("Endpoints"), &awsec2.SecurityGroupProps{
		Vpc: n.vpc, AllowAllOutbound: jsii.Bool(false), Description: text("Paragon endpoints: HTTPS from the workers"),
	})
	group.AddIngressRule(n.workers, awsec2.Port_Tcp(jsii.Number(443)), text("workers"), nil)
	for _, i := range s.endpoints() {
		n.through[i.prefix] = n.vpc.AddInterfaceEndpoint(text(i.id), &awsec2.InterfaceVpcEndpointOptions{
			Service: i.service(), SecurityGroups: &[]awsec2.ISecurityGroup{group}, Open: jsii.Bool(false),
			Subnets: &awsec2.SubnetSelection{SubnetType: n.subnets},
		})
	}
}

// boundEndpoints lets through the endpoints what the workers may call, by who is of this
// account, and nothing else: a key of another account that is brought onto a machine is
// of no use there. What each caller may do is still its role's affair.
func (s *stack) boundEndpoints(may []permission) {
	for _, p := range may {
		for _, prefix := range sorted(s.network.through) {
			if through := p.of(prefix); len(through.actions) > 0 {
				s.network.through[prefix].AddToPolicy(through.forAccount())
			}
		}
	}
}

// flowLog records what the network refuses: what it lets through would cost
// more to keep than it is worth.
func (s *stack) flowLog(vpc awsec2.Vpc) {
	logs := s.logGroup("FlowLogs")
	role := s.role("FlowLogRole", "vpc-flow-logs.amazonaws.com", s.writeLog(logs))
	awsec2.NewCfnFlowLog(s.Stack, text("FlowLog"), &awsec2.CfnFlowLogProps{
		ResourceType: text("VPC"), ResourceId: vpc.VpcId(), TrafficType: text("REJECT"),
		LogDestination: logs.LogGroupArn(), DeliverLogsPermissionArn: role.RoleArn(),
	})
}
