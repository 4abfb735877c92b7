package preprocess

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

func TestABadSpecIsNotTheCallersMistake(t *testing.T) {
	var in *InputError
	if _, err := Decode(PNG, nil, Spec{Height: 1, Channels: 1}, Limits{}); err == nil || errors.As(err, &in) || !strings.Contains(err.Error(), "width") {
		t.Error(err)
	}
}

// A profile that writes the default scale out gets the same numbers.
func TestScaleOfAProfile(t *testing.T) {
	var s Spec
	if err := json.Unmarshal([]byte(`{"width":28,"height":28,"channels":1,"scale":0.00392156862745098}`), &s); err != nil {
		t.Fatal(err)
	}
	if err := profile.Input(s).Validate(); err != nil {
		t.Fatal(err)
	}
	if *s.table(0) != *grey.table(0) {
		t.Error("0.00392156862745098 differs from 1/255")
	}
}
