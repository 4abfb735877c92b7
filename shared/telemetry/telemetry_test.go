package telemetry_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"paragon/shared/telemetry"
)

//go:generate go test -run TestReference -update .

var update = flag.Bool("update", false, "write docs/metrics.md anew")

const reference = "../../docs/metrics.md"

// The reference page is made from the list, and must be as the list is.
func TestReference(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Metrics\n\nMade from `shared/telemetry` by `go generate ./shared/telemetry`; edit the list instead.\n\n" +
		"On one machine they are Prometheus text at `/metrics`, each with `paragon_` before its name and `_total` after that of a counter. " +
		"In an account they are in CloudWatch, in the namespace `" + telemetry.Namespace + "`, with the stage as a dimension.\n\n" +
		"| metric | kind | unit | dimensions | what it is |\n|---|---|---|---|---|\n")
	for _, m := range telemetry.All() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Kind, m.Unit, strings.Join(m.Dimensions, ", "), m.Doc)
	}
	if *update {
		if err := os.WriteFile(reference, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("docs/metrics.md is stale: run `go generate ./shared/telemetry`\n%s", d)
	}
}

func TestEveryMetricIsNamedOnceAndDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range telemetry.All() {
		if seen[m.Name] || !regexp.MustCompile(`^[a-z][a-z0-9_]+$`).MatchString(m.Name) || m.Kind == "" || m.Unit == "" || len(m.Doc) < 20 {
			t.Errorf("metric %+v", m)
		}
		seen[m.Name] = true
	}
}

func TestWriteText(t *testing.T) {
	var b strings.Builder
	err := telemetry.WriteText(&b, []telemetry.Value{
		{telemetry.Ready, telemetry.PoolOf("general"), 3},
		{telemetry.Arrivals, telemetry.TaskClass(`a"b\`, "strict"), 12},
		{telemetry.Arrivals, telemetry.TaskClass("c", "relaxed"), 0.5},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `# HELP paragon_arrivals_total Queries accepted in a second. A repeat under an idempotency key is no arrival.
# TYPE paragon_arrivals_total counter
paragon_arrivals_total{task="a\"b\\",class="strict"} 12
paragon_arrivals_total{task="c",class="relaxed"} 0.5
# HELP paragon_workers_ready Workers that serve, as they last reported.
# TYPE paragon_workers_ready gauge
paragon_workers_ready{pool="general"} 3
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

func TestWriteEmbedded(t *testing.T) {
	var b strings.Builder
	err := telemetry.WriteEmbedded(&b, time.UnixMilli(1700000000123), "prod", []telemetry.Value{
		{telemetry.Ready, telemetry.PoolOf("general"), 3}, {telemetry.TickMS, telemetry.PoolOf("general"), 12.5}, {telemetry.Faults, nil, 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines:\n%s", len(lines), b.String())
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(lines[1]), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"stage": "prod", "pool": "general", "workers_ready": 3.0, "tick_ms": 12.5,
		"_aws": map[string]any{"Timestamp": 1700000000123.0, "CloudWatchMetrics": []any{map[string]any{
			"Namespace": "Paragon", "Dimensions": []any{[]any{"stage", "pool"}},
			"Metrics": []any{
				map[string]any{"Name": "workers_ready", "Unit": "Count", "StorageResolution": 1.0},
				map[string]any{"Name": "tick_ms", "Unit": "Milliseconds", "StorageResolution": 1.0},
			}}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
