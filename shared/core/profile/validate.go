package profile

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Validate checks what a schema cannot: that names are unique and refer to
// something, that numbers are finite and agree with each other. Every fault is
// reported, each naming the model or resource and the field.
func (c *Catalogue) Validate() error {
	var f faults
	if c.Name == "" {
		f.add("catalogue", "name", "is empty")
	}
	f.check(positive(c.Reference.Speed), "reference", "speed", "must be above 0")
	c.validateTasks(&f)
	c.validateResources(&f)
	c.validatePrices(&f)
	names := map[string]bool{}
	for i := range c.Models {
		m := &c.Models[i]
		f.check(!names[m.Name], m.Name, "name", "is the name of more than one model")
		names[m.Name] = true
		c.validateModel(m, &f)
	}
	f.check(len(c.Models) > 0, "catalogue", "models", "is empty")
	c.validateTogether(&f)
	c.validateRollouts(&f)
	return errors.Join(f...)
}

// faults gathers what is wrong.
type faults []error

func (f *faults) add(what, field, why string) {
	*f = append(*f, fmt.Errorf("%s: %s %s", what, field, why))
}

func (f *faults) check(ok bool, what, field, why string) {
	if !ok {
		f.add(what, field, why)
	}
}

func (c *Catalogue) validateTasks(f *faults) {
	seen := map[string]bool{}
	for _, t := range c.Tasks {
		what := "task " + t.Name
		f.check(t.Name != "" && !seen[t.Name], what, "name", "is empty or not unique")
		f.check(slices.Contains([]TaskKind{Classify, Embed, Tensors}, t.AnswerKind()), what, "kind", fmt.Sprintf("%q is not classify, embed or tensor", t.Kind))
		f.check(len(t.Labels) == 0 || unique(t.Labels), what, "labels", "must be unique and not empty")
		seen[t.Name] = true
	}
	f.check(len(c.Tasks) > 0, "catalogue", "tasks", "is empty")
}

func (c *Catalogue) validateResources(f *faults) {
	seen := map[string]bool{}
	for _, in := range c.Instances {
		what := "instance type " + in.Type
		f.check(in.Type != "" && !seen[in.Type], what, "type", "is empty or not unique")
		f.check(in.VCPUs > 0, what, "vcpus", "must be above 0")
		f.check(in.MemoryMB > 0, what, "memory_mb", "must be above 0")
		f.check(in.Arch == "x86_64" || in.Arch == "arm64", what, "arch", "must be x86_64 or arm64")
		f.check(positive(in.USDPerHour), what, "usd_per_hour", "must be above 0")
		f.check(positive(in.Speed), what, "speed", "must be above 0")
		seen[in.Type] = true
	}
	for _, fs := range c.Functions {
		what := "functions of " + fs.Arch
		f.check(fs.Arch != "" && !seen["lambda-"+fs.Arch], what, "arch", "is empty or not unique")
		f.check(len(fs.MemoryMB) > 0 && rising(fs.MemoryMB), what, "memory_mb", "must be one or more numbers above 0, in ascending order")
		f.check(fs.MBPerVCPU > 0, what, "mb_per_vcpu", "must be above 0")
		f.check(positive(fs.Speed), what, "speed", "must be above 0")
		f.check(fs.Fetch == nil || positive(fs.Fetch.MBPerSecond) && fs.Fetch.FirstByteMS.P50 >= 0, what, "fetch", "must have mb_per_second above 0, and first_byte_ms of 0 or more")
		seen["lambda-"+fs.Arch] = true
	}
}

func (c *Catalogue) validatePrices(f *faults) {
	p := c.Prices
	f.check(positive(p.LambdaGrainMS), "prices", "lambda_grain_ms", "must be above 0")
	for field, usd := range map[string]float64{
		"lambda_gb_second_x86_usd": p.LambdaGBSecondX86, "lambda_gb_second_arm_usd": p.LambdaGBSecondARM,
		"lambda_per_request_usd": p.LambdaPerRequest, "ec2_minimum_seconds": p.EC2MinimumSeconds,
		"sqs_per_request_usd": p.SQSPerRequest, "http_api_per_request_usd": p.HTTPAPIPerRequest,
		"dynamodb_per_write_usd": p.DynamoDBPerWrite, "dynamodb_per_read_usd": p.DynamoDBPerRead,
	} {
		f.check(usd >= 0 && !math.IsInf(usd, 0), "prices", field, "must not be negative")
	}
}

// MaxTokens bounds the tokens that a model may be given of a text.
const MaxTokens = 1 << 16

