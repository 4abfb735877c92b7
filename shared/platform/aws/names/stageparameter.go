package names

// The ways in which a stage's API knows its callers.
const (
	ByIAM  = "iam"  // by the signature of a request
	ByKeys = "keys" // by the key that it carries
)

// StageParameter is where a stage is found by those who use and run it. The stack keeps
// it in SSM, at DoorPath, as JSON.
type StageParameter struct {
	Endpoint       string      `json:"endpoint"`   // of the API
	Authorizer     string      `json:"authorizer"` // ByIAM or ByKeys
	Pools          []string    `json:"pools"`
	Groups         []PoolGroup `json:"groups"` // of the pools, in their order
	StateTable     string      `json:"state_table"`
	RecordsTable   string      `json:"records_table"`
	Bucket         string      `json:"bucket"`
	QueueURLPrefix string      `json:"queue_url_prefix"`
	Models         string      `json:"models"`               // s3://bucket/prefix of the models that operators add
	Catalogue      string      `json:"catalogue"`            // that they are added to
	Profiles       string      `json:"profiles"`             // s3://bucket/prefix that has it; empty means the packages
	FunctionArch   string      `json:"function_arch"`        // of the inference functions
	FunctionMB     []int       `json:"function_mb"`          // sizes of those of one model
	GenericMB      []int       `json:"generic_mb,omitempty"` // sizes of those that run any added model
	SigningSecret  string      `json:"signing_secret"`       // ARN of the secret with the keys that sign ids
	// Settings are the deployment's values of settings, by name.
	Settings map[string]string `json:"settings"`
}

// PoolGroup is what a pool's Auto Scaling group is made of: the instance type by which the
// pool's time is priced, the most workers, and the warm instances.
type PoolGroup struct {
	InstanceType string `json:"instance_type"`
	Max          int    `json:"max"`
	Warm         int    `json:"warm,omitempty"`
}

// StageParameterPath is where SSM keeps a stage's StageParameter. It lies outside of SettingsPath,
// as it is no setting.
func StageParameterPath(stage string) string { return "/paragon-stages/" + stage }

// Operator is the name of the policy that lets its holder run a stage. Names of policies
// are the account's, so that it says the region.
func Operator(stage, region string) string { return Prefix(stage) + "operator-" + region }
