package aws

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"paragon/shared/cloud"
	"paragon/shared/cloud/aws/names"
)

const (
	blobScheme = "paragon-blob:"
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

// key is where an owner's blob lies.
func key(owner, id string) string {
	sum := sha256.Sum256([]byte(owner))
	return names.UploadPrefix + hex.EncodeToString(sum[:16]) + "/" + id
}

// NewUpload implements cloud.Blobs: a presigned PUT. S3 knows no "at most":
// the signature holds for exactly limit bytes.
func (b *blobs) NewUpload(ctx context.Context, owner, contentType string, limit int) (cloud.Upload, error) {
	id := rand.Text()
	expires := b.now().Add(uploadTime)
	signed, err := b.sign.PresignPutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.bucket, Key: aws.String(key(owner, id)), ContentType: &contentType, ContentLength: aws.Int64(int64(limit)),
	}, func(o *s3.PresignOptions) { o.Expires = uploadTime })
	if err != nil {
		return cloud.Upload{}, failed("sign an upload", err)
	}
	headers := map[string]string{}
	for name, values := range signed.SignedHeader {
		if name != "Host" {
			headers[name] = strings.Join(values, ",")
		}
	}
	return cloud.Upload{URI: blobScheme + id, URL: signed.URL, Method: signed.Method, Headers: headers, Expires: expires.UTC()}, nil
}

// Blob implements cloud.Blobs.
func (b *blobs) Blob(ctx context.Context, owner, uri string, limit int) ([]byte, error) {
	id, ok := strings.CutPrefix(uri, blobScheme)
	if !ok || !blobID.MatchString(id) {
		return nil, fmt.Errorf("read an upload: %w", cloud.ErrNotFound)
	}
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: aws.String(key(owner, id))})
	if err != nil {
		return nil, failed("read an upload", err)
	}
	defer out.Body.Close()
	if aws.ToInt64(out.ContentLength) > int64(limit) {
		return nil, fmt.Errorf("read an upload of %d bytes, above %d: %w", aws.ToInt64(out.ContentLength), limit, cloud.ErrTooLarge)
	}
	data, err := io.ReadAll(io.LimitReader(out.Body, int64(limit)+1))
	if err != nil {
		return nil, failed("read an upload", err)
	}
	if len(data) > limit {
		return nil, fmt.Errorf("read an upload above %d bytes: %w", limit, cloud.ErrTooLarge)
	}
	return data, nil
}
