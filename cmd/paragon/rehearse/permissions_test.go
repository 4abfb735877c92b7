//go:build rehearse

package rehearse

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// roles are the roles in the template, by the caller that takes them on.
var roles = map[string]string{"api": "ApiFunctionRole", "dispatcher": "DispatcherRole", "controller": "ControllerRole", "worker": "PoolGeneralRole"}

// uncalled are the permissions that this rehearsal does not use, and what does.
var uncalled = map[string]map[string]string{
	"api": {
		"ssm:GetParametersByPath": onlyOne, "logs:CreateLogStream": byLambda, "logs:PutLogEvents": byLambda,
	},
	"dispatcher": {
		"sqs:ReceiveMessage": bySource, "sqs:GetQueueAttributes": bySource, "sqs:SendMessage": "hands back what functions throw back, and files dead letters",
		"s3:GetObject": "reads an upload", "cloudwatch:PutMetricData": late, "ssm:GetParametersByPath": onlyOne,
		"logs:CreateLogStream": byLambda, "logs:PutLogEvents": byLambda,
	},
	"controller": {
		"dynamodb:BatchGetItem": "reads what the sweep found", "dynamodb:UpdateItem": "ends what the sweep found", "ssm:GetParametersByPath": onlyOne,
		"logs:CreateLogStream": byLambda, "logs:PutLogEvents": byLambda,
	},
	"worker": {
		"sqs:ChangeMessageVisibility": "renews leases of long runs", "sqs:SendMessage": "bounces and gives back", "cloudwatch:PutMetricData": late,
		"ssm:GetParametersByPath": onlyOne,
	},
}

const (
	byLambda = "Lambda writes a function's log by the function's role"
	bySource = "the event source polls by the function's role; the rehearsal plays it"
	late     = "counts a late terminal write"
	onlyOne  = "one process reads the settings for all; which one is chance"
)

// checkPermissions holds every call that was made to the role of its caller,
// and every permission of a role to a call, or to a reason why there is none here.
func (p *play) checkPermissions() {
	p.t.Helper()
	p.stand.mu.Lock()
	defer p.stand.mu.Unlock()
	for who, role := range roles {
		may := p.allowed(role)
		for _, did := range slices.Sorted(maps.Keys(p.stand.calls[who])) {
			if !may[did] {
				p.t.Errorf("the %s calls %s, which its role does not allow", who, did)
			}
		}
		for _, action := range slices.Sorted(maps.Keys(may)) {
			if !p.stand.calls[who][action] && uncalled[who][action] == "" {
				p.t.Errorf("the role of the %s allows %s, which nothing calls", who, action)
			}
		}
		for _, action := range slices.Sorted(maps.Keys(uncalled[who])) {
			if !may[action] {
				p.t.Errorf("%s of the %s is excused and not allowed: take it off the list", action, who)
			}
		}
	}
}

// allowed are the actions of a role.
func (p *play) allowed(prefix string) map[string]bool {
	out := map[string]bool{}
	for id, r := range p.stack.resources {
		if r.Type != "AWS::IAM::Role" || !strings.HasPrefix(id, prefix) {
			continue
		}
		text, err := json.Marshal(r.Properties["Policies"])
		must(p.t, err)
		var policies []struct {
			PolicyDocument struct {
				Statement []struct{ Action any }
			}
		}
		must(p.t, json.Unmarshal(text, &policies))
		for _, policy := range policies {
			for _, s := range policy.PolicyDocument.Statement {
				for _, a := range list(s.Action) {
					out[a] = true
				}
			}
		}
	}
	return out
}

// list is one text or several.
func list(v any) (out []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, one := range v {
			out = append(out, one.(string))
		}
	}
	return out
}
