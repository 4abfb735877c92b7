// Package shared_test holds the rules of the repository that no compiler
// checks: who may import whom, that every package says what it is for, and
// that no package is named for nothing.
package shared_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

type pkg struct {
	ImportPath string
	Name       string
	Doc        string
	Imports    []string
	GoFiles    []string
	Deps       []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps=false", "-json=ImportPath,Name,Doc,Imports,GoFiles,Deps", "github.com/paragon-serving/paragon/...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 20 {
		t.Fatalf("go list found %d packages: the rules would hold of nothing", len(all))
	}
	return all
}

func under(path string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return path == "github.com/paragon-serving/paragon/"+root || strings.HasPrefix(path, "github.com/paragon-serving/paragon/"+root+"/")
	})
}

// layers says what each part may import of this module. A part that is not
// named may import what it likes.
var layers = []struct {
	part    string
	imports []string
}{
	{"shared/core", []string{"shared/core"}},
	{"shared/cache", nil},
	{"shared/environment", nil},
	{"shared/priority", nil},
	{"shared/engine", []string{"shared/core", "shared/engine", "shared/priority"}},
	{"shared/platform/aws/prefix/ownmodels", []string{"shared/core", "shared/modelstore", "shared/platform"}},
	{"shared/platform", []string{"shared/cache", "shared/core", "shared/environment", "shared/platform", "shared/priority"}},
	{"shared/overflow", []string{"shared/core", "shared/platform", "shared/overflow"}},
	{"shared/balancer", []string{"shared/balancer"}},
	{"shared/simulate", []string{"shared/core", "shared/simulate"}},
	{"shared/telemetry", []string{"shared/core", "shared/platform", "shared/telemetry"}},
	{"shared/api", []string{"shared/core", "shared/api"}},
	{"shared/admin", []string{"shared/api", "shared/core", "shared/platform", "shared/admin"}},
	{"shared/intake", []string{"shared/cache", "shared/api", "shared/core", "shared/overflow", "shared/platform", "shared/engine", "shared/admin", "shared/telemetry", "shared/intake"}},
	{"shared/serving", []string{"shared/cache", "shared/core", "shared/overflow", "shared/platform", "shared/engine", "shared/telemetry", "shared/serving"}},
	{"shared/dispatch", []string{"shared/core", "shared/platform", "shared/engine", "shared/telemetry", "shared/dispatch"}},
	{"shared/control", []string{"shared/cache", "shared/canary", "shared/core", "shared/overflow", "shared/platform", "shared/telemetry", "shared/control"}},
	{"shared/recorded", []string{"shared/core", "shared/platform", "shared/telemetry", "shared/recorded"}},
	{"shared/savings", []string{"shared/api", "shared/core", "shared/platform", "shared/recorded", "shared/simulate", "shared/telemetry"}},
	{"shared/measure", []string{"shared/core", "shared/platform", "shared/engine", "shared/measure"}},
	{"shared/client", []string{"shared/api", "shared/core", "shared/client"}},
	{"shared/stage", []string{"docs", "profiles", "shared/core", "shared/environment", "shared/modelstore", "shared/platform", "shared/dispatch", "shared/intake", "shared/telemetry", "shared/stage"}},
	{"shared/modelstore", []string{"shared/cache", "shared/core", "shared/modelstore"}},
	{"shared/peer", []string{"shared/core", "shared/platform", "shared/intake", "shared/serving", "shared/peer"}},
	{"shared/canary", []string{"shared/core", "shared/canary"}},
	{"shared/page", []string{"shared/page"}},
	{"profiles/gen", []string{"shared/core", "profiles", "shared/measure", "shared/modelcheck"}}, // it measures the mail pool
	{"profiles", []string{"shared/core", "profiles"}},
}

func TestImportsPointInward(t *testing.T) {
	for _, p := range packages(t) {
		for _, l := range layers {
			if !under(p.ImportPath, l.part) {
				continue
			}
			for _, imp := range p.Imports {
				if strings.HasPrefix(imp, "github.com/paragon-serving/paragon/") && !under(imp, l.imports...) {
					t.Errorf("%s imports %s: %s may import only %v", p.ImportPath, imp, l.part, l.imports)
				}
			}
			break // the first that names it
		}
	}
}

// laboratory is what only the evaluation needs.
var laboratory = []string{"shared/lab", "cmd/paragon-lab"}

