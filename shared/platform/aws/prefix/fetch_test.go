package prefix

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// oneFile is a bucket that answers every read alike.
type oneFile struct {
	body  io.Reader
	bytes int64
	err   error
	asked []string
}

func (f *oneFile) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	f.asked = append(f.asked, *in.Bucket+" "+*in.Key)
	if f.err != nil {
		return nil, f.err
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(f.body), ContentLength: aws.Int64(f.bytes)}, nil
}

const network = "a network"

func TestAFetchedFileHasItsDigest(t *testing.T) {
	broken := errors.New("the line broke")
	for _, tc := range []struct {
		name   string
		from   oneFile
		digest string
		says   []string // of the error; empty means that it is fetched
		is     error
	}{
		{"the file", oneFile{body: strings.NewReader(network)}, sum([]byte(network)), nil, nil},
		{"another", oneFile{body: strings.NewReader("another network")}, sum([]byte(network)),
			[]string{"s3://bucket/p/fashion/a.onnx", "SHA-256 " + sum([]byte("another network")), sum([]byte(network))}, nil},
		{"half of it", oneFile{body: io.MultiReader(strings.NewReader(network[:4]), iotest.ErrReader(broken))}, sum([]byte(network)),
			[]string{"s3://bucket/p/fashion/a.onnx"}, broken},
		{"too large by what it says", oneFile{bytes: 100}, sum([]byte(network)), []string{"100 bytes"}, ErrTooLarge},
		{"too large by what comes", oneFile{body: strings.NewReader(strings.Repeat("x", 100))}, sum([]byte(network)), []string{"more than 50"}, ErrTooLarge},
		{"nothing", oneFile{err: os.ErrNotExist}, sum([]byte(network)), []string{"a.onnx"}, os.ErrNotExist},
		{"no digest", oneFile{}, "../x", []string{"not a SHA-256"}, nil},
	} {
		f := Fetcher{Client: &tc.from, Where: "s3://bucket/p", Cache: t.TempDir(), Limit: 50}
		data, err := f.Fetch(t.Context(), "fashion/a.onnx", tc.digest)
		if tc.says == nil {
			if err != nil || string(data) != network || tc.from.asked[0] != "bucket p/fashion/a.onnx" {
				t.Errorf("%s: %q, error %v, asked for %q", tc.name, data, err, tc.from.asked)
			}
			continue
		}
		for _, says := range tc.says {
			if err == nil || !strings.Contains(err.Error(), says) || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("%s: error %v, which lacks %q", tc.name, err, says)
			}
		}
		if kept, _ := filepath.Glob(filepath.Join(f.Cache, "*")); len(kept) > 0 {
			t.Errorf("%s left %q", tc.name, kept)
		}
		if kept, _ := filepath.Glob(filepath.Join(f.Cache, ".*")); len(kept) > 0 {
			t.Errorf("%s left %q", tc.name, kept)
		}
	}
}

// Without a cache a file is fetched each time, checked against its digest, and nothing stays.
func TestAFileMayBeFetchedIntoMemory(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	from := &oneFile{}
	f := Fetcher{Client: from, Where: "s3://bucket/p"}
	for range 2 {
		from.body = strings.NewReader(network)
		if data, err := f.Fetch(t.Context(), "a", sum([]byte(network))); err != nil || string(data) != network {
			t.Fatalf("%q, %v", data, err)
		}
	}
	from.body = strings.NewReader("another")
	if data, err := f.Fetch(t.Context(), "a", sum([]byte(network))); err == nil || !strings.Contains(err.Error(), "SHA-256") || data != nil {
		t.Errorf("of another file: %q, %v", data, err)
	}
	if left, _ := filepath.Glob("*"); len(from.asked) != 3 || len(left) > 0 {
		t.Errorf("asked %d times, want 3; %v is left", len(from.asked), left)
	}
}

// What was fetched is not fetched again, unless the disk has altered it.
func TestAFetchedFileIsKept(t *testing.T) {
	from := &oneFile{body: strings.NewReader(network)}
	f := Fetcher{Client: from, Where: "s3://bucket/p", Cache: t.TempDir()}
	for range 2 {
		if data, err := f.Fetch(t.Context(), "a", sum([]byte(network))); err != nil || string(data) != network {
			t.Fatalf("%q, %v", data, err)
		}
	}
	if err := os.WriteFile(filepath.Join(f.Cache, sum([]byte(network))), []byte("altered"), 0o600); err != nil {
		t.Fatal(err)
	}
	from.body = strings.NewReader(network)
	if data, err := f.Fetch(t.Context(), "a", sum([]byte(network))); err != nil || string(data) != network {
		t.Errorf("of an altered copy: %q, %v", data, err)
	}
	if len(from.asked) != 2 {
		t.Errorf("asked %d times, want 2", len(from.asked))
	}
}
