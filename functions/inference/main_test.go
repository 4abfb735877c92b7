package main

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/query"
)

func TestAnswersARequest(t *testing.T) {
	env := map[string]string{"PARAGON_MODEL": "logistic"}
	h, err := wire(t.Context(), func(key string) string { return env[key] })
	if err != nil {
		t.Fatal(err)
	}
	set, err := profiles.Load("")
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(set.Samples(), "*-trouser.png")
	if err != nil || len(names) == 0 {
		t.Fatalf("no sample picture, error %v", err)
	}
	data, err := fs.ReadFile(set.Samples(), names[0])
	if err != nil {
		t.Fatal(err)
	}
	res, err := h(t.Context(), inference.Request{Model: "logistic", Input: query.Input{ContentType: "image/png", Data: data}})
	if err != nil || res.Error != nil || len(res.Top) != query.TopScores || strings.ToLower(res.Label) != "trouser" {
		t.Errorf("got %+v, error %v", res, err)
	}
	res, err = h(t.Context(), inference.Request{Model: "logistic", Input: query.Input{ContentType: "image/png", Data: data[:20]}})
	if err != nil || res.Error == nil || res.Error.Code != query.BadInput {
		t.Errorf("half a picture: %+v, error %v", res, err)
	}
}

func TestWireNamesWhatIsMissing(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"PARAGON_MODEL":      {},
		"PARAGON_CATALOGUE":  {"PARAGON_MODEL": "logistic", "PARAGON_CATALOGUE": "none"},
		"s3://bucket/prefix": {"PARAGON_MODEL": "logistic", "PARAGON_PROFILES": "s3://Bucket/prefix"},
		"no-such-model":      {"PARAGON_MODEL": "no-such-model"},
	} {
		_, err := wire(t.Context(), func(key string) string { return env[key] })
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
