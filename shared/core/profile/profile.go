// Package profile holds what is known of models and resources before a query
// arrives: accuracy, latency on every resource, memory, cold starts and
// prices. The paper calls it the offline model cache. It is pure: callers hand
// it the files' bytes.
package profile

import "time"

// Percentiles of a duration, in milliseconds.
type Percentiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

// Scaled returns the percentiles multiplied by a factor.
func (p Percentiles) Scaled(factor float64) Percentiles {
	return Percentiles{P50: p.P50 * factor, P95: p.P95 * factor, P99: p.P99 * factor}
}

// Text says how a text becomes the model's inputs. It belongs to the model, as
// another truncation is another accuracy. The tokenizer, of a model that needs one,
// is part of its file.
type Text struct {
	// MaxTokens bounds the tokens of a text, which is cut behind them; 0 means the
	// tokenizer's own bound.
	MaxTokens int `json:"max_tokens,omitempty"`
}

// Source says where a figure comes from, so that a reader can check it.
type Source struct {
	Kind     string  `json:"kind"`               // "measured", "published" or "derived"; of an accuracy also "stated" or "unknown"
	File     string  `json:"file,omitempty"`     // path below the profiles folder
	Row      string  `json:"row,omitempty"`      // row in it, as "column=value,column=value"
	Column   string  `json:"column,omitempty"`   // of the figure; "a - b" is a difference of two
	Factor   float64 `json:"factor,omitempty"`   // the figure is the file's times this; 0 means 1
	Hardware string  `json:"hardware,omitempty"` // what it was measured on
	Samples  int     `json:"samples,omitempty"`
	Date     string  `json:"date,omitempty"` // ISO 8601 day; of a published figure, the day it was taken over
	Note     string  `json:"note,omitempty"` // versions, scaling rule
}

// Accuracy is a model's share of right answers.
type Accuracy struct {
	Top1Percent float64 `json:"top1_percent"`
	Correct     int     `json:"correct,omitempty"` // of Total, when measured here
	Total       int     `json:"total,omitempty"`
	Source      Source  `json:"source"`
}

// Model is one trained network.
type Model struct {
	Name   string `json:"name"`
	Task   string `json:"task"`
	File   string `json:"file,omitempty"` // ONNX file next to the catalogue; empty when only figures are known
	SHA256 string `json:"sha256,omitempty"`
	// FileBytes is the size of the file, of a model that was added to a stage.
	FileBytes int64    `json:"file_bytes,omitempty"`
	Labels    []string `json:"labels,omitempty"` // of its classes; empty means the task's
	Input     *Input   `json:"input,omitempty"`  // of pictures
	Text      *Text    `json:"text,omitempty"`   // of models that take text
	// Signature is what the file takes and gives; it must be there unless the model
	// takes pictures and classifies.
	Signature *Signature `json:"signature,omitempty"`
	// RetiredAt is the time (RFC 3339) from which no query is given to the model any
	// more; those that it has are still answered. Empty while it is served.
	RetiredAt string   `json:"retired_at,omitempty"`
	Accuracy  Accuracy `json:"accuracy"`
	// MemoryMB is the resident memory that one loaded copy takes, runtime included.
	MemoryMB     int    `json:"memory_mb"`
	MemorySource Source `json:"memory_source"`
	// Latency holds every measurement of it: preprocessing and one inference.
	Latency []Latency `json:"latency"`
}

// Latency is the service time of a model on one resource.
type Latency struct {
	// Resource is an instance type ("c5.large"), a function architecture
	// ("lambda-x86_64") or "reference" for the machine that others scale from.
	Resource string `json:"resource"`
	MemoryMB int    `json:"memory_mb,omitempty"` // of a function
	Threads  int    `json:"threads"`
	Batch    int    `json:"batch"`
	// Concurrency is how many asked at once; 0 means 1.
	Concurrency int         `json:"concurrency,omitempty"`
	MS          Percentiles `json:"ms"` // of the whole batch
	// Confidence holds the 95 % confidence intervals of MS.
	Confidence *Confidence `json:"ms_ci95,omitempty"`
	// PerSecond is how many queries a second were answered.
	PerSecond float64 `json:"per_second,omitempty"`
	// ColdMS is what a cold start adds: process, library, model.
	ColdMS *Percentiles `json:"cold_ms,omitempty"`
	Source Source       `json:"source"`
	// ColdSource is where ColdMS comes from, when that is another place.
	ColdSource *Source `json:"cold_source,omitempty"`
}

