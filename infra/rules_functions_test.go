package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"paragon/shared/cloud/aws/names"
	"paragon/shared/core/pricing"
	"paragon/shared/core/settings"
	"paragon/shared/telemetry"
)

func (a assembly) schedule(name string) *resource {
	return a.t.named("Scheduler::Schedule", "Name", names.Prefix(a.cfg.Stage)+name)
}

// roleOf is the role of a function.
func (a assembly) roleOf(name string) string { return refers(a.function(name).prop("Role")) }

// allow adds a statement to a role.
func (a assembly) allow(role, action string, resource any) {
	p := a.t.Resources[role].prop("Policies", 0, "PolicyDocument").(map[string]any)
	p["Statement"] = append(list(p["Statement"]), map[string]any{"Effect": "Allow", "Action": action, "Resource": resource})
}

// double makes another function like one there is, with a role and a log of its own.
func (a assembly) double(name, as string) {
	f := a.function(name)
	twin, logs := *f, *a.t.Resources[refers(f.prop("LoggingConfig", "LogGroup"))]
	twin.Properties, logs.Properties = maps.Clone(f.Properties), maps.Clone(logs.Properties)
	twin.Properties["FunctionName"] = names.Function(a.cfg.Stage, as)
	twin.Properties["MemorySize"] = number(as[strings.LastIndex(as, "-")+1:])
	twin.Properties["Role"] = map[string]any{"Ref": "TwinRole"}
	twin.Properties["LoggingConfig"] = map[string]any{"LogGroup": map[string]any{"Ref": "TwinLog"}}
	logs.Properties["LogGroupName"] = "/aws/lambda/" + names.Function(a.cfg.Stage, as)
	a.t.Resources["Twin"], a.t.Resources["TwinLog"], a.t.Resources["TwinRole"] = &twin, &logs, a.t.Resources[refers(f.prop("Role"))]
}

// each reports the functions of which something does not hold.
func (a assembly) each(holds func(id string, f *resource) bool) (bad []string) {
	for _, id := range a.t.of("Lambda::Function") {
		if !holds(id, a.t.Resources[id]) {
			bad = append(bad, id)
		}
	}
	return bad
}

