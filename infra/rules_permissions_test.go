package infra

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// unbounded are the actions that AWS lets nobody bound to a resource.
var unbounded = []string{"cloudwatch:PutMetricData", "cloudwatch:GetMetricData", "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeScalingActivities", "autoscaling:DescribeWarmPool", "cloudwatch:DescribeAlarms",
	"cloudwatch:DescribeAlarmHistory", "ec2:DescribeInstanceTypeOfferings", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "lambda:GetAccountSettings",
	"logs:DescribeLogGroups", "servicequotas:GetServiceQuota",
	"ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
	"elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTargetHealth"}

func permissionRules() []rule {
	return []rule{
		{"no policy has a wildcard action, or a wildcard resource where AWS can limit the resource", func(a assembly) (bad []string) {
			for _, id := range slices.Concat(a.t.of("IAM::Role"), a.t.of("IAM::ManagedPolicy")) {
				for _, s := range a.t.statements(id) {
					for _, action := range words(s["Action"]) {
						open := slices.Contains(words(s["Resource"]), "*")
						if strings.Contains(action, "*") || open && !slices.Contains(unbounded, action) {
							bad = append(bad, id+": "+action)
						}
					}
				}
			}
			return bad
		}, func(a assembly) { a.allow(a.roleOf("api"), "dynamodb:Scan", "*") }},
		{"nothing may create, change or delete functions, pass roles, or have another service do so", func(a assembly) (bad []string) {
			for _, id := range keys(a.t.Resources) {
				for _, s := range a.t.statements(id) {
					if action := deploys(s); action != "" {
						bad = append(bad, id+": "+action)
					}
				}
			}
			return bad
		}, func(a assembly) {
			a.allow(a.roleOf("controller"), "lambda:UpdateFunctionCode", "arn:aws:lambda:us-east-1:1:function:x")
		}},
		{"roles have inline policies only", func(a assembly) []string {
			return slices.Concat(a.t.of("IAM::Policy"), a.t.of("IAM::RolePolicy"), managed(a))
		}, func(a assembly) {
			a.t.Resources[a.roleOf("api")].Properties["ManagedPolicyArns"] = []any{"arn:aws:iam::aws:policy/AdministratorAccess"}
		}},
		{"metrics may be written to Paragon's namespace only", func(a assembly) (bad []string) {
			for _, id := range a.t.of("IAM::Role") {
				for _, s := range a.t.statements(id) {
					if slices.Contains(words(s["Action"]), "cloudwatch:PutMetricData") && at(s, "Condition", "StringEquals", "cloudwatch:namespace") != names.Namespace {
						bad = append(bad, id)
					}
				}
			}
			return bad
		}, func(a assembly) {
			for _, s := range a.t.statements(a.roleOf("controller")) {
				if slices.Contains(words(s["Action"]), "cloudwatch:PutMetricData") {
					delete(s, "Condition")
				}
			}
		}},
	}
}

// deploying are the actions by which a role gets code of its own to run, or permissions of
// others, by itself or by a service that has more than it: only a deployment takes them, which
// runs with the permissions of who deploys. No role of the stack needs an exception: it has no
// custom resource. An alias leads to versions that a deployment published, and CodeDeploy moves it.
var deploying = []string{
	// functions
	"lambda:createfunction", "lambda:updatefunctioncode", "lambda:updatefunctionconfiguration", "lambda:deletefunction", "lambda:publishversion",
	"lambda:addpermission", "lambda:publishlayerversion", "lambda:addlayerversionpermission", "lambda:deletefunctioncodesigningconfig", "lambda:putfunctioncodesigningconfig",
	"lambda:createeventsourcemapping", "lambda:updateeventsourcemapping", "lambda:createfunctionurlconfig", "lambda:updatefunctionurlconfig",
	// permissions
	"iam:passrole", "iam:createrole", "iam:putrolepolicy", "iam:attachrolepolicy", "iam:deleterolepolicy", "iam:detachrolepolicy", "iam:updateassumerolepolicy",
	"iam:createpolicy", "iam:createpolicyversion", "iam:setdefaultpolicyversion", "iam:putrolepermissionsboundary", "iam:deleterolepermissionsboundary",
	"iam:addroletoinstanceprofile", "iam:createuser", "iam:createaccesskey", "iam:createloginprofile", "iam:putuserpolicy", "iam:attachuserpolicy",
	"iam:putgrouppolicy", "iam:attachgrouppolicy", "iam:addusertogroup", "iam:createservicelinkedrole", "sts:assumerole",
	// services that create resources for others: CloudFormation, its API of single resources, and automation
	"cloudformation:createstack", "cloudformation:updatestack", "cloudformation:deletestack", "cloudformation:createchangeset", "cloudformation:executechangeset",
	"cloudformation:createstackset", "cloudformation:updatestackset", "cloudformation:createstackinstances", "cloudformation:setstackpolicy",
	"cloudformation:createresource", "cloudformation:updateresource", "cloudformation:deleteresource",
	"serverlessrepo:createcloudformationchangeset", "codebuild:createproject", "codebuild:updateproject", "codebuild:startbuild",
	"codepipeline:createpipeline", "codepipeline:updatepipeline", "states:createstatemachine", "states:updatestatemachine",
	"ssm:sendcommand", "ssm:startautomationexecution", "ssm:createassociation",
	// machines, and what a worker is started with
	"ec2:runinstances", "ec2:createlaunchtemplate", "ec2:createlaunchtemplateversion", "ec2:modifylaunchtemplate", "ec2:associateiaminstanceprofile",
	"ec2:replaceiaminstanceprofileassociation", "ec2:modifyinstanceattribute", "autoscaling:createautoscalinggroup", "autoscaling:updateautoscalinggroup",
	"autoscaling:createlaunchconfiguration",
}