// fileName keeps a model's file next to its catalogue.
var (
	fileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.onnx$`)
	digest   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func (c *Catalogue) validateModel(m *Model, f *faults) {
	what := "model " + m.Name
	f.check(m.Name != "", what, "name", "is empty")
	_, known := c.Task(m.Task)
	f.check(known, what, "task", fmt.Sprintf("%q is not a task of the catalogue", m.Task))
	f.check(len(m.Labels) == 0 || unique(m.Labels), what, "labels", "must be unique and not empty")
	f.check(m.MemoryMB > 0, what, "memory_mb", "must be above 0")
	validateSource(what, "memory", m.MemorySource, f)
	if m.File != "" {
		f.check(fileName.MatchString(m.File), what, "file", fmt.Sprintf("%q is not the name of an .onnx file in the folder of the catalogue", m.File))
		f.check(digest.MatchString(m.SHA256), what, "sha256", "must be 64 hex digits")
		t, _ := c.Task(m.Task)
		f.check(m.Input != nil || m.Signature != nil, what, "input", "and signature are both missing: a model has one of them")
		f.check(m.Signature != nil || t.AnswerKind() == Classify, what, "signature", "is missing")
		f.check(len(c.LabelsOf(m)) > 0 || t.AnswerKind() != Classify, what, "labels", "are missing: neither the model nor its task has them")
	}
	if m.Signature != nil {
		c.validateSignature(what, m, f)
	}
	if m.RetiredAt != "" {
		_, err := time.Parse(time.RFC3339, m.RetiredAt)
		f.check(err == nil, what, "retired_at", fmt.Sprintf("%q is not a time such as 2026-01-31T12:00:00Z", m.RetiredAt))
	}
	if m.Text != nil {
		f.check(m.Input == nil, what, "text", "and input are both set: a model has only one of them")
		f.check(m.Signature != nil, what, "signature", "is missing")
		f.check(m.Text.MaxTokens >= 0 && m.Text.MaxTokens <= MaxTokens, what, "text.max_tokens", fmt.Sprintf("must be 0 to %d", MaxTokens))
	}
	if m.Input != nil {
		if err := m.Input.Validate(); err != nil {
			*f = append(*f, fmt.Errorf("%s: input.%w", what, err))
		}
	}
	validateAccuracy(what, m.Accuracy, f)
	c.validateLatency(what, m, f)
}

func validateAccuracy(what string, a Accuracy, f *faults) {
	if a.Source.Kind == UnknownAccuracy {
		f.check(a.Top1Percent == 0, what, "accuracy.top1_percent", "must be 0 if the accuracy is unknown")
	} else {
		f.check(a.Top1Percent > 0 && a.Top1Percent <= 100, what, "accuracy.top1_percent", "must be above 0 and at most 100")
	}
	if a.Total > 0 {
		share := 100 * float64(a.Correct) / float64(a.Total)
		f.check(math.Abs(share-a.Top1Percent) < 1e-6, what, "accuracy", fmt.Sprintf("top1_percent must be correct ÷ total: %d of %d is %.4f %%", a.Correct, a.Total, share))
	}
	validateSource(what, "accuracy", a.Source, f, StatedAccuracy, UnknownAccuracy)
}

func (c *Catalogue) validateLatency(what string, m *Model, f *faults) {
	type key struct {
		resource                            string
		memory, threads, batch, concurrency int
	}
	seen := map[key]bool{}
	for i, l := range m.Latency {
		field := fmt.Sprintf("latency[%d]", i)
		k := key{l.Resource, l.MemoryMB, l.Threads, l.Batch, max(l.Concurrency, 1)}
		f.check(!seen[k], what, field, "has the resource, memory, threads, batch and concurrency of an earlier entry")
		seen[k] = true
		f.check(c.knowsResource(l), what, field, fmt.Sprintf("resource %q at %d MB is not in the catalogue", l.Resource, l.MemoryMB))
		f.check(l.Threads > 0 && l.Batch > 0 && l.Concurrency >= 0, what, field, "threads and batch must be above 0")
		f.check(l.MS.ordered() && l.MS.P50 > 0, what, field, "ms must be above 0, and must not decrease from p50 to p99")
		f.check(l.ColdMS == nil || l.ColdMS.ordered(), what, field, "cold_ms must not be negative, and must not decrease from p50 to p99")
		validateSource(what, field, l.Source, f)
		if l.ColdSource != nil {
			validateSource(what, field+".cold", *l.ColdSource, f)
		}
	}
	f.check(len(m.Latency) > 0, what, "latency", "is empty")
}

func (c *Catalogue) knowsResource(l Latency) bool {
	if arch, ok := strings.CutPrefix(l.Resource, "lambda-"); ok {
		_, known := c.FunctionSizes(arch)
		return known && l.MemoryMB > 0
	}
	_, known := c.Instance(l.Resource)
	return (known || l.Resource == reference) && l.MemoryMB == 0
}

// The kinds of source that accuracies alone may have.
const (
	StatedAccuracy  = "stated"  // the caller who added the model said so
	UnknownAccuracy = "unknown" // nobody did: it is 0, and no bound on accuracy is kept
)

func validateSource(what, field string, s Source, f *faults, more ...string) {
	field += ".source"
	kinds := append([]string{"measured", "published", "derived"}, more...)
	f.check(slices.Contains(kinds, s.Kind), what, field, "kind must be one of "+strings.Join(kinds, ", "))
	f.check(s.File != "" && s.Row != "" && s.Column != "", what, field, "must name file, row and column")
	f.check(s.Factor >= 0 && !math.IsInf(s.Factor, 0), what, field, "factor must not be negative")
	if _, err := time.Parse(time.DateOnly, s.Date); err != nil {
		f.add(what, field, fmt.Sprintf("date %q is not a day like 2026-01-31", s.Date))
	}
}

func (p Percentiles) ordered() bool {
	return p.P50 >= 0 && p.P50 <= p.P95 && p.P95 <= p.P99 && !math.IsInf(p.P99, 0)
}

func positive(x float64) bool { return x > 0 && !math.IsInf(x, 0) }

func rising(xs []int) bool {
	last := 0
	for _, x := range xs {
		if x <= last {
			return false
		}
		last = x
	}
	return true
}

func unique(names []string) bool {
	seen := map[string]bool{}
	for _, n := range names {
		if n == "" || seen[n] {
			return false
		}
		seen[n] = true
	}
	return len(names) > 0
}
