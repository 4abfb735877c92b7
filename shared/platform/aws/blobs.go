package aws

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

const (
	blobScheme  = "paragon-blob:"
	inputScheme = "paragon-input:"
	// uploadTime is how long a place may be filled. The bucket deletes what is
	// a day old.
	uploadTime = time.Hour
)

// blobs are objects of one bucket, below a prefix of their owner.
type blobs struct {
	client objectClient
	sign   objectSigner
	bucket string
	now    func() time.Time
}

// blobID is what NewUpload makes: nothing else is looked for in the bucket.
var blobID = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// queryID is what a query's id looks like.
var queryID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,200}$`)

// bodyBytes holds the largest input with a JSON head, and is below the 1 MB that
// a load balancer hands on to a function: the tightest of the ways to an intake.
const bodyBytes = (names.InlineKB + 64) << 10

// key is where an owner's blob lies below a prefix.
func key(prefix, owner, id string) string {
	sum := sha256.Sum256([]byte(owner))
	return prefix + hex.EncodeToString(sum[:16]) + "/" + id
}

// keyOf is where the blob of a URI lies; false for what is no such URI.
func keyOf(owner, uri string) (string, bool) {
	if id, ok := strings.CutPrefix(uri, blobScheme); ok && blobID.MatchString(id) {
		return key(names.UploadPrefix, owner, id), true
	}
	if id, ok := strings.CutPrefix(uri, inputScheme); ok && queryID.MatchString(id) {
		return key(names.InputPrefix, owner, id), true
	}
	return "", false
}

// PutInput implements platform.Inputs. The bucket deletes what is a day old, which
// is as long as a queue keeps the message.
func (b *blobs) PutInput(ctx context.Context, owner, id string, data []byte) (string, error) {
	if !queryID.MatchString(id) {
		return "", fmt.Errorf("put the input of query %q: this is not a query id", id)
	}
	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.bucket, Key: aws.String(key(names.InputPrefix, owner, id)), Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))),
	})
	if err != nil {
		return "", failed("put the input of query "+id, err)
	}
	return inputScheme + id, nil
}

// NewUpload implements platform.Blobs: a presigned PUT. S3 knows no "at most":
// the signature holds for exactly limit bytes.
func (b *blobs) NewUpload(ctx context.Context, owner, contentType string, limit int) (platform.Upload, error) {
	id := rand.Text()
	expires := b.now().Add(uploadTime)
	signed, err := b.sign.PresignPutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.bucket, Key: aws.String(key(names.UploadPrefix, owner, id)), ContentType: &contentType, ContentLength: aws.Int64(int64(limit)),
	}, func(o *s3.PresignOptions) { o.Expires = uploadTime })
	if err != nil {
		return platform.Upload{}, failed("sign an upload", err)
	}
	headers := map[string]string{}
	for name, values := range signed.SignedHeader {
		if name != "Host" {
			headers[name] = strings.Join(values, ",")
		}
	}
	return platform.Upload{URI: blobScheme + id, URL: signed.URL, Method: signed.Method, Headers: headers, Expires: expires.UTC()}, nil
}

// absent reports whether S3 denied the read of an object that may not be there: to those who
// may not list its bucket, as no role of a stage may, it does not say whether one is.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, permissions
func absent(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && api.ErrorCode() == "AccessDenied"
}

// Blob implements platform.Blobs.
func (b *blobs) Blob(ctx context.Context, owner, uri string, limit int) ([]byte, error) {
	at, ok := keyOf(owner, uri)
	if !ok {
		return nil, fmt.Errorf("read an upload: %w", platform.ErrNotFound)
	}
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: &at})
	if absent(err) {
		return nil, fmt.Errorf("read an upload: %w: %w", platform.ErrNotFound, err)
	}
	if err != nil {
		return nil, failed("read an upload", err)
	}
	defer out.Body.Close()
	if aws.ToInt64(out.ContentLength) > int64(limit) {
		return nil, fmt.Errorf("read an upload of %d bytes, above %d: %w", aws.ToInt64(out.ContentLength), limit, platform.ErrTooLarge)
	}
	data, err := io.ReadAll(io.LimitReader(out.Body, int64(limit)+1))
	if err != nil {
		return nil, failed("read an upload", err)
	}
	if len(data) > limit {
		return nil, fmt.Errorf("read an upload above %d bytes: %w", limit, platform.ErrTooLarge)
	}
	return data, nil
}