// deploys returns an action or a pattern of actions of a statement that allows one of
// deploying; empty if none does. IAM compares actions without regard to case, and * and ?
// stand for any characters and for any one.
func deploys(statement map[string]any) string {
	if statement["Effect"] != "Allow" {
		return ""
	}
	if statement["NotAction"] != nil {
		return "NotAction"
	}
	for _, action := range words(statement["Action"]) {
		for _, d := range deploying {
			if ok, err := path.Match(strings.ToLower(action), d); ok || err != nil {
				return action
			}
		}
	}
	return ""
}

// Wildcards that contain one of the actions are found, and others are not.
func TestWildcardsThatDeployAreFound(t *testing.T) {
	for action, found := range map[string]bool{
		"*": true, "lambda:*": true, "lambda:Update*": true, "Lambda:updatefunctioncode": true, "lambda:CreateFunctio?": true, "iam:*Role": true, "iam:PassRole": true,
		"cloudformation:*": true, "cloudformation:CreateStack": true, "cloudformation:Update*": true, "CloudFormation:ExecuteChangeSet": true, "cloudformation:CreateResource": true,
		"iam:PutRolePolicy": true, "iam:AttachRolePolicy": true, "iam:CreatePolicyVersion": true, "iam:SetDefault*": true, "sts:AssumeRole": true, "ssm:Send*": true,
		"ec2:RunInstances": true, "ec2:*Template*": true, "autoscaling:UpdateAutoScalingGroup": true, "*:*": true, "codebuild:StartBuild": true,
		"cloudformation:DescribeStacks": false, "autoscaling:SetDesiredCapacity": false, "ssm:GetParameter": false, "ec2:Describe*": false, "iam:List*": false,
		"lambda:InvokeFunction": false, "lambda:Get*": false, "iam:GetRole": false, "dynamodb:UpdateItem": false,
	} {
		for _, form := range []any{action, []any{"logs:PutLogEvents", action}} {
			if got := deploys(map[string]any{"Effect": "Allow", "Action": form, "Resource": "*"}); (got != "") != found {
				t.Errorf("%v: found %q", form, got)
			}
		}
		if got := deploys(map[string]any{"Effect": "Deny", "Action": action, "Resource": "*"}); got != "" {
			t.Errorf("denied, and found %q", got)
		}
	}
	if deploys(map[string]any{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}) == "" {
		t.Error("all actions but some are not found")
	}
}

