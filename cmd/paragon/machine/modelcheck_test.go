package machine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/modelstore"
)

// A model that gives no first answer is refused long before the bound on its measurement.
func TestAModelWithoutAFirstAnswerIsRefused(t *testing.T) {
	program := filepath.Join(t.TempDir(), "paragon")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 600\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	d := &Checker{Catalogue: &profile.Catalogue{}, Program: program, TrialTime: time.Millisecond}
	_, _, err := d.Check(t.Context(), api.ModelOrder{File: "endless.onnx", Task: "never"}, modelstore.Draft{})
	if err == nil || !strings.Contains(err.Error(), "endless.onnx was not checked: it gave no answer within 1ms") {
		t.Errorf("refused with %v", err)
	}
}
