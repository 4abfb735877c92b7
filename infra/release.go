package infra

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsautoscaling"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscodedeploy"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// Release says how a new version takes over from the one that serves.
type Release struct {
	// CanaryMinutes are how long a tenth of the calls go to a function's new version
	// before all do; 0 sends all at once.
	CanaryMinutes int `json:"canary_minutes"`
	// MinHealthyPercent of a group's workers serve while the others are replaced.
	MinHealthyPercent int `json:"min_healthy_percent"`
	// WarmupSeconds are how long a new worker must be in service before it counts.
	WarmupSeconds int `json:"warmup_seconds"`
	// Alarms says whether alarms of the stage end the replacement of workers, which
	// rolls the deployment back. It is off while an alarm rings that the release mends.
	Alarms bool `json:"alarms"`
}

// canaries are CodeDeploy's own configurations of a tenth of the calls, by minutes.
var canaries = map[int]string{
	0: "CodeDeployDefault.LambdaAllAtOnce", 5: "CodeDeployDefault.LambdaCanary10Percent5Minutes", 10: "CodeDeployDefault.LambdaCanary10Percent10Minutes",
	15: "CodeDeployDefault.LambdaCanary10Percent15Minutes", 30: "CodeDeployDefault.LambdaCanary10Percent30Minutes",
}

// check names what is wrong with a release.
func (r Release) check() error {
	if _, known := canaries[r.CanaryMinutes]; !known {
		return fmt.Errorf("context \"release\": canary_minutes: %d is not one of %v", r.CanaryMinutes, sortedInts(canaries))
	}
	if r.MinHealthyPercent < 0 || r.MinHealthyPercent > 100 {
		return fmt.Errorf("context \"release\": min_healthy_percent: %d is outside 0 to 100", r.MinHealthyPercent)
	}
	if r.WarmupSeconds < 0 || r.WarmupSeconds > 3600 {
		return fmt.Errorf("context \"release\": warmup_seconds: %d is outside 0 to 3600", r.WarmupSeconds)
	}
	return nil
}

// liveAlias is the alias by which a function is called.
const liveAlias = "live"

// served is a function that is called by its alias. A deployment makes a new version;
// CodeDeploy turns the alias to it, a tenth of the calls first.
type served struct {
	awslambda.Function
	id, name string // logical and Paragon's
	alias    awslambda.Alias
}

// serve makes a function and its alias.
func (s *stack) serve(m made) served {
	f := s.function(m)
	return served{f, m.id, m.name, awslambda.NewAlias(s.Stack, text(m.id+"Live"), &awslambda.AliasProps{AliasName: text(liveAlias), Version: f.CurrentVersion()})}
}

// releaseAlarm counts the failures of the version that is being turned to: an alarm of
// a function as a whole would also keep out the version that mends it.
func (s *stack) releaseAlarm(f served) alarm {
	return alarm{f.id + "ReleaseAlarm", "the new version of the function fails: CodeDeploy rolls it back", awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace: text("AWS/Lambda"), MetricName: text("Errors"), Statistic: text("Sum"), Period: seconds(60),
		DimensionsMap: &map[string]*string{
			"FunctionName": f.FunctionName(), "Resource": text(*f.FunctionName() + ":" + liveAlias), "ExecutedVersion": f.alias.Version().Version(),
		},
	}), releaseErrors, false, 1, awscloudwatch.TreatMissingData_NOT_BREACHING}
}

// releaseErrors are how many failures within a minute end a canary.
const releaseErrors = 3

