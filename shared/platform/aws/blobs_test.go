package aws

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/paragon-serving/paragon/shared/platform"
)

// denies answers each read with an error of S3.
type denies struct {
	objectClient
	code string
}

func (d denies) GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	return nil, &smithy.GenericAPIError{Code: d.code, Message: "S3 says no"}
}

// An object that is not there is one that S3 denies, as no role may list the bucket.
func TestADeniedUploadIsNotFound(t *testing.T) {
	for code, notFound := range map[string]bool{"AccessDenied": true, "NoSuchKey": true, "SlowDown": false, "NoSuchBucket": false} {
		b := &blobs{client: denies{code: code}, bucket: "uploads"}
		_, err := b.Blob(t.Context(), "ann", blobScheme+"ABCDEFGHIJKLMNOPQRSTUVWXYZ", 100)
		if got := errors.Is(err, platform.ErrNotFound); err == nil || got != notFound {
			t.Errorf("%s: error %v", code, err)
		}
	}
}
