// Package s3url reads addresses of the form s3://bucket/prefix. It imports
// nothing of a cloud, so that the stack and an inference function can use it.
package s3url

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

// Scheme starts every address.
const Scheme = "s3://"

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// Is reports whether a text names a prefix of a bucket and not a folder.
func Is(where string) bool { return strings.HasPrefix(where, Scheme) }

// Split takes s3://bucket/some/prefix apart; the prefix ends with a slash or is
// empty, which is the whole bucket. An error says what the form is.
func Split(where string) (bucket, below string, err error) {
	bucket, below, _ = strings.Cut(strings.TrimPrefix(where, Scheme), "/")
	below = strings.Trim(below, "/")
	if !Is(where) || !bucketName.MatchString(bucket) || below != "" && !fs.ValidPath(below) {
		return "", "", fmt.Errorf("%q is not of the form s3://bucket/prefix", where)
	}
	if below != "" {
		below += "/"
	}
	return bucket, below, nil
}