// Interval is a range of milliseconds, low to high.
type Interval [2]float64

// Confidence says how sure percentiles are.
type Confidence struct {
	P50 Interval `json:"p50"`
	P95 Interval `json:"p95"`
	P99 Interval `json:"p99"`
}

// Task is what a set of interchangeable models does.
type Task struct {
	Name   string   `json:"name"`
	Kind   TaskKind `json:"kind,omitempty"` // empty means Classify
	Labels []string `json:"labels,omitempty"`
}

// Instance is an EC2 instance type.
type Instance struct {
	Type       string  `json:"type"`
	VCPUs      int     `json:"vcpus"`
	MemoryMB   int     `json:"memory_mb"`
	Arch       string  `json:"arch"` // "x86_64" or "arm64"
	USDPerHour float64 `json:"usd_per_hour"`
	// Speed is how fast one vCPU runs a single-thread inference compared with the
	// reference machine of the measurements: 2 halves the service time.
	Speed  float64 `json:"speed"`
	Source Source  `json:"source"` // of vCPUs, memory and speed
	// PriceSource is where USDPerHour comes from.
	PriceSource Source `json:"price_source"`
}

// FunctionSizes are the inference functions of one architecture.
type FunctionSizes struct {
	Arch      string  `json:"arch"`
	MemoryMB  []int   `json:"memory_mb"`   // the sizes on offer, rising
	MBPerVCPU int     `json:"mb_per_vcpu"` // memory that buys one vCPU; less buys that share of one
	Speed     float64 `json:"speed"`       // of one vCPU, as Instance.Speed
	Source    Source  `json:"source"`
	Fetch     *Fetch  `json:"fetch,omitempty"` // of a model's file; nil when it is not known
}

// Prices of everything that is paid by use, in US dollars.
type Prices struct {
	Name                       string  `json:"name"` // such as "us-east-1-2026"
	Region                     string  `json:"region"`
	LambdaGBSecondX86          float64 `json:"lambda_gb_second_x86_usd"`
	LambdaGBSecondARM          float64 `json:"lambda_gb_second_arm_usd"`
	LambdaPerRequest           float64 `json:"lambda_per_request_usd"`
	LambdaGrainMS              float64 `json:"lambda_grain_ms"` // 1 today, 100 until December 2020
	EC2MinimumSeconds          float64 `json:"ec2_minimum_seconds"`
	SQSPerRequest              float64 `json:"sqs_per_request_usd"`
	HTTPAPIPerRequest          float64 `json:"http_api_per_request_usd"`
	DynamoDBPerWrite           float64 `json:"dynamodb_per_write_usd"`
	DynamoDBPerRead            float64 `json:"dynamodb_per_read_usd"`
	CloudWatchMetricPerMonth   float64 `json:"cloudwatch_metric_month_usd"`
	CloudWatchGetPerMetricRead float64 `json:"cloudwatch_get_metric_usd"`
	CloudWatchPutPerRequest    float64 `json:"cloudwatch_put_usd"`
	AlarmPerMonth              float64 `json:"alarm_month_usd"`
	DashboardPerMonth          float64 `json:"dashboard_month_usd"`
	LogsPerGB                  float64 `json:"logs_gb_usd"`            // taken in
	EndpointPerHour            float64 `json:"endpoint_hour_usd"`      // of an interface endpoint, in one zone
	PublicIPv4PerHour          float64 `json:"public_ipv4_hour_usd"`   // of an address
	DiskPerGBMonth             float64 `json:"disk_gb_month_usd"`      // of a worker's volume
	HTTPAPITierRequests        float64 `json:"http_api_tier_requests"` // of a month at http_api_per_request_usd; 0 means all
	HTTPAPIOverTier            float64 `json:"http_api_over_tier_usd"` // of a request beyond them
	HTTPAPIStepKB              float64 `json:"http_api_step_kb"`       // a request pays once for each begun step
	SQSStepKB                  float64 `json:"sqs_step_kb"`            // a call pays once for each begun step
	BalancerPerHour            float64 `json:"alb_hour_usd"`           // of an application load balancer
	BalancerPerLCUHour         float64 `json:"alb_lcu_hour_usd"`       // of what goes through it
	SecretPerMonth             float64 `json:"secret_month_usd"`
	SecretPerCall              float64 `json:"secret_call_usd"`
	S3PerPut                   float64 `json:"s3_put_usd"`
	S3PerGet                   float64 `json:"s3_get_usd"`
	SchedulePerCall            float64 `json:"schedule_call_usd"` // of EventBridge Scheduler
	EndpointPerGB              float64 `json:"endpoint_gb_usd"`   // through an interface endpoint
	TransferPerGB              float64 `json:"transfer_gb_usd"`   // out to the internet, of the first 10 TB of a month
	Source                     Source  `json:"source"`
}

