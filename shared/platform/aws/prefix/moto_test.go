package prefix

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/profiles/schema"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
)

// fillBucket puts files below s3://profiles/prod on a test server.
func fillBucket(t *testing.T, files fs.FS) (put func(name string, text []byte)) {
	t.Helper()
	object := testserver.Bucket(t, "profiles")
	put = func(name string, text []byte) {
		t.Helper()
		object("prod/"+name, text)
	}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".png") {
			return err
		}
		text, err := fs.ReadFile(files, name)
		put(name, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return put
}

// The whole way: profiles in a bucket, over the SDK, validated by the schema, with
// networks that agree with their digests.
func TestProfilesComeFromABucket(t *testing.T) {
	put := fillBucket(t, profiles.Embedded())
	dir, err := Folder(t.Context(), "s3://profiles/prod", nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := schema.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if onnx, err := set.ONNX("mlp"); err != nil || len(onnx) == 0 {
		t.Errorf("network of %d bytes, error %v", len(onnx), err)
	}

	figures, err := Folder(t.Context(), "s3://profiles/prod", Figures)
	if err != nil {
		t.Fatal(err)
	}
	if nets, _ := filepath.Glob(filepath.Join(figures, "*", "*.onnx")); len(nets) != 0 {
		t.Errorf("figures alone came with %q", nets)
	}
	if _, err := profiles.Load(figures); err != nil {
		t.Error(err)
	}

	put("fashion/mlp.onnx", []byte("another network"))
	altered, err := Folder(t.Context(), "s3://profiles/prod", nil)
	if err != nil {
		t.Fatal(err)
	}
	if set, err = schema.Load(altered); err != nil {
		t.Fatal(err)
	}
	if _, err := set.ONNX("mlp"); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("an altered network: %v", err)
	}
	put("prices.json", []byte(`{"prices": 1}`))
	if faulty, err := Folder(t.Context(), "s3://profiles/prod", Figures); err != nil {
		t.Error(err)
	} else if _, err := schema.Load(faulty); err == nil || !strings.Contains(err.Error(), "prices.json") {
		t.Errorf("prices that break the schema: %v", err)
	}
}

// One network, over the SDK, checked against the digest that its catalogue gives.
func TestANetworkComesFromABucket(t *testing.T) {
	put := fillBucket(t, fstest.MapFS{"fashion/mlp.onnx": {Data: []byte("a network")}})
	f, err := NewFetcher(t.Context(), "s3://profiles/prod")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := f.Fetch(t.Context(), "fashion/mlp.onnx", sum([]byte("a network"))); err != nil || string(data) != "a network" {
		t.Errorf("%q, error %v", data, err)
	}
	put("fashion/mlp.onnx", []byte("another"))
	_, err = f.Fetch(t.Context(), "fashion/mlp.onnx", sum([]byte("the one")))
	if other, ok := errors.AsType[*DigestError](err); !ok || other.Got != sum([]byte("another")) || other.File != "s3://profiles/prod/fashion/mlp.onnx" {
		t.Errorf("of another file: %v", err)
	}
	if _, err := f.Fetch(t.Context(), "fashion/none.onnx", sum(nil)); err == nil || !strings.Contains(err.Error(), "none.onnx") {
		t.Errorf("of no file: %v", err)
	}
}
