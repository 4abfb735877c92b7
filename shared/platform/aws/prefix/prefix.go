// Package prefix keeps a copy of the files below a prefix of a bucket, such as
// s3://bucket/profiles/prod, so that the caller who takes a folder takes a prefix too.
//
// A copy is of one listing: a file that changes while it is copied fails the
// copy, and another listing gets another folder. What is copied is bounded in
// number, depth and size, and no name leads out of the folder.
package prefix

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/paragon-serving/paragon/shared/platform/aws/s3url"
)

// Client are the calls of S3 that are made: s3:ListBucket and s3:GetObject.
type Client interface {
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// Limits bound a copy. 0 has a default.
type Limits struct {
	Files      int   // 10,000
	Depth      int   // folders below each other, the file included: 4
	FileBytes  int64 // of one file: 1 GiB
	TotalBytes int64 // of all that is copied: 8 GiB
}

func (l Limits) filled() Limits {
	or := func(n, fallback int64) int64 {
		if n > 0 {
			return n
		}
		return fallback
	}
	return Limits{
		Files: int(or(int64(l.Files), 10_000)), Depth: int(or(int64(l.Depth), 4)),
		FileBytes: or(l.FileBytes, 1<<30), TotalBytes: or(l.TotalBytes, 8<<30),
	}
}

// ErrTooLarge says that a prefix holds more than the limits allow.
var ErrTooLarge = errors.New("too large")

// Copier copies prefixes.
type Copier struct {
	Client Client
	Cache  string // folder that holds the copies; it is made, for this user alone
	Limits Limits
	// Want chooses files by their name below the prefix; nil takes all.
	Want func(name string) bool
}

// Figures wants no networks and no pictures: who only chooses and prices.
func Figures(name string) bool { return path.Ext(name) == ".json" }

// callTime ends a listing's page, and fileTime the copy of one file.
const (
	callTime = 30 * time.Second
	fileTime = 10 * time.Minute
)

// Folder returns a folder with the files below s3://bucket/prefix as they are
// now. What an earlier copy has of the same listing is not fetched again.
func (c Copier) Folder(ctx context.Context, where string) (string, error) {
	bucket, below, err := s3url.Split(where)
	if err != nil {
		return "", err
	}
	files, err := c.list(ctx, bucket, below)
	if err != nil {
		return "", fmt.Errorf("list %s: %w", where, err)
	}
	if len(files) == 0 {
		return "", fmt.Errorf("%s: there is no file below it: %w", where, fs.ErrNotExist)
	}
	dir := filepath.Join(c.Cache, version(where, files))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the folder for %s: %w", where, err)
	}
	for _, f := range files {
		if c.Want != nil && !c.Want(f.name) {
			continue
		}
		if err := c.copy(ctx, bucket, below, dir, f); err != nil {
			return "", fmt.Errorf("copy %s from %s: %w", f.name, where, err)
		}
	}
	return dir, nil
}

// file is one of a listing.
type file struct {
	name string // below the prefix
	etag string
	size int64
}

// version names a listing: it differs when any file does.
func version(where string, files []file) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", where)
	for _, f := range files { // S3 lists in the order of names
		fmt.Fprintf(h, "%q %q %d\n", f.name, f.etag, f.size)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:16])
}

// list reads the whole listing and holds it to the limits.
func (c Copier) list(ctx context.Context, bucket, below string) ([]file, error) {
	var out []file
	var total int64
	limits := c.Limits.filled()
	pages := s3.NewListObjectsV2Paginator(c.Client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &below})
	for pages.HasMorePages() {
		objects, err := c.page(ctx, pages)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			f, ok, err := limits.file(o, below)
			if err != nil {
				return nil, err
			}
			if !ok || c.Want != nil && !c.Want(f.name) {
				continue
			}
			out, total = append(out, f), total+f.size
		}
		if len(out) > limits.Files || total > limits.TotalBytes {
			return nil, fmt.Errorf("%w: the folder has more than %d files or %d bytes", ErrTooLarge, limits.Files, limits.TotalBytes)
		}
	}
	return out, nil
}

func (c Copier) page(ctx context.Context, pages *s3.ListObjectsV2Paginator) ([]types.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	p, err := pages.NextPage(ctx)
	if err != nil {
		return nil, err
	}
	return p.Contents, nil
}

// file checks an object of a listing; false for a folder's marker.
func (l Limits) file(o types.Object, below string) (file, bool, error) {
	f := file{name: strings.TrimPrefix(aws.ToString(o.Key), below), etag: aws.ToString(o.ETag), size: aws.ToInt64(o.Size)}
	switch {
	case f.name == "" || strings.HasSuffix(f.name, "/"):
		return f, false, nil
	case !fs.ValidPath(f.name) || strings.ContainsAny(f.name, "\\:\x00"):
		return f, false, fmt.Errorf("%q cannot be the name of a file", f.name)
	case strings.Count(f.name, "/") >= l.Depth:
		return f, false, fmt.Errorf("%w: %s is more than %d folders deep", ErrTooLarge, f.name, l.Depth)
	case f.size > l.FileBytes:
		return f, false, fmt.Errorf("%w: %s has %d bytes, and the maximum is %d", ErrTooLarge, f.name, f.size, l.FileBytes)
	}
	return f, true, nil
}
