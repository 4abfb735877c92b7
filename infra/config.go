package infra

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// Pool is the workers of one Auto Scaling group.
type Pool struct {
	// InstanceTypes are tried in this order; all have the same vCPUs and architecture.
	InstanceTypes []string `json:"instance_types"`
	OnDemandBase  int      `json:"on_demand_base"` // workers that are never spot
	SpotPercent   int      `json:"spot_percent"`   // of those above the base
	Min           int      `json:"min"`
	Max           int      `json:"max"`
	Warm          int      `json:"warm"` // further workers that are prepared and stopped
}

// Throttle bounds what the gateway lets through.
type Throttle struct {
	PerSecond float64 `json:"per_second"`
	Burst     float64 `json:"burst"`
}

// Config describes a deployment, each field a key of the context in
// cdk.json; `cdk deploy -c stage=prod` overrides one.
type Config struct {
	Stage            string
	Catalogue        string   // folder of profiles/
	Profiles         string   // folder that the stack is made from; empty means what comes with Paragon
	ProfilesPrefix   string   // s3://bucket/prefix that functions and workers read; empty means their packages
	Tasks            []string // whose models get functions; empty means all of the catalogue
	FunctionMemoryMB []int    // subset of the catalogue's sizes; empty means those up to 3,008 MB
	GenericSizes     []int    // memory in MB of the functions that run any added model, of the catalogue's sizes; empty means none
	OwnModels        string   // file with the added models that get functions, as `paragon model list --json` writes it; empty means none
	FunctionArch     string   // of the inference functions: x86_64 or arm64
	Pools            map[string]Pool
	Front            string   // workers, behind a load balancer, or lambda, which is cheaper while little comes
	Authorizer       string   // iam or keys
	SharedRoles      []string // names of roles whose holders are one owner
	FairQueues       bool     // messages name their callers, so that SQS delivers a busy one's after others'; it costs more
	Network          string   // private, with endpoints, or public, which is cheaper
	Zones            []string // of the network; empty means the region's first two
	Throttle         Throttle
	// PermissionsBoundary is the ARN of a policy that bounds every role; empty bounds none.
	PermissionsBoundary string
	// OverflowConcurrency is how many dispatchers the overflow queue may run at
	// once; each answers a batch of up to 10.
	OverflowConcurrency int
	// AccountConcurrency is how many environments the account may have at once;
	// 0 means unknown, and that nothing is reserved.
	AccountConcurrency int
	// APIConcurrencyShare is the api function's share of them: its environments
	// wait for others', which must not starve.
	APIConcurrencyShare float64
	MonthlyBudgetUSD    float64
	WarmThroughput      WarmThroughput
	AlarmEmail          string
	LogDays             int
	Traces              Traces
	OTLPEndpoint        string // https address of a collector that takes OpenTelemetry metrics; empty means none
	Release             Release
	// Images are the ids of machine images, by region and architecture; while there are
	// none each deployment takes the newest.
	Images          map[string]map[string]string
	SessionManager  bool              // people may open a session on a worker
	ProtectedStages []string          // names of stages whose data outlive the stack and which are not deleted unasked
	Settings        map[string]string // values that differ from the defaults
	AssetRoot       string            // folder of what `make dist` built
}

// The choices of a deployment.
const (
	private, public = "private", "public"
	byIAM, byKeys   = names.ByIAM, names.ByKeys
)

const (
	// leastAccount is the least concurrency of an account of which some can be
	// reserved: Lambda keeps 100 for what has no reservation.
	leastAccount = 200
	// mostAPIShare leaves the inference functions what the api waits for.
	mostAPIShare = 0.4
	// controllerReserved are a shift of the controller, the next one and one that an
	// event starts.
	controllerReserved = 3
)

// protected says whether what the stage stores is kept when its stack is destroyed, and
// whether AWS refuses to destroy it until somebody takes that protection off.
func (c Config) protected() bool { return slices.Contains(c.ProtectedStages, c.Stage) }