// The laboratory may import everything; nothing that runs for callers or
// operators has any of it in it.
func TestTheProductStandsWithoutTheLaboratory(t *testing.T) {
	product, used := 0, false
	for _, p := range packages(t) {
		for _, dep := range p.Deps {
			if !under(dep, laboratory...) {
				continue
			}
			used = true
			if !under(p.ImportPath, laboratory...) {
				t.Errorf("%s depends on %s, which is of the laboratory", p.ImportPath, dep)
			}
		}
		if under(p.ImportPath, "cmd/paragon", "functions", "workers") {
			product++
		}
	}
	if !used || product < 5 {
		t.Errorf("%d packages of the product, laboratory used %v: the rule would hold of nothing", product, used)
	}
}

// Who starts the product imports what is shared, and is imported by nothing there.
func TestNothingSharedImportsAProgram(t *testing.T) {
	for _, p := range packages(t) {
		if !under(p.ImportPath, "shared", "profiles", "docs") {
			continue
		}
		for _, imp := range p.Imports {
			if under(imp, "cmd", "functions", "workers", "infra") {
				t.Errorf("%s imports %s", p.ImportPath, imp)
			}
		}
	}
}

func TestOnlyTheEdgeKnowsWhichCloudItIsOn(t *testing.T) {
	for _, p := range packages(t) {
		if under(p.ImportPath, "functions", "workers", "cmd", "shared/platform", "shared/stage") {
			continue
		}
		for _, imp := range p.Imports {
			// The stack and the backend in an account share the names of what the one
			// makes and the other uses: names are no cloud, nor is the form of an address.
			if under(imp, "shared/platform/aws/names", "shared/platform/aws/s3url") && under(p.ImportPath, "infra") {
				continue
			}
			if under(imp, "shared/platform/sqlite", "shared/platform/aws") {
				t.Errorf("%s imports %s", p.ImportPath, imp)
			}
		}
	}
}

func TestCoreIsPure(t *testing.T) {
	impure := []string{"os", "os/exec", "net", "net/http", "database/sql", "log", "log/slog", "syscall", "math/rand"}
	for _, p := range packages(t) {
		if !under(p.ImportPath, "shared/core") {
			continue
		}
		for _, imp := range p.Imports {
			outside := strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") && !under(imp, "shared/core")
			if slices.Contains(impure, imp) || outside && !strings.HasPrefix(imp, "gonum.org/") {
				t.Errorf("%s imports %s: core is pure", p.ImportPath, imp)
			}
		}
	}
}

// The CDK is heavy and only infra needs it; the API must start without the
// inference library.
func TestFunctionsStayLight(t *testing.T) {
	for _, p := range packages(t) {
		for _, dep := range p.Deps {
			if strings.HasPrefix(dep, "github.com/aws/aws-cdk-go") && !under(p.ImportPath, "infra") {
				t.Errorf("%s depends on the CDK", p.ImportPath)
			}
			if dep == "github.com/ebitengine/purego" && under(p.ImportPath, "functions/api", "functions/dispatcher") {
				t.Errorf("%s depends on the inference library", p.ImportPath)
			}
			// Its network may lie in a bucket: that is all it knows of a cloud.
			if strings.HasPrefix(dep, "github.com/paragon-serving/paragon/shared/platform") && !under(dep, "shared/platform/aws/prefix", "shared/platform/aws/s3url") && under(p.ImportPath, "functions/inference") {
				t.Errorf("%s depends on %s: an inference function is pure request to response", p.ImportPath, dep)
			}
		}
	}
}

// What deploys to an account reaches a machine's backend over loopback at most: its
// database would be a third of the package, for nothing. Nor does it serve gRPC, which
// no load balancer in an account passes on.
func TestWhatDeploysHasNeitherDatabaseNorGRPCInIt(t *testing.T) {
	for _, tags := range []string{"lambda.norpc,grpcnotrace", "lambda.norpc,grpcnotrace,figures"} { // as `make dist` builds
		out, err := exec.Command("go", "list", "-deps", "-tags", tags, "github.com/paragon-serving/paragon/functions/...", "github.com/paragon-serving/paragon/workers").Output()
		if err != nil {
			t.Fatal(err)
		}
		deps := strings.Fields(string(out))
		if !slices.Contains(deps, "github.com/paragon-serving/paragon/shared/platform/sqlite/rpc") {
			t.Fatal("nothing reaches a machine's backend: the rule would hold of nothing")
		}
		for _, dep := range deps {
			if strings.HasPrefix(dep, "modernc.org/") || dep == "github.com/paragon-serving/paragon/shared/platform/sqlite" {
				t.Errorf("with %s what deploys depends on %s", tags, dep)
			}
			if strings.HasPrefix(dep, "google.golang.org/") || under(dep, "shared/intake/grpcapi") {
				t.Errorf("with %s what deploys depends on %s", tags, dep)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	banned := []string{"util", "utils", "common", "helpers", "lib", "misc"}
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		if slices.Contains(banned, p.Name) {
			t.Errorf("%s is named for nothing", p.ImportPath)
		}
	}
}
