package profile

import (
	"math"
	"strings"
	"testing"
	"time"
)

func source() Source {
	return Source{Kind: "measured", File: "f.json", Row: "name=m", Column: "ms", Date: "2026-11-23"}
}

// valid is a catalogue with one of everything, on which each test breaks one thing.
func valid() (File, Resources) {
	f := File{
		Name: "c", Prices: "now", Reference: Reference{Hardware: "h", Speed: 2, Source: source()},
		Tasks: []Task{{Name: "t", Labels: []string{"yes", "no"}}},
		Models: []Model{{
			Name: "m", Task: "t", File: "m.onnx", SHA256: strings.Repeat("a", 64), MemoryMB: 50, MemorySource: source(),
			Input:    &Input{Width: 8, Height: 8, Channels: 1},
			Accuracy: Accuracy{Top1Percent: 90, Correct: 9, Total: 10, Source: source()},
			Latency: []Latency{
				{Resource: "reference", Threads: 1, Batch: 1, MS: Percentiles{10, 12, 14}, ColdMS: &Percentiles{100, 120, 140}, Source: source()},
				{Resource: "reference", Threads: 1, Batch: 1, Concurrency: 4, MS: Percentiles{40, 48, 56}, Source: source()},
				{Resource: "known", Threads: 1, Batch: 1, MS: Percentiles{7, 8, 9}, Source: source()},
				{Resource: "lambda-x86_64", MemoryMB: 512, Threads: 1, Batch: 1, MS: Percentiles{70, 80, 90}, Source: source()},
			},
		}},
	}
	r := Resources{
		Instances: []Instance{
			{Type: "known", VCPUs: 2, MemoryMB: 4096, Arch: "x86_64", USDPerHour: 0.1, Speed: 1},
			{Type: "scaled", VCPUs: 2, MemoryMB: 4096, Arch: "arm64", USDPerHour: 0.1, Speed: 1},
		},
		Functions: []FunctionSizes{{Arch: "x86_64", MemoryMB: []int{512, 1024, 3538}, MBPerVCPU: 1769, Speed: 2}},
		Prices:    []Prices{{Name: "now", LambdaGrainMS: 1}},
	}
	return f, r
}

func TestServiceTimes(t *testing.T) {
	c, err := Assemble(valid())
	if err != nil {
		t.Fatal(err)
	}
	m, _ := c.Model("m")
	vm := func(typ string) (ServiceTime, bool) { return c.OnVM(m, typ) }
	fn := func(mb int) func(string) (ServiceTime, bool) {
		return func(arch string) (ServiceTime, bool) { return c.OnFunction(m, arch, mb) }
	}
	for _, tt := range []struct {
		name string
		find func(string) (ServiceTime, bool)
		arg  string
		p99  float64
		cold float64
		kind string
	}{
		{"its own figure", vm, "known", 9, 0, "measured"},
		{"half as fast as the reference", vm, "scaled", 28, 0, "derived"},
		{"its own size", fn(512), "x86_64", 90, 0, "measured"},
		{"a share of a vCPU", fn(1024), "x86_64", 14 * 1769.0 / 1024, 140 * 1769.0 / 1024, "derived"},
		{"more than a vCPU helps no thread", fn(3538), "x86_64", 14, 140, "derived"},
	} {
		st, ok := tt.find(tt.arg)
		if !ok || math.Abs(st.MS.P99-tt.p99) > 1e-9 || math.Abs(st.ColdMS.P99-tt.cold) > 1e-9 || st.Source.Kind != tt.kind {
			t.Errorf("%s: %+v, %v", tt.name, st, ok)
		}
	}
	if _, ok := vm("z9.huge"); ok {
		t.Error("an unknown type has a time")
	}
	if _, ok := fn(512)("arm64"); ok {
		t.Error("an unknown architecture has a time")
	}
}

