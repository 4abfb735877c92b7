package main

import (
	"bytes"
	"testing"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// A start prints each setting of the data folder that its flags changed, with both values.
func TestAStartPrintsTheSettingsThatItChanged(t *testing.T) {
	var out bytes.Buffer
	now := settings.Defaults()
	now.VMBootSeconds = 5
	printReplaced(&cli.Terminal{Err: &out}, map[string]string{"vm_boot_seconds": "30"}, "data", now)
	if want := "The flags of this start changed the setting vm_boot_seconds of data from 30 to 5\n"; out.String() != want {
		t.Errorf("printed %q", out.String())
	}
}
