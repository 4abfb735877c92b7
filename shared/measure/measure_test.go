package measure

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/png"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
)

// subject is a model of four pixels and two classes, with one picture.
func subject(t testing.TB) Subject {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	weights := [][]float32{{1, 0, 0, 0}, {0, 1, 0, 0}}
	return Subject{
		Name: "four", ONNX: enginetest.Linear(weights, 1, 2, 2), Picture: &profile.Input{Width: 2, Height: 2, Channels: 1},
		Inputs: []query.Input{{ContentType: "image/png", Data: b.Bytes()}},
	}
}

// steady is a clock that moves a millisecond at each look.
func steady() func() time.Duration {
	var now time.Duration
	return func() time.Duration { now += time.Millisecond; return now }
}

func TestMeasure(t *testing.T) {
	p := Plan{Warmup: 3, Samples: 300, Budget: time.Hour, Now: steady()}
	l, err := Measure(context.Background(), subject(t), Setting{Threads: 1, Batch: 2, Concurrency: 1}, p)
	if err != nil {
		t.Fatal(err)
	}
	if l.Source.Samples != 300 || l.MS != (profile.Percentiles{P50: 1, P95: 1, P99: 1}) || l.Batch != 2 || l.PerSecond <= 0 {
		t.Errorf("%+v", l)
	}
}

// Models that take text or tensors are measured with such inputs, alone and in batches.
func TestModelsOfEveryKindAreMeasured(t *testing.T) {
	x := tensors.FromFloats("x", []int64{1, 4}, []float32{1, 2, 3, 4})
	for name, s := range map[string]Subject{
		"text":    {ONNX: enginetest.Words(), Text: &profile.Text{}, Inputs: []query.Input{{ContentType: query.TextType, Data: []byte("yes")}}},
		"tensors": {ONNX: enginetest.Affine(1, 0, -1, 4), Inputs: []query.Input{{ContentType: tensors.ContentType, Data: tensors.Pack([]tensors.Tensor{x})}}},
	} {
		l, err := Measure(t.Context(), s, Setting{1, 1, 1}, Plan{Samples: 300, Budget: time.Hour, Now: Wall})
		if err != nil || l.Source.Samples != 300 {
			t.Errorf("%s: %+v, error %v", name, l, err)
		}
		if l, err := Measure(t.Context(), s, Setting{1, 2, 1}, Plan{Samples: 300, Budget: time.Hour, Now: Wall}); err != nil || l.Batch != 2 {
			t.Errorf("%s: a batch: %+v, error %v", name, l, err)
		}
		var out bytes.Buffer
		if err := RunCold(t.Context(), s, &out); err != nil || !strings.Contains(out.String(), "library") {
			t.Errorf("%s: cold: %v %s", name, err, &out)
		}
	}
}

