package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/internal/cli/clitest"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/tokenizer"
	"github.com/paragon-serving/paragon/shared/modelstore"
)

// A file that is too large is refused with its size and the bound, in units in which the two
// differ.
func TestFilesThatAreTooLarge(t *testing.T) {
	for _, tc := range []struct {
		bytes, limit int64
		says         []string
	}{
		{tokenizer.MaxFileBytes + 1<<20, tokenizer.MaxFileBytes, []string{"33.0 MiB", "32.0 MiB"}},
		{3 << 30, modelstore.MaxONNXBytes, []string{"3.0 GiB", "1.0 GiB"}},
	} {
		path := filepath.Join(t.TempDir(), "large")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, tc.bytes); err != nil {
			t.Fatal(err)
		}
		_, err := readModel(path, tc.limit)
		for _, word := range tc.says {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%d bytes of %d: %v does not say %s", tc.bytes, tc.limit, err, word)
			}
		}
	}
}

// A file that no task would help is refused for what it is, before its task is asked for.
func TestAFileIsJudgedBeforeItsTask(t *testing.T) {
	wrong, good := filepath.Join(t.TempDir(), "wrong.onnx"), filepath.Join(t.TempDir(), "good.onnx")
	for path, content := range map[string][]byte{wrong: []byte("no model at all"), good: enginetest.Affine(1, 0, -1, 4)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, says := range map[string]string{wrong: "is not an ONNX model", filepath.Join(t.TempDir(), "none.onnx"): "no such file", good: "--task"} {
		term := &terminal{Terminal: clitest.NewTerminalIn(newRoot, nil)}
		if code := term.Run(t.Context(), []string{"model", "add", path}); code != cli.ExitUsage || !strings.Contains(term.Err.String(), says) {
			t.Errorf("%s: exit status %d: %s", path, code, &term.Err)
		}
	}
}
