package e2e_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/paragon-serving/paragon/shared/measure"
)

// The functions that deploy are measured over the Lambda Runtime API: every
// size, warm apart from cold, with what the figures stand for.
func TestProfileMeasuresFunctions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "latency-lambda.json")
	c := exec.CommandContext(t.Context(), built(t, "paragon"), "profile", "--lambda=local", "--model=logistic", "--memory=512,1024",
		"--cold=2", "--samples=300", "--budget=1s", "--out="+file)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r, err := measure.ReadReport(file)
	if err != nil || len(r.Models) != 1 || len(r.Models[0].Latency) != 2 {
		t.Fatalf("%+v, error %v", r, err)
	}
	for i, mb := range []int{512, 1024} {
		l := r.Models[0].Latency[i]
		if l.MemoryMB != mb || l.MS.P50 <= 0 || l.MS.P99 < l.MS.P50 || l.Confidence == nil || l.Source.Samples < 200 {
			t.Errorf("warm at %d MB: %+v", mb, l)
		}
		if l.ColdMS == nil || l.ColdMS.P50 <= l.MS.P50 || l.ColdSource.Samples < 1 || l.Source.File != "fashion/latency-lambda.json" {
			t.Errorf("cold at %d MB: %+v by %+v", mb, l.ColdMS, l.ColdSource)
		}
	}
}