func TestSeveralCallersShareTheSamples(t *testing.T) {
	p := Plan{Samples: 1000, Budget: time.Hour, Now: Wall}
	l, err := Measure(context.Background(), subject(t), Setting{Threads: 1, Batch: 1, Concurrency: 4}, p)
	if err != nil || l.Source.Samples != 1000 || l.Concurrency != 4 {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestASpentBudgetLeavesEnoughSamples(t *testing.T) {
	p := Plan{Samples: 1e6, Budget: 0, Now: Wall}
	l, err := Measure(context.Background(), subject(t), Setting{Threads: 1, Batch: 1, Concurrency: 1}, p)
	if err != nil || l.Source.Samples != leastSamples {
		t.Errorf("%d samples, %v", l.Source.Samples, err)
	}
}

func TestMeasureEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Measure(ctx, subject(t), Setting{1, 1, 1}, Plan{Samples: 10, Budget: time.Hour, Now: Wall}); err == nil {
		t.Error("it went on")
	}
}

func TestTheThreadsClockRuns(t *testing.T) {
	from := ThreadCPU()
	x := 1.0
	for ThreadCPU() == from {
		x = math.Sqrt(x + 1)
	}
	if ThreadCPU() < from {
		t.Errorf("it ran back from %v", from)
	}
}

func TestSummary(t *testing.T) {
	times := make([]time.Duration, 1000)
	for i := range times {
		times[i] = time.Duration(1000-i) * time.Millisecond
	}
	p, c := summarize(times)
	if p != (profile.Percentiles{P50: 500, P95: 950, P99: 990}) {
		t.Errorf("%+v", p)
	}
	for name, pair := range map[string][2]float64{"p50": c.P50, "p95": c.P95, "p99": c.P99} {
		if pair[0] >= pair[1] {
			t.Errorf("%s has the interval %v", name, pair)
		}
	}
	if c.P50[0] > 470 || c.P50[1] < 530 || c.P50[0] < 460 || c.P50[1] > 540 {
		t.Errorf("of 1000 the median lies within 31 places of the middle, not %v", c.P50)
	}
	if p, c := summarize([]time.Duration{time.Millisecond}); p.P99 != 1 || c.P99 != (profile.Interval{1, 1}) {
		t.Errorf("of one: %+v %+v", p, c)
	}
}

func TestAColdRunReportsMemory(t *testing.T) {
	var out bytes.Buffer
	if err := RunCold(context.Background(), subject(t), &out); err != nil {
		t.Fatal(err)
	}
	var r ColdReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Library == "" {
		t.Errorf("%s: %v", out.String(), err)
	}
}

func TestColdCountsEveryStart(t *testing.T) {
	child := func(text string) func(context.Context) *exec.Cmd {
		return func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, "echo", text) }
	}
	ticks := 0
	p, r, err := Cold(context.Background(), 3, child(`{"memory_mb": 40, "library": "x"}`), func() { ticks++ })
	if err != nil || ticks != 3 || r.MemoryMB != 40 || p.P50 <= 0 {
		t.Errorf("%+v %+v %d ticks, %v", p, r, ticks, err)
	}
	if _, _, err := Cold(context.Background(), 1, child("no JSON"), func() {}); err == nil {
		t.Error("a child that reports nothing counts")
	}
}

func TestJob(t *testing.T) {
	ticks := 0
	j := Job{
		Subjects: []Subject{subject(t)}, Settings: []Setting{{1, 1, 1}, {1, 1, 2}}, ColdRuns: 2, Clock: "thread",
		Plan: Plan{Samples: 200, Budget: time.Hour, Now: ThreadCPU}, File: "x/latency.json",
		Today: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Tick: func(string) { ticks++ },
		Child: func(ctx context.Context, _ string) *exec.Cmd {
			return exec.CommandContext(ctx, "echo", `{"memory_mb": 40, "library": "1.2.3"}`)
		},
	}
	r, err := j.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if ticks != j.Steps() || r.Library != "1.2.3" || r.Date != "2026-11-23" || len(r.Models) != 1 {
		t.Fatalf("%d ticks of %d, %+v", ticks, j.Steps(), r)
	}
	m := r.Models[0]
	if len(m.Latency) != 2 || m.MemoryMB != 40 || m.Latency[0].ColdMS == nil || m.Latency[1].ColdMS != nil {
		t.Errorf("%+v", m)
	}
	s := m.Latency[0].Source
	if s.Row != "name=four,threads=1,batch=1,concurrency=1" || !strings.Contains(s.Note, "CPU time") {
		t.Errorf("%+v", s)
	}
	if strings.Contains(m.Latency[1].Source.Note, "CPU time") {
		t.Error("with two callers the wait counts, and so does the wall clock")
	}
}

func TestMergeAndCompare(t *testing.T) {
	at := func(name string, ms, spread float64) Model {
		return Model{Name: name, Latency: []profile.Latency{{
			Threads: 1, Batch: 1, MS: profile.Percentiles{P50: ms},
			Confidence: &profile.Confidence{P50: profile.Interval{ms - spread, ms + spread}},
		}}}
	}
	was := Report{Models: []Model{at("a", 10, 1), at("b", 10, 1), at("c", 10, 1), at("d", 10, 5)}}
	is := Report{Models: []Model{at("a", 10.5, 0.1), at("b", 13, 1), at("d", 13, 5), at("new", 1, 1)}}
	sure := map[string]bool{}
	for _, d := range Compare(was, is) {
		sure[d.Model] = d.Sure
	}
	if len(sure) != 3 || sure["a"] || !sure["b"] || sure["d"] {
		t.Errorf("drift: %v", sure)
	}
	var names []string
	for _, m := range was.Merge(is).Models {
		names = append(names, m.Name)
	}
	if strings.Join(names, " ") != "a b c d new" {
		t.Errorf("merged: %v", names)
	}
}
