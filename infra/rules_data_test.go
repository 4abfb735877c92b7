package main

import (
	"fmt"
	"strings"

	"paragon/shared/cloud/aws/names"
	"paragon/shared/core/settings"
)

func dataRules() []rule {
	return []rule{
		{"a table is recoverable, paid by use, and forgets", func(a assembly) (bad []string) {
			ttl := map[string]string{"state": names.StateTTL, "records": names.RecordTTL}
			for _, name := range keys(ttl) {
				t := a.t.named("DynamoDB::Table", "TableName", names.Prefix(a.cfg.Stage)+name)
				if t.prop("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") != true || t.prop("BillingMode") != "PAY_PER_REQUEST" ||
					t.prop("TimeToLiveSpecification", "AttributeName") != ttl[name] || t.prop("TimeToLiveSpecification", "Enabled") != true {
					bad = append(bad, name)
				}
			}
			return bad
		}, func(a assembly) {
			delete(a.t.named("DynamoDB::Table", "TableName", "paragon-dev-records").Properties, "TimeToLiveSpecification")
		}},
		{"the tables have the keys that the home asks by, and no index", tableFaults, func(a assembly) {
			a.t.named("DynamoDB::Table", "TableName", "paragon-dev-records").Properties["GlobalSecondaryIndexes"] = []any{map[string]any{"IndexName": "owner"}}
		}},
	}
}

func keepRules() []rule {
	return []rule{
		{"every setting has its first value", func(a assembly) (bad []string) {
			for _, f := range settings.Fields() {
				want := f.Default
				if f.Name == "inline_limit_kb" { // what the load balancer hands on to a function
					want = "900"
				}
				if v, ok := a.cfg.Settings[f.Name]; ok {
					want = v
				}
				if p := a.t.named("SSM::Parameter", "Name", names.SettingsPath(a.cfg.Stage)+f.Name); p.prop("Value") != want || p.prop("Type") != "String" {
					bad = append(bad, f.Name)
				}
			}
			if n := len(a.t.of("SSM::Parameter")); n != len(settings.Fields())+1 { // the door is one too
				bad = append(bad, fmt.Sprintf("%d parameters", n))
			}
			return bad
		}, func(a assembly) {
			a.t.named("SSM::Parameter", "Name", "/paragon/dev/tick_seconds").Properties["Value"] = "1"
		}},
		{"a bucket is closed, and its objects do not stay", func(a assembly) (bad []string) {
			for _, id := range a.t.of("S3::Bucket") {
				b := a.t.Resources[id]
				closed := b.prop("PublicAccessBlockConfiguration")
				if at(closed, "BlockPublicAcls") != true || at(closed, "BlockPublicPolicy") != true || at(closed, "RestrictPublicBuckets") != true ||
					number(b.prop("LifecycleConfiguration", "Rules", 0, "ExpirationInDays")) < 1 {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			a.t.Resources[a.t.of("S3::Bucket")[0]].prop("PublicAccessBlockConfiguration").(map[string]any)["BlockPublicPolicy"] = false
		}},
		{"what outlives the stack costs nothing, unless it was asked for", func(a assembly) (bad []string) {
			for _, id := range keys(a.t.Resources) {
				r := a.t.Resources[id]
				holds := r.Type == "AWS::DynamoDB::Table" || r.Type == "AWS::Logs::LogGroup" || r.Type == "AWS::SecretsManager::Secret"
				retained := strings.HasPrefix(r.DeletionPolicy, "Retain")
				if retained != (r.Type == "AWS::S3::Bucket" || holds && a.cfg.Retain) {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			a.t.named("DynamoDB::Table", "TableName", "paragon-dev-records").DeletionPolicy = "Retain"
		}},
	}
}

// inputRules are of inputs that are too large for a message.
func inputRules() []rule {
	return []rule{
		{"large inputs are written by who takes queries in, read by who runs them, and gone in a day", inputFaults, func(a assembly) {
			a.allow(a.roleOf("dispatcher"), "s3:PutObject", map[string]any{"Fn::Join": []any{"", []any{
				map[string]any{"Fn::GetAtt": []any{a.uploadsID(), "Arn"}}, "/" + names.InputPrefix + "*"}}})
		}},
	}
}

func (a assembly) uploadsID() string { return refers(environment(a.function("api"))[names.Bucket]) }

// inputFaults compares what roles may do below the prefix of inputs.
func inputFaults(a assembly) (bad []string) {
	if days := number(a.t.Resources[a.uploadsID()].prop("LifecycleConfiguration", "Rules", 0, "ExpirationInDays")); days != 1 {
		bad = append(bad, fmt.Sprintf("inputs are kept for %v days", days))
	}
	for _, id := range a.t.of("IAM::Role") {
		worker := a.t.Resources[id].prop("AssumeRolePolicyDocument", "Statement", 0, "Principal", "Service") == "ec2.amazonaws.com"
		intake := id == a.roleOf("api") || worker && a.cfg.onWorkers()
		want := map[string]bool{"s3:GetObject": worker || id == a.roleOf("dispatcher"), "s3:PutObject": intake}
		got := map[string]bool{}
		for _, s := range a.t.statements(id) {
			for _, action := range words(s["Action"]) {
				for _, r := range list(s["Resource"]) {
					got[action] = got[action] || strings.HasSuffix(flat(r), "}/"+names.InputPrefix+"*")
				}
			}
		}
		for _, action := range keys(want) {
			if got[action] != want[action] {
				bad = append(bad, fmt.Sprintf("%s: %s %v", id, action, got[action]))
			}
		}
	}
	return bad
}

// tableFaults compares the tables with the agreement in package names. An index
// is a second write for every one to its table.
func tableFaults(a assembly) (bad []string) {
	want := map[string]string{"state": names.StateKey + " " + names.StateSort, "records": names.RecordKey + " " + names.RecordSort}
	for _, name := range keys(want) {
		t := a.t.named("DynamoDB::Table", "TableName", names.Prefix(a.cfg.Stage)+name)
		var got []string
		for _, k := range list(t.prop("KeySchema")) {
			got = append(got, fmt.Sprint(at(k, "AttributeName")))
		}
		if strings.Join(got, " ") != want[name] {
			bad = append(bad, fmt.Sprintf("table %s has the keys %v, want %s", name, got, want[name]))
		}
		if t.prop("GlobalSecondaryIndexes") != nil || t.prop("LocalSecondaryIndexes") != nil {
			bad = append(bad, "table "+name+" has an index")
		}
	}
	if n := len(a.t.of("DynamoDB::Table")); n != len(want) {
		bad = append(bad, fmt.Sprintf("%d tables", n))
	}
	return bad
}
