package prefix

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/paragon-serving/paragon/shared/platform/aws/s3url"
)

// Getter is the one call of S3 that a Fetcher makes: s3:GetObject.
type Getter interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// Fetcher fetches single files below a prefix whose digests are known before,
// and keeps them by digest: what has another one never gets there.
type Fetcher struct {
	Client Getter
	Where  string // s3://bucket/prefix
	Cache  string // folder that holds the files; it must be there. Empty keeps none
	Limit  int64  // bytes of one file; 0 means 1 GiB
}

// DigestError says that a file is not the one that was meant.
type DigestError struct {
	File      string // its address
	Want, Got string // SHA-256 in hex
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("%s has SHA-256 %s, not the %s that its catalogue gives: upload the file that the catalogue was written for, or the catalogue of this file",
		e.File, e.Got, e.Want)
}

// fetchTime bounds the fetching of one file.
const fetchTime = 2 * time.Minute

var digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Fetch returns a file by its name below the prefix, from the cache when it is
// there. It fails with *DigestError when the file has another SHA-256 (in hex),
// and with ErrTooLarge above the limit; then nothing is kept of it.
func (f Fetcher) Fetch(ctx context.Context, name, digest string) ([]byte, error) {
	bucket, below, err := s3url.Split(f.Where)
	if err != nil {
		return nil, err
	}
	if !digestForm.MatchString(digest) {
		return nil, fmt.Errorf("fetch %s: %q is not a SHA-256 of 64 hex digits", name, digest)
	}
	address := s3url.Scheme + bucket + "/" + below + name
	data, err := f.through(digest, func(to func(func(io.Writer) error) error) error {
		return f.download(ctx, bucket, below+name, to, digest)
	})
	if other, ok := errors.AsType[*DigestError](err); ok {
		other.File = address
		return nil, other
	}
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", address, err)
	}
	return data, nil
}

// through returns the file of a digest: from the cache, into which it is downloaded
// where it is not there yet, or from memory where there is no cache.
func (f Fetcher) through(digest string, download func(to func(func(io.Writer) error) error) error) ([]byte, error) {
	if f.Cache == "" {
		var data bytes.Buffer
		err := download(func(write func(io.Writer) error) error { return write(&data) })
		return data.Bytes(), err
	}
	kept := filepath.Join(f.Cache, digest)
	if data, err := os.ReadFile(kept); err == nil && sum(data) == digest {
		return data, nil
	}
	if err := download(func(write func(io.Writer) error) error { return whole(kept, write) }); err != nil {
		return nil, err
	}
	return os.ReadFile(kept)
}

// download writes the file, which counts once all is there and right.
func (f Fetcher) download(ctx context.Context, bucket, key string, to func(func(io.Writer) error) error, digest string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	o, err := f.Client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String(key)})
	if err != nil {
		return err
	}
	defer o.Body.Close()
	limit := Limits{FileBytes: f.Limit}.filled().FileBytes
	if n := aws.ToInt64(o.ContentLength); n > limit {
		return fmt.Errorf("%w: the file has %d bytes, and the maximum is %d", ErrTooLarge, n, limit)
	}
	return to(func(next io.Writer) error {
		h := sha256.New()
		n, err := io.Copy(io.MultiWriter(next, h), io.LimitReader(o.Body, limit+1))
		if err != nil {
			return err
		}
		if n > limit {
			return fmt.Errorf("%w: the file has more than %d bytes", ErrTooLarge, limit)
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != digest {
			return &DigestError{Want: digest, Got: got}
		}
		return nil
	})
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// NewFetcher returns a Fetcher below s3://bucket/prefix with the SDK's usual
// credentials and region, and with its cache in the user's.
func NewFetcher(ctx context.Context, where string) (Fetcher, error) {
	if _, _, err := s3url.Split(where); err != nil {
		return Fetcher{}, err
	}
	client, err := connect(ctx)
	if err != nil {
		return Fetcher{}, err
	}
	cache, err := CacheFolder("networks")
	return Fetcher{Client: client, Where: where, Cache: cache}, err
}
