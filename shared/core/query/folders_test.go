package query_test

import (
	"testing"

	"github.com/paragon-serving/paragon/shared/core/query"
)

func TestReasonsAreWithoutFolders(t *testing.T) {
	for reason, want := range map[string]string{
		"its file /home/anne/data/models/ab12.onnx is missing; put it back": "its file ab12.onnx is missing; put it back",
		"open /srv/paragon/net.onnx: no such file or directory":             "open net.onnx: no such file or directory",
		"Load model from /srv/a/net.onnx failed:Protobuf parsing failed":    "Load model from net.onnx failed:Protobuf parsing failed",
		"run `paragon-lab calibrate --data /srv/data` to measure it":        "run `paragon-lab calibrate --data data` to measure it",
		"read \"/srv/a/b.onnx\", and (/srv/c/d)":                            "read \"b.onnx\", and (d)",
		"GET https://models.example/a/b.onnx: 404":                          "GET https://models.example/a/b.onnx: 404",
		"s3://bucket/prefix/net.onnx is missing":                            "s3://bucket/prefix/net.onnx is missing",
		"tensor(float)/input, 3/4 of the runs, and/or":                      "tensor(float)/input, 3/4 of the runs, and/or",
	} {
		if got := query.WithoutFolders(reason); got != want {
			t.Errorf("%q became %q, want %q", reason, got, want)
		}
	}
}
