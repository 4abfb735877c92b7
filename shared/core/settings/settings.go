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
	StrictBelowMS          float64 `name:"strict_below_ms" default:"2000" min:"1" max:"60000" unit:"ms" doc:"A query whose latency bound is below this is strict, unless it names its class."`
	DefaultLatencyMS       float64 `name:"default_latency_ms" default:"10000" min:"1" max:"3600000" unit:"ms" doc:"The latency bound of a relaxed query that names none; a strict one without a bound gets strict_below_ms."`
	PathMS                 float64 `name:"path_ms" default:"15" min:"0" max:"5000" unit:"ms" doc:"Measured p95 of the path to a worker and back, without queueing and service. Selection and placement subtract it from the bound."`
	OverflowPathMS         float64 `name:"overflow_path_ms" default:"15" min:"0" max:"5000" unit:"ms" doc:"As path_ms, for the path through the overflow queue and the dispatcher."`
	FloorMS                float64 `name:"floor_ms" default:"5" min:"0" max:"5000" unit:"ms" doc:"The least latency bound that the stage can keep; a lower bound is refused, and the error names this one."`
	InlineLimitKB          int     `name:"inline_limit_kb" default:"4096" min:"1" max:"10240" unit:"KB" doc:"The largest input that a request itself may carry; a larger one is uploaded first. In an account it is at most 900, and the whole body 964 KB, because of the load balancer's limit for functions."`
	UploadLimitKB          int     `name:"upload_limit_kb" default:"10240" min:"1" max:"102400" unit:"KB" doc:"The most that an upload may hold."`
	MaxPixels              int     `name:"max_pixels" default:"0" min:"0" max:"268435456" unit:"pixels" doc:"Pictures of more pixels are refused before they are decoded. 0 means 256 times the pixels that the model takes, between 1,048,576 and 16,777,216. What decoding a larger picture takes counts in its service time, its price and the function's size."`
	IdempotencyHours       float64 `name:"idempotency_hours" default:"24" min:"1" max:"168" unit:"h" doc:"How long an idempotency key, and a finished query, are kept."`
	MaxAttempts            int     `name:"max_attempts" default:"3" min:"1" max:"10" unit:"runs" doc:"A query whose run failed this many times ends as failed, and its message goes to the dead letters."`
	LeaseSeconds           float64 `name:"lease_seconds" default:"15" min:"1" max:"600" unit:"s" doc:"A message that a worker holds returns to its queue after this, one of a strict query after 3 s at most, unless the lease is renewed."`
	HeartbeatSeconds       float64 `name:"heartbeat_seconds" default:"10" min:"0.1" max:"300" unit:"s" doc:"Interval of workers' reports, besides those on a change of state; a worker that missed three reports counts as gone."`
	LookAheadMS            float64 `name:"look_ahead_ms" default:"50" min:"0" max:"10000" unit:"ms" doc:"A worker holds what its runners can start within this time and stops receiving beyond it."`
	BouncePollMS           float64 `name:"bounce_poll_ms" default:"50" min:"5" max:"10000" unit:"ms" doc:"How often at most a full worker checks for strict queries that it must hand over in time; less often where that takes longer than a tenth of the time."`
	MaxBatch               int     `name:"max_batch" default:"8" min:"1" max:"64" unit:"queries" doc:"The most queries of one model that a runner answers in one inference, where the profile says that batching pays."`
	MaxOverflowConcurrency int     `name:"max_overflow_concurrency" default:"8" min:"0" max:"10000" unit:"queries" doc:"The most queries on inference functions at once; 0 turns overflow off."`
	MaxWaitSeconds         float64 `name:"max_wait_seconds" default:"25" min:"0" max:"29" unit:"s" doc:"The longest that Prefer: wait=N waits (the gateway gives up at 30 s)."`
	OverflowPath           string  `name:"overflow_path" default:"queue" oneof:"queue direct" doc:"How a query that is held in its request overflows while workers are up: through the overflow queue and the dispatcher, or by the intake that holds it, which invokes the function itself and takes the queue when it is throttled. While no worker is ready the intake always does."`
	Downgrade              string  `name:"downgrade" default:"on" oneof:"on off" doc:"Whether a strict query with an accuracy bound is answered by a cheaper model that keeps its bounds, where no worker has a slot in time for the chosen one, before it overflows to a function."`
	KeepShare              float64 `name:"keep_share" default:"0.01" min:"0" max:"1" unit:"share" doc:"The share of the direct answers, chosen by their ids, whose records are kept for explain, the page and the checks of profiles; the others are not stored."`
	ViewSeconds            float64 `name:"view_seconds" default:"1" min:"0.05" max:"60" unit:"s" doc:"How often the fleet view is written, and how long an API environment may use one."`

	// What one caller may use: docs/api.md. All but the uploads are off by default.
	OwnerRate            float64 `name:"owner_rate" default:"0" min:"0" max:"1000000" unit:"1/s" doc:"The most queries, and places for uploads, that one caller may ask for in a second; 0 means no limit. Each of N workers lets twice an Nth of it through, so that a stage with several workers may let up to twice the rate through."`
	OwnerConcurrency     int     `name:"owner_concurrency" default:"0" min:"0" max:"1000000" unit:"queries" doc:"The most queries of one caller that may be under way at once in the whole stage; 0 means no limit. One that nobody waits for counts until its bound."`
	OwnerHourlyBudgetUSD float64 `name:"owner_hourly_budget_usd" default:"0" min:"0" max:"100000" unit:"USD" doc:"What the queries of one caller may cost in a clock hour, in the whole stage, by their time on workers and functions; 0 means no limit."`
	OwnerUploads         int     `name:"owner_uploads" default:"1000" min:"0" max:"1000000" unit:"places" doc:"The most places for uploads that one caller may make within an hour; 0 means no limit."`

	// How accuracy is learnt from what callers say: docs/selection.md.
	FeedbackHalfLifeHours float64 `name:"feedback_half_life_hours" default:"24" min:"0.1" max:"8760" unit:"h" doc:"The time in which a vote's weight halves; without votes a model's accuracy fades to its profile."`
	FeedbackOwnerShare    float64 `name:"feedback_owner_share" default:"0.2" min:"0.01" max:"1" unit:"share" doc:"The largest share of the evidence on a model that one caller may give, and below 1 no caller moves it alone. 1 bounds nobody, which suits a stage with one caller."`
	FeedbackSampling      string  `name:"feedback_sampling" default:"mean" oneof:"mean thompson" doc:"What selection uses as the accuracy of a model with votes: the posterior mean, or a draw from the posterior (Thompson sampling)."`
	ExploreShare          float64 `name:"explore_share" default:"0.01" min:"0" max:"0.5" unit:"share" doc:"Once there are votes, the share of the queries that any model whose profile keeps the bounds may answer, so that a model that recovers gets votes again."`

	// How a new version of a model is tried: docs/models.md.
	CanaryShare          float64 `name:"canary_share" default:"0.05" min:"0" max:"1" unit:"share" doc:"The share of a model's queries that a new version gets when it is added; 0 keeps it aside, and 1 has it answer all of them."`
	CanaryRollback       string  `name:"canary_rollback" default:"on" oneof:"on off" doc:"Whether a version on trial is rolled back by itself when it is worse than the one that is served."`
	CanaryConfidence     float64 `name:"canary_confidence" default:"0.999" min:"0.5" max:"0.999999" unit:"share" doc:"The one-sided confidence with which a version must be worse to be rolled back."`
	CanaryMinQueries     int     `name:"canary_min_queries" default:"20" min:"5" max:"100000" unit:"queries" doc:"The fewest answers, or votes, of each version by which latency, cost and accuracy are compared. Errors are compared from 5 runs on."`
	CanaryErrorPoints    float64 `name:"canary_error_points" default:"1" min:"0" max:"100" unit:"points" doc:"By how many percentage points more of its runs may fail than of the version that is served."`
	CanaryLatencyFactor  float64 `name:"canary_latency_factor" default:"1.5" min:"1" max:"100" unit:"factor" doc:"How many times as long a version may take at the median, and at the 95th percentile."`
	CanaryAccuracyPoints float64 `name:"canary_accuracy_points" default:"2" min:"0" max:"100" unit:"points" doc:"By how many percentage points fewer of the votes on its answers may say right."`
	CanaryCostFactor     float64 `name:"canary_cost_factor" default:"1.5" min:"1" max:"100" unit:"factor" doc:"How many times as much its mean answer may cost."`

	// How ended queries are reported to their callers' servers: docs/api.md.
	CallbackHosts string  `name:"callback_hosts" default:"none" form:"none, or hosts such as hooks.example.com, *.example.org:8443" doc:"The hosts to which callbacks may be sent, on one machine; a name without a port is at 443. No callback is taken for another host."`
	CallbackHours float64 `name:"callback_hours" default:"24" min:"0.01" max:"168" unit:"h" doc:"For how long after a query's end a callback that fails is tried again, and at most as long as the query is kept."`

	ProfileMaxAgeDays float64 `name:"profile_max_age_days" default:"90" min:"0" max:"3650" unit:"days" doc:"Profiles in use that were measured longer ago raise a warning in the status; 0 warns of none. Live answers that contradict a profile always do."`

	// What the procurement schemes decide by. The source of each is in docs/schemes.md.
	Scheme             string  `name:"scheme" default:"hedged" oneof:"reactive util_aware exascale mixed mixed_predictive paragon hedged" doc:"The procurement scheme: what sets the number of workers and what may overflow."`
	Forecaster         string  `name:"forecaster" default:"auto" oneof:"auto last moving_average ewma holt_winters linear_regression short_average" doc:"The forecaster of predictive schemes; auto selects the one with the least recent error."`
	TickSeconds        float64 `name:"tick_seconds" default:"10" min:"1" max:"60" unit:"s" doc:"How often the controller decides."`
	VMBootSeconds      float64 `name:"vm_boot_seconds" default:"100" min:"0" max:"900" unit:"s" doc:"Time from the start of a worker's machine until it serves: the horizon of a decision."`
	WarmBootSeconds    float64 `name:"warm_boot_seconds" default:"40" min:"0" max:"900" unit:"s" doc:"The same of a machine out of a pool's warm instances, which are stopped: docs/aws.md. It counts as vm_boot_seconds where it is longer."`
	BacklogSeconds     float64 `name:"backlog_seconds" default:"10" min:"1" max:"600" unit:"s" doc:"Time within which the desired workers should work off the backlog."`
	IdleSeconds        float64 `name:"idle_seconds" default:"180" min:"0" max:"3600" unit:"s" doc:"A worker that was idle for this time is closed under reactive, exascale, mixed, mixed_predictive and paragon."`
	UtilHigh           float64 `name:"util_high" default:"0.8" min:"0.1" max:"1" unit:"share" doc:"Above this utilization of its least loaded worker util_aware adds a worker."`
	UtilLow            float64 `name:"util_low" default:"0.5" min:"0" max:"1" unit:"share" doc:"Below this utilization of the pool util_aware counts a low reading."`
	UtilLowReadings    int     `name:"util_low_readings" default:"15" min:"1" max:"1000" unit:"readings" doc:"After this many successive low readings, 2 s apart, util_aware removes a worker."`
	Headroom           float64 `name:"headroom" default:"1.2" min:"1" max:"3" unit:"factor" doc:"Factor by which exascale provisions above the larger of the measured and the expected load."`
	RegressionArrivals int     `name:"regression_arrivals" default:"500" min:"10" max:"10000" unit:"seconds" doc:"Over how many of the last seconds' arrivals mixed_predictive fits its line; Spock's traces have one second per row."`
	RegressionSeconds  float64 `name:"regression_seconds" default:"100" min:"1" max:"3600" unit:"s" doc:"How often mixed_predictive predicts."`
	PeakWindowSeconds  float64 `name:"peak_window_seconds" default:"600" min:"60" max:"3600" unit:"s" doc:"The sampling window over which paragon measures the peak-to-median ratio."`
	PeakToMedian       float64 `name:"peak_to_median" default:"1.5" min:"1" max:"10" unit:"factor" doc:"Load whose peak-to-median ratio is above this, with the expected peak of a Poisson process divided out, is dynamic; below it, static."`
	StaticUtil         float64 `name:"static_util" default:"0.95" min:"0.3" max:"1" unit:"share" doc:"The utilization for which paragon sizes a static load."`
	HedgeWindowSeconds float64 `name:"hedge_window_seconds" default:"1800" min:"60" max:"3600" unit:"s" doc:"The recent past from which hedged takes the detrended profile of the load and the forecast's errors, and on which it compares its scenarios."`

	// What the controller keeps to, whatever the scheme wants: docs/control.md.
	Fleet               string  `name:"fleet" default:"moving" oneof:"moving fixed" doc:"Whether the controller changes the fleet. When it is fixed, the controller only records what it would have done."`
	MinWorkers          int     `name:"min_workers" default:"0" min:"0" max:"2000" unit:"workers" doc:"The fewest workers of a pool, unless a cap or the budget is lower."`
	MaxWorkers          int     `name:"max_workers" default:"20" min:"0" max:"2000" unit:"workers" doc:"The most workers of a pool."`
	MaxStep             int     `name:"max_step" default:"10" min:"1" max:"2000" unit:"workers" doc:"By how many workers a pool changes in one tick at most."`
	HourlyBudgetUSD     float64 `name:"hourly_budget_usd" default:"0" min:"0" max:"100000" unit:"USD" doc:"What workers and functions may cost in a clock hour; 0 means no limit."`
	HoldLimitSeconds    float64 `name:"hold_limit_seconds" default:"600" min:"0" max:"86400" unit:"s" doc:"How long the fleet holds without signals that can be trusted, before it goes to the safe mode: the last good peak, strict queries may overflow."`
	StaleSeconds        float64 `name:"stale_seconds" default:"120" min:"5" max:"300" unit:"s" doc:"Arrivals older than this are not trusted: the fleet holds."`
	MetricSettleSeconds float64 `name:"metric_settle_seconds" default:"5" min:"1" max:"60" unit:"s" doc:"A tick leaves out arrivals younger than this, because they are not all written yet. Intake writes them at this interval minus two seconds, and each write costs: a longer one is cheaper, and decisions are later."`
	WatchSeconds        float64 `name:"watch_seconds" default:"120" min:"0" max:"3600" unit:"s" doc:"After its first tick, and after ticks were missed, the controller waits this long before any worker leaves."`
	ScaleInWaitSeconds  float64 `name:"scale_in_wait_seconds" default:"60" min:"0" max:"3600" unit:"s" doc:"Fewer workers must be wanted for this long before any leaves; the maximum wanted meanwhile stays."`
	BootLimitSeconds    float64 `name:"boot_limit_seconds" default:"900" min:"10" max:"7200" unit:"s" doc:"A worker that boots for longer is not counted and is replaced."`
	SilentLimitSeconds  float64 `name:"silent_limit_seconds" default:"60" min:"1" max:"3600" unit:"s" doc:"A worker whose last report is older is ended and replaced, three heartbeats at the earliest."`
	DecisionsKeptHours  float64 `name:"decisions_kept_hours" default:"72" min:"1" max:"8760" unit:"h" doc:"How long the records of ticks are kept."`
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
func Fields() []Field {
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
func Defaults() Settings {
	s, err := Parse(nil)
	if err != nil {
		panic("settings: a default does not keep its own range: " + err.Error()) // held by a test
	}
	return s
}

// Parse makes settings from raw values by name; what is not named, and what
// is faulty, has its default. Every fault is reported, each naming the setting
// and its bound.
func Parse(raw map[string]string) (Settings, error) {
	var s Settings
	v := reflect.ValueOf(&s).Elem()
	for _, f := range Fields() {
		if err := f.set(v.Field(f.index), f.Default); err != nil {
			return s, err
		}
	}
	return Update(s, raw)
}

// Update returns the settings that raw values by name give: what is not named
// has its default, and a faulty value leaves the one of last in force. Every
// fault is reported, each naming the setting and its bound.
func Update(last Settings, raw map[string]string) (Settings, error) {
	var errs []error
	next := last
	v := reflect.ValueOf(&next).Elem()
	known := map[string]bool{}
	for _, f := range Fields() {
		known[f.Name] = true
		text, ok := raw[f.Name]
		if !ok {
			text = f.Default
		}
		if err := f.set(v.Field(f.index), text); err != nil {
			errs = append(errs, err)
		}
	}
	for name := range raw {
		if !known[name] {
			errs = append(errs, fmt.Errorf("setting %q does not exist", name))
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
			return fmt.Errorf("setting %s: %q is not a whole number (%s to %s %s)", f.Name, text, f.Min, f.Max, f.Unit)
		}
		n = float64(i)
	default:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(x) {
			return fmt.Errorf("setting %s: %q is not a number (%s to %s %s)", f.Name, text, f.Min, f.Max, f.Unit)
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
		return fmt.Errorf("setting %s: %q is none of %s", f.Name, word, strings.Join(f.OneOf, ", "))
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
