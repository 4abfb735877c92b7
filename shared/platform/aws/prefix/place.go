package prefix

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/paragon-serving/paragon/shared/platform/aws/s3url"
)

// Objects are the calls of S3 that an Editor makes: s3:GetObject, s3:PutObject and
// s3:DeleteObject.
type Objects interface {
	Getter
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
}

// ErrChanged says that a file is not as it was when it was read.
var ErrChanged = errors.New("another process changed the file after it was read")

// Editor reads files below a prefix as they change, and writes them so that of two who
// change a file at once neither overwrites what the other wrote.
type Editor struct {
	client        Objects
	bucket, below string
	fetcher       Fetcher
}

const (
	// readTime bounds the reading of one small file, and sendTime the sending of one,
	// which may have a gigabyte.
	readTime = 3 * time.Second
	sendTime = 30 * time.Minute
)

// NewEditor returns an Editor below s3://bucket/prefix with the SDK's usual credentials
// and region. It makes no call.
func NewEditor(ctx context.Context, where string) (*Editor, error) {
	bucket, below, err := s3url.Split(where)
	if err != nil {
		return nil, err
	}
	client, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	cache, err := CacheFolder("networks")
	if err != nil {
		return nil, err
	}
	return &Editor{client: client, bucket: bucket, below: below, fetcher: Fetcher{Client: client, Where: where, Cache: cache}}, nil
}

// Read returns a file of at most limit bytes, with its version, unless that is the one
// which is known; nil then, and of a file that is not there.
func (e *Editor) Read(name, known string, limit int64) (raw []byte, version string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	in := &s3.GetObjectInput{Bucket: &e.bucket, Key: aws.String(e.below + name)}
	if known != "" {
		in.IfNoneMatch = &known
	}
	out, err := e.client.GetObject(ctx, in)
	switch status(err) {
	case 304: // not modified
		return nil, known, nil
	case 404:
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read %s: %w", e.address(name), err)
	}
	defer out.Body.Close()
	raw, err = io.ReadAll(io.LimitReader(out.Body, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("%w: the file has more than %d bytes", ErrTooLarge, limit)
	}
	if err != nil {
		return nil, "", fmt.Errorf("read %s: %w", e.address(name), err)
	}
	return raw, aws.ToString(out.ETag), nil
}

// Write puts a file over a version of it, "" where there was none.
// ErrChanged when another version is there.
func (e *Editor) Write(name string, raw []byte, over string) error {
	in := e.object(name, bytes.NewReader(raw), int64(len(raw)))
	if over == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = &over
	}
	err := e.send(in, name)
	if s := status(err); s == 409 || s == 412 { // written at this moment; another version is there
		return fmt.Errorf("write %s: %w", e.address(name), ErrChanged)
	}
	return err
}

// Put puts a file, whatever is there.
func (e *Editor) Put(name string, raw []byte) error {
	return e.send(e.object(name, bytes.NewReader(raw), int64(len(raw))), name)
}

// Send puts a file of this machine. S3 refuses it when what arrives has another SHA-256
// than the file.
func (e *Editor) Send(name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	in := e.object(name, f, size)
	in.ChecksumSHA256 = aws.String(base64.StdEncoding.EncodeToString(h.Sum(nil)))
	return e.send(in, name)
}

// KeepNone has files be fetched into memory each time, and none stay on this machine.
func (e *Editor) KeepNone() { e.fetcher.Cache = "" }

// Fetch returns a file by its digest, from this machine where it was fetched before.
func (e *Editor) Fetch(name, digest string) ([]byte, error) {
	return e.fetcher.Fetch(context.Background(), name, digest)
}

// Delete removes a file; one that is not there is no error.
func (e *Editor) Delete(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	if _, err := e.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &e.bucket, Key: aws.String(e.below + name)}); err != nil {
		return fmt.Errorf("delete %s: %w", e.address(name), err)
	}
	return nil
}

func (e *Editor) object(name string, body io.Reader, size int64) *s3.PutObjectInput {
	return &s3.PutObjectInput{Bucket: &e.bucket, Key: aws.String(e.below + name), Body: body, ContentLength: &size}
}

func (e *Editor) send(in *s3.PutObjectInput, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), sendTime)
	defer cancel()
	if _, err := e.client.PutObject(ctx, in); err != nil {
		return fmt.Errorf("write %s: %w", e.address(name), err)
	}
	return nil
}

func (e *Editor) address(name string) string { return s3url.Scheme + e.bucket + "/" + e.below + name }

// status is the HTTP status of an answer of S3 that is an error; 0 without an answer.
func status(err error) int {
	if r, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return r.HTTPStatusCode()
	}
	return 0
}
