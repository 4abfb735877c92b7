package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/paragon-serving/paragon/profiles/schema"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
)

// The mail pool becomes a folder of profiles, with accuracies of the held-out mails; what
// was measured of the same files is not measured again.
func TestTheMailPoolBecomesProfiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "mail"), 0o700); err != nil {
		t.Fatal(err)
	}
	onnx := enginetest.Words() // it says yes, the second label, to the text "yes"
	sum := sha256.Sum256(onnx)
	digest := hex.EncodeToString(sum[:])
	put(t, dir, mailTrained, map[string]any{
		"date": "2026-11-27", "mails": "mails 1", "trained_on": 10, "held_out": 4,
		"models": []map[string]any{{"name": "words", "file": "words.onnx", "sha256": digest, "bytes": 1 << 20, "max_tokens": 0, "source": "none"}},
	})
	for name, content := range map[string]string{"mail/words.onnx": string(onnx), mailHeldOut: "spam,yes\nham,no\nham,yes\nspam,yes\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var before measuredFile
	for range 2 {
		if err := writePool(t.Context(), "..", dir); err != nil {
			t.Fatal(err)
		}
		set, err := schema.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		c, err := set.Catalogue("mail")
		if err != nil {
			t.Fatal(err)
		}
		m, ok := c.Model("words")
		if !ok || m.Accuracy.Correct != 3 || m.Accuracy.Total != 4 || m.Accuracy.Top1Percent != 75 || m.Takes() != profile.TextIn || m.Signature.Answer == "" || m.Latency[0].MS.P50 <= 0 {
			t.Fatalf("the model is %+v", m)
		}
		var got measuredFile
		if err := readJSON(dir, mailMeasured, &got); err != nil || got.Library == "" {
			t.Fatal(got, err)
		}
		if before.Models != nil && before.Models["words"].MS != got.Models["words"].MS {
			t.Error("it was measured again")
		}
		before = got
	}
}
