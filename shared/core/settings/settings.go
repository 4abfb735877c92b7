// Package settings holds the tunables: one struct, each field with its
// default, unit, range and meaning, from which validation and the reference
// page are made. It is pure: backends load the raw values and hand them in.
package settings

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/callback"
)

// The values of the setting fleet.
const (
	FleetMoving = "moving"
	FleetFixed  = "fixed"
)

// On is the value of a setting that switches something on.
const On = "on"

// Settings are the tunables of a stage. The tags are the one place where a
// default, a unit, a range and a meaning are written.
type Settings struct {
	StrictBelowMS          float64 `name:"strict_below_ms" default:"2000" min:"1" max:"60000" unit:"ms" doc:"A query with a latency bound below this value is strict, unless the query names its class (strict or relaxed)."`
	DefaultLatencyMS       float64 `name:"default_latency_ms" default:"10000" min:"1" max:"3600000" unit:"ms" doc:"The latency bound of a relaxed query that states none. A strict query that states none gets the value of strict_below_ms."`
	PathMS                 float64 `name:"path_ms" default:"15" min:"0" max:"5000" unit:"ms" doc:"The assumed p95 time of a query's path to a worker and back, without waiting and inference. When Paragon selects a model, it subtracts this time from the latency bound. If a worker receives the request and the caller waits, Paragon subtracts only 1 ms."`
	OverflowPathMS         float64 `name:"overflow_path_ms" default:"15" min:"0" max:"5000" unit:"ms" doc:"The assumed p95 time of a query's path to a function and back, through the overflow queue, without the inference. When Paragon selects a function, it subtracts this time from the latency bound."`
	FloorMS                float64 `name:"floor_ms" default:"5" min:"0" max:"5000" unit:"ms" doc:"The stage refuses a query with a latency bound below this value."`
	InlineLimitKB          int     `name:"inline_limit_kb" default:"4096" min:"1" max:"10240" unit:"KB" doc:"The largest input that a request body may carry. A larger input must be uploaded first (POST /v1/uploads). In an account, the largest input is at most 900 KB, and the largest body is 964 KB, because an Application Load Balancer limits requests to a Lambda function."`
	UploadLimitKB          int     `name:"upload_limit_kb" default:"10240" min:"1" max:"102400" unit:"KB" doc:"The largest input that may be uploaded (POST /v1/uploads)."`
	MaxPixels              int     `name:"max_pixels" default:"0" min:"0" max:"268435456" unit:"pixels" doc:"The most pixels that a picture may have. The stage refuses a picture with more pixels before it decodes the picture. 0 means 256 times the pixels of the model's input, but at least 1,048,576 and at most 16,777,216."`
	IdempotencyHours       float64 `name:"idempotency_hours" default:"24" min:"1" max:"168" unit:"h" doc:"How long the stage keeps idempotency keys and queries that have ended."`
	MaxAttempts            int     `name:"max_attempts" default:"3" min:"1" max:"10" unit:"runs" doc:"After this many failed runs, a query ends as failed, and its message moves to the dead-letter queue."`
	LeaseSeconds           float64 `name:"lease_seconds" default:"15" min:"1" max:"600" unit:"s" doc:"How long a message of a queue is reserved for the worker that received it (a lease). If the worker does not renew the lease, the message returns to the queue. The lease on a strict query lasts 3 s at most."`
	HeartbeatSeconds       float64 `name:"heartbeat_seconds" default:"10" min:"0.1" max:"300" unit:"s" doc:"The interval at which each worker reports its state. A worker also reports when its state changes. A worker that missed three reports no longer counts as ready."`
	LookAheadMS            float64 `name:"look_ahead_ms" default:"50" min:"0" max:"10000" unit:"ms" doc:"A worker receives only as many messages of the work queues as its runners can start within this time."`
	BouncePollMS           float64 `name:"bounce_poll_ms" default:"50" min:"5" max:"10000" unit:"ms" doc:"How often a worker with a full run queue reads the work queue of strict queries, while strict queries may overflow. The worker moves the queries that would be late to the overflow queue."`
	MaxBatch               int     `name:"max_batch" default:"8" min:"1" max:"64" unit:"queries" doc:"The most queries of one model that a runner answers in one inference. A runner batches only models whose profile says that batching saves time."`
	MaxOverflowConcurrency int     `name:"max_overflow_concurrency" default:"8" min:"0" max:"10000" unit:"queries" doc:"The most queries that run on inference functions at the same time. 0 turns overflow off."`
	MaxWaitSeconds         float64 `name:"max_wait_seconds" default:"25" min:"0" max:"29" unit:"s" doc:"The longest time that a request with Prefer: wait=N waits for its answer. API Gateway ends a request after 30 s."`
	OverflowPath           string  `name:"overflow_path" default:"queue" oneof:"queue direct" doc:"How an overflowing query reaches its function if its caller waits. With queue, the query goes through the overflow queue and the dispatcher. With direct, the process that accepted the query invokes the function, and uses the queue only if Lambda throttles the invocation. Without a ready worker, or if the queue would make the query late, this process always invokes the function."`
	Downgrade              string  `name:"downgrade" default:"on" oneof:"on off" doc:"What happens to a strict query with an accuracy bound if no worker has a slot in time for the chosen model. With on, a worker answers the query with the cheapest other model that keeps the query's bounds and has a slot in time. With off, or without such a model, the query overflows to a function. A query that names its model always gets that model."`
	KeepShare              float64 `name:"keep_share" default:"0.01" min:"0" max:"1" unit:"share" doc:"The share of the direct answers whose records the stage stores, for example for paragon explain and the page. The stage always stores the records of queries with an idempotency key or a callback."`
	ViewSeconds            float64 `name:"view_seconds" default:"1" min:"0.05" max:"60" unit:"s" doc:"How often the controller writes the fleet view, a summary of workers, queues and the remaining budget."`

	// What one caller may use: docs/api.md. All but the uploads are off by default.
	OwnerRate            float64 `name:"owner_rate" default:"0" min:"0" max:"1000000" unit:"1/s" doc:"The most queries and uploads (POST /v1/uploads) that one caller may request in a second. 0 means no limit. With N workers (N above 1), each worker allows 2/N of the rate. The whole stage then allows up to twice the rate."`
	OwnerConcurrency     int     `name:"owner_concurrency" default:"0" min:"0" max:"1000000" unit:"queries" doc:"The most queries of one caller that may be in progress at the same time in the whole stage. 0 means no limit. A query whose caller does not wait counts as in progress until its latency bound has passed."`
	OwnerHourlyBudgetUSD float64 `name:"owner_hourly_budget_usd" default:"0" min:"0" max:"100000" unit:"USD" doc:"The most that the queries of one caller may cost in a clock hour in the whole stage. A query costs the price of its time on a worker or a function. 0 means no limit."`
	OwnerUploads         int     `name:"owner_uploads" default:"1000" min:"0" max:"1000000" unit:"uploads" doc:"The most uploads (POST /v1/uploads) that one caller may request within an hour. 0 means no limit."`

	// How accuracy is learned from what callers say: docs/selection.md.
	FeedbackHalfLifeHours float64 `name:"feedback_half_life_hours" default:"24" min:"0.1" max:"8760" unit:"h" doc:"The time after which a vote counts half. Without new votes, the accuracy estimate of a model returns to the accuracy in its profile."`
	FeedbackOwnerShare    float64 `name:"feedback_owner_share" default:"0.2" min:"0.01" max:"1" unit:"share" doc:"The largest share of the evidence on a model's accuracy that may come from one caller. The evidence is the accuracy in the model's profile and all callers' votes. With any value below 1, votes on a model do not change Paragon's estimate of its accuracy if only one caller votes. 1 means no limit."`
	FeedbackSampling      string  `name:"feedback_sampling" default:"mean" oneof:"mean thompson" doc:"Paragon estimates a probability distribution of a model's accuracy, from the model's profile and votes. To select a model, it uses the mean of this distribution (mean), or a random draw from it (thompson: Thompson sampling)."`
	ExploreShare          float64 `name:"explore_share" default:"0.01" min:"0" max:"0.5" unit:"share" doc:"As soon as there are votes, Paragon selects a random model for this share of the queries, among the models that keep the query's bounds by their profiles. A model with bad votes therefore gets new votes."`

	// How a new version of a model is tried: docs/models.md.
	CanaryShare          float64 `name:"canary_share" default:"0.05" min:"0" max:"1" unit:"share" doc:"The share of a model's queries that a new version of the model gets when it is added."`
	CanaryRollback       string  `name:"canary_rollback" default:"on" oneof:"on off" doc:"With on, Paragon rolls back a version on trial that is worse than the served version (more failed runs, slower, less accurate or more expensive)."`
	CanaryConfidence     float64 `name:"canary_confidence" default:"0.999" min:"0.5" max:"0.999999" unit:"share" doc:"Paragon rolls back a version on trial only if a statistical test finds with this one-sided confidence that it is worse than the served version."`
	CanaryMinQueries     int     `name:"canary_min_queries" default:"20" min:"5" max:"100000" unit:"queries" doc:"Paragon compares the latency and cost of the version on trial and the served version after this many answers of each. It compares their accuracy after this many votes on each. For p95 latency, the served version needs ten times as many answers. Paragon compares the errors after 5 runs of each version."`
	CanaryErrorPoints    float64 `name:"canary_error_points" default:"1" min:"0" max:"100" unit:"points" doc:"A version on trial counts as worse if its share of failed runs is more than this many percentage points above that of the served version."`
	CanaryLatencyFactor  float64 `name:"canary_latency_factor" default:"1.5" min:"1" max:"100" unit:"factor" doc:"A version on trial counts as worse if more than half of its runs take longer than this many times the p50 latency of the served version, or more than a tenth of its runs take longer than this many times the p95 latency of the served version."`
	CanaryAccuracyPoints float64 `name:"canary_accuracy_points" default:"2" min:"0" max:"100" unit:"points" doc:"A version on trial counts as worse if its share of right answers, by votes, is more than this many percentage points below that of the served version."`
	CanaryCostFactor     float64 `name:"canary_cost_factor" default:"1.5" min:"1" max:"100" unit:"factor" doc:"A version on trial counts as worse if its mean cost of an answer is more than this many times that of the served version."`

	// How ended queries are reported to their callers' servers: docs/api.md.
	CallbackHosts string  `name:"callback_hosts" default:"none" form:"none, or hosts such as hooks.example.com, *.example.org:8443" doc:"The hosts to which callbacks (docs/api.md) may be sent. Paragon refuses a query with a callback to another host. A host without a port means port 443."`
	CallbackHours float64 `name:"callback_hours" default:"24" min:"0.01" max:"168" unit:"h" doc:"How long after the end of a query Paragon retries a failed callback (docs/api.md). The retries end earlier if Paragon deletes the query."`

	ProfileMaxAgeDays float64 `name:"profile_max_age_days" default:"90" min:"0" max:"3650" unit:"days" doc:"paragon status warns if a profile in use was measured more than this many days ago. 0 turns this warning off."`

	// What the procurement schemes decide by. The source of each is in docs/schemes.md.
	Scheme             string  `name:"scheme" default:"hedged" oneof:"reactive util_aware exascale mixed mixed_predictive paragon hedged" doc:"The procurement scheme. It decides how many workers there are and which queries may overflow."`
	Forecaster         string  `name:"forecaster" default:"auto" oneof:"auto last moving_average ewma holt_winters linear_regression short_average" doc:"The forecaster of the schemes exascale and hedged. auto uses the forecaster with the lowest recent error."`
	TickSeconds        float64 `name:"tick_seconds" default:"10" min:"1" max:"60" unit:"s" doc:"How often the controller makes a decision."`
	VMBootSeconds      float64 `name:"vm_boot_seconds" default:"100" min:"0" max:"900" unit:"s" doc:"The time from the launch of a worker's instance until the worker serves queries. Forecasts of the load reach at least this far ahead, unless the pool has warm instances (warm_boot_seconds)."`
	WarmBootSeconds    float64 `name:"warm_boot_seconds" default:"40" min:"0" max:"900" unit:"s" doc:"The time from the start of a stopped instance of an EC2 warm pool (docs/aws.md) until its worker serves queries. If this value is above vm_boot_seconds, Paragon uses vm_boot_seconds instead."`
	BacklogSeconds     float64 `name:"backlog_seconds" default:"10" min:"1" max:"600" unit:"s" doc:"The schemes reactive, exascale, mixed and paragon choose enough workers to answer the queries in the queues within this time."`
	IdleSeconds        float64 `name:"idle_seconds" default:"180" min:"0" max:"3600" unit:"s" doc:"Under the schemes reactive, exascale, mixed and mixed_predictive, the controller removes a worker that was idle for this long. Under the scheme paragon, it removes a worker after a third of this time."`
	UtilHigh           float64 `name:"util_high" default:"0.8" min:"0.1" max:"1" unit:"share" doc:"If the utilization of the least loaded worker is above this value at a tick, the scheme util_aware adds workers: tick_seconds / 2 of them (five by default), minus the workers that already boot."`
	UtilLow            float64 `name:"util_low" default:"0.5" min:"0" max:"1" unit:"share" doc:"The scheme util_aware removes a worker after util_low_readings readings in a row of the pool's utilization below this value. A tick counts as one reading for every 2 s of tick_seconds."`
	UtilLowReadings    int     `name:"util_low_readings" default:"15" min:"1" max:"1000" unit:"readings" doc:"The scheme util_aware removes a worker after this many readings in a row below util_low."`
	Headroom           float64 `name:"headroom" default:"1.2" min:"1" max:"3" unit:"factor" doc:"The scheme exascale chooses enough workers for this factor times the measured or the forecast load, whichever is larger."`
	RegressionArrivals int     `name:"regression_arrivals" default:"500" min:"10" max:"10000" unit:"seconds" doc:"The scheme mixed_predictive fits a line through the arrivals of this many past seconds."`
	RegressionSeconds  float64 `name:"regression_seconds" default:"100" min:"1" max:"3600" unit:"s" doc:"How often the scheme mixed_predictive makes a prediction."`
	PeakWindowSeconds  float64 `name:"peak_window_seconds" default:"600" min:"60" max:"3600" unit:"s" doc:"The scheme paragon measures the peak-to-median ratio of the load over this many past seconds."`
	PeakToMedian       float64 `name:"peak_to_median" default:"1.5" min:"1" max:"10" unit:"factor" doc:"Under the scheme paragon, the load is dynamic if its peak-to-median ratio is above this value, and static otherwise (docs/schemes.md). The scheme first divides the ratio by that of a Poisson process of the same rate."`
	StaticUtil         float64 `name:"static_util" default:"0.95" min:"0.3" max:"1" unit:"share" doc:"Under static load (see peak_to_median), the scheme paragon chooses the number of workers for this utilization."`
	HedgeWindowSeconds float64 `name:"hedge_window_seconds" default:"1800" min:"60" max:"3600" unit:"s" doc:"Over the recent past of this length, the scheme hedged measures the detrended profile of the load and the errors of its forecasts, and compares its scenarios (docs/schemes.md explains these terms)."`

	// What the controller keeps to, whatever the scheme wants: docs/control.md.
	Fleet               string  `name:"fleet" default:"moving" oneof:"moving fixed" doc:"With moving, the controller changes the number of workers. With fixed, it only records the number that it would have chosen. The scheme still decides which queries may overflow."`
	MinWorkers          int     `name:"min_workers" default:"0" min:"0" max:"2000" unit:"workers" doc:"The fewest workers of a pool. The limits max_step, max_workers and hourly_budget_usd take precedence."`
	MaxWorkers          int     `name:"max_workers" default:"20" min:"0" max:"2000" unit:"workers" doc:"The most workers of a pool (a group of workers)."`
	MaxStep             int     `name:"max_step" default:"10" min:"1" max:"2000" unit:"workers" doc:"The most workers that the controller adds to a pool, or removes from it, in one tick."`
	HourlyBudgetUSD     float64 `name:"hourly_budget_usd" default:"0" min:"0" max:"100000" unit:"USD" doc:"The most that the workers of all pools and the functions may cost together in a clock hour. 0 means no limit."`
	HoldLimitSeconds    float64 `name:"hold_limit_seconds" default:"600" min:"0" max:"86400" unit:"s" doc:"While a measurement that the controller needs (such as the arrival rate) is missing or cannot be trusted, the controller keeps the number of workers for at most this long. Then it enters the safe mode. In the safe mode, strict queries may overflow, and the controller keeps at least enough workers for the highest arrival rate of the last hour with trusted measurements."`
	StaleSeconds        float64 `name:"stale_seconds" default:"120" min:"5" max:"300" unit:"s" doc:"If the newest counts of arrivals are older than this, the controller does not trust them, and keeps the number of workers."`
	MetricSettleSeconds float64 `name:"metric_settle_seconds" default:"5" min:"1" max:"60" unit:"s" doc:"The controller ignores counts of arrivals that are younger than this, because the intake has not written all of them yet. The intake writes its counts every N s, where N is this time minus 2, but at least 1. A larger value means a lower cost, but later decisions."`
	WatchSeconds        float64 `name:"watch_seconds" default:"120" min:"0" max:"3600" unit:"s" doc:"The controller removes no worker for this long after ticks were missed, and after a start without the data of the last decision. Ticks were missed if the last one is more than 60 s ago, and also more than six times tick_seconds ago."`
	ScaleInWaitSeconds  float64 `name:"scale_in_wait_seconds" default:"60" min:"0" max:"3600" unit:"s" doc:"The controller removes workers only after the scheme has wanted fewer workers for this long. It keeps the largest number that the scheme wanted in this time."`
	BootLimitSeconds    float64 `name:"boot_limit_seconds" default:"900" min:"10" max:"7200" unit:"s" doc:"If a worker has been booting for longer than this, the controller replaces it."`
	SilentLimitSeconds  float64 `name:"silent_limit_seconds" default:"60" min:"1" max:"3600" unit:"s" doc:"If the last report of a worker is older than this, and the worker has missed three reports (heartbeat_seconds), the controller terminates and replaces the worker."`
	DecisionsKeptHours  float64 `name:"decisions_kept_hours" default:"72" min:"1" max:"8760" unit:"h" doc:"How long decision records are kept."`
}

