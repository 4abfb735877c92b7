package infra

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// accountWide are the names that an account has once, whatever the region.
var accountWide = map[string]string{
	"IAM::ManagedPolicy": "ManagedPolicyName", "IAM::Role": "RoleName", "IAM::InstanceProfile": "InstanceProfileName",
	"CloudWatch::Dashboard": "DashboardName", "S3::Bucket": "BucketName",
}

// unnamed are the kinds that hold data, whose names CloudFormation makes up.
var unnamed = map[string]string{
	"DynamoDB::Table": "TableName", "S3::Bucket": "BucketName", "SecretsManager::Secret": "Name", "Logs::LogGroup": "LogGroupName",
}

func nameRules() []rule {
	return []rule{
		{"names that are unique in an account contain the region", func(a assembly) []string {
			east, west := a.accountNames("us-east-1"), a.accountNames("eu-west-1")
			return slices.DeleteFunc(east, func(name string) bool { return !slices.Contains(west, name) })
		}, func(a assembly) {
			a.t.Resources[a.t.of("CloudWatch::Dashboard")[0]].Properties["DashboardName"] = "paragon-dev"
		}},
		{"resources with data have generated names, so that a stage can be created again while old ones remain", func(a assembly) (bad []string) {
			for _, kind := range keys(unnamed) {
				for _, id := range a.t.of(kind) {
					if name := a.t.Resources[id].prop(unnamed[kind]); name != nil {
						bad = append(bad, fmt.Sprintf("%s is called %s", id, flat(name)))
					}
				}
			}
			return bad
		}, func(a assembly) {
			a.t.Resources[a.t.of("DynamoDB::Table")[0]].Properties["TableName"] = "paragon-dev-state"
		}},
	}
}

// accountNames are the names of the account's kinds as they would be in a region.
func (a assembly) accountNames(region string) (out []string) {
	add := func(kind string, name any) {
		if name != nil {
			out = append(out, kind+" "+strings.ReplaceAll(flat(name), "${AWS::Region}", region))
		}
	}
	for _, kind := range keys(accountWide) {
		for _, id := range a.t.of(kind) {
			add(kind, a.t.Resources[id].prop(accountWide[kind]))
		}
	}
	for _, id := range a.t.of("Budgets::Budget") {
		add("Budgets::Budget", a.t.Resources[id].prop("Budget", "BudgetName"))
	}
	return out
}

// A stage that is protected is not deleted unasked, and keeps what it stores; another is
// gone without a trace of data. Either way what a failed deployment has just made goes.
func TestProtection(t *testing.T) {
	dist := fakeDist(t)
	for stage, protected := range map[string]bool{"prod": true, "dev": false} {
		a := synthesize(t, dist, map[string]any{"stage": stage})
		if got := strings.Contains(string(a.notes), `"terminationProtection": true`); got != protected {
			t.Errorf("stage %s: termination protection %v", stage, got)
		}
		for _, id := range a.t.of("DynamoDB::Table") {
			r := a.t.Resources[id]
			if r.prop("DeletionProtectionEnabled") != protected || (r.DeletionPolicy == "RetainExceptOnCreate") != protected || (r.UpdateReplacePolicy == "Retain") != protected {
				t.Errorf("stage %s: %s: %v, %s, %s", stage, id, r.prop("DeletionProtectionEnabled"), r.DeletionPolicy, r.UpdateReplacePolicy)
			}
		}
	}
}
