package main

import (
	"maps"
	"os"
	"strings"
	"testing"
)

// Only the images change in the deployment's file, and they can be read back.
func TestImagesAreWrittenIntoTheDeployment(t *testing.T) {
	raw, err := os.ReadFile("../../cdk.json")
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := pinnedImages(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"x86_64": "ami-0123456789abcdef0", "arm64": "ami-0fedcba9876543210"}
	pinned["eu-west-1"] = want
	changed, err := replaceImages(raw, pinned)
	if err != nil {
		t.Fatal(err)
	}
	again, err := pinnedImages(changed)
	if err != nil || !maps.Equal(again["eu-west-1"], want) {
		t.Errorf("%v, %v", again, err)
	}
	delete(again, "eu-west-1")
	back, err := replaceImages(changed, again)
	if err != nil || string(back) != string(raw) {
		t.Errorf("the rest of the file has changed, or %v", err)
	}
}

func TestAFileWithoutTheKeyIsNamed(t *testing.T) {
	for _, file := range []string{`{"context":{"stage":"dev"}}`, `{"images":{}}`, `{}`} {
		if _, err := replaceImages([]byte(file), nil); err == nil || !strings.Contains(err.Error(), "images") {
			t.Errorf("%s: %v", file, err)
		}
	}
}
