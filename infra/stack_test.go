package infra

import (
	"bytes"
	"debug/elf"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// copy gives a mutation an assembly of its own to break.
func (a assembly) copy(t *testing.T) assembly {
	t.Helper()
	c := a
	c.t = synthesized{}
	if err := json.Unmarshal(a.raw, &c.t); err != nil {
		t.Fatal(err)
	}
	c.assets, c.of = maps.Clone(a.assets), maps.Clone(a.of)
	return c
}

// hold reports every rule that an assembly does not keep.
func hold(t *testing.T, a assembly) {
	t.Helper()
	for _, r := range rules() {
		if bad := r.faults(a); len(bad) > 0 {
			t.Errorf("%s: not so: %s", r.name, strings.Join(bad, "; "))
		}
	}
}

// The stack as cdk.json has it keeps every rule, and each rule is broken by
// one change that no other rule sees: so no rule holds of nothing.
func TestStack(t *testing.T) {
	dist := fakeDist(t)
	first := synthesize(t, dist, nil)
	hold(t, first)
	if n := len(first.t.Resources); n >= 300 || first.cfg.Throttle.PerSecond <= 500 {
		t.Errorf("%d resources, and the gateway takes %g requests a second", n, first.cfg.Throttle.PerSecond)
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			broken := first.copy(t)
			r.breaks(broken)
			for _, other := range rules() {
				if bad := other.faults(broken); (other.name == r.name) != (len(bad) > 0) {
					t.Errorf("%s: %v", other.name, bad)
				}
			}
		})
	}
	t.Run("two runs of synth give the same bytes", func(t *testing.T) {
		if again := synthesize(t, dist, nil); !bytes.Equal(first.raw, again.raw) {
			t.Error("two templates from one context")
		}
	})
	t.Run("bash parses the user data", func(t *testing.T) {
		script := flat(at(first.launch(), "UserData"))
		sh := exec.Command("bash", "-n")
		sh.Stdin = strings.NewReader(script)
		if out, err := sh.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("every suppression of a cdk-nag rule names its finding and a reason", func(t *testing.T) { excuses(t, first) })
	t.Run("the pages state the size of the template, the operators' permissions and the alarms", func(t *testing.T) {
		holdCounts(t, first, false)
		holdOperators(t, first)
		holdAlarms(t, first)
	})
}

// wholeRules are those of cdk-nag that name no finding: an excuse is of the rule.
var wholeRules = []string{"AwsSolutions-ELB2", "AwsSolutions-SMG4", "AwsSolutions-SQS3"}

// excuses checks which findings the rules of cdk-nag are set to ignore.
func excuses(t *testing.T, a assembly) {
	for _, id := range keys(a.t.Resources) {
		for _, e := range list(at(a.t.Resources[id].Metadata, "cdk_nag", "rules_to_suppress")) {
			reason, _ := at(e, "reason").(string)
			id := fmt.Sprint(at(e, "id"))
			if findings := len(list(at(e, "applies_to"))); len(reason) < 30 || findings != 1 && !(findings == 0 && slices.Contains(wholeRules, id)) {
				t.Errorf("%s: %v", id, e)
			}
		}
	}
}

// Every other choice of the context keeps the same rules.
func TestChoices(t *testing.T) {
	dist := fakeDist(t)
	a := synthesize(t, dist, map[string]any{
		"stage": "prod", "network": "public", "account_concurrency": 1000, "api_concurrency_share": 0.25, "authorizer": "keys", "function_arch": "arm64", "function_memory_mb": "[1024]",
		"alarm_email": "ops@example.com", "monthly_budget_usd": 50, "log_days": 7, "warm_throughput": map[string]any{"writes": 20000}, "images": map[string]any{"eu-west-1": map[string]any{"x86_64": "ami-0123456789abcdef0", "arm64": "ami-0fedcba9876543210"}}, "session_manager": true, "release": map[string]any{"canary_minutes": 30, "min_healthy_percent": 50, "warmup_seconds": 60, "alarms": false}, "settings": map[string]any{"path_ms": "60"},
		"zones": []string{"us-east-1b", "us-east-1d"}, "permissions_boundary": "arn:aws:iam::123456789012:policy/limits/boundary",
		"traces": map[string]any{"endpoint": "https://collector.example:4318", "share": 0.01}, "otlp_endpoint": "https://metrics.example/otlp/", "profiles_prefix": "s3://my-profiles/prod", "shared_roles": []string{"ingest", "batch"},
		"pools": map[string]any{
			"general": map[string]any{"instance_types": []string{"c7g.large", "m7g.large"}, "on_demand_base": 1, "spot_percent": 80, "min": 1, "max": 4},
			"big":     map[string]any{"instance_types": []string{"c5.2xlarge"}, "max": 2, "warm": 2},
		},
	})
	hold(t, a)
	for _, id := range a.t.of("Lambda::Function") {
		vars, _ := a.t.Resources[id].prop("Environment").(map[string]any)["Variables"].(map[string]any)
		if vars[environment.Model] == nil && vars[environment.Pool] == nil {
			continue // it traces nothing
		}
		if vars["OTEL_EXPORTER_OTLP_ENDPOINT"] != "https://collector.example:4318" || vars["OTEL_TRACES_SAMPLER_ARG"] != "0.01" {
			t.Errorf("%s has no address for its spans: %v", id, vars)
		}
	}
	if len(a.t.of("Budgets::Budget")) != 1 || bytes.Contains(a.notes, []byte("paragon:budget")) {
		t.Error("no budget, or a warning of none")
	}
	for _, id := range a.t.of("SNS::Topic") {
		if !slices.ContainsFunc(a.t.of("SNS::Subscription"), func(s string) bool {
			r := a.t.Resources[s]
			return refers(r.prop("TopicArn")) == id && r.prop("Protocol") == "email" && r.prop("Endpoint") == "ops@example.com"
		}) {
			t.Errorf("the topic %s has no subscriber", id)
		}
	}
	for _, id := range a.t.of("IAM::Role") {
		if a.t.Resources[id].prop("PermissionsBoundary") != "arn:aws:iam::123456789012:policy/limits/boundary" {
			t.Errorf("the role %s is not bounded", id)
		}
	}
	var zones []string
	for _, id := range a.t.of("EC2::Subnet") {
		zones = append(zones, fmt.Sprint(a.t.Resources[id].prop("AvailabilityZone")))
	}
	if slices.Sort(zones); !slices.Equal(zones, []string{"us-east-1b", "us-east-1d"}) {
		t.Errorf("subnets in %v", zones)
	}
}

// A model that was added gets functions of its own at the next deployment, and those
// who choose know of which file they are; one that was removed, or whose name no function
// may have, gets none.
func TestAddedModelsGetFunctions(t *testing.T) {
	digest, file := strings.Repeat("ab", 32), filepath.Join(t.TempDir(), "own.json")
	added := fmt.Sprintf(`[{"name":"iris","task":"iris","file":"%[1]s.onnx","sha256":%[1]q,"memory_mb":600},
		{"name":"iris@2","task":"iris","file":"%[1]s.onnx","sha256":%[1]q,"memory_mb":100},
		{"name":"old","task":"iris","file":"%[1]s.onnx","sha256":%[1]q,"memory_mb":100,"retired_at":"2026-11-01T00:00:00Z"}]`, digest)
	if err := os.WriteFile(file, []byte(added), 0o600); err != nil {
		t.Fatal(err)
	}
	a := synthesize(t, fakeDist(t), map[string]any{"own_models": file, "generic_sizes": "[3538]"})
	hold(t, a)
	var made []string
	for _, id := range a.t.of("Lambda::Function") {
		if f := a.t.Resources[id]; a.isAdded(f) || a.isGeneric(f) {
			made = append(made, strings.TrimPrefix(f.prop("FunctionName").(string), names.Prefix(a.cfg.Stage)))
		}
	}
	slices.Sort(made)
	if want := []string{"generic-3538", "inference-iris-1024", "inference-iris-1769", "inference-iris-3008"}; !slices.Equal(made, want) {
		t.Errorf("made %v, want %v", made, want)
	}
	for _, who := range []string{"api", "dispatcher", "controller"} {
		vars := variables(a.function(who))
		if vars[names.OwnFunctions] != "iris="+digest[:16] || vars[names.GenericMemory] != "3538" {
			t.Errorf("the %s has %v and %v", who, vars[names.OwnFunctions], vars[names.GenericMemory])
		}
	}
	if !bytes.Contains(a.raw, []byte("models/"+digest+".onnx")) {
		t.Error("no role may read the model's file")
	}
}

// A budget without an address is said to be none when the template is made.
func TestABudgetWithoutAnAddressIsSaid(t *testing.T) {
	a := synthesize(t, fakeDist(t), map[string]any{"monthly_budget_usd": 50, "alarm_email": ""})
	if len(a.t.of("Budgets::Budget")) != 0 || !bytes.Contains(a.notes, []byte("paragon:budget")) {
		t.Error("there is a budget, or no warning of none")
	}
	if n := len(a.t.Resources); n >= 300 {
		t.Errorf("%d resources", n)
	}
}

// The other front keeps the same rules, gives the same bytes twice, and lets
// nothing into the network.
func TestLambdaFront(t *testing.T) {
	dist := fakeDist(t)
	lambda := map[string]any{"front": names.FrontLambda}
	a := synthesize(t, dist, lambda)
	hold(t, a)
	holdCounts(t, a, true)
	if again := synthesize(t, dist, lambda); !bytes.Equal(a.raw, again.raw) {
		t.Error("two templates from one context")
	}
	for _, word := range []string{"elasticloadbalancing", "ElasticLoadBalancing", environment.Listen, names.ListenerARN, "VpcLink", "AWS::Events::Rule"} {
		if bytes.Contains(a.raw, []byte(word)) {
			t.Errorf("the template has %s", word)
		}
	}
}

// The rules of cdk-nag are on: an open bucket is a finding.
func TestNagIsOn(t *testing.T) {
	out, context := t.TempDir(), cdkJSON(t)
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(out), Context: &context})
	awss3.NewBucket(awscdk.NewStack(app, jsii.String("open"), nil), jsii.String("Bucket"), nil)
	check(app)
	err := quietly(func() error { app.Synth(nil); return nil })
	if found := findings(t, out); err == nil || len(found) == 0 {
		t.Errorf("an open bucket passed: findings %v, error %v", found, err)
	}
}