func functionRules() []rule {
	return []rule{
		{"there is an inference function for every model at every size that holds it, and no other", func(a assembly) (bad []string) {
			var got []string
			for _, id := range a.t.of("Lambda::Function") {
				if f := a.t.Resources[id]; a.isInference(f) {
					got = append(got, f.prop("FunctionName").(string))
				}
			}
			slices.Sort(got)
			if want := a.inferenceNames(); !slices.Equal(got, want) {
				bad = append(bad, fmt.Sprintf("got %d functions %v, want %d", len(got), got, len(want)))
			}
			return bad
		}, func(a assembly) { a.double("inference-cnn-512", "inference-cnn-513") }},
		{"an inference function has the memory and the model of its name", func(a assembly) []string {
			return a.each(func(_ string, f *resource) bool {
				want := fmt.Sprintf("inference-%v-%v", environment(f)[names.Model], f.prop("MemorySize"))
				return !a.isInference(f) || f.prop("FunctionName") == names.Function(a.cfg.Stage, want)
			})
		}, func(a assembly) { environment(a.function("inference-cnn-512"))[names.Model] = "mlp" }},
		{"functions are arm64, inference functions what the context says", func(a assembly) []string {
			return a.each(func(_ string, f *resource) bool {
				want := machine
				if a.isInference(f) {
					want = a.cfg.FunctionArch
				}
				return at(f.Properties, "Architectures", 0) == want
			})
		}, func(a assembly) { a.function("api").Properties["Architectures"] = []any{"x86_64"} }},
		{"every function has a role of its own", func(a assembly) []string {
			seen := map[string]bool{}
			return a.each(func(_ string, f *resource) bool {
				role := refers(f.prop("Role"))
				first := !seen[role]
				seen[role] = true
				return first && a.t.Resources[role] != nil
			})
		}, func(a assembly) {
			a.function("inference-cnn-512").Properties["Role"] = a.function("inference-cnn-1024").Properties["Role"]
		}},
		{"every function logs to a group of its own, by its name", func(a assembly) []string {
			return a.each(func(_ string, f *resource) bool {
				name, _ := f.prop("FunctionName").(string)
				logs := a.t.Resources[refers(f.prop("LoggingConfig", "LogGroup"))]
				return strings.HasPrefix(name, names.Prefix(a.cfg.Stage)) && logs.prop("LogGroupName") == "/aws/lambda/"+name
			})
		}, func(a assembly) { delete(a.function("api").Properties, "LoggingConfig") }},
		{"every log is kept for the days of the context", func(a assembly) (bad []string) {
			for _, id := range a.t.of("Logs::LogGroup") {
				if number(a.t.Resources[id].prop("RetentionInDays")) != float64(a.cfg.LogDays) {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { delete(a.t.Resources[a.t.of("Logs::LogGroup")[0]].Properties, "RetentionInDays") }},
		{"every asset of a function or worker holds a bootstrap", assetFaults, func(a assembly) {
			key := a.function("api").prop("Code", "S3Key").(string)
			a.assets[strings.TrimSuffix(key, ".zip")] = []string{"bootstrap.exe"}
		}},
		{"no function reserves concurrency, which small accounts cannot", func(a assembly) []string {
			return a.each(func(_ string, f *resource) bool { return f.prop("ReservedConcurrentExecutions") == nil })
		}, func(a assembly) { a.function("controller").Properties["ReservedConcurrentExecutions"] = 1.0 }},
		{"a function is told where its home is", func(a assembly) []string {
			return a.each(func(_ string, f *resource) bool {
				if a.isInference(f) {
					return environment(f)[names.Catalogue] == a.cfg.Catalogue && len(environment(f)) == 2
				}
				if f == a.function("authorizer") {
					return environment(f)[names.Stage] == a.cfg.Stage && len(environment(f)) == 1
				}
				for _, name := range []string{names.Stage, names.Catalogue, names.Table, names.StateTable, names.Bucket, names.Pool, names.InstanceType, names.Arch, names.FunctionMemory} {
					if environment(f)[name] == nil {
						return false
					}
				}
				return strings.HasSuffix(flat(environment(f)[names.QueueURLPrefix]), "/"+names.Prefix(a.cfg.Stage))
			})
		}, func(a assembly) { delete(environment(a.function("dispatcher")), names.StateTable) }},
	}
}

// assetFaults follows each function to the folder that is uploaded for it.
func assetFaults(a assembly) (bad []string) {
	bad = a.each(func(_ string, f *resource) bool {
		key, _ := f.prop("Code", "S3Key").(string)
		return slices.Contains(a.assets[strings.TrimSuffix(key, ".zip")], "bootstrap")
	})
	for _, id := range a.t.of("EC2::LaunchTemplate") {
		script := flat(a.t.Resources[id].prop("LaunchTemplateData", "UserData"))
		_, after, _ := strings.Cut(script, "s3://")
		_, key, _ := strings.Cut(after, "/")
		hash, _, _ := strings.Cut(key, ".zip")
		if !slices.Contains(a.assets[hash], "bootstrap") {
			bad = append(bad, id)
		}
	}
	return bad
}

// unbounded are the actions that AWS lets nobody bound to a resource.
var unbounded = []string{"cloudwatch:PutMetricData", "cloudwatch:GetMetricData", "autoscaling:DescribeAutoScalingGroups"}

func permissionRules() []rule {
	return []rule{
		{"no action is a wildcard, and no resource but of what AWS cannot bound", func(a assembly) (bad []string) {
			for _, id := range a.t.of("IAM::Role") {
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
		{"policies are written on their role, nowhere else", func(a assembly) []string {
			return slices.Concat(a.t.of("IAM::Policy"), a.t.of("IAM::ManagedPolicy"), a.t.of("IAM::RolePolicy"), managed(a))
		}, func(a assembly) {
			a.t.Resources[a.roleOf("api")].Properties["ManagedPolicyArns"] = []any{"arn:aws:iam::aws:policy/AdministratorAccess"}
		}},
		{"metrics are written to Paragon's namespace alone", func(a assembly) (bad []string) {
			for _, id := range a.t.of("IAM::Role") {
				for _, s := range a.t.statements(id) {
					if slices.Contains(words(s["Action"]), "cloudwatch:PutMetricData") && at(s, "Condition", "StringEquals", "cloudwatch:namespace") != names.Namespace {
						bad = append(bad, id)
					}
				}
			}
			return bad
		}, func(a assembly) {
			for _, s := range a.t.statements(a.roleOf("api")) {
				delete(s, "Condition")
			}
		}},
		{"an inference function may write its log and nothing else", func(a assembly) []string {
			return a.each(func(_ string, f *resource) bool {
				return !a.isInference(f) || slices.Equal(a.actions(refers(f.prop("Role"))), []string{"logs:CreateLogStream", "logs:PutLogEvents"})
			})
		}, func(a assembly) { a.allow(a.roleOf("inference-cnn-512"), "s3:GetObject", "arn:aws:s3:::elsewhere/x") }},
		{"the dispatcher may invoke the inference functions and no other", func(a assembly) (bad []string) {
			var may []string
			for _, s := range a.t.statements(a.roleOf("dispatcher")) {
				if slices.Contains(words(s["Action"]), "lambda:InvokeFunction") {
					for _, r := range list(s["Resource"]) {
						if f := a.t.Resources[refers(r)]; f != nil && a.isInference(f) {
							may = append(may, refers(r))
						} else {
							bad = append(bad, flat(r))
						}
					}
				}
			}
			if len(may) != len(a.inferenceNames()) {
				bad = append(bad, fmt.Sprintf("%d may be invoked, want %d", len(may), len(a.inferenceNames())))
			}
			return bad
		}, func(a assembly) {
			a.allow(a.roleOf("dispatcher"), "lambda:InvokeFunction", map[string]any{"Fn::GetAtt": []any{"Controller8614283D", "Arn"}})
		}},
		{"only one service may take a role on", func(a assembly) (bad []string) {
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
		{"what a role may do fits into its policy", func(a assembly) (bad []string) {
			for _, id := range a.t.of("IAM::Role") {
				if n := len(flat(a.t.Resources[id].prop("Policies"))); n > 10240 {
					bad = append(bad, fmt.Sprintf("%s: %d characters", id, n))
				}
			}
			return bad
		}, func(a assembly) {
			a.allow(a.roleOf("controller"), "sqs:GetQueueAttributes", "arn:aws:sqs:::"+strings.Repeat("q", 11000))
		}},
	}
}

// actions lists what a role may do.
func (a assembly) actions(role string) (out []string) {
	for _, s := range a.t.statements(role) {
		out = append(out, words(s["Action"])...)
	}
	slices.Sort(out)
	return slices.Compact(out)
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

func intakeRules() []rule {
	return []rule{
		{"no route is open to everybody", func(a assembly) (bad []string) {
			want := map[string]string{byIAM: "AWS_IAM", byKeys: "CUSTOM"}[a.cfg.Authorizer]
			for _, id := range a.t.of("ApiGatewayV2::Route") {
				if a.t.Resources[id].prop("AuthorizationType") != want {
					bad = append(bad, id)
				}
			}
			if len(a.t.of("ApiGatewayV2::Route")) != 1 {
				bad = append(bad, "there is one route")
			}
			return bad
		}, func(a assembly) {
			a.t.Resources[a.t.of("ApiGatewayV2::Route")[0]].Properties["AuthorizationType"] = "NONE"
		}},
		{"the gateway is throttled", func(a assembly) (bad []string) {
			for _, id := range a.t.of("ApiGatewayV2::Stage") {
				s := a.t.Resources[id].prop("DefaultRouteSettings")
				if number(at(s, "ThrottlingRateLimit")) != a.cfg.Throttle.PerSecond || number(at(s, "ThrottlingBurstLimit")) != a.cfg.Throttle.Burst {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			delete(a.t.Resources[a.t.of("ApiGatewayV2::Stage")[0]].Properties, "DefaultRouteSettings")
		}},
		{"the gateway logs who asked, and not for what", func(a assembly) (bad []string) {
			for _, id := range a.t.of("ApiGatewayV2::Stage") {
				s := a.t.Resources[id]
				format, _ := s.prop("AccessLogSettings", "Format").(string)
				if refers(s.prop("AccessLogSettings", "DestinationArn")) == "" || !strings.Contains(format, "$context.requestId") || strings.Contains(format, "body") {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			a.t.Resources[a.t.of("ApiGatewayV2::Stage")[0]].prop("AccessLogSettings").(map[string]any)["Format"] = "$context.body"
		}},
		{"the overflow comes in small batches, partly answered, and bounded at once", func(a assembly) (bad []string) {
			for _, id := range a.t.of("Lambda::EventSourceMapping") {
				m := a.t.Resources[id]
				if n := number(m.prop("BatchSize")); n < 1 || n > 10 || at(m.Properties, "FunctionResponseTypes", 0) != "ReportBatchItemFailures" ||
					number(m.prop("ScalingConfig", "MaximumConcurrency")) != float64(a.cfg.OverflowConcurrency) || m.prop("Enabled") == false {
					bad = append(bad, id)
				}
			}
			if len(a.t.of("Lambda::EventSourceMapping")) != 1 {
				bad = append(bad, "there is one source")
			}
			return bad
		}, func(a assembly) {
			a.t.Resources[a.t.of("Lambda::EventSourceMapping")[0]].Properties["BatchSize"] = 11.0
		}},
		{"an answer may take as long as the gateway waits", func(a assembly) (bad []string) {
			s, err := settings.Parse(a.cfg.Settings)
			if n := number(a.function("api").prop("Timeout")); err != nil || n <= s.MaxWaitSeconds || n > 30 {
				bad = append(bad, fmt.Sprintf("%v s", n))
			}
			return bad
		}, func(a assembly) { a.function("api").Properties["Timeout"] = 3.0 }},
	}
}

func dataRules() []rule {
	return []rule{
		{"a table is recoverable, paid by use, and forgets", func(a assembly) (bad []string) {
			ttl := map[string]string{"queries": names.QueryTTL, "state": names.StateTTL}
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
			if n := len(a.t.of("SSM::Parameter")); n != len(settings.Fields()) {
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
	schema := func(v any) (s string) {
		for _, k := range list(v) {
			s += fmt.Sprint(at(k, "AttributeName"), " ")
		}
		return s
	}
	if schema(queries.prop("KeySchema")) != names.QueryKey+" " || schema(state.prop("KeySchema")) != names.StateKey+" "+names.StateSort+" " {
		bad = append(bad, "keys")
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

func controlRules() []rule {
	return []rule{
		{"the controller starts every minute, once, or not at all", func(a assembly) (bad []string) {
			s := a.schedule("tick")
			if s.prop("ScheduleExpression") != "rate(1 minute)" || a.t.Resources[refers(s.prop("Target", "Arn"))] != a.function("controller") || s.prop("State") == "DISABLED" {
				bad = append(bad, "schedule")
			}
			return bad
		}, func(a assembly) { a.schedule("tick").Properties["ScheduleExpression"] = "rate(5 minutes)" }},
		{"a start that failed or is late is dropped", func(a assembly) (bad []string) {
			for _, id := range a.t.of("Scheduler::Schedule") {
				r := a.t.Resources[id].prop("Target", "RetryPolicy")
				if number(at(r, "MaximumRetryAttempts")) != 0 || number(at(r, "MaximumEventAgeInSeconds")) != 60 {
					bad = append(bad, id)
				}
			}
			for _, id := range a.t.of("Lambda::EventInvokeConfig") {
				if c := a.t.Resources[id]; number(c.prop("MaximumRetryAttempts")) != 0 || number(c.prop("MaximumEventAgeInSeconds")) != 60 {
					bad = append(bad, id)
				}
			}
			if len(a.t.of("Lambda::EventInvokeConfig")) != 1 {
				bad = append(bad, "Lambda itself repeats what failed")
			}
			return bad
		}, func(a assembly) {
			a.t.Resources[a.t.of("Lambda::EventInvokeConfig")[0]].Properties["MaximumRetryAttempts"] = 2.0
		}},
		{"a run of the controller ends before the next but one begins", func(a assembly) (bad []string) {
			if n := number(a.function("controller").prop("Timeout")); n < 55 || n > 60 {
				bad = append(bad, fmt.Sprintf("%v s", n))
			}
			return bad
		}, func(a assembly) { a.function("controller").Properties["Timeout"] = 30.0 }},
		{"what can go wrong raises an alarm", func(a assembly) (bad []string) {
			want := map[string]bool{"AWS/SQS ApproximateNumberOfMessagesVisible": false, "AWS/SQS ApproximateAgeOfOldestMessage": false,
				"AWS/ApiGateway 5xx": false, "AWS/Lambda Throttles": false, "AWS/Lambda Errors": false,
				"AWS/AutoScaling GroupDesiredCapacity": false, names.Namespace + " " + telemetry.Pulse.Name: false,
				names.Namespace + " " + telemetry.Spent.Name: false}
			for _, id := range a.t.of("CloudWatch::Alarm") {
				r := a.t.Resources[id]
				want[fmt.Sprint(r.prop("Namespace"), " ", r.prop("MetricName"))] = true
			}
			for _, metric := range keys(want) {
				if !want[metric] {
					bad = append(bad, metric)
				}
			}
			return bad
		}, func(a assembly) { a.t.Resources[a.alarm("throttles-alarm")].Properties["MetricName"] = "Throttled" }},
		{"paragon cost counts what the stack has", costFaults, func(a assembly) { // an alarm like another
			twin := *a.t.Resources[a.alarm("throttles-alarm")]
			a.t.Resources["Twin"] = &twin
		}},
		{"every alarm tells the topic", func(a assembly) (bad []string) {
			for _, id := range a.t.of("CloudWatch::Alarm") {
				if topic := a.t.Resources[refers(at(a.t.Resources[id].Properties, "AlarmActions", 0))]; topic.prop("TopicName") != names.Prefix(a.cfg.Stage)+"alarms" {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			delete(a.t.Resources[a.alarm("no-tick-alarm")].Properties, "AlarmActions")
		}},
		{"three minutes without a tick are an alarm, and so is silence", func(a assembly) (bad []string) {
			r := a.t.Resources[a.alarm("no-tick-alarm")]
			if r.prop("TreatMissingData") != "breaching" || number(r.prop("EvaluationPeriods"))*number(r.prop("Period")) != 180 ||
				at(r.Properties, "Dimensions", 0, "Value") != a.cfg.Stage {
				bad = append(bad, "no-tick-alarm")
			}
			return bad
		}, func(a assembly) {
			a.t.Resources[a.alarm("no-tick-alarm")].Properties["TreatMissingData"] = "notBreaching"
		}},
		{"desired at the maximum is an alarm for each pool", func(a assembly) (bad []string) {
			for _, p := range a.plan.pools {
				if r := a.t.Resources[a.alarm(p.name+"-at-max-alarm")]; number(r.prop("Threshold")) != float64(p.Max) ||
					at(r.Properties, "Dimensions", 0, "Value") != names.Group(a.cfg.Stage, p.name) {
					bad = append(bad, p.name)
				}
			}
			return bad
		}, func(a assembly) { a.t.Resources[a.alarm("general-at-max-alarm")].Properties["Threshold"] = 11.0 }},
	}
}

// costFaults compares the stack with what its bill is made from.
func costFaults(a assembly) (bad []string) {
	want := pricing.NewStanding(a.cfg.Network == private, len(a.cfg.Tasks), len(a.plan.pools))
	if n := len(a.t.of("CloudWatch::Alarm")); n != want.Alarms {
		bad = append(bad, fmt.Sprintf("%d alarms, the bill has %d", n, want.Alarms))
	}
	if len(interfaces) != pricing.Endpoints {
		bad = append(bad, fmt.Sprintf("%d endpoints, the bill has %d", len(interfaces), pricing.Endpoints))
	}
	for _, id := range a.t.of("EC2::VPCEndpoint") {
		if n := len(list(a.t.Resources[id].prop("SubnetIds"))); n > 0 && n != pricing.Zones {
			bad = append(bad, fmt.Sprintf("%s is in %d zones, the bill has %d", id, n, pricing.Zones))
		}
	}
	return bad
}

// alarm finds an alarm's id by its name.
func (a assembly) alarm(name string) string {
	for _, id := range a.t.of("CloudWatch::Alarm") {
		if a.t.Resources[id].prop("AlarmName") == names.Prefix(a.cfg.Stage)+name {
			return id
		}
	}
	return ""
}
