package testserver

import (
	"bytes"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Bucket starts a test server with a bucket of S3, leads the test's own process to it, with
// a cache of files that is empty, and returns what writes an object of the bucket.
func Bucket(t *testing.T, name string) (put func(key string, content []byte)) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, v := range Env(Start(t)) {
		variable, value, _ := strings.Cut(v, "=")
		t.Setenv(variable, value)
	}
	sdk, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := s3.NewFromConfig(sdk, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	return func(key string, content []byte) {
		t.Helper()
		if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &name, Key: aws.String(key), Body: bytes.NewReader(content)}); err != nil {
			t.Fatal(err)
		}
	}
}
