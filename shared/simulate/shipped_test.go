package simulate_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// A run as deployed has the settings of the stack that is shipped, but for the
// most workers.
func TestDeployedSettingsAreThoseThatShip(t *testing.T) {
	raw, err := os.ReadFile("../../cdk.json")
	if err != nil {
		t.Fatal(err)
	}
	var stack struct {
		Context struct {
			Settings map[string]string `json:"settings"`
		} `json:"context"`
	}
	if err := json.Unmarshal(raw, &stack); err != nil {
		t.Fatal(err)
	}
	got, err := simulate.DeployedSettings(nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := settings.Parse(stack.Context.Settings)
	if err != nil {
		t.Fatal(err)
	}
	if len(stack.Context.Settings) == 0 || got.MaxWorkers <= want.MaxWorkers {
		t.Errorf("the stack sets %v; at most %d workers", stack.Context.Settings, got.MaxWorkers)
	}
	want.MaxWorkers = got.MaxWorkers
	if got != want {
		t.Errorf("as deployed %+v, shipped %+v", got, want)
	}
}
