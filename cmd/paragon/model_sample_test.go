package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/metadata"
)

// A sample is a request of /v2; what is none is refused by the file's name.
func TestASampleIsARequest(t *testing.T) {
	onnx := enginetest.Affine(1, 0, -1, 2)
	for _, tc := range []struct{ content, says string }{
		{`{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[3,4]}]}`, ""},
		{`{"inputs":[]}`, "no inputs"},
		{`{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[3]}]}`, "has 1 elements"},
		{`inputs`, "invalid character"},
	} {
		path := filepath.Join(t.TempDir(), "sample.json")
		if err := os.WriteFile(path, []byte(tc.content), 0o600); err != nil {
			t.Fatal(err)
		}
		with, err := attachSample(onnx, path)
		if (err == nil) != (tc.says == "") || err != nil && (!strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), "--sample")) {
			t.Errorf("%s: %v, want %q", tc.content, err, tc.says)
		}
		if err != nil {
			continue
		}
		if got, err := metadata.Sample(with); err != nil || len(got) != 1 || got[0].Name != "x" {
			t.Errorf("the file has the sample %v, %v", got, err)
		}
	}
}