// Reference is the machine whose figures others scale from.
type Reference struct {
	Hardware string `json:"hardware"`
	// Speed of one of its vCPUs in the unit of the instance types' file,
	// where a vCPU of a c5 is 1.
	Speed  float64 `json:"speed"`
	Source Source  `json:"source"`
}

// Catalogue is one consistent set of profiles: catalogues are never mixed in
// one claim.
type Catalogue struct {
	Name      string          `json:"name"`
	Reference Reference       `json:"reference"`
	Tasks     []Task          `json:"tasks"`
	Models    []Model         `json:"models"`
	Instances []Instance      `json:"instances"`
	Functions []FunctionSizes `json:"functions"`
	Prices    Prices          `json:"prices"`
	// Rollouts are the versions of the models that have several. They come with what a
	// stage was given (Added), and in no file of profiles.
	Rollouts []Rollout `json:"-"`
	// Withheld are the models that are not offered here, though they are there: why not,
	// by name. A machine says so of those that it could not run.
	Withheld map[string]string `json:"-"`
	// Deployed are the inference functions that there are; nil where each model gets its
	// own as it is added.
	Deployed *Deployed       `json:"-"`
	added    map[string]bool // models of Added, by name
}

// ServiceTime is how long a model runs on one resource, and how that is known.
type ServiceTime struct {
	MS     Percentiles
	ColdMS Percentiles // zero on a VM, which keeps its models loaded
	// Threads is on how many threads one run goes.
	Threads int
	Source  Source
}

// Task returns a task by name.
func (c *Catalogue) Task(name string) (Task, bool) {
	for _, t := range c.Tasks {
		if t.Name == name {
			return t, true
		}
	}
	return Task{}, false
}

// Model returns a model by name.
func (c *Catalogue) Model(name string) (*Model, bool) {
	for i := range c.Models {
		if c.Models[i].Name == name {
			return &c.Models[i], true
		}
	}
	return nil, false
}

// Instance returns an instance type.
func (c *Catalogue) Instance(typ string) (Instance, bool) {
	for _, in := range c.Instances {
		if in.Type == typ {
			return in, true
		}
	}
	return Instance{}, false
}

// LabelsOf returns the labels of a model's classes: its own, else its task's.
func (c *Catalogue) LabelsOf(m *Model) []string {
	if len(m.Labels) > 0 {
		return m.Labels
	}
	t, _ := c.Task(m.Task)
	return t.Labels
}

// Age returns how old a figure is, and false when it has no date.
func (s Source) Age(now time.Time) (time.Duration, bool) {
	at, err := time.Parse(time.DateOnly, s.Date)
	if err != nil {
		return 0, false
	}
	return now.Sub(at), true
}