func boundRules() []rule {
	return []rule{
		{"an inference function may only write its log and read its model", func(a assembly) []string {
			return a.each(func(_ string, f *resource) bool {
				may := []string{"logs:CreateLogStream", "logs:PutLogEvents"}
				if a.cfg.ProfilesPrefix != "" || a.isGeneric(f) || a.isAdded(f) {
					may = append(may, "s3:GetObject")
				}
				if a.cfg.ProfilesPrefix != "" {
					may = append(may, "s3:ListBucket")
				}
				return !a.isInference(f) || slices.Equal(a.actions(refers(f.prop("Role"))), may)
			})
		}, func(a assembly) {
			a.allow(a.roleOf("inference-cnn-512"), "dynamodb:GetItem", "arn:aws:dynamodb:us-east-1:1:table/x")
		}},
		{"only the controller may terminate instances and read scaling activities", func(a assembly) (bad []string) {
			for _, id := range a.t.of("IAM::Role") {
				may := a.actions(id)
				for _, action := range []string{"autoscaling:TerminateInstanceInAutoScalingGroup", "autoscaling:DescribeScalingActivities"} {
					if slices.Contains(may, action) != (id == a.roleOf("controller")) {
						bad = append(bad, id+": "+action)
					}
				}
			}
			return bad
		}, func(a assembly) {
			for _, s := range a.t.statements(a.roleOf("controller")) {
				if actions := words(s["Action"]); slices.Contains(actions, "autoscaling:TerminateInstanceInAutoScalingGroup") {
					s["Action"] = "autoscaling:SetDesiredCapacity"
				}
			}
		}},
		{"sessions may be opened only on workers, and only with session_manager", func(a assembly) (bad []string) {
			for _, id := range a.t.of("IAM::Role") {
				worker := a.t.Resources[id].prop("AssumeRolePolicyDocument", "Statement", 0, "Principal", "Service") == "ec2.amazonaws.com"
				if slices.Contains(a.actions(id), "ssmmessages:OpenDataChannel") != (worker && a.cfg.SessionManager) {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { a.allow(a.roleOf("api"), "ssmmessages:OpenDataChannel", "*") }},
		{"only the controller has the collector's address and may read its headers", func(a assembly) (bad []string) {
			for _, id := range a.t.of("Lambda::Function") {
				to, _ := a.t.Resources[id].prop("Environment", "Variables", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT").(string)
				role := refers(a.t.Resources[id].prop("Role"))
				sends := a.cfg.OTLPEndpoint != "" && role == a.roleOf("controller")
				if strings.HasSuffix(to, "/v1/metrics") != sends || slices.Contains(a.actions(role), "ssm:GetParameter") != sends {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { a.allow(a.roleOf("api"), "ssm:GetParameter", "arn:aws:ssm:us-east-1:1:parameter/x") }},
		{"what answers overflow may invoke the inference functions and no others", overflowFaults, func(a assembly) {
			a.allow(a.roleOf("dispatcher"), "lambda:InvokeFunction", map[string]any{"Fn::GetAtt": []any{"Controller8614283D", "Arn"}})
		}},
		{"each role may be assumed by one service only", func(a assembly) (bad []string) {
			for _, id := range a.t.of("IAM::Role") {
				trust := list(a.t.Resources[id].prop("AssumeRolePolicyDocument", "Statement"))
				service, one := at(trust, 0, "Principal", "Service").(string)
				if len(trust) != 1 || !one || !strings.HasSuffix(service, ".amazonaws.com") {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			at(a.t.Resources[a.roleOf("api")].Properties, "AssumeRolePolicyDocument", "Statement", 0).(map[string]any)["Principal"] = map[string]any{"AWS": "*"}
		}},
		{"roles may be assumed for this account's resources only, if the service supports the condition", func(a assembly) (bad []string) {
			for _, id := range a.t.of("IAM::Role") {
				trust := a.t.Resources[id].prop("AssumeRolePolicyDocument", "Statement", 0)
				service, _ := at(trust, "Principal", "Service").(string)
				if slices.Contains(sourced, service) != (at(trust, "Condition", "StringEquals", "aws:SourceAccount", "Ref") == "AWS::AccountId") {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			role := refers(a.schedule("tick").prop("Target", "RoleArn"))
			delete(at(a.t.Resources[role].Properties, "AssumeRolePolicyDocument", "Statement", 0).(map[string]any), "Condition")
		}},
		{"every policy is within IAM's size limit", func(a assembly) (bad []string) {
			for _, id := range a.t.of("IAM::Role") {
				if n := len(flat(a.t.Resources[id].prop("Policies"))); n > 10240 {
					bad = append(bad, fmt.Sprintf("%s: %d characters", id, n))
				}
			}
			for _, id := range a.t.of("IAM::ManagedPolicy") {
				if n := len(flat(a.t.Resources[id].prop("PolicyDocument"))); n > 6144 {
					bad = append(bad, fmt.Sprintf("%s: %d characters", id, n))
				}
			}
			return bad
		}, func(a assembly) {
			a.allow(a.roleOf("controller"), "sqs:GetQueueAttributes", "arn:aws:sqs:::"+strings.Repeat("q", 11000))
		}},
	}
}

// overflowFaults reads who may invoke functions: the dispatcher, the api, and
// the workers where queries come to them.
func overflowFaults(a assembly) (bad []string) {
	for _, id := range a.t.of("IAM::Role") {
		service := a.t.Resources[id].prop("AssumeRolePolicyDocument", "Statement", 0, "Principal", "Service")
		want := 0
		if id == a.roleOf("dispatcher") || id == a.roleOf("api") || service == "ec2.amazonaws.com" && a.cfg.onWorkers() {
			want = len(a.inferenceNames())
		}
		may := 0
		for _, s := range a.t.statements(id) {
			if service == "scheduler.amazonaws.com" || !slices.Contains(words(s["Action"]), "lambda:InvokeFunction") {
				continue
			}
			for _, r := range list(s["Resource"]) {
				if f := a.t.Resources[refers(r)]; f != nil && a.isInference(f) {
					may++
				} else {
					bad = append(bad, flat(r))
				}
			}
		}
		if may != want {
			bad = append(bad, fmt.Sprintf("%s may invoke %d, want %d", id, may, want))
		}
	}
	return bad
}

// managed are the roles with policies of AWS's making.
func managed(a assembly) (bad []string) {
	for _, id := range a.t.of("IAM::Role") {
		if len(list(a.t.Resources[id].prop("ManagedPolicyArns"))) > 0 {
			bad = append(bad, id)
		}
	}
	return bad
}
