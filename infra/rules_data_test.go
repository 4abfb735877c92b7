package infra

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

func dataRules() []rule {
	return []rule{
		{"tables have point-in-time recovery, on-demand capacity and a time to live", func(a assembly) (bad []string) {
			ttl := map[string]string{names.StateTable: names.StateTTL, names.RecordsTable: names.RecordTTL}
			for _, name := range keys(ttl) {
				t := a.table(name)
				if t.prop("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") != true || t.prop("BillingMode") != "PAY_PER_REQUEST" ||
					t.prop("TimeToLiveSpecification", "AttributeName") != ttl[name] || t.prop("TimeToLiveSpecification", "Enabled") != true {
					bad = append(bad, name)
				}
			}
			return bad
		}, func(a assembly) {
			delete(a.table(names.RecordsTable).Properties, "TimeToLiveSpecification")
		}},
		{"the tables have the keys that the backend uses, and no index", tableFaults, func(a assembly) {
			a.table(names.RecordsTable).Properties["GlobalSecondaryIndexes"] = []any{map[string]any{"IndexName": "owner"}}
		}},
	}
}

func keepRules() []rule {
	return []rule{
		{"functions and workers get the deployment's settings in their environment, and none is an SSM parameter", settingFaults, func(a assembly) {
			variables(a.function("controller"))[names.Settings] = `{"tick_seconds":"1"}`
		}},
		{"every bucket blocks public access, and its objects expire, except added models", func(a assembly) (bad []string) {
			for _, id := range a.t.of("S3::Bucket") {
				b := a.t.Resources[id]
				closed := b.prop("PublicAccessBlockConfiguration")
				if at(closed, "BlockPublicAcls") != true || at(closed, "BlockPublicPolicy") != true || at(closed, "RestrictPublicBuckets") != true ||
					number(b.prop("LifecycleConfiguration", "Rules", 0, "ExpirationInDays")) < 1 && id != a.modelsID() {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			a.t.Resources[a.t.of("S3::Bucket")[0]].prop("PublicAccessBlockConfiguration").(map[string]any)["BlockPublicPolicy"] = false
		}},
		{"the bucket of added models is versioned, and replaced versions expire", func(a assembly) (bad []string) {
			b := a.t.Resources[a.modelsID()]
			if b.prop("VersioningConfiguration", "Status") != "Enabled" || b.prop("LifecycleConfiguration", "Rules", 0, "ExpirationInDays") != nil ||
				number(b.prop("LifecycleConfiguration", "Rules", 0, "NoncurrentVersionExpiration", "NoncurrentDays")) != replacedDays {
				bad = append(bad, a.modelsID())
			}
			return bad
		}, func(a assembly) {
			delete(a.t.Resources[a.modelsID()].Properties, "VersioningConfiguration")
		}},
		{"only buckets, and the data of protected stages, are kept when the stack is deleted", func(a assembly) (bad []string) {
			for _, id := range keys(a.t.Resources) {
				r := a.t.Resources[id]
				holds := r.Type == "AWS::DynamoDB::Table" || r.Type == "AWS::Logs::LogGroup" || r.Type == "AWS::SecretsManager::Secret"
				retained := r.DeletionPolicy == "RetainExceptOnCreate"
				if retained != (r.Type == "AWS::S3::Bucket" || holds && a.cfg.protected()) || r.DeletionPolicy == "Retain" {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			a.table(names.RecordsTable).DeletionPolicy = "RetainExceptOnCreate"
		}},
	}
}

// deployed are the values of settings that the context gives.
func (a assembly) deployed() map[string]string {
	out := map[string]string{"inline_limit_kb": "900"} // what the load balancer hands on to a function
	maps.Copy(out, a.cfg.Settings)
	return out
}

// settingFaults compares what functions, machines and the command line receive
// of settings with the context. What an operator changes is a parameter, and so
// a deployment must not own one.
func settingFaults(a assembly) (bad []string) {
	want := a.deployed()
	text, err := json.Marshal(want)
	if err != nil {
		return faultf("%v", err)
	}
	for _, id := range a.t.of("Lambda::Function") {
		if env := variables(a.t.Resources[id]); env[names.StateTable] != nil && env[names.Settings] != string(text) {
			bad = append(bad, fmt.Sprintf("%s has the settings %v", id, env[names.Settings]))
		}
	}
	if data := flat(a.launch()["UserData"]); !strings.Contains(data, "\n"+names.Settings+"="+string(text)+"\n") {
		bad = append(bad, "the user data has other settings: "+data)
	}
	var d names.StageParameter
	if err := json.Unmarshal([]byte(flat(a.stageParameter().prop("Value"))), &d); err == nil && !maps.Equal(d.Settings, want) {
		bad = append(bad, fmt.Sprintf("the stage parameter has %v", d.Settings))
	}
	if n := len(a.t.of("SSM::Parameter")); n != 1 { // the stage parameter
		bad = append(bad, fmt.Sprintf("%d parameters", n))
	}
	return bad
}

// inputRules are of inputs that are too large for a message.
func inputRules() []rule {
	return []rule{
		{"large inputs are written by the intake, read by what runs them, and deleted after a day", inputFaults, func(a assembly) {
			a.allow(a.roleOf("dispatcher"), "s3:PutObject", map[string]any{"Fn::Join": []any{"", []any{
				map[string]any{"Fn::GetAtt": []any{a.uploadsID(), "Arn"}}, "/" + names.InputPrefix + "*"}}})
		}},
	}
}

// modelsID is the bucket of the models that operators add.
func (a assembly) modelsID() string {
	for _, id := range a.t.of("S3::Bucket") {
		if strings.HasPrefix(id, "Models") {
			return id
		}
	}
	return ""
}

func (a assembly) uploadsID() string { return refers(variables(a.function("api"))[names.Bucket]) }

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
	want := map[string]string{names.StateTable: names.StateKey + " " + names.StateSort, names.RecordsTable: names.RecordKey + " " + names.RecordSort}
	for _, name := range keys(want) {
		t := a.table(name)
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
