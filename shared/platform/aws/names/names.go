// Package names is the agreement between the stack and what runs in it: the
// environment variables, the physical names and the shape of the tables. It
// imports package platform alone, so that the stack's code can use it.
package names

import (
	"fmt"
	"strings"

	"github.com/paragon-serving/paragon/shared/platform"
)

// The environment of a function or worker in an account. All are set by the
// stack; AWS_REGION and credentials come from the usual chain.
const (
	Stage          = "PARAGON_STAGE"            // such as dev; this variable chooses the backend in an account
	StateTable     = "PARAGON_STATE_TABLE"      // table of the stage's state
	RecordsTable   = "PARAGON_RECORDS_TABLE"    // table of how queries ended
	Bucket         = "PARAGON_BUCKET"           // bucket of uploads
	QueueURLPrefix = "PARAGON_QUEUE_URL_PREFIX" // a queue's URL less its platform.QueueName: https://sqs.<region>.<suffix>/<account>/paragon-<stage>-
	WorkerLogGroup = "PARAGON_WORKER_LOG_GROUP" // where machines send their workers' journals
	Settings       = "PARAGON_SETTINGS"         // the deployment's values of settings, which those in SSM override: JSON, {"path_ms":"80"}
)

// TerminationHook names the lifecycle hook of a group by which a worker drains
// before its instance is terminated, and LaunchHook the one by which it says that it
// serves; an instance of a warm pool completes that one before, too, when it is
// prepared, upon which it is stopped.
const TerminationHook, LaunchHook = "drain", "launch"

// Of the table of records and idempotency keys. It has no index.
const (
	RecordKey  = "pk"     // S: an owner and shard, an hour of samples, or a key
	RecordSort = "sk"     // S: the query's id
	RecordTTL  = "forget" // N: Unix seconds; the table's time-to-live attribute
)

// Of the table of the stage's state.
const (
	StateKey  = "pk"  // S
	StateSort = "sk"  // S
	StateTTL  = "ttl" // N: Unix seconds; the table's time-to-live attribute
)

// Namespace is the CloudWatch namespace of Paragon's metrics, and
// StageDimension the dimension that every one of them has.
const (
	Namespace      = "Paragon"
	StageDimension = "stage"
)

// WarmState begins the lifecycle states of the instances of a group's warm pool.
const WarmState = "Warmed:"

// UploadPrefix is where uploads lie in the bucket.
const UploadPrefix = "uploads/"

// ModelsPrefix is where the models lie in their bucket that operators add.
const ModelsPrefix = "models"

// Prefix starts every physical name of a stage.
func Prefix(stage string) string { return "paragon-" + stage + "-" }

// Queue is the name of a queue in an account.
func Queue(stage string, q platform.QueueName) string { return Prefix(stage) + string(q) }

// Group is the name of a pool's Auto Scaling group.
func Group(stage, pool string) string { return Prefix(stage) + pool }

// Function is the name of a function in an account, given the one that Paragon
// knows it by: api, dispatcher, controller, or inference.FunctionName.
func Function(stage, function string) string { return Prefix(stage) + function }

// SettingsPath is where the settings of a stage lie in SSM; a setting's name follows it.
func SettingsPath(stage string) string { return "/paragon/" + stage + "/" }

// maxStage bounds a stage's name, so that every physical name fits its service.
const maxStage = 16

// ErrStageName is of a name that no stage can have.
var ErrStageName = fmt.Errorf("the name of a stage has 1 to %d lower-case letters, digits and dashes, begins with a letter and does not end with a dash", maxStage)

// CheckStage reports what is wrong with a stage's name: it is 1 to 16 lower-case
// letters, digits and dashes, with a letter first and no dash last. ErrStageName.
func CheckStage(stage string) error {
	ok := stage != "" && len(stage) <= maxStage && stage[0] >= 'a' && stage[0] <= 'z' && !strings.HasSuffix(stage, "-")
	for _, c := range stage {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	if !ok {
		return fmt.Errorf("stage %q: %w", stage, ErrStageName)
	}
	return nil
}
