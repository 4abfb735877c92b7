package machine

import (
	"context"
	"maps"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// stored are settings in memory.
type stored map[string]string

func (s stored) Raw(context.Context) (map[string]string, int64, error) { return maps.Clone(s), 1, nil }

func (s stored) Set(_ context.Context, name, value string) error {
	s[name] = value
	return nil
}

// A data folder that was used before keeps whether its number of workers changes, unless a
// start says so.
func TestAStartKeepsTheFleetOfItsFolder(t *testing.T) {
	for name, c := range map[string]struct {
		before, scheme, given, want string
	}{
		"a new folder":                 {want: settings.FleetFixed},
		"a new folder, with a scheme":  {scheme: "paragon", want: settings.FleetMoving},
		"a moving fleet":               {before: settings.FleetMoving, want: settings.FleetMoving},
		"a fixed fleet":                {before: settings.FleetFixed, want: settings.FleetFixed},
		"a fixed fleet, with a scheme": {before: settings.FleetFixed, scheme: "paragon", want: settings.FleetMoving},
		"a moving fleet, to be fixed":  {before: settings.FleetMoving, given: settings.FleetFixed, want: settings.FleetFixed},
	} {
		have := stored{}
		if c.before != "" {
			have[fleetSetting] = c.before
		}
		cfg := Defaults()
		cfg.Scheme = c.scheme
		if c.given != "" {
			cfg.Set = map[string]string{fleetSetting: c.given}
		}
		m := &Machine{cfg: cfg, backend: platform.Backend{Settings: have}}
		if err := m.storeSettings(t.Context()); err != nil {
			t.Fatal(err)
		}
		if have[fleetSetting] != c.want {
			t.Errorf("%s: %q, want %q", name, have[fleetSetting], c.want)
		}
	}
}
