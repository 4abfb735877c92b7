package infra

import (
	_ "embed"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"text/template"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsautoscaling"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// group is the Auto Scaling group of a pool.
type group struct {
	pool poolPlan
	name string
	asg  awsautoscaling.CfnAutoScalingGroup
}

// leastDrainSeconds is how long a worker that leaves may take over what it runs, at
// least; drainMarginSeconds what it takes beyond a lease.
const leastDrainSeconds, drainMarginSeconds = 120, 30

// drainSeconds is how long a group waits for a worker that leaves: a lease and a
// margin, as a run that cannot store its outcome ends with its lease.
func (c Config) drainSeconds() float64 {
	return max(leastDrainSeconds, math.Ceil(c.tuned().LeaseSeconds)+drainMarginSeconds)
}

// makeFleet makes a launch template and a group a pool.
func (s *stack) makeFleet() (groups []group) {
	binaries := map[string]awss3assets.Asset{}
	events := s.topic("Scaling", "scaling", onlyErrors())
	s.workerLog = s.logGroup("WorkerLog")
	s.makeImages()
	var may []permission
	for _, p := range s.pools {
		if binaries[p.arch] == nil {
			binaries[p.arch] = awss3assets.NewAsset(s.Stack, text("Worker"+pascal(p.arch)), &awss3assets.AssetProps{Path: text(s.built(p.arch, "worker"))})
		}
		binary := binaries[p.arch]
		g := group{pool: p, name: names.Group(s.Config.Stage, p.name)}
		template := s.launchTemplate(p, binary)
		g.asg = s.scalingGroup(g, template, events)
		s.outlive(g.asg)
		s.refresh(g.asg)
		groups = append(groups, g)
		may = append(may, s.workerMay(p, binary)...)
	}
	s.boundEndpoints(may)
	return groups
}

// onlyErrors lets the notices of a group through that report a launch or an end
// that failed: the others are many, and no news.
func onlyErrors() *map[string]awssns.FilterOrPolicy {
	return &map[string]awssns.FilterOrPolicy{"Event": awssns.FilterOrPolicy_Filter(awssns.SubscriptionFilter_StringFilter(&awssns.StringConditions{
		Allowlist: texts("autoscaling:EC2_INSTANCE_LAUNCH_ERROR", "autoscaling:EC2_INSTANCE_TERMINATE_ERROR"),
	}))}
}

// launchTemplate says what a machine of a pool is. Its type is the group's affair.
func (s *stack) launchTemplate(p poolPlan, binary awss3assets.Asset) awsec2.LaunchTemplate {
	id := "Pool" + pascal(p.name)
	props := &awsec2.LaunchTemplateProps{
		LaunchTemplateName: s.physical(p.name),
		MachineImage:       s.newestImage(p.arch),
		RequireImdsv2:      jsii.Bool(true), HttpTokens: awsec2.LaunchTemplateHttpTokens_REQUIRED, HttpPutResponseHopLimit: jsii.Number(1),
		BlockDevices: &[]*awsec2.BlockDevice{{DeviceName: text("/dev/xvda"), Volume: awsec2.BlockDeviceVolume_Ebs(jsii.Number(pricing.DiskGB), &awsec2.EbsDeviceOptions{
			VolumeType: awsec2.EbsDeviceVolumeType_GP3, Encrypted: jsii.Bool(true), DeleteOnTermination: jsii.Bool(true),
		})}},
		SecurityGroup: s.network.workers, DetailedMonitoring: jsii.Bool(false),
		InstanceInitiatedShutdownBehavior: awsec2.InstanceInitiatedShutdownBehavior_TERMINATE,
		Role:                              s.role(id+"Role", "ec2.amazonaws.com", s.workerMay(p, binary)...),
		UserData:                          awsec2.UserData_Custom(text(s.userData(p, binary))),
	}
	if s.Network == public {
		props.AssociatePublicIpAddress = jsii.Bool(true)
	}
	t := awsec2.NewLaunchTemplate(s.Stack, text(id+"Template"), props)
	s.pinImage(t, p.arch)
	// The stack's own tags stop at the group, and machines are most of the bill.
	awscdk.Tags_Of(t).Add(text("Name"), s.physical(p.name), nil)
	awscdk.Tags_Of(t).Add(text(stageTag), text(s.Config.Stage), nil)
	return t
}

// scalingGroup never says how many workers are desired: that is the
// controller's, and a deployment leaves it alone.
func (s *stack) scalingGroup(g group, t awsec2.LaunchTemplate, events awssns.Topic) awsautoscaling.CfnAutoScalingGroup {
	p := g.pool
	var types []any
	for _, typ := range p.InstanceTypes {
		types = append(types, &awsautoscaling.CfnAutoScalingGroup_LaunchTemplateOverridesProperty{InstanceType: text(typ)})
	}
	subnets := s.subnetIDs()
	made := awsautoscaling.NewCfnAutoScalingGroup(s.Stack, text("Pool"+pascal(p.name)), &awsautoscaling.CfnAutoScalingGroupProps{
		AutoScalingGroupName: text(g.name), MinSize: text(fmt.Sprint(p.Min)), MaxSize: text(fmt.Sprint(p.Max)),
		VpcZoneIdentifier: &subnets, CapacityRebalance: false,
		MixedInstancesPolicy: &awsautoscaling.CfnAutoScalingGroup_MixedInstancesPolicyProperty{
			InstancesDistribution: &awsautoscaling.CfnAutoScalingGroup_InstancesDistributionProperty{
				OnDemandBaseCapacity: jsii.Number(float64(p.OnDemandBase)), OnDemandPercentageAboveBaseCapacity: jsii.Number(float64(100 - p.SpotPercent)),
				OnDemandAllocationStrategy: text("prioritized"), SpotAllocationStrategy: text("price-capacity-optimized"),
			},
			LaunchTemplate: &awsautoscaling.CfnAutoScalingGroup_LaunchTemplateProperty{
				LaunchTemplateSpecification: &awsautoscaling.CfnAutoScalingGroup_LaunchTemplateSpecificationProperty{
					LaunchTemplateId: t.LaunchTemplateId(), Version: t.LatestVersionNumber(),
				},
				Overrides: types,
			},
		},
		LifecycleHookSpecificationList: s.hooks(),
		NotificationConfigurations: []any{&awsautoscaling.CfnAutoScalingGroup_NotificationConfigurationProperty{
			TopicArn: events.TopicArn(), NotificationTypes: texts("autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
				"autoscaling:EC2_INSTANCE_TERMINATE", "autoscaling:EC2_INSTANCE_TERMINATE_ERROR"),
		}},
		MetricsCollection: []any{&awsautoscaling.CfnAutoScalingGroup_MetricsCollectionProperty{Granularity: text("1Minute")}},
	})
	s.checkHealth(made)
	s.warmPool(p, made)
	cdknag.NagSuppressions_AddResourceSuppressions(made, &[]*cdknag.NagPackSuppression{excuse("CdkNagValidationFailure",
		"the rule does not support a mixed instances policy and cannot find the launch template; its volumes are encrypted, which a test checks", "AwsSolutions-EC26")}, nil)
	return made
}

// outlive has what a worker drains by deleted after its group: the way to AWS, queues,
// tables and functions. CloudFormation deletes what nothing depends on at the same time.
func (s *stack) outlive(g awsautoscaling.CfnAutoScalingGroup) {
	g.Node().AddDependency(s.network.vpc, s.data.state, s.data.records)
	for _, name := range slices.Sorted(maps.Keys(s.queues.by)) {
		g.Node().AddDependency(s.queues.by[name])
	}
}

// checkHealth says what ends a machine of a group: a worker whose process does
// not answer the load balancer, or without one the machine's own state alone.
func (s *stack) checkHealth(g awsautoscaling.CfnAutoScalingGroup) {
	if !s.onWorkers() {
		g.SetHealthCheckType(text("EC2"))
		return
	}
	g.SetHealthCheckType(text("ELB"))
	g.SetHealthCheckGracePeriod(jsii.Number(graceSeconds))
	g.SetTargetGroupArns(&[]*string{s.front.workers.Ref()})
	g.AddResourceDependency(s.front.probe, nil)
}

// workerMay is what a worker calls: its queues, the store, the hook that waits for
// it, and what it takes to answer queries that come to it. It may end no instance.
func (s *stack) workerMay(p poolPlan, binary awss3assets.Asset) []permission {
	may := append(append(append(s.readSettings(), s.readProfiles(everything)...), s.useModels(everything, "s3:GetObject")...),
		allow(on(binary.Bucket().ArnForObjects(binary.S3ObjectKey())), "s3:GetObject"),
		allow(s.queueARNs(s.queues.work[p.name]...), "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:SendMessage"),
		allow(s.queueARNs(platform.Overflow, platform.DeadLetters, platform.CallbackQueue), "sqs:SendMessage"),
		s.changeGroup(p.name, "autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"),
		s.writeLog(s.workerLog),
	)
	if s.SessionManager {
		may = append(may, openSessions())
	}
	if s.onWorkers() {
		may = append(may, allow(on(s.data.records.TableArn()), "dynamodb:BatchGetItem"), s.inputs("s3:GetObject"))
		if s.Network == public {
			may = append(may, allow(on(s.front.workers.Ref()), "elasticloadbalancing:DeregisterTargets"))
		}
		return append(may, s.takeQueries(s.queues.work[p.name])...)
	}
	return append(may, allow(on(s.data.records.TableArn()), "dynamodb:BatchGetItem", "dynamodb:PutItem"),
		s.uploads("s3:GetObject"), s.inputs("s3:GetObject"))
}

//go:embed worker.sh.tmpl
var workerScript string

var workerTemplate = template.Must(template.New("worker.sh").Parse(workerScript))

// userData is the script that makes a machine a worker.
func (s *stack) userData(p poolPlan, binary awss3assets.Asset) string {
	env := s.addFunctions(s.resourceNames())
	env[environment.Pool], env[names.WorkerLogGroup] = text(p.name), s.workerLog.LogGroupName()
	if s.onWorkers() {
		env[environment.Listen] = text(fmt.Sprintf(":%d", workerPort))
		if s.Network == public { // a private one has no endpoint by which to deregister
			env[names.TargetGroup] = s.front.workers.Ref()
		}
		env = s.addCallbacks(s.addOwners(s.addKey(env)))
	}
	type pair struct{ Name, Value string }
	var list []pair
	for _, name := range sorted(env) {
		list = append(list, pair{name, *env[name]})
	}
	var b strings.Builder
	if err := workerTemplate.Execute(&b, map[string]any{
		"Region": *awscdk.Aws_REGION(), "AssetBucket": *binary.S3BucketName(), "AssetKey": *binary.S3ObjectKey(), "Env": list,
	}); err != nil {
		panic("worker.sh.tmpl: " + err.Error()) // held by every synth
	}
	return b.String()
}
