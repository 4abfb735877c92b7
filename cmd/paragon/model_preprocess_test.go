package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// A preset, an object and a file are read, and what they hold arrives at the server as it was given.
func TestPreprocessFlag(t *testing.T) {
	file := filepath.Join(t.TempDir(), "input.json")
	if err := os.WriteFile(file, []byte("{\"resize\": \"cover\", \"scale\": 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]profile.Preprocess{
		"imagenet": {Preset: "imagenet"},
		` {"preset":"imagenet","channel_order":"bgr","shorter_side_px":232}`: {Preset: "imagenet", Input: profile.Input{ChannelOrder: "bgr", ShorterSidePX: 232}},
		`{"width":96,"height":64,"mean":[1,2,3],"std":[4,5,6]}`:              {Input: profile.Input{Width: 96, Height: 64, Mean: []float32{1, 2, 3}, Std: []float32{4, 5, 6}}},
		"@" + file: {Input: profile.Input{Resize: "cover", Scale: 1}},
	} {
		var f preprocessFlag
		if err := f.Set(value); err != nil || f.asked == nil || !reflect.DeepEqual(*f.asked, want) {
			t.Errorf("%s: %+v, error %v", value, f.asked, err)
			continue
		}
		raw, err := json.Marshal(f.asked)
		if err != nil {
			t.Fatal(err)
		}
		var sent profile.Preprocess
		if err := json.Unmarshal(raw, &sent); err != nil || !reflect.DeepEqual(sent, want) {
			t.Errorf("%s is sent as %s", value, raw)
		}
	}
}

// A value that cannot be read is refused with what can be given.
func TestWrongPreprocessFlag(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.json")
	if err := os.WriteFile(broken, []byte("[1]"), 0o600); err != nil {
		t.Fatal(err)
	}
	for value, says := range map[string]string{
		"caffe":                       `"caffe", none of ["imagenet"]`,
		`{"preset":"caffe"}`:          `"caffe"`,
		`{"crop":224}`:                `unknown field "crop"; the fields are preset,`,
		`{"mean":"0.5"}`:              "mean cannot be a string",
		`{"width":1.5}`:               "width cannot be a number 1.5",
		`{"scale":1} {}`:              "text after",
		`{"scale":`:                   "unexpected EOF",
		"@" + broken:                  "array",
		"@" + filepath.Join(dir, "-"): "no such file",
	} {
		var f preprocessFlag
		if err := f.Set(value); err == nil || !strings.Contains(err.Error(), says) || f.asked != nil {
			t.Errorf("%s: %v, want %q", value, err, says)
		}
	}
}