func TestValidateNamesModelAndField(t *testing.T) {
	for _, tt := range []struct {
		name   string
		breakf func(f *File, r *Resources)
		want   string
	}{
		{"no such task", func(f *File, _ *Resources) { f.Models[0].Task = "x" }, `model m: task "x"`},
		{"digest", func(f *File, _ *Resources) { f.Models[0].SHA256 = "abc" }, "model m: sha256"},
		{"path", func(f *File, _ *Resources) { f.Models[0].File = "a/b.onnx" }, "model m: file"},
		{"no input", func(f *File, _ *Resources) { f.Models[0].Input = nil }, "model m: input and signature"},
		{"input size", func(f *File, _ *Resources) { f.Models[0].Input.Width = 1 << 20 }, "model m: input.width is"},
		{"shorter side", func(f *File, _ *Resources) {
			in := f.Models[0].Input
			in.Resize, in.ShorterSidePX = "shorter-side", max(in.Width, in.Height)-1
		}, "model m: input.shorter_side_px is"},
		{"shorter side, stretched", func(f *File, _ *Resources) { f.Models[0].Input.ShorterSidePX = 256 }, `model m: input.shorter_side_px is 256, and needs resize`},
		{"resize", func(f *File, _ *Resources) { f.Models[0].Input.Resize = "fit" }, "model m: input.resize"},
		{"channel order", func(f *File, _ *Resources) { f.Models[0].Input.ChannelOrder = "bgr" }, "model m: input.channel_order"},
		{"std", func(f *File, _ *Resources) { f.Models[0].Input.Std = []float32{0} }, "model m: input.std"},
		{"memory", func(f *File, _ *Resources) { f.Models[0].MemoryMB = 0 }, "model m: memory_mb"},
		{"accuracy", func(f *File, _ *Resources) { f.Models[0].Accuracy.Top1Percent = 91 }, "model m: accuracy top1_percent must be correct ÷ total: 9 of 10"},
		{"percentiles fall", func(f *File, _ *Resources) { f.Models[0].Latency[0].MS.P95 = 1 }, "model m: latency[0] ms"},
		{"infinite", func(f *File, _ *Resources) { f.Models[0].Latency[0].MS.P99 = math.Inf(1) }, "model m: latency[0] ms"},
		{"NaN", func(f *File, _ *Resources) { f.Models[0].Latency[0].MS.P50 = math.NaN() }, "model m: latency[0] ms"},
		{"unknown resource", func(f *File, _ *Resources) { f.Models[0].Latency[2].Resource = "mars" }, `resource "mars"`},
		{"twice", func(f *File, _ *Resources) { f.Models[0].Latency[1].Concurrency = 1 }, "latency[1] has the resource, memory"},
		{"no source", func(f *File, _ *Resources) { f.Models[0].Accuracy.Source = Source{} }, "model m: accuracy.source"},
		{"no date", func(f *File, _ *Resources) { f.Models[0].MemorySource.Date = "today" }, `date "today"`},
		{"task labels", func(f *File, _ *Resources) { f.Tasks[0].Labels = nil }, "model m: labels"},
		{"same label", func(f *File, _ *Resources) { f.Tasks[0].Labels = []string{"a", "a"} }, "task t: labels"},
		{"no models", func(f *File, _ *Resources) { f.Models = nil }, "catalogue: models is empty"},
		{"price set", func(f *File, _ *Resources) { f.Prices = "then" }, `set "then"`},
		{"instance", func(f *File, _ *Resources) { f.Instances = []string{"x"} }, `type "x"`},
		{"vcpus", func(_ *File, r *Resources) { r.Instances[0].VCPUs = 0 }, "instance type known: vcpus"},
		{"price", func(_ *File, r *Resources) { r.Instances[0].USDPerHour = math.NaN() }, "instance type known: usd_per_hour"},
		{"sizes", func(_ *File, r *Resources) { r.Functions[0].MemoryMB = []int{512, 512} }, "functions of x86_64: memory_mb"},
		{"grain", func(_ *File, r *Resources) { r.Prices[0].LambdaGrainMS = 0 }, "prices: lambda_grain_ms"},
		{"fee", func(_ *File, r *Resources) { r.Prices[0].SQSPerRequest = -1 }, "prices: sqs_per_request_usd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, r := valid()
			tt.breakf(&f, &r)
			if _, err := Assemble(f, r); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, which lacks %q", err, tt.want)
			}
		})
	}
}

func TestAssembleTakesWhatIsNamed(t *testing.T) {
	f, r := valid()
	f.Instances, f.FunctionMemoryMB = []string{"known"}, []int{512}
	c, err := Assemble(f, r)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Instances) != 1 || c.Instances[0].Speed != 0.5 || len(c.Functions[0].MemoryMB) != 1 || c.Functions[0].Speed != 1 {
		t.Errorf("%+v %+v", c.Instances, c.Functions)
	}
	if r.Instances[0].Speed != 1 || len(r.Functions[0].MemoryMB) != 3 {
		t.Error("the shared resources were changed")
	}
}

func TestAge(t *testing.T) {
	if age, ok := source().Age(time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)); !ok || age != 48*time.Hour {
		t.Errorf("%v, %v", age, ok)
	}
	if _, ok := (Source{}).Age(time.Now()); ok {
		t.Error("a figure without a date has an age")
	}
}
