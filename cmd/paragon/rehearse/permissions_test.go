//go:build rehearse

package rehearse

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/cmd/paragon/rehearse/policy"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
)

// uncalled are the grants that this rehearsal does not use, and what does. Those
// of the inference functions are under their common name.
var uncalled = map[string][]policy.Excuse{
	"api": {
		{Action: "ssm:GetParametersByPath", Why: onlyOne}, {Action: "dynamodb:UpdateItem", Resource: "*-State*", Why: onlyOne},
		{Action: "lambda:InvokeFunction", Resource: "*:function:paragon-*", Why: "of the models and sizes that no query asks for"},
		{Action: "logs:*", Why: byLambda},
	},
	"dispatcher": {
		{Action: "sqs:ReceiveMessage", Why: bySource}, {Action: "sqs:GetQueueAttributes", Why: bySource},
		{Action: "sqs:SendMessage", Why: "hands back what functions throw back, and files dead letters"},
		{Action: "s3:GetObject", Resource: "*/uploads/*", Why: "reads an upload"},
		{Action: "lambda:InvokeFunction", Resource: "*:function:paragon-*", Why: "of the models and sizes that no query asks for"},
		{Action: "ssm:GetParametersByPath", Why: onlyOne},
		{Action: "dynamodb:UpdateItem", Resource: "*-State*", Why: onlyOne}, {Action: "logs:*", Why: byLambda},
	},
	"controller": {
		{Action: "sqs:*Message", Resource: "*-work-*", Why: "ends the queries that no worker will serve, and gives the others back"},
		{Action: "sqs:SendMessage", Resource: "*-overflow", Why: "hands over what waits when no worker answers"},
		{Action: "sqs:SendMessage", Resource: "*-callbacks", Why: "ends a query with a callback"},
		{Action: "ssm:GetParametersByPath", Why: onlyOne}, {Action: "logs:*", Why: byLambda},
		{Action: "autoscaling:DescribeScalingActivities", Why: "reads why launches failed, in the scenarios"},
		{Action: "s3:PutObject", Resource: "*/models/catalogue.json", Why: "rolls back a version that fails, in the play of the operator"},
	},
	"worker": {
		{Action: "s3:GetObject", Resource: "*:cdk-*.zip", Why: "the machine fetches the worker before it runs"},
		{Action: "sqs:ChangeMessageVisibility", Why: "renews leases of long runs"}, {Action: "sqs:SendMessage", Why: "bounces and gives back"},
		{Action: "ssm:GetParametersByPath", Why: onlyOne},
		{Action: "dynamodb:UpdateItem", Resource: "*-State*", Why: onlyOne},
	},
	"callbacks": {
		{Action: "sqs:ReceiveMessage", Why: bySource}, {Action: "sqs:DeleteMessage", Why: bySource}, {Action: "sqs:GetQueueAttributes", Why: bySource},
		{Action: "dynamodb:PutItem", Resource: "*-Records*", Why: "ends a query that nobody answered"},
		{Action: "ssm:GetParametersByPath", Why: onlyOne}, {Action: "dynamodb:UpdateItem", Resource: "*-State*", Why: onlyOne}, {Action: "logs:*", Why: byLambda},
	},
	// With one of the fronts.
	"worker lambda": {{Action: "logs:*", Why: "sends the journal from the worker's instance, and metrics of late terminal writes"}},
	"api workers": {
		{Action: "sqs:SendMessage", Resource: "*-work-strict-*", Why: "a strict query that comes before the balancer leads to the workers; which one that is, is chance"},
	},
	"controller workers": {{Action: "elasticloadbalancing:ModifyRule", Why: "of a rule that leads to an old target group"}},
	"worker workers": {
		{Action: "lambda:InvokeFunction", Why: "where it has no slot in time and overflow needs no queue: the api function does it here"},
	},
	"inference": {{Action: "logs:*", Why: byLambda}},
}

const (
	byLambda = "Lambda writes a function's log by the function's role"
	bySource = "the event source polls by the function's role; the rehearsal plays it"
	onlyOne  = "one process reads the settings for all; which one is chance"
)

// checkPermissions holds every call that was made to the role of its caller,
// and every grant of a role to a call, or to a reason why there is none here. A
// grant that was used is then taken away: that must be a fault.
func (p *play) checkPermissions() {
	p.t.Helper()
	roles, did := p.roles(), p.stand.made()
	unseen := maps.Clone(uncalled)
	for _, who := range slices.Sorted(maps.Keys(did)) {
		role, calls := roles[who], did[who]
		if role == "" {
			p.t.Errorf("%s has no role and made %d calls", who, len(calls))
			continue
		}
		kind, _, _ := strings.Cut(who, "-")
		delete(unseen, kind)
		may := p.statements(role)
		for _, fault := range policy.Judge(may, calls, p.excuses(kind)) {
			p.t.Errorf("the %s: %s", who, fault)
		}
		p.takeAway(who, may, calls)
		if kind == "worker" {
			p.checkEndpoints(calls)
		}
	}
	for kind := range unseen {
		if strings.Contains(kind, " ") {
			continue
		}
		p.t.Errorf("the %s made no call", kind)
	}
}

