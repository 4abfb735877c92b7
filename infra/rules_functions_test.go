package infra

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

func functionRules() []rule {
	return []rule{
		{"there is an inference function for every model and size that fits, a generic one for each generic size, and no other", func(a assembly) (bad []string) {
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
		{"an inference function has the memory size and the model that its name states", func(a assembly) []string {
			return a.each(func(_ string, f *resource) bool {
				want := fmt.Sprintf("inference-%v-%v", variables(f)[environment.Model], f.prop("MemorySize"))
				if a.isGeneric(f) && variables(f)[environment.Model] == nil {
					want = fmt.Sprintf("generic-%v", f.prop("MemorySize"))
				}
				return !a.isInference(f) || f.prop("FunctionName") == names.Function(a.cfg.Stage, want)
			})
		}, func(a assembly) { variables(a.function("inference-cnn-512"))[environment.Model] = "mlp" }},
		{"functions run on arm64, and inference functions on function_arch", func(a assembly) []string {
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
	}
}

func packageRules() []rule {
	return []rule{
		{"every function's name begins with the stage's prefix, and it has its own log group", func(a assembly) []string {
			seen := map[string]bool{}
			return a.each(func(_ string, f *resource) bool {
				name, _ := f.prop("FunctionName").(string)
				logs := refers(f.prop("LoggingConfig", "LogGroup"))
				first := !seen[logs]
				seen[logs] = true
				return strings.HasPrefix(name, names.Prefix(a.cfg.Stage)) && a.t.Resources[logs] != nil && first
			})
		}, func(a assembly) { a.function("api").prop("LoggingConfig").(map[string]any)["LogGroup"] = "shared" }},
		{"Lambda logs lines about calls only for inference functions, whose caller reads the billed time", func(a assembly) []string {
			return a.each(func(_ string, f *resource) bool {
				level, format := f.prop("LoggingConfig", "SystemLogLevel"), f.prop("LoggingConfig", "LogFormat")
				if a.isInference(f) {
					return level == nil && format == nil
				}
				return level == "WARN" && format == "JSON" && f.prop("LoggingConfig", "ApplicationLogLevel") == "INFO"
			})
		}, func(a assembly) {
			a.function("dispatcher").prop("LoggingConfig").(map[string]any)["SystemLogLevel"] = "INFO"
		}},
		{"every log group keeps its lines for log_days", func(a assembly) (bad []string) {
			for _, id := range a.t.of("Logs::LogGroup") {
				if number(a.t.Resources[id].prop("RetentionInDays")) != float64(a.cfg.LogDays) {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { delete(a.t.Resources[a.t.of("Logs::LogGroup")[0]].Properties, "RetentionInDays") }},
		{"the package of every function and worker contains a bootstrap", assetFaults, func(a assembly) {
			key := a.function("api").prop("Code", "S3Key").(string)
			a.assets[strings.TrimSuffix(key, ".zip")] = []string{"bootstrap.exe"}
		}},
		{"concurrency is reserved only if account_concurrency is set", func(a assembly) []string {
			return a.each(func(_ string, f *resource) bool {
				want := any(nil)
				if n := a.cfg.AccountConcurrency; n > 0 && f == a.function("api") {
					want = float64(int(a.cfg.APIConcurrencyShare * float64(n)))
				} else if n > 0 && f == a.function("controller") {
					want = float64(controllerReserved)
				}
				return f.prop("ReservedConcurrentExecutions") == want
			})
		}, func(a assembly) { a.function("controller").Properties["ReservedConcurrentExecutions"] = 1.0 }},
		{"every function has the variables that name its stage's resources", func(a assembly) []string {
			return a.each(func(_ string, f *resource) bool {
				if a.isInference(f) {
					most := 3
					if a.isAdded(f) {
						most++ // where the added models are
					}
					if a.cfg.Traces.Endpoint != "" {
						most += 3 // where, and of how many
					}
					return variables(f)[environment.Catalogue] == a.cfg.Catalogue && len(variables(f)) <= most
				}
				if f == a.function("authorizer") {
					return variables(f)[names.Stage] == a.cfg.Stage && len(variables(f)) == 1
				}
				for _, name := range []string{names.Stage, environment.Catalogue, names.StateTable, names.RecordsTable, names.Bucket, environment.Pool, environment.InstanceType, environment.Arch, names.FunctionMemory} {
					if variables(f)[name] == nil {
						return false
					}
				}
				return strings.HasSuffix(flat(variables(f)[names.QueueURLPrefix]), "/"+names.Prefix(a.cfg.Stage))
			})
		}, func(a assembly) { delete(variables(a.function("dispatcher")), names.StateTable) }},
	}
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
	a.t.Resources["Twin"], a.t.Resources["TwinLog"], a.t.Resources["TwinRole"] = &twin, &logs, a.t.Resources[refers(f.prop("Role"))]
}

// assetFaults follows each function to the folder that is uploaded for it.
func assetFaults(a assembly) (bad []string) {
	bad = a.each(func(_ string, f *resource) bool {
		key, _ := f.prop("Code", "S3Key").(string)
		return slices.Contains(a.assets[strings.TrimSuffix(key, ".zip")], "bootstrap")
	})
	for _, id := range a.t.of("EC2::LaunchTemplate") {
		if !slices.Contains(a.assets[a.workerAsset(id)], "bootstrap") {
			bad = append(bad, id)
		}
	}
	return bad
}

// workerAsset is the hash of the package that a launch template's machines fetch.
func (a assembly) workerAsset(launchTemplate string) string {
	_, after, _ := strings.Cut(flat(a.t.Resources[launchTemplate].prop("LaunchTemplateData", "UserData")), "s3://")
	_, key, _ := strings.Cut(after, "/")
	hash, _, _ := strings.Cut(key, ".zip")
	return hash
}
