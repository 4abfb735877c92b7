package prefix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// bucket is a test server: objects by key, listed two a page.
type bucket struct {
	objects map[string]string
	got     []string          // keys that were read
	reads   map[string]string // what a read gives instead of the object
	longer  int64             // by how much a listing overstates sizes
}

func etag(text string) string {
	return fmt.Sprintf("%q", fmt.Sprintf("%d-%s", len(text), text[:min(8, len(text))]))
}

func (b *bucket) ListObjectsV2(_ context.Context, in *s3.ListObjectsV2Input, _ ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	if *in.Bucket != "bucket" {
		return nil, &types.NoSuchBucket{}
	}
	out := &s3.ListObjectsV2Output{}
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		if !strings.HasPrefix(key, *in.Prefix) || key <= aws.ToString(in.ContinuationToken) {
			continue
		}
		if len(out.Contents) == 2 {
			out.IsTruncated, out.NextContinuationToken = aws.Bool(true), out.Contents[1].Key
			break
		}
		text := b.objects[key]
		out.Contents = append(out.Contents, types.Object{Key: &key, ETag: aws.String(etag(text)), Size: aws.Int64(int64(len(text)) + b.longer)})
	}
	return out, nil
}

var errChanged = errors.New("precondition failed")

func (b *bucket) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	b.got = append(b.got, *in.Key)
	text, ok := b.reads[*in.Key]
	if !ok {
		text = b.objects[*in.Key]
	}
	if etag(text) != *in.IfMatch {
		return nil, errChanged
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader([]byte(text)))}, nil
}

func files(keys ...string) map[string]string {
	out := map[string]string{}
	for _, k := range keys {
		out[k] = "text of " + k
	}
	return out
}

func TestAPrefixBecomesAFolder(t *testing.T) {
	b := &bucket{objects: files("p/prod/prices.json", "p/prod/fashion/catalogue.json", "p/prod/fashion/a.onnx", "p/prod/fashion/", "p/production/prices.json", "other.json")}
	c := Copier{Client: b, Cache: t.TempDir()}
	dir, err := c.Folder(t.Context(), "s3://bucket/p/prod/")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"prices.json": "text of p/prod/prices.json", "fashion/a.onnx": "text of p/prod/fashion/a.onnx"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, error %v", name, got, err)
		}
	}
	if len(b.got) != 3 {
		t.Errorf("read %q, want the three files of the prefix", b.got)
	}
	again, err := c.Folder(t.Context(), "s3://bucket/p/prod/")
	if err != nil || again != dir || len(b.got) != 3 {
		t.Errorf("again: %s after %s, %d reads, error %v", again, dir, len(b.got), err)
	}
	b.objects["p/prod/prices.json"] = "newer"
	if newer, err := c.Folder(t.Context(), "s3://bucket/p/prod/"); err != nil || newer == dir {
		t.Errorf("a changed prefix has the folder %s of the earlier one, error %v", newer, err)
	}
}

func TestOnlyFiguresAreFetchedWhereTheyAreEnough(t *testing.T) {
	b := &bucket{objects: files("prices.json", "fashion/catalogue.json", "fashion/a.onnx", "fashion/testdata/1.png")}
	if _, err := (Copier{Client: b, Cache: t.TempDir(), Want: Figures}).Folder(t.Context(), "s3://bucket"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"fashion/catalogue.json", "prices.json"}; !slices.Equal(b.got, want) {
		t.Errorf("read %q, want %q", b.got, want)
	}
}

func TestAnInterruptedCopyIsMadeWhole(t *testing.T) {
	b := &bucket{objects: files("a.json", "b.json")}
	c := Copier{Client: b, Cache: t.TempDir()}
	b.reads = map[string]string{"b.json": "other"}
	if _, err := c.Folder(t.Context(), "s3://bucket"); !errors.Is(err, errChanged) {
		t.Fatalf("a file that changed meanwhile: %v", err)
	}
	b.reads, b.got = nil, nil
	if _, err := c.Folder(t.Context(), "s3://bucket"); err != nil || !slices.Equal(b.got, []string{"b.json"}) {
		t.Errorf("the second attempt read %q, error %v, want what was missing", b.got, err)
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name, where string
		objects     map[string]string
		limits      Limits
		says        string
		is          error
	}{
		{"a folder", "/etc", nil, Limits{}, "s3://bucket/prefix", nil},
		{"no bucket", "s3:///x", nil, Limits{}, "s3://bucket/prefix", nil},
		{"a bucket that cannot be", "s3://Bucket!/x", nil, Limits{}, "s3://bucket/prefix", nil},
		{"a prefix that climbs", "s3://bucket/a/../b", nil, Limits{}, "s3://bucket/prefix", nil},
		{"no such bucket", "s3://nowhere/x", nil, Limits{}, "NoSuchBucket", nil},
		{"nothing there", "s3://bucket/x", files("y/a.json"), Limits{}, "no file", fs.ErrNotExist},
		{"a name that climbs", "s3://bucket/x", files("x/../../a.json"), Limits{}, "cannot be the name of a file", nil},
		{"an absolute name", "s3://bucket/x", files("x//a.json"), Limits{}, "cannot be the name of a file", nil},
		{"a name of another system", "s3://bucket/x", files(`x/a\b.json`), Limits{}, "cannot be the name of a file", nil},
		{"too many", "s3://bucket/x", files("x/a", "x/b", "x/c"), Limits{Files: 2}, "more than 2 files", ErrTooLarge},
		{"too deep", "s3://bucket/x", files("x/1/2/3/4/a"), Limits{}, "folders deep", ErrTooLarge},
		{"one too large", "s3://bucket/x", files("x/a"), Limits{FileBytes: 5}, "maximum is 5", ErrTooLarge},
		{"all too large", "s3://bucket/x", files("x/a", "x/b"), Limits{TotalBytes: 12}, "12 bytes", ErrTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cache := t.TempDir()
			_, err := Copier{Client: &bucket{objects: tt.objects}, Cache: cache, Limits: tt.limits}.Folder(t.Context(), tt.where)
			if err == nil || !strings.Contains(err.Error(), tt.says) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v, want one that says %q", err, tt.says)
			}
			if left, _ := os.ReadDir(cache); len(left) != 0 {
				t.Errorf("the cache holds %v", left)
			}
		})
	}
}

// A body that is not as long as the listing says is kept under no name.
func TestATornBodyIsNotKept(t *testing.T) {
	for _, off := range []int64{1, -1} {
		cache := t.TempDir()
		_, err := Copier{Client: &bucket{objects: files("a.json"), longer: off}, Cache: cache}.Folder(t.Context(), "s3://bucket")
		if err == nil || !strings.Contains(err.Error(), "bytes that S3 listed") {
			t.Errorf("by %d bytes: %v", off, err)
		}
		left, _ := filepath.Glob(filepath.Join(cache, "*", "*"))
		hidden, _ := filepath.Glob(filepath.Join(cache, "*", ".*"))
		if len(left)+len(hidden) != 0 {
			t.Errorf("left behind %q %q", left, hidden)
		}
	}
}

func TestAFolderIsReturnedAsItIs(t *testing.T) {
	for _, where := range []string{"", "/some/folder", "folder"} {
		if got, err := Folder(t.Context(), where, nil); err != nil || got != where {
			t.Errorf("%q became %q, error %v", where, got, err)
		}
	}
}
