package aws

import (
	"maps"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

func TestFromEnv(t *testing.T) {
	whole := map[string]string{names.Stage: "dev", names.StateTable: "s", names.RecordsTable: "r", names.Bucket: "b", names.QueueURLPrefix: "p"}
	for _, tc := range []struct {
		name, value string
		settings    map[string]string
		fault       string
	}{
		{"", "", nil, ""},
		{names.Settings, `{"path_ms":"80"}`, map[string]string{"path_ms": "80"}, ""},
		{names.Settings, "path_ms=80", nil, names.Settings},
		{names.Bucket, "", nil, names.Bucket + " is not set"},
		{names.Stage, "Dev", nil, names.Stage},
	} {
		env := maps.Clone(whole)
		env[tc.name] = tc.value
		c, err := FromEnv(func(name string) string { return env[name] })
		if tc.fault == "" && err != nil || tc.fault != "" && (err == nil || !strings.Contains(err.Error(), tc.fault)) {
			t.Errorf("%s=%q: error %v, want one of %q", tc.name, tc.value, err, tc.fault)
		}
		if !maps.Equal(c.Settings, tc.settings) {
			t.Errorf("%s=%q: settings %v", tc.name, tc.value, c.Settings)
		}
	}
}