// checkEndpoints holds what the worker called to the policies of the endpoints that
// its calls go through.
func (p *play) checkEndpoints(calls []policy.Call) {
	p.t.Helper()
	through := map[string][]policy.Statement{} // by service
	for _, r := range p.stack.resources {
		if r.Type != "AWS::EC2::VPCEndpoint" {
			continue
		}
		resolved, err := policy.Resolve(r.Properties["PolicyDocument"], p.named)
		must(p.t, err)
		text, err := json.Marshal(resolved)
		must(p.t, err)
		var doc struct{ Statement []policy.Statement }
		must(p.t, json.Unmarshal(text, &doc))
		for _, s := range doc.Statement {
			service, _, _ := strings.Cut(s.Grants()[0].Action, ":")
			through[service] = append(through[service], s)
		}
	}
	for _, c := range calls {
		service, _, _ := strings.Cut(c.Action, ":")
		c.Keys = maps.Clone(c.Keys)
		if c.Keys == nil {
			c.Keys = map[string]string{}
		}
		c.Keys["aws:PrincipalAccount"] = testserver.Account
		if by, err := policy.Matching(through[service], c); err != nil || len(by) == 0 {
			p.t.Errorf("no endpoint lets the worker's %s of %q through (%v)", c.Action, c.Resource, err)
		}
	}
}

// excuses are the grants of a role that this rehearsal does not use.
func (p *play) excuses(kind string) []policy.Excuse {
	front := names.FrontLambda
	if p.front.listener != "" {
		front = names.FrontWorkers
	}
	return slices.Concat(uncalled[kind], uncalled[kind+" "+front])
}

// takeAway moves one grant after the other to another resource, and wants the
// calls that used it refused.
func (p *play) takeAway(who string, may []policy.Statement, calls []policy.Call) {
	p.t.Helper()
	for _, c := range calls {
		by, err := policy.Matching(may, c)
		must(p.t, err)
		if len(by) != 1 {
			continue // another grant still allows it
		}
		if left, err := policy.Matching(policy.Without(may, by[0]), c); err != nil || len(left) > 0 {
			p.t.Errorf("the %s may call %+v by %v, error %v, although %v was taken away", who, c, left, err, by[0])
		}
	}
}

// roles are the logical ids of the roles, by who takes them on.
func (p *play) roles() map[string]string {
	out := map[string]string{}
	for id, r := range p.stack.resources {
		switch r.Type {
		case "AWS::Lambda::Function":
			name, _ := r.Properties["FunctionName"].(string)
			out[strings.TrimPrefix(name, names.Prefix(stage))] = r.Properties["Role"].(map[string]any)["Fn::GetAtt"].([]any)[0].(string)
		case "AWS::IAM::Role":
			if text, _ := json.Marshal(r.Properties["AssumeRolePolicyDocument"]); strings.Contains(string(text), `"ec2.amazonaws.com"`) {
				out["worker"] = id
			}
		}
	}
	return out
}

// statements are what a role may do, with every name as it was made.
func (p *play) statements(role string) (out []policy.Statement) {
	p.t.Helper()
	resolved, err := policy.Resolve(p.stack.resources[role].Properties["Policies"], p.named)
	must(p.t, err)
	text, err := json.Marshal(resolved)
	must(p.t, err)
	var policies []struct {
		PolicyDocument struct{ Statement []policy.Statement }
	}
	must(p.t, json.Unmarshal(text, &policies))
	for _, one := range policies {
		out = append(out, one.PolicyDocument.Statement...)
	}
	if len(out) == 0 {
		p.t.Errorf("the role %s may do nothing", role)
	}
	return out
}

// named is what a Ref or an attribute of the template is on the test server.
func (p *play) named(id, attribute string) (string, error) {
	pseudo := map[string]string{"AWS::Partition": "aws", "AWS::Region": testserver.Region, "AWS::AccountId": testserver.Account, "AWS::URLSuffix": "amazonaws.com"}
	if v, ok := pseudo[id]; ok {
		return v, nil
	}
	name, ok := p.made[id]
	if !ok {
		return "", fmt.Errorf("the stack has no resource %q", id)
	}
	if attribute == "" {
		return name, nil
	}
	switch kind := p.stack.resources[id].Type; kind + " " + attribute {
	case "AWS::ElasticLoadBalancingV2::TargetGroup TargetGroupName":
		return name, nil
	case "AWS::SQS::Queue Arn":
		return arn("sqs", name[strings.LastIndex(name, "/")+1:]), nil
	case "AWS::DynamoDB::Table Arn":
		return arn("dynamodb", "table/"+name), nil
	case "AWS::Lambda::Function Arn":
		return arn("lambda", "function:"+name), nil
	case "AWS::Logs::LogGroup Arn":
		return arn("logs", "log-group:"+name+":*"), nil
	case "AWS::S3::Bucket Arn":
		return "arn:aws:s3:::" + name, nil
	default:
		return "", fmt.Errorf("what is the %s of %s, a %s?", attribute, id, kind)
	}
}