// reserved are the environments reserved for a function; 0 when none are.
func (c Config) reserved(function string) int {
	switch {
	case c.AccountConcurrency == 0:
		return 0
	case function == "api":
		return max(1, int(c.APIConcurrencyShare*float64(c.AccountConcurrency)))
	case function == "controller":
		return controllerReserved
	}
	return 0
}

// Defaults is what holds where nothing is said: a stage needs a name and a pool
// besides.
func Defaults() Config {
	return Config{Catalogue: "fashion", FunctionArch: "x86_64", GenericSizes: []int{1769, 3008}, Front: names.FrontWorkers, Authorizer: byIAM, Network: private, LogDays: 30, AssetRoot: "dist",
		Throttle: Throttle{PerSecond: 2000, Burst: 4000}, OverflowConcurrency: 20, APIConcurrencyShare: 0.4, Traces: Traces{Share: 1},
		ProtectedStages: []string{"prod"}, Release: Release{CanaryMinutes: 5, MinHealthyPercent: 90, WarmupSeconds: 180, Alarms: true}}
}

// ReadConfig reads the context. Its errors name the key and what it may be.
func ReadConfig(context func(string) any) (Config, error) {
	c := Defaults()
	keys := c.keys()
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if err := decode(context(key), keys[key]); err != nil {
			return c, fmt.Errorf("context %q: %w", key, err)
		}
	}
	return c, c.validate()
}

// keys are the keys of the context, with where each is read to.
func (c *Config) keys() map[string]any {
	return map[string]any{
		"stage": &c.Stage, "catalogue": &c.Catalogue, "tasks": &c.Tasks, "pools": &c.Pools,
		"function_memory_mb": &c.FunctionMemoryMB, "generic_sizes": &c.GenericSizes, "own_models": &c.OwnModels, "function_arch": &c.FunctionArch, "authorizer": &c.Authorizer, "shared_roles": &c.SharedRoles, "fair_queues": &c.FairQueues,
		"network": &c.Network, "zones": &c.Zones, "permissions_boundary": &c.PermissionsBoundary, "throttle": &c.Throttle, "overflow_concurrency": &c.OverflowConcurrency,
		"warm_throughput": &c.WarmThroughput,
		"front":           &c.Front, "account_concurrency": &c.AccountConcurrency, "api_concurrency_share": &c.APIConcurrencyShare,
		"monthly_budget_usd": &c.MonthlyBudgetUSD, "alarm_email": &c.AlarmEmail, "log_days": &c.LogDays, "traces": &c.Traces, "otlp_endpoint": &c.OTLPEndpoint, "release": &c.Release, "images": &c.Images, "session_manager": &c.SessionManager,
		"profiles": &c.Profiles, "profiles_prefix": &c.ProfilesPrefix, "protected_stages": &c.ProtectedStages, "settings": &c.Settings, "asset_root": &c.AssetRoot,
	}
}

