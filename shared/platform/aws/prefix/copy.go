package prefix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/paragon-serving/paragon/shared/platform/aws/s3url"
)

// copy fetches a file, unless it is there: a file that is there is whole, as
// it gets its name when it is.
func (c Copier) copy(ctx context.Context, bucket, below, dir string, f file) error {
	to := filepath.Join(dir, filepath.FromSlash(f.name))
	if info, err := os.Lstat(to); err == nil && info.Mode().IsRegular() && info.Size() == f.size {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, fileTime)
	defer cancel()
	o, err := c.Client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String(below + f.name), IfMatch: &f.etag})
	if err != nil {
		return err
	}
	defer o.Body.Close()
	return whole(to, func(next io.Writer) error { return fill(next, o.Body, f.size) })
}

// whole writes a file next to its place, under a name of its own as several
// processes may do so at once, and puts it there when all went well.
func whole(to string, write func(next io.Writer) error) error {
	next, err := os.CreateTemp(filepath.Dir(to), ".next-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(next), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), to)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return nil
}

// fill writes exactly size bytes; another number is an error.
func fill(to io.Writer, from io.Reader, size int64) error {
	n, err := io.Copy(to, io.LimitReader(from, size+1))
	if err == nil && n != size {
		err = fmt.Errorf("the file does not have the %d bytes that S3 listed", size)
	}
	return err
}

// Folder returns what a setting of profiles names as a folder: a prefix of a
// bucket is copied, with the credentials and the region of the SDK's usual
// chain, into the user's cache; everything else is returned as it is.
func Folder(ctx context.Context, where string, want func(name string) bool) (string, error) {
	if !s3url.Is(where) {
		return where, nil
	}
	client, err := connect(ctx)
	if err != nil {
		return "", err
	}
	cache, err := CacheFolder("prefixes")
	if err != nil {
		return "", err
	}
	return Copier{Client: client, Cache: cache, Want: want}.Folder(ctx, where)
}

// connect makes a client of the SDK's usual chain.
func connect(ctx context.Context) (*s3.Client, error) {
	sdk, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure the AWS SDK: %w", err)
	}
	return s3.NewFromConfig(sdk, func(o *s3.Options) {
		o.UsePathStyle = sdk.BaseEndpoint != nil           // a test server has no name for every bucket
		o.DisableLogOutputChecksumValidationSkipped = true // many objects have none; digests are held elsewhere
	}), nil
}

// CacheFolder is a folder of a name in the user's cache, and where there is none, as in a
// function, in a new temporary folder.
func CacheFolder(name string) (string, error) {
	dir, err := os.UserCacheDir()
	if err == nil {
		dir = filepath.Join(dir, "paragon", name)
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		dir, err = os.MkdirTemp("", "paragon-"+name+"-")
	}
	if err != nil {
		return "", fmt.Errorf("make a folder for copies: %w", err)
	}
	return dir, nil
}
