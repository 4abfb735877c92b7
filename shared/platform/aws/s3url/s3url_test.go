package s3url

import "testing"

func TestSplit(t *testing.T) {
	for where, want := range map[string][2]string{
		"s3://bucket":             {"bucket", ""},
		"s3://bucket/":            {"bucket", ""},
		"s3://bucket/p":           {"bucket", "p/"},
		"s3://my.bucket-1/a/b//":  {"my.bucket-1", "a/b/"},
		"":                        {},
		"/a/folder":               {},
		"s3://":                   {},
		"s3://No/x":               {},
		"s3://bucket/../x":        {},
		"s3://bucket/a//b":        {},
		"https://bucket.s3/a":     {},
		"s3://b/too-short-a-name": {},
	} {
		bucket, below, err := Split(where)
		if got := [2]string{bucket, below}; got != want || (err == nil) != (want[0] != "") {
			t.Errorf("%q: %q, error %v", where, got, err)
		}
	}
}
