package stage

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

func TestTheEnvironmentChooses(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-central-1")
	account := map[string]string{
		names.Stage: "dev", names.StateTable: "s", names.RecordsTable: "r", names.Bucket: "b", names.QueueURLPrefix: "https://sqs/1/paragon-dev-",
	}
	for _, tc := range []struct {
		name string
		env  map[string]string
		want []string // in the error; empty means that it connects
	}{
		{"one machine", map[string]string{environment.LocalURL: "http://127.0.0.1:1/secret"}, nil},
		{"an account", account, nil},
		{"both", with(account, environment.LocalURL, "nowhere"), []string{environment.LocalURL}},
		{"neither", nil, []string{environment.LocalURL, names.Stage}},
		{"a bad stage", with(account, names.Stage, "Dev!"), []string{names.Stage}},
		{"a stage and no more", map[string]string{names.Stage: "dev"},
			[]string{names.StateTable, names.RecordsTable, names.Bucket, names.QueueURLPrefix}},
	} {
		h, err := ConnectFunction(t.Context(), func(key string) string { return tc.env[key] }, io.Discard)
		if len(tc.want) == 0 {
			if err != nil || h.Records == nil || h.Queues == nil || h.DecisionLog == nil {
				t.Errorf("%s: %+v, error %v", tc.name, h, err)
			}
			continue
		}
		for _, want := range tc.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want one that names %s", tc.name, err, want)
			}
		}
	}
}

// A worker logs its metrics, and does not start where it is not said to which group.
func TestAWorkerHasALogForItsMetrics(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-central-1")
	account := map[string]string{
		names.Stage: "dev", names.StateTable: "s", names.RecordsTable: "r", names.Bucket: "b", names.QueueURLPrefix: "https://sqs/1/paragon-dev-",
	}
	if _, err := ConnectWorker(t.Context(), func(key string) string { return account[key] }, "i-1"); err == nil || !strings.Contains(err.Error(), names.WorkerLogGroup) {
		t.Errorf("without a group: error %v, want one that names %s", err, names.WorkerLogGroup)
	}
	env := with(account, names.WorkerLogGroup, "workers")
	if _, err := ConnectWorker(t.Context(), func(key string) string { return env[key] }, "i-1"); err != nil {
		t.Error(err)
	}
}

func with(env map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for k, v := range env {
		if k != name {
			out[k] = v
		}
	}
	return out
}

func TestPoolsComeWithTheirTypes(t *testing.T) {
	for _, tc := range []struct {
		pools, types string
		want         []Pool
	}{
		{"", "", []Pool{{"general", "c5.large"}}},
		{"a", "m5.large", []Pool{{"a", "m5.large"}}},
		{"a,b", "m5.large,c5.xlarge", []Pool{{"a", "m5.large"}, {"b", "c5.xlarge"}}},
		{"a,b", "m5.large", nil},
		{"a,", "m5.large,c5.large", nil},
	} {
		env := map[string]string{environment.Pool: tc.pools, environment.InstanceType: tc.types}
		got, err := Pools(func(key string) string { return env[key] })
		if !slices.Equal(got, tc.want) || (err == nil) != (tc.want != nil) {
			t.Errorf("%q of %q: %v, error %v", tc.pools, tc.types, got, err)
		}
	}
}
