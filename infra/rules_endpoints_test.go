package infra

import (
	"fmt"
	"slices"
	"strings"
)

func endpointRules() []rule {
	return []rule{
		{"an endpoint allows only the workers' calls, and only for callers of this account", endpointFaults, func(a assembly) {
			for _, id := range a.t.of("EC2::VPCEndpoint") {
				delete(a.t.Resources[id].Properties, "PolicyDocument")
			}
		}},
		{"every permission to invoke a function names a resource or an account", func(a assembly) (bad []string) {
			for _, id := range a.t.of("Lambda::Permission") {
				p := a.t.Resources[id]
				source := p.prop("SourceArn")
				if at(p.prop("SourceAccount"), "Ref") != "AWS::AccountId" && !strings.Contains(flat(source), "${AWS::AccountId}") && a.t.Resources[refers(source)] == nil {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			a.t.Resources["Everybody"] = &resource{Type: "AWS::Lambda::Permission", Properties: map[string]any{
				"Action": "lambda:InvokeFunction", "FunctionName": map[string]any{"Fn::GetAtt": []any{a.idOf("dispatcher"), "Arn"}}, "Principal": "sqs.amazonaws.com"}}
		}},
	}
}

// endpointFaults compares what may pass the endpoints with what the workers may do.
func endpointFaults(a assembly) (bad []string) {
	passes := map[string]bool{}
	for _, id := range a.t.of("EC2::VPCEndpoint") {
		statements := list(a.t.Resources[id].prop("PolicyDocument", "Statement"))
		if len(statements) == 0 {
			bad = append(bad, id+" lets everything through")
		}
		for _, s := range statements {
			if at(s, "Condition", "StringEquals", "aws:PrincipalAccount", "Ref") != "AWS::AccountId" {
				bad = append(bad, id+" serves other accounts")
			}
			for _, action := range words(at(s, "Action")) {
				passes[action] = true
				if strings.Contains(action, "*") {
					bad = append(bad, fmt.Sprintf("%s lets %s through", id, action))
				}
			}
		}
	}
	services := []string{"s3", "dynamodb"} // a public network has no other endpoints
	if a.cfg.Network == private {
		for _, e := range a.cfg.endpoints() {
			services = append(services, e.prefix)
		}
	}
	for _, id := range a.t.of("IAM::Role") {
		if a.t.Resources[id].prop("AssumeRolePolicyDocument", "Statement", 0, "Principal", "Service") != "ec2.amazonaws.com" {
			continue
		}
		for _, action := range a.actions(id) {
			service, _, _ := strings.Cut(action, ":")
			if a.cfg.Network == private && !slices.Contains(services, service) {
				bad = append(bad, "no endpoint for "+action)
			}
			if slices.Contains(services, service) && !passes[action] {
				bad = append(bad, action+" does not pass")
			}
		}
	}
	return bad
}