// Field describes one setting.
type Field struct {
	Name    string
	Default string
	Min     string
	Max     string
	OneOf   []string // of a setting that is a word: what it may be
	Form    string   // of a setting that is a list of hosts: how it is written
	Unit    string
	Doc     string
	index   int
}

// Fields lists every setting in the order of the struct.
func Fields() []Field { return slices.Clone(fields) }

// The tags are read once: settings are parsed every second.
var fields = readFields()

func readFields() []Field {
	t := reflect.TypeFor[Settings]()
	out := make([]Field, t.NumField())
	for i := range out {
		tag := t.Field(i).Tag
		out[i] = Field{
			Name: tag.Get("name"), Default: tag.Get("default"), Min: tag.Get("min"), Max: tag.Get("max"),
			OneOf: strings.Fields(tag.Get("oneof")), Form: tag.Get("form"), Unit: tag.Get("unit"), Doc: tag.Get("doc"), index: i,
		}
	}
	return out
}

// Of returns the field's value in some settings, as text that Parse reads.
func (f Field) Of(s Settings) string { return fmt.Sprint(reflect.ValueOf(s).Field(f.index)) }

// Defaults returns the settings with every default.
func Defaults() Settings { return defaults }

var defaults = readDefaults()

func readDefaults() (s Settings) {
	v := reflect.ValueOf(&s).Elem()
	for _, f := range fields {
		if err := f.set(v.Field(f.index), f.Default); err != nil {
			panic("settings: a default does not keep its own range: " + err.Error()) // held by a test
		}
	}
	return s
}