// makeReleases has CodeDeploy turn each alias to its new version, watched by that
// version's alarm. One role does it, which may change these aliases alone.
func (s *stack) makeReleases(alarms map[string]awscloudwatch.IAlarm) {
	all := s.functions.served()
	var functions []*string
	for _, f := range all { // by name: the aliases depend on the role, and functions on aliases
		arn := s.arn("lambda", "function:"+names.Function(s.Config.Stage, f.name))
		functions = append(functions, arn, text(*arn+":"+liveAlias))
	}
	role := s.role("ReleaseRole", "codedeploy.amazonaws.com",
		allow(functions, "lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"), describeAlarms())
	app := awscodedeploy.NewCfnApplication(s.Stack, text("Releases"), &awscodedeploy.CfnApplicationProps{
		ApplicationName: s.physical("releases"), ComputePlatform: text("Lambda"),
	})
	for _, f := range all {
		group := awscodedeploy.NewCfnDeploymentGroup(s.Stack, text(f.id+"Releases"), &awscodedeploy.CfnDeploymentGroupProps{
			ApplicationName: app.Ref(), DeploymentGroupName: text(kebab(f.id)), ServiceRoleArn: role.RoleArn(), DeploymentConfigName: text(canaries[s.Release.CanaryMinutes]),
			DeploymentStyle: &awscodedeploy.CfnDeploymentGroup_DeploymentStyleProperty{DeploymentType: text("BLUE_GREEN"), DeploymentOption: text("WITH_TRAFFIC_CONTROL")},
			AlarmConfiguration: &awscodedeploy.CfnDeploymentGroup_AlarmConfigurationProperty{
				Enabled: true, Alarms: []any{&awscodedeploy.CfnDeploymentGroup_AlarmProperty{Name: alarms[f.id+"ReleaseAlarm"].AlarmName()}},
			},
			AutoRollbackConfiguration: &awscodedeploy.CfnDeploymentGroup_AutoRollbackConfigurationProperty{
				Enabled: true, Events: texts("DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"),
			},
		})
		f.alias.Node().DefaultChild().(awslambda.CfnAlias).CfnOptions().SetUpdatePolicy(&awscdk.CfnUpdatePolicy{
			CodeDeployLambdaAliasUpdate: &awscdk.CfnCodeDeployLambdaAliasUpdate{ApplicationName: app.Ref(), DeploymentGroupName: group.Ref()},
		})
	}
}

// refresh has CloudFormation replace the workers of a group whose machines a deployment
// changes, a few at a time, each drained by its hook. If the new workers of a group do not become
// healthy, the deployment fails, and CloudFormation rolls everything back.
func (s *stack) refresh(g awsautoscaling.CfnAutoScalingGroup) {
	preferences := &awscdk.CfnAutoScalingInstanceRefreshPreferences{
		// No worker more than desired: the controller would take it for one too many.
		MinHealthyPercentage: jsii.Number(float64(s.Release.MinHealthyPercent)), MaxHealthyPercentage: jsii.Number(100),
		InstanceWarmup: jsii.Number(float64(s.Release.WarmupSeconds)), SkipMatching: jsii.Bool(true),
		ScaleInProtectedInstances: text("Refresh"), StandbyInstances: text("Terminate"),
	}
	if watched := s.refreshAlarms(); len(watched) > 0 {
		preferences.AlarmSpecification = &awscdk.CfnAutoScalingInstanceRefreshAlarmSpecification{Alarms: &watched}
		preferences.BakeTime = jsii.Number(bakeSeconds)
	}
	g.CfnOptions().SetUpdatePolicy(&awscdk.CfnUpdatePolicy{
		AutoScalingInstanceRefresh: &awscdk.CfnAutoScalingInstanceRefresh{Strategy: text("Rolling"), Preferences: preferences},
	})
}

// bakeSeconds are how long the alarms are watched after the last worker is replaced: the
// slowest of them takes as long to ring.
const bakeSeconds = 300

// refreshAlarms are the alarms that end a replacement of workers.
func (s *stack) refreshAlarms() (list []*string) {
	if !s.Release.Alarms {
		return nil
	}
	list = append(list, s.physical("expired-alarm"))
	if s.onWorkers() {
		list = append(list, s.physical("worker-faults-alarm"))
	}
	return list
}
