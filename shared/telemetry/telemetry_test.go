package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

//go:generate go test -run TestReference -update .

var update = flag.Bool("update", false, "write the table of metrics in docs/observability.md")

const reference = "../../docs/observability.md"

// The table of metrics on the page is generated from the list.
func TestReference(t *testing.T) {
	var table strings.Builder
	table.WriteString("| metric | kind | unit | dimensions | in an account | meaning |\n|---|---|---|---|---|---|\n")
	for _, m := range telemetry.All() {
		way := "put"
		switch {
		case m.Logged:
			way = "logged"
		case m.Noted:
			way = "noted"
		case m.Reported:
			way = "reported"
		case m.BySQS:
			way = "SQS's own"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s | %s | %s |\n", m.Name, m.Kind, m.Unit, strings.Join(m.Dimensions, ", "), way, m.Doc)
	}
	page, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- metrics: generated -->\n", "<!-- end of metrics -->"
	before, rest, found := strings.Cut(string(page), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended || !strings.Contains(string(page), "`"+names.Namespace+"`") {
		t.Fatalf("docs/observability.md lacks the marks of the table or the namespace %s", names.Namespace)
	}
	want := before + begin + table.String() + end + after
	if *update {
		if err := os.WriteFile(reference, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(page), want); d != "" {
		t.Errorf("docs/observability.md is stale: run `go generate ./shared/telemetry`\n%s", d)
	}
}

// labelsOf are the labels of every series of Prometheus' that a metric becomes.
func labelsOf() map[string][]string {
	known := map[string][]string{}
	for _, m := range telemetry.All() {
		switch name := "paragon_" + m.Name; m.Kind {
		case telemetry.Counter:
			known[name+"_total"] = m.Dimensions
		case telemetry.Histogram:
			known[name+"_bucket"] = append(slices.Clone(m.Dimensions), "le")
		default:
			known[name] = m.Dimensions
		}
	}
	return known
}

var (
	seriesAsked  = regexp.MustCompile(`(paragon_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher      = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	aggregated   = regexp.MustCompile(`by \(([^)]*)\) \((?:rate\()?(paragon_[a-z_]+)`)
	legendLabels = regexp.MustCompile(`\{\{([a-z_]+)\}\}`)
)

// strangersIn says what an expression of a dashboard and its legend ask for that no
// metric has: names, labels to select or to sum by, and labels that the sum has left out.
func strangersIn(known map[string][]string, expression, legend string) (strangers []string) {
	left := []string{}
	for _, m := range seriesAsked.FindAllStringSubmatch(expression, -1) {
		labels, measured := known[m[1]]
		if !measured {
			strangers = append(strangers, m[1])
		}
		for _, label := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(labels, label[1]) {
				strangers = append(strangers, m[1]+"{"+label[1]+"}")
			}
		}
		left = labels
	}
	for _, m := range aggregated.FindAllStringSubmatch(expression, -1) {
		left = strings.Split(m[1], ", ")
		for _, label := range left {
			if !slices.Contains(known[m[2]], label) {
				strangers = append(strangers, "by ("+label+") of "+m[2])
			}
		}
	}
	for _, m := range legendLabels.FindAllStringSubmatch(legend, -1) {
		if !slices.Contains(left, m[1]) {
			strangers = append(strangers, "{{"+m[1]+"}}")
		}
	}
	return strangers
}

// The dashboard asks for metrics that there are, by dimensions that they have.
func TestTheDashboardShowsWhatIsMeasured(t *testing.T) {
	raw, err := os.ReadFile("../../docs/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(raw, &dashboard); err != nil {
		t.Fatal(err)
	}
	known, asked := labelsOf(), map[string]bool{}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			for _, m := range seriesAsked.FindAllStringSubmatch(target.Expr, -1) {
				asked[m[1]] = true
			}
			for _, what := range strangersIn(known, target.Expr, target.LegendFormat) {
				t.Errorf("%s, %q: %s is not measured", target.Expr, target.LegendFormat, what)
			}
		}
	}
	if len(asked) < 15 || !asked["paragon_burn_rate"] {
		t.Errorf("only %d metrics are shown", len(asked))
	}
}

// What a dashboard must not ask for is found.
func TestStrangersInADashboard(t *testing.T) {
	for _, c := range []struct{ expression, legend, want string }{
		{`sum by (class) (rate(paragon_answered_total{task=~"$task"}[5m]))`, "{{class}}", ""},
		{`paragon_queue_messages`, "{{queue}}", ""},
		{`sum by (class) (rate(paragon_answerd_total[5m]))`, "", "paragon_answerd_total by (class) of paragon_answerd_total"},
		{`paragon_answered_total{modle=~"x"}`, "", "paragon_answered_total{modle}"},
		{`sum by (pool) (rate(paragon_answered_total[5m]))`, "", "by (pool) of paragon_answered_total"},
		{`histogram_quantile(0.5, sum by (le, model) (rate(paragon_latency_ms_bucket[5m])))`, "{{class}}", "{{class}}"},
	} {
		if got := strings.Join(strangersIn(labelsOf(), c.expression, c.legend), " "); got != c.want {
			t.Errorf("%s, %q: found %q, want %q", c.expression, c.legend, got, c.want)
		}
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
		{Metric: telemetry.Ready, Dimensions: telemetry.PoolOf("general"), Value: 3},
		{Metric: telemetry.Arrivals, Dimensions: telemetry.TaskClass(`a"b\`, "strict"), Value: 12},
		{Metric: telemetry.Arrivals, Dimensions: telemetry.TaskClass("c", "relaxed"), Value: 0.5},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `# HELP paragon_arrivals_total Valid queries that arrived, whether they are answered or not. A repeat with the same idempotency key is not counted.
# TYPE paragon_arrivals_total counter
paragon_arrivals_total{task="a\"b\\",class="strict"} 12
paragon_arrivals_total{task="c",class="relaxed"} 0.5
# HELP paragon_workers_ready Workers that are ready for queries, according to their latest reports.
# TYPE paragon_workers_ready gauge
paragon_workers_ready{pool="general"} 3
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

func TestWriteHistograms(t *testing.T) {
	var b strings.Builder
	ms := tally.NewHistogram(0.01, 0.5, 0.7, 1.5, 3, 2e6)
	if err := telemetry.WriteText(&b, []telemetry.Value{{Metric: telemetry.Latency, Dimensions: telemetry.TaskClass("c", "strict"), Histogram: ms}}); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{
		"# TYPE paragon_latency_ms histogram", `paragon_latency_ms_bucket{task="c",class="strict",le="0.0625"} 1`,
		`paragon_latency_ms_bucket{task="c",class="strict",le="0.5"} 2`, `paragon_latency_ms_bucket{task="c",class="strict",le="1"} 3`,
		`paragon_latency_ms_bucket{task="c",class="strict",le="1.41421"} 3`, `paragon_latency_ms_bucket{task="c",class="strict",le="2"} 4`,
		`paragon_latency_ms_bucket{task="c",class="strict",le="524288"} 5`, `paragon_latency_ms_bucket{task="c",class="strict",le="+Inf"} 6`,
		fmt.Sprintf(`paragon_latency_ms_sum{task="c",class="strict"} %g`, ms.SumMS()), `paragon_latency_ms_count{task="c",class="strict"} 6`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "_bucket"); n != 48 {
		t.Errorf("%d buckets", n)
	}
}

// A metric that a tick decides by is put; what people look at goes with the log.
func TestLogged(t *testing.T) {
	var log bytes.Buffer
	put := &puts{}
	at := time.UnixMilli(1700000000123)
	m := telemetry.Logged(put, telemetry.Embedding{Namespace: "Paragon", StageDimension: "stage", Stage: "prod", Log: telemetry.OutputLog(&log)})
	point := func(m telemetry.Metric, v float64, dimensions ...string) platform.Point {
		return platform.Point{Metric: m.Name, Dimensions: dimensions, At: at, Value: v}
	}
	pool := telemetry.PoolOf("general")
	err := m.Put(t.Context(), point(telemetry.Wanted, 3, pool...), point(telemetry.Pulse, 1), point(telemetry.TickMS, 12.5, pool...),
		point(telemetry.FunctionUSD, 1e-6), point(telemetry.FunctionUSD, 2e-6), point(telemetry.Arrivals, 4, telemetry.TaskClass("a", "strict")...),
		platform.Point{Metric: telemetry.FunctionUSD.Name, At: at.Add(time.Second), Value: 3},
		platform.Point{Metric: telemetry.Held.Name, Dimensions: pool, At: at.Add(2 * time.Second), Value: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(put.points) != 1 || put.points[0].Metric != telemetry.Pulse.Name {
		t.Errorf("put %+v", put.points)
	}
	functions := directive([]any{"stage"}, map[string]any{"Name": "function_usd", "StorageResolution": 1.0})
	want := []map[string]any{
		document(at, map[string]any{"function_usd": []any{1e-6, 2e-6}, "pool": "general", "workers_wanted": 3.0, "tick_ms": 12.5}, functions,
			directive([]any{"stage", "pool"}, map[string]any{"Name": "workers_wanted", "Unit": "Count", "StorageResolution": 1.0})),
		document(at, map[string]any{"task": "a", "class": "strict", "arrivals": 4.0},
			directive([]any{"stage", "task", "class"}, map[string]any{"Name": "arrivals", "StorageResolution": 1.0})),
		document(at.Add(time.Second), map[string]any{"function_usd": 3.0}, functions),
		{"stage": "prod", "pool": "general", "ticks_held": 1.0}, // noted: no metric of CloudWatch's
	}
	var got []map[string]any
	for line := range strings.Lines(log.String()) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		got = append(got, one)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// mostCustomMetrics is how many metrics of its own a stage of one task and one pool has
// in CloudWatch, where each is paid for by the month.
const mostCustomMetrics = 15

// Of everything that is put in an account, with every combination of dimensions,
// CloudWatch makes 15 metrics at most, and paragon cost counts as many, without the two
// that there are only in hours in which workers are missing.
func TestTheCustomMetricsOfAStageAreFew(t *testing.T) {
	var log bytes.Buffer
	put := &puts{}
	m := telemetry.Logged(put, telemetry.Embedding{Namespace: "Paragon", StageDimension: "stage", Stage: "prod", Log: telemetry.OutputLog(&log)})
	values := map[string][]string{"task": {"fashion"}, "class": {"strict", "relaxed"}, "pool": {"general"}}
	for _, metric := range telemetry.All() {
		if metric.Reported || metric.BySQS { // nobody puts them
			continue
		}
		for _, dimensions := range combinations(t, metric.Dimensions, values) {
			if err := m.Put(t.Context(), platform.Point{Metric: metric.Name, Dimensions: dimensions, At: time.UnixMilli(0), Value: 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	custom := map[string]bool{}
	for _, p := range put.points {
		custom[p.Metric+" "+strings.Join(p.Dimensions, " ")] = true
	}
	for line := range strings.Lines(log.String()) {
		maps.Copy(custom, metricsIn(t, line))
	}
	if len(custom) > mostCustomMetrics {
		t.Errorf("%d custom metrics, %d at most: %v", len(custom), mostCustomMetrics, slices.Sorted(maps.Keys(custom)))
	}
	rest := pricing.AtRest(pricing.Deployment{Tasks: 1, Pools: 1, TickSeconds: 10, ViewSeconds: 1})
	if priced := rest.Metrics + rest.BusyMetrics; priced != len(custom)-2 {
		t.Errorf("paragon cost counts %d of %d: %v", priced, len(custom), slices.Sorted(maps.Keys(custom)))
	}
}

// combinations are the lists of name=value of some dimensions.
func combinations(t *testing.T, dimensions []string, values map[string][]string) [][]string {
	t.Helper()
	out := [][]string{nil}
	for _, d := range dimensions {
		if len(values[d]) == 0 {
			t.Fatalf("dimension %s has no values here", d)
		}
		var longer [][]string
		for _, list := range out {
			for _, v := range values[d] {
				longer = append(longer, append(slices.Clone(list), d+"="+v))
			}
		}
		out = longer
	}
	return out
}

// metricsIn are the metrics that CloudWatch takes out of a line of a log.
func metricsIn(t *testing.T, line string) map[string]bool {
	t.Helper()
	puts, err := testserver.Embedded([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, put := range puts {
		for _, m := range put.MetricData {
			key := *m.MetricName
			for _, d := range m.Dimensions {
				key += fmt.Sprintf(" %s=%s", *d.Name, *d.Value)
			}
			out[key] = true
		}
	}
	return out
}

// document is a line of the log as CloudWatch wants it.
func document(at time.Time, values map[string]any, directives ...any) map[string]any {
	values["stage"] = "prod"
	values["_aws"] = map[string]any{"Timestamp": float64(at.UnixMilli()), "CloudWatchMetrics": directives}
	return values
}

// directive names the metrics of one set of dimensions.
func directive(dimensions []any, metrics ...any) any {
	return map[string]any{"Namespace": "Paragon", "Dimensions": []any{dimensions}, "Metrics": metrics}
}

// puts are the points that were put.
type puts struct {
	platform.Metrics
	points []platform.Point
	err    error
}

func (p *puts) Put(_ context.Context, points ...platform.Point) error {
	p.points = append(p.points, points...)
	return p.err
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestLoggedReportsWhatWentWrong(t *testing.T) {
	put := &puts{err: errors.New("throttled")}
	ready := platform.Point{Metric: telemetry.Ready.Name, At: time.Now(), Value: 1}
	if err := telemetry.Logged(put, telemetry.Embedding{Log: telemetry.OutputLog(broken{})}).Put(t.Context(), ready); err == nil {
		t.Error("a log that cannot be written was taken for written")
	}
	m := telemetry.Logged(put, telemetry.Embedding{Log: telemetry.OutputLog(&bytes.Buffer{})})
	if err := m.Put(t.Context(), ready); err != nil || len(put.points) != 0 {
		t.Errorf("a logged metric alone called: %v, %+v", err, put.points)
	}
	if err := m.Put(t.Context(), platform.Point{Metric: telemetry.Pulse.Name, Value: 1}); err == nil {
		t.Error("a put that failed was taken for done")
	}
}