// Parse makes settings from raw values by name; what is not named, and what
// is faulty, has its default. Every fault is reported, each naming the setting
// and its bound.
func Parse(raw map[string]string) (Settings, error) { return Update(defaults, raw) }

// Update returns the settings that raw values by name give: what is not named
// has its default, and a faulty value leaves the one of last in force. Every
// fault is reported, each naming the setting and its bound.
func Update(last Settings, raw map[string]string) (Settings, error) {
	var errs []error
	next := defaults
	v, before := reflect.ValueOf(&next).Elem(), reflect.ValueOf(last)
	for _, f := range fields {
		text, named := raw[f.Name]
		if !named {
			continue
		}
		if err := f.set(v.Field(f.index), text); err != nil {
			errs = append(errs, err)
			v.Field(f.index).Set(before.Field(f.index))
		}
	}
	for name := range raw {
		if _, known := Lookup(name); !known {
			errs = append(errs, fmt.Errorf("setting %q does not exist: paragon tune list --all prints all settings", name))
		}
	}
	return next, errors.Join(errs...)
}

// set parses a value, checks its range and stores it; on a fault the target is
// left alone.
func (f Field) set(target reflect.Value, text string) error {
	text = strings.TrimSpace(text)
	if f.Form != "" {
		return f.setHosts(target, text)
	}
	if target.Kind() == reflect.String {
		return f.setWord(target, text)
	}
	low, high := bound(f.Min), bound(f.Max)
	var n float64
	switch target.Kind() {
	case reflect.Int:
		i, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("setting %s: %q is not a whole number from %s to %s %s", f.Name, text, f.Min, f.Max, f.Unit)
		}
		n = float64(i)
	default:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(x) {
			return fmt.Errorf("setting %s: %q is not a number from %s to %s %s", f.Name, text, f.Min, f.Max, f.Unit)
		}
		n = x
	}
	if n < low || n > high {
		return fmt.Errorf("setting %s: %s is outside %s to %s %s", f.Name, text, f.Min, f.Max, f.Unit)
	}
	if target.Kind() == reflect.Int {
		target.SetInt(int64(n))
	} else {
		target.SetFloat(n)
	}
	return nil
}

// setWord stores a setting that is one of a few words.
func (f Field) setWord(target reflect.Value, word string) error {
	if !slices.Contains(f.OneOf, word) {
		return fmt.Errorf("setting %s: %q is not one of %s", f.Name, word, strings.Join(f.OneOf, ", "))
	}
	target.SetString(word)
	return nil
}

// setHosts stores a setting that is a list of hosts.
func (f Field) setHosts(target reflect.Value, list string) error {
	if _, err := callback.ParseHosts(list); err != nil {
		return fmt.Errorf("setting %s: %w", f.Name, err)
	}
	target.SetString(list)
	return nil
}

// bound reads a range tag; a test holds that each one parses.
func bound(text string) float64 {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic("settings: bad range tag " + text)
	}
	return x
}