// findings are the rows of cdk-nag's report that are not kept.
func findings(t *testing.T, out string) (bad []string) {
	t.Helper()
	reports, err := filepath.Glob(filepath.Join(out, "AwsSolutions-*.csv"))
	if err != nil || len(reports) == 0 {
		t.Fatalf("no report of cdk-nag: %v", err)
	}
	for _, file := range reports {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		rows, err := csv.NewReader(f).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows[1:] {
			if row[2] != "Compliant" && row[2] != "Suppressed" && row[2] != "N/A" {
				bad = append(bad, strings.Join(row[:3], " "))
			}
		}
	}
	return bad
}

// A binary for another architecture than its folder's is found before it is deployed.
func TestABinaryForAnotherArchitectureIsNamed(t *testing.T) {
	dist := fakeDist(t)
	if err := checkBinaries(dist); err != nil {
		t.Fatal(err)
	}
	cfg := Defaults()
	cfg.Stage, cfg.AssetRoot = "shop", dist
	cfg.Pools = map[string]Pool{"general": {InstanceTypes: []string{"c7g.large"}, Max: 1}}
	for _, content := range [][]byte{header(elf.EM_X86_64), []byte("#!/bin/sh")} {
		if err := os.WriteFile(filepath.Join(dist, "arm64", "worker", "bootstrap"), content, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := NewStage(awscdk.NewApp(nil), cfg); err == nil || !strings.Contains(err.Error(), "arm64/worker/bootstrap is") {
			t.Errorf("%.9s: %v", content, err)
		}
	}
}

func TestContextFaultsAreNamed(t *testing.T) {
	pool := func(change func(p map[string]any)) map[string]any {
		p := map[string]any{"instance_types": []any{"c5.large"}, "max": 2}
		change(p)
		return map[string]any{"general": p}
	}
	for _, tc := range []struct {
		key   string
		value any
		want  string
	}{
		{"stage", "", "stage"},
		{"stage", "Prod", "stage"},
		{"stage", strings.Repeat("x", 40), "stage"},
		{"catalogue", "none", "catalogue"},
		{"catalogue", "imagenet", "tasks"},
		{"profiles_prefix", "/a/folder", `context "profiles_prefix": "/a/folder" is not of the form s3://bucket/prefix`},
		{"profiles_prefix", "s3://my-profiles", `context "profiles_prefix": "s3://my-profiles" names a whole bucket`},
		{"profiles", "../profiles", "profiles_prefix"},
		{"shared_roles", `["arn:aws:iam::1:role/ingest"]`, "shared_roles"},
		{"tasks", []string{"imagenet"}, "tasks"},
		{"function_arch", "sparc", "function_arch"},
		{"function_memory_mb", "[1000]", "function_memory_mb"},
		{"generic_sizes", "[1000]", `context "generic_sizes": 1000 MB is not one of`},
		{"own_models", "none.json", `context "own_models": open none.json`},
		{"authorizer", "none", "authorizer"},
		{"network", "dark", "network"},
		{"zones", []string{"us-east-1b"}, "zones"},
		{"zones", []string{"use1-az2", "use1-az3"}, `"use1-az2" is not the name of a zone`},
		{"permissions_boundary", "limits", "permissions_boundary"},
		{"throttle", map[string]any{"per_second": 0, "burst": 1}, "throttle"},
		{"throttle", `{"rate":1}`, "throttle"},
		{"overflow_concurrency", 1, "overflow_concurrency"},
		{"front", "gateway", `context "front": "gateway" must be workers or lambda`},
		{"account_concurrency", 100, "account_concurrency"},
		{"api_concurrency_share", 0.5, "api_concurrency_share"},
		{"api_concurrency_share", 0, "api_concurrency_share"},
		{"warm_throughput", map[string]any{"writes": 100}, "writes is 100, and must be 0 or 4000 to"},
		{"warm_throughput", map[string]any{"reads": 1e9}, "reads"},
		{"log_days", 31, "log_days"},
		{"images", `{"eu-west-1":{"x86_64":"ami-0123456789abcdef0"}}`, `eu-west-1: arm64: "" is not the id of an image`},
		{"protected_stages", []string{"Prod"}, "protected_stages"},
		{"release", `{"canary_minutes":7}`, "canary_minutes: 7 is not one of [0 5 10 15 30]"},
		{"release", `{"min_healthy_percent":101}`, "min_healthy_percent"},
		{"release", `{"warmup_seconds":-1}`, "warmup_seconds"},
		{"release", `{"canary":5}`, "canary"},
		{"traces", map[string]any{"endpoint": "collector:4318"}, "traces"},
		{"traces", map[string]any{"share": 2}, "traces"},
		{"otlp_endpoint", "collector:4318", `"otlp_endpoint": must be empty or https://host[:port][/path]`},
		{"otlp_endpoint", "http://10.0.0.7:4318", "otlp_endpoint"},
		{"otlp_endpoint", "https://collector.example:4318/?key=1", "otlp_endpoint"},
		{"otlp_endpoint", "https://user:key@collector.example", "otlp_endpoint"},
		{"alarm_email", "nobody", "alarm_email"},
		{"monthly_budget_usd", -1, "monthly_budget_usd"},
		{"settings", map[string]any{"tick_seconds": "0"}, "tick_seconds"},
		{"settings", map[string]any{"tick": "1"}, `"tick"`},
		{"settings", map[string]any{"inline_limit_kb": "901"}, "more than 900 KB"},
		{"pools", map[string]any{}, "pools"},
		{"pools", pool(func(p map[string]any) { p["instance_types"] = []any{"c5.larg"} }), "c5.larg"},
		{"pools", pool(func(p map[string]any) { p["instance_types"] = []any{"c5.large", "c7g.large"} }), "c7g.large"},
		{"pools", pool(func(p map[string]any) { p["instance_types"] = []any{"c5.large", "c5.xlarge"} }), "c5.xlarge"},
		{"pools", pool(func(p map[string]any) { p["instance_types"] = []any{} }), "instance_types"},
		{"pools", pool(func(p map[string]any) { p["min"] = 3 }), "min 3"},
		{"pools", pool(func(p map[string]any) { p["spot_percent"] = 101 }), "spot_percent"},
		{"pools", pool(func(p map[string]any) { p["warm"] = -1 }), "warm is -1, which is outside 0 to 1000"},
		{"pools", pool(func(p map[string]any) { p["warm"], p["spot_percent"] = 1, 50 }), "spot_percent is 50"},
		{"pools", pool(func(p map[string]any) { p["desired"] = 1 }), "desired"},
		{"pools", map[string]any{"My Pool": map[string]any{"instance_types": []any{"c5.large"}, "max": 1}}, "My Pool"},
	} {
		context := cdkJSON(t)
		context[tc.key] = tc.value
		cfg, err := ReadConfig(func(key string) any { return context[key] })
		if err == nil {
			_, err = resolve(cfg)
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s = %v: %v", tc.key, tc.value, err)
		}
	}
}

// Every key of the context is in cdk.json, where a reader looks for it, and on
// the page on deploying.
func TestEveryKeyIsWrittenDown(t *testing.T) {
	page, err := os.ReadFile("../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	context := cdkJSON(t)
	for _, key := range keys((&Config{}).keys()) {
		if key == "asset_root" { // for tests
			continue
		}
		if _, ok := context[key]; !ok {
			t.Errorf("cdk.json lacks %q", key)
		}
		if !strings.Contains(string(page), "`"+key+"`") {
			t.Errorf("docs/deploy.md lacks %q", key)
		}
	}
}

// A list of days is written twice, in the check and in the CDK's words.
func TestEveryRetentionHasItsWord(t *testing.T) {
	var words []string
	for _, days := range logDays {
		words = append(words, string(retention(days)))
	}
	slices.Sort(words)
	if slices.Contains(words, "") || len(slices.Compact(words)) != len(logDays) {
		t.Errorf("%v", words)
	}
}
