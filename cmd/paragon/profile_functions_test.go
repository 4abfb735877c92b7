package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/measure"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

func TestProfileRefusesWhatDoesNotGoTogether(t *testing.T) {
	for _, tt := range []struct {
		args string
		says string
	}{
		{"--lambda local --resource c5.large", "--lambda cannot be combined with"},
		{"--lambda local --batch 4", "--lambda cannot be combined with"},
		{"--lambda local --memory 77", "no function of 77 MB"},
		{"--lambda local --cold -1", "--cold must be within 0 to 1000"},
		{"--lambda Not_A_Stage", "--lambda"},
		{"--lambda local --catalogue imagenet", "measurements only"},
	} {
		term := newTerminal(t, http.NotFoundHandler())
		if code := term.Run(t.Context(), append([]string{"profile"}, strings.Fields(tt.args)...)); code != cli.ExitUsage || !strings.Contains(term.Err.String(), tt.says) {
			t.Errorf("%s: exit status %d, %s", tt.args, code, &term.Err)
		}
	}
}

// A stage's functions are measured at the sizes that it has, and as of its architecture.
func TestTheFunctionsOfAStageAreMeasuredAtItsSizes(t *testing.T) {
	stage := &discovery.Stage{Name: "prod", StageParameter: names.StageParameter{FunctionArch: "arm64", FunctionMB: []int{1024, 1769}}}
	f := profileFlags{catalogue: "fashion", pictures: "../../profiles/fashion/testdata", models: []string{"mlp"}, samples: 1}
	j, err := f.functionJob(stage, time.Now())
	if err != nil || j.Arch != "arm64" || !slices.Equal(j.MemoryMB, stage.FunctionMB) {
		t.Errorf("%s at %v MB, error %v", j.Arch, j.MemoryMB, err)
	}
	f.memory = []int{3538}
	if _, err := f.functionJob(stage, time.Now()); err == nil || !strings.Contains(err.Error(), "no function of 3538 MB, only [1024 1769]") {
		t.Errorf("a size that the stage does not have: %v", err)
	}
}

// A machine's type comes from the machine, by IMDSv2, or from who names it.
func TestTheResourceIsNamedOrAsked(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut:
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
			_, _ = w.Write([]byte("token"))
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") == "token" && strings.HasSuffix(r.URL.Path, "/instance-type"):
			_, _ = w.Write([]byte("m5.xlarge"))
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer s.Close()
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", s.URL)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	for flag, want := range map[string]string{"": "", "c5.large": "c5.large", "auto": "m5.xlarge"} {
		got, err := (&profileFlags{resource: flag}).resourceHere(t.Context())
		if err != nil || got != want {
			t.Errorf("--resource %q: %q, error %v", flag, got, err)
		}
	}
}

// Figures of two resources in one file would pass for one machine's.
func TestAMeasurementFileHoldsOneResource(t *testing.T) {
	file := filepath.Join(t.TempDir(), "latency.json")
	of := func(resource string) measure.Report {
		return measure.Report{Hardware: "x", Models: []measure.Model{{Name: "m", Latency: []profile.Latency{{Resource: resource, Threads: 1, Batch: 1}}}}}
	}
	for _, step := range []struct {
		resource string
		ok       bool
	}{{"reference", true}, {"reference", true}, {"lambda-x86_64", false}, {"c5.large", false}} {
		if err := writeReport(file, of(step.resource)); (err == nil) != step.ok {
			t.Errorf("%s: error %v", step.resource, err)
		}
	}
}
