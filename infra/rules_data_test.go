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
			ttl := map[string]string{"queries": names.QueryTTL, "state": names.StateTTL, "records": names.RecordTTL}
			for _, name := range keys(ttl) {
				t := a.t.named("DynamoDB::Table", "TableName", names.Prefix(a.cfg.Stage)+name)
				if t.prop("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") != true || t.prop("BillingMode") != "PAY_PER_REQUEST" ||
					t.prop("TimeToLiveSpecification", "AttributeName") != ttl[name] || t.prop("TimeToLiveSpecification", "Enabled") != true {
					bad = append(bad, name)
				}
			}
			return bad
		}, func(a assembly) {
			delete(a.t.named("DynamoDB::Table", "TableName", "paragon-dev-queries").Properties, "TimeToLiveSpecification")
		}},
		{"the tables have the keys and indexes that the store asks by", tableFaults, func(a assembly) {
			a.t.named("DynamoDB::Table", "TableName", "paragon-dev-queries").prop("GlobalSecondaryIndexes", 0).(map[string]any)["IndexName"] = "opened"
		}},
	}
}

func keepRules() []rule {
	return []rule{
		{"every setting has its first value", func(a assembly) (bad []string) {
			for _, f := range settings.Fields() {
				want := f.Default
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
				holds := r.Type == "AWS::DynamoDB::Table" || r.Type == "AWS::Logs::LogGroup"
				retained := strings.HasPrefix(r.DeletionPolicy, "Retain")
				if retained != (r.Type == "AWS::S3::Bucket" || holds && a.cfg.Retain) {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			a.t.named("DynamoDB::Table", "TableName", "paragon-dev-queries").DeletionPolicy = "Retain"
		}},
	}
}

// tableFaults compares keys and indexes with the agreement in package names.
func tableFaults(a assembly) (bad []string) {
	queries := a.t.named("DynamoDB::Table", "TableName", names.Prefix(a.cfg.Stage)+"queries")
	state := a.t.named("DynamoDB::Table", "TableName", names.Prefix(a.cfg.Stage)+"state")
	records := a.t.named("DynamoDB::Table", "TableName", names.Prefix(a.cfg.Stage)+"records")
	schema := func(v any) (s string) {
		for _, k := range list(v) {
			s += fmt.Sprint(at(k, "AttributeName"), " ")
		}
		return s
	}
	if schema(queries.prop("KeySchema")) != names.QueryKey+" " || schema(state.prop("KeySchema")) != names.StateKey+" "+names.StateSort+" " {
		bad = append(bad, "keys")
	}
	if schema(records.prop("KeySchema")) != names.RecordKey+" "+names.RecordSort+" " || records.prop("GlobalSecondaryIndexes") != nil {
		bad = append(bad, "the records have other keys, or an index, which is a second write")
	}
	got := map[string]string{}
	for _, i := range list(queries.prop("GlobalSecondaryIndexes")) {
		got[fmt.Sprint(at(i, "IndexName"))] = schema(at(i, "KeySchema")) + fmt.Sprint(at(i, "Projection", "ProjectionType"))
	}
	for name, want := range map[string]string{
		names.OpenIndex:  names.OpenKey + " " + names.OpenSort + " KEYS_ONLY",
		names.DayIndex:   names.DayKey + " " + names.RecentSort + " KEYS_ONLY",
		names.OwnerIndex: names.OwnerKey + " " + names.RecentSort + " KEYS_ONLY",
	} {
		if got[name] != want {
			bad = append(bad, fmt.Sprintf("index %s: %q, want %q", name, got[name], want))
		}
	}
	return bad
}