// decode reads one value. The command line gives every value as text, which is
// JSON where another type is wanted.
func decode(value, into any) error {
	if value == nil {
		return nil
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if text, ok := value.(string); ok {
		if _, wantsText := into.(*string); !wantsText {
			raw = []byte(text)
		}
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

var (
	roleName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	poolName = regexp.MustCompile(`^[a-z][a-z0-9]{0,15}$`)
	boundary = regexp.MustCompile(`^arn:aws[\w-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]{1,512}$`)
	zoneName = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-\d[a-z]$`)
	imageID  = regexp.MustCompile(`^ami-[0-9a-f]{8,17}$`)
	address  = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)
)

// logDays are the retentions that CloudWatch Logs knows, up to a year.
var logDays = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365}

// validate reports every fault at once.
func (c Config) validate() error {
	var faults []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	if err := names.CheckStage(c.Stage); err != nil {
		faults = append(faults, fmt.Errorf("context \"stage\": %w", err))
	}
	must(slices.Contains([]string{"x86_64", "arm64"}, c.FunctionArch), "context \"function_arch\": %q must be x86_64 or arm64", c.FunctionArch)
	must(slices.Contains([]string{byIAM, byKeys}, c.Authorizer), "context \"authorizer\": %q must be %s or %s", c.Authorizer, byIAM, byKeys)
	must(slices.Contains([]string{private, public}, c.Network), "context \"network\": %q must be %s or %s", c.Network, private, public)
	must(slices.Contains([]string{names.FrontWorkers, names.FrontLambda}, c.Front), "context \"front\": %q must be %s or %s", c.Front, names.FrontWorkers, names.FrontLambda)
	must(c.AccountConcurrency == 0 || c.AccountConcurrency >= leastAccount, "context \"account_concurrency\": %d must be 0, or %d or more", c.AccountConcurrency, leastAccount)
	must(c.APIConcurrencyShare > 0 && c.APIConcurrencyShare <= mostAPIShare, "context \"api_concurrency_share\": %v must be above 0 and at most %v", c.APIConcurrencyShare, mostAPIShare)
	must(c.Throttle.PerSecond >= 1 && c.Throttle.Burst >= 1, "context \"throttle\": per_second and burst must be 1 or more")
	must(c.OverflowConcurrency >= 2 && c.OverflowConcurrency <= 1000, "context \"overflow_concurrency\": %d is outside 2 to 1000", c.OverflowConcurrency)
	must(slices.Contains(logDays, c.LogDays), "context \"log_days\": %d is not one of %v", c.LogDays, logDays)
	must(c.Traces.valid(), "context \"traces\": endpoint must be empty or http(s)://host:4318, and share from 0 to 1; they are %q and %v", c.Traces.Endpoint, c.Traces.Share)
	must(validCollector(c.OTLPEndpoint), "context \"otlp_endpoint\": must be empty or https://host[:port][/path], without user, query and fragment; headers with a key go into the parameter %s of SSM", names.CollectorHeaders(c.Stage))
	must(c.AlarmEmail == "" || address.MatchString(c.AlarmEmail), "context \"alarm_email\": %q is not an email address", c.AlarmEmail)
	must(c.MonthlyBudgetUSD >= 0, "context \"monthly_budget_usd\": %v must be 0 or more", c.MonthlyBudgetUSD)
	must(c.PermissionsBoundary == "" || boundary.MatchString(c.PermissionsBoundary), "context \"permissions_boundary\": %q is not the ARN of an IAM policy", c.PermissionsBoundary)
	must(len(c.Zones) == 0 || len(c.Zones) == pricing.Zones, "context \"zones\": %v must be %d zones, or empty", c.Zones, pricing.Zones)
	for _, zone := range c.Zones {
		must(zoneName.MatchString(zone), "context \"zones\": %q is not the name of a zone such as us-east-1b", zone)
	}
	for _, role := range c.SharedRoles {
		must(roleName.MatchString(role), "context \"shared_roles\": %q is not the name of a role: write it without its path and account", role)
	}
	for _, region := range slices.Sorted(maps.Keys(c.Images)) {
		for _, arch := range []string{"arm64", "x86_64"} {
			must(imageID.MatchString(c.Images[region][arch]), "context \"images\": %s: %s: %q is not the id of an image such as ami-0123456789abcdef0; `paragon image` writes these ids", region, arch, c.Images[region][arch])
		}
	}
	for _, stage := range c.ProtectedStages {
		if err := names.CheckStage(stage); err != nil {
			faults = append(faults, fmt.Errorf("context \"protected_stages\": %w", err))
		}
	}
	faults = append(faults, c.WarmThroughput.check())
	must(len(c.Pools) > 0, "context \"pools\": there must be one or more pools")
	if err := c.Release.check(); err != nil {
		faults = append(faults, err)
	}
	if err := c.checkProfiles(); err != nil {
		faults = append(faults, err)
	}
	if _, err := settings.Parse(c.Settings); err != nil {
		faults = append(faults, fmt.Errorf("context \"settings\": %w", err))
	}
	return errors.Join(faults...)
}
